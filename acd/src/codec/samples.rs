//! At least one sample of every command, with every optional part present and absent.

use alloc::{boxed::Box, vec, vec::Vec};

use prost::Message;
use proto::stored::v1;

use crate::channel::{Channel, Channels, Media, Medium};
use crate::command::{
    AgentCommand, CheckpointVote, ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue,
    HeldContact, LeaderChoice, Request, SiteCommand, Submission, TransferTarget, WorkCommand,
};
use crate::config::{
    AgentConfig, Assignment, Calendar, Capacity, Grade, HeadStart, Interval, Overflow, Priority,
    QueueConfig, Requirement, Requirements, ReturnMode, ServiceTarget, Settings, SiteConfig,
    SitePolicy, SkillLevel, Step, Strategy,
};
use crate::ids::{
    AgentId, CalendarId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, RequestId, Revision,
    Seq, SessionEpoch, SiteId, SkillId,
};
use crate::record::{AuditRecord, ContactRecord, Outcome};
use crate::roles::{Role, Roles};
use crate::site::NodeRole;
use crate::text::{Address, Attributes, Label};
use crate::time::{LogTime, Millis};

/// Lists the variants of every group: an exhaustive match, and the names that the samples have
/// to cover. A new command does not compile until it is listed here, and listed here it fails
/// the test until it has a sample.
macro_rules! variants {
    ($($group:ident($inner:ident) { $($variant:ident),+ })+) => {
        pub(super) const VARIANTS: &[&str] =
            &[$($(concat!(stringify!($group), "::", stringify!($variant))),+),+];

        pub(super) fn variant(command: &Command) -> &'static str {
            match command {
                $($(Command::$group($inner::$variant { .. }) => {
                    concat!(stringify!($group), "::", stringify!($variant))
                })+)+
            }
        }
    };
}

variants! {
    Cluster(ClusterCommand) {
        Init, Tick, TermStarted, SetTime, AdvanceTo, Checkpoint, RaiseVersion,
        TransferLeader
    }
    Contact(ContactCommand) {
        Enqueue, HangUp, Bridged, BridgeFailed, RequestCallback, SetRecording, RecordCsat, Attach,
        Detach, Reattach, Move, Remove
    }
    Work(WorkCommand) {
        Accept, Decline, Hold, Retrieve, End, Complete, SetDisposition, Transfer, Consult
    }
    Agent(AgentCommand) {
        LogIn, LogOut, Ready, NotReady, OpenMedium, SessionLost, SetReady, SetNotReady, ForceLogOut
    }
    Site(SiteCommand) {
        Put, Delete, AddNode, IssueToken, RevokeToken, RedeemToken, SetNodeRole, RetireNode,
        RemoveNode, NodeLost, Suspect, Heard, Lost, CaughtUp, DeclareLost,
        Drain, CancelDrain, Return
    }
    Config(ConfigCommand) {
        PutQueue, DeleteQueue, CloseQueue, ReopenQueue, PutCalendar, DeleteCalendar, PutSkill,
        DeleteSkill, PutAgent, DeleteAgent, MoveAgent, EndMove, PutPrincipal, DeletePrincipal,
        PutSettings
    }
}

pub(super) fn queue() -> QueueId {
    QueueId::new("billing").unwrap()
}

pub(super) fn agent() -> AgentId {
    AgentId::new("anna").unwrap()
}

pub(super) fn site() -> SiteId {
    SiteId::new("kyiv").unwrap()
}

fn skill() -> SkillId {
    SkillId::new("english").unwrap()
}

pub(super) fn calendar() -> CalendarId {
    CalendarId::new("office-hours").unwrap()
}

pub(super) fn principal() -> PrincipalId {
    PrincipalId::new("sip-edge.1").unwrap()
}

pub(super) fn contact() -> ContactId {
    ContactId::new("Call:1@edge~7").unwrap()
}

pub(super) fn label() -> Label {
    Label::new("Рахунки, 3-й поверх").unwrap()
}

fn requirements() -> Requirements {
    let requirement = |skill: &str, level| Requirement {
        skill: SkillId::new(skill).unwrap(),
        level: SkillLevel::new(level).unwrap(),
    };
    Requirements::from([requirement("english", 7), requirement("stocks", 1)])
}

fn attributes() -> Attributes {
    let item = |name: &str, value: &str| v1::Attribute { name: name.into(), value: value.into() };
    let items = vec![item("name", "Олена"), item("vip", "")];
    Attributes::new(&v1::Attributes { items }.encode_to_vec()).unwrap()
}

pub(super) const TOKEN: OfferToken = OfferToken(300);
pub(super) const EPOCH: SessionEpoch = SessionEpoch(41);
pub(super) const STAMP: LogTime = LogTime(1_770_000_000_123);
const EXPECTED: Option<Revision> = Some(Revision(3));

/// The command that counts: with every part present.
pub(super) fn enqueue() -> Submission {
    let command = ContactCommand::Enqueue(Enqueue {
        contact: contact(),
        queue: queue(),
        channel: Channel::Callback,
        priority: Priority::new(2).unwrap(),
        site: Some(site()),
        requirements: requirements(),
        preferred: Some(agent()),
        preferred_wait: Some(Millis::ZERO),
        not_before: Some(STAMP),
        attributes: attributes(),
    });
    Submission {
        principal: principal(),
        session: Some(EPOCH),
        request: Some(Request { id: RequestId(u128::MAX - 7), issued_at: STAMP }),
        reason: Some(label()),
        command: command.into(),
    }
}

/// All samples, each group with and without request and reason.
pub(super) fn submissions() -> Vec<Submission> {
    let mut commands: Vec<Command> = Vec::new();
    commands.extend(cluster().into_iter().map(Command::from));
    commands.extend(contacts().into_iter().map(Command::from));
    commands.extend(work().into_iter().map(Command::from));
    commands.extend(agents().into_iter().map(Command::from));
    commands.extend(sites().into_iter().map(Command::from));
    commands.extend(config().into_iter().map(Command::from));
    let full = enqueue();
    commands
        .into_iter()
        .flat_map(|command| {
            let bare = Submission::new(principal(), command.clone());
            [Submission { command, ..full.clone() }, bare]
        })
        .collect()
}

fn cluster() -> Vec<ClusterCommand> {
    use ClusterCommand as C;
    let vote = |node, hash| CheckpointVote { node: NodeId(node), hash };
    vec![
        C::Init { cluster: label(), site: site(), admin: principal(), replay: true },
        C::Tick,
        // Two years without a leader.
        C::TermStarted { leader: NodeId(1), gap: Millis::days(730) },
        C::SetTime { to: STAMP },
        C::AdvanceTo { to: LogTime(0) },
        C::Checkpoint { about: 9, votes: vec![vote(1, u128::MAX - 1), vote(2, 0)] },
        C::Checkpoint { about: 0, votes: vec![] },
        C::RaiseVersion { to: 2 },
        C::TransferLeader { to: LeaderChoice::Node(NodeId(3)), stays: Some(label()) },
        C::TransferLeader { to: LeaderChoice::Site(site()), stays: None },
        C::TransferLeader { to: LeaderChoice::NotNode(NodeId(3)), stays: None },
        C::TransferLeader { to: LeaderChoice::NotSite(site()), stays: None },
    ]
}

fn contacts() -> Vec<ContactCommand> {
    use ContactCommand as C;
    let (contact, ingress, node) = (contact(), principal(), NodeId(5));
    let Command::Contact(full) = enqueue().command else { unreachable!("it is an enqueue") };
    let held = |token| HeldContact { contact: self::contact(), token };
    vec![
        full,
        C::Enqueue(Enqueue {
            contact: contact.clone(),
            queue: queue(),
            channel: Channel::Voice,
            priority: Priority::default(),
            site: None,
            requirements: Requirements::from([]),
            preferred: None,
            preferred_wait: None,
            not_before: None,
            attributes: Attributes::default(),
        }),
        C::HangUp { contact: contact.clone() },
        C::Bridged { contact: contact.clone(), token: TOKEN },
        C::BridgeFailed { contact: contact.clone(), token: TOKEN },
        C::RequestCallback { contact: contact.clone(), not_before: Some(STAMP) },
        C::RequestCallback { contact: contact.clone(), not_before: None },
        C::SetRecording { contact: contact.clone(), reference: label() },
        C::RecordCsat { contact: contact.clone(), score: 100 },
        C::Attach { ingress: ingress.clone(), node },
        C::Detach { ingress, node },
        C::Reattach { contacts: vec![held(None), held(Some(TOKEN)), held(Some(OfferToken(0)))] },
        C::Move { contact: contact.clone(), to: queue() },
        C::Remove { contact },
    ]
}

fn work() -> Vec<WorkCommand> {
    use WorkCommand as W;
    let (contact, token) = (contact(), TOKEN);
    let consult = ContactId::new("second").unwrap();
    vec![
        W::Accept { contact: contact.clone(), token },
        W::Decline { contact: contact.clone(), token },
        W::Hold { contact: contact.clone(), token },
        W::Retrieve { contact: contact.clone(), token },
        W::End { contact: contact.clone(), token },
        W::Complete { contact: contact.clone(), token, disposition: None, resolved: None },
        W::Complete {
            contact: contact.clone(),
            token,
            disposition: Some(label()),
            resolved: Some(false),
        },
        W::SetDisposition { contact: contact.clone(), token, disposition: label(), resolved: true },
        W::Transfer { contact: contact.clone(), token, to: TransferTarget::Queue(queue()) },
        W::Consult { contact, token, consult, to: TransferTarget::Agent(agent()) },
    ]
}

fn agents() -> Vec<AgentCommand> {
    use AgentCommand as A;
    let (agent, epoch) = (agent(), EPOCH);
    let mut samples = vec![
        A::LogIn { agent: agent.clone(), node: NodeId(u64::MAX) },
        A::LogOut { agent: agent.clone(), epoch },
        A::Ready { agent: agent.clone(), epoch },
        A::NotReady { agent: agent.clone(), epoch, reason: label() },
        A::SessionLost { agent: agent.clone(), epoch },
        A::SetReady { agent: agent.clone() },
        A::SetNotReady { agent: agent.clone(), reason: label() },
        A::ForceLogOut { agent: agent.clone() },
    ];
    let open = |medium| A::OpenMedium { agent: agent.clone(), epoch, medium };
    samples.extend(Medium::ALL.map(open));
    samples
}

fn sites() -> Vec<SiteCommand> {
    use SiteCommand as S;
    let (site, node) = (site(), NodeId(5));
    let defaults = SiteConfig::new(site.clone(), label());
    let by_hand =
        SiteConfig { return_mode: ReturnMode::ByHand, leader_priority: 0, ..defaults.clone() };
    let drain = |expected| S::Drain {
        site: self::site(),
        deadline: Millis::minutes(10),
        expiry: Millis::ZERO,
        callback: true,
        force: expected == EXPECTED,
        expected,
    };
    let mut samples = vec![
        S::Put { config: defaults, expected: Some(Revision(0)) },
        S::Put { config: by_hand, expected: None },
        S::AddNode { site: site.clone() },
        S::RevokeToken { token: Seq(9) },
        S::RedeemToken {
            hash: 1,
            key: 1 << 127,
            incarnation: u128::MAX,
            address: Address::new("[fd00::1]:7400").unwrap(),
        },
        S::RemoveNode { node },
        S::NodeLost { node },
        S::Suspect { site: site.clone() },
        S::Heard { site: site.clone() },
        S::Lost { site: site.clone() },
        S::CaughtUp { site: site.clone() },
    ];
    for role in NodeRole::ALL {
        let ttl = Millis::hours(1);
        samples.push(S::IssueToken { hash: 3, site: self::site(), role, ttl });
    }
    for expected in [EXPECTED, None] {
        let fewer = expected.is_some();
        samples.extend([
            S::SetNodeRole { node, role: NodeRole::Witness, fewer, expected },
            S::RetireNode { node, fewer, expected },
            S::Delete { site: site.clone(), expected },
            S::DeclareLost { site: site.clone(), expected },
            drain(expected),
            S::CancelDrain { site: site.clone(), expected },
            S::Return { site: site.clone(), expected },
        ]);
    }
    samples
}

fn config() -> Vec<ConfigCommand> {
    use ConfigCommand as C;
    let mut samples = Vec::new();
    for config in queue_configs() {
        samples.push(C::PutQueue { config, expected: EXPECTED });
    }
    let agent_config = agent_config();
    let unskilled = AgentConfig {
        skills: vec![],
        queues: vec![],
        capacity: Capacity::default(),
        ..agent_config.clone()
    };
    samples.push(C::PutAgent { config: unskilled, expected: None });
    for set in [true, false] {
        let expected = set.then_some(Revision(0));
        samples.extend([
            C::PutQueue { config: QueueConfig::new(queue(), label()), expected },
            C::DeleteQueue { queue: queue(), successor: set.then(queue), expected },
            C::CloseQueue { queue: queue(), until: STAMP, flush: set, expected },
            C::ReopenQueue { queue: queue(), expected },
            C::PutCalendar { config: opening_hours(set), expected },
            C::DeleteCalendar { calendar: calendar(), expected },
            C::PutSkill { skill: skill(), name: label(), expected },
            C::DeleteSkill { skill: skill(), expected },
            C::PutAgent { config: agent_config.clone(), expected },
            C::DeleteAgent { agent: agent(), expected },
            C::MoveAgent {
                agent: agent(),
                queues: agent_config.queues.clone(),
                home_site: set.then(site),
                duration: set.then_some(Millis::hours(2)),
                expected,
            },
            C::EndMove { agent: agent(), expected },
            C::PutPrincipal {
                principal: principal(),
                roles: if set { Roles::of(&Role::ALL) } else { Roles::NONE },
                site: set.then(site),
                expected,
            },
            C::DeletePrincipal { principal: principal(), expected },
            C::PutSettings { settings: settings(set), expected },
        ]);
    }
    samples
}

/// Queues that between them use every alternative.
fn queue_configs() -> Vec<QueueConfig> {
    let policies = [
        SitePolicy::Any,
        SitePolicy::LocalFirst { spill_after: Millis::seconds(20) },
        SitePolicy::Shares(vec![(site(), 600), (SiteId::new("lviv").unwrap(), 400)]),
        SitePolicy::FreeCapacity { hysteresis: 2 },
    ];
    let strategies = [
        Strategy::LongestIdle,
        Strategy::LeastOccupied,
        Strategy::MostSkilled,
        Strategy::RoundRobin,
    ];
    let overflows = [Overflow::Reject, Overflow::Queue(queue()), Overflow::Callback];
    let later = Step {
        after: Millis::seconds(30),
        skills: requirements(),
        sites: vec![site()],
        extra_queues: vec![queue()],
        head_start: Millis::seconds(9),
    };
    let priority = |number| Priority::new(number).unwrap();
    let head_starts =
        vec![(priority(2), HeadStart::By(Millis::seconds(90))), (priority(9), HeadStart::Strict)];
    policies
        .into_iter()
        .zip(strategies)
        .zip(overflows.iter().cycle())
        .map(|((site_policy, strategy), overflow)| QueueConfig {
            id: queue(),
            name: label(),
            channels: Channels::of(&Channel::ALL),
            target: ServiceTarget {
                percent: 80,
                within: Millis(20_001),
                short_abandon: Millis(5_002),
            },
            steps: vec![Step::default(), later.clone()],
            head_starts: head_starts.clone(),
            strategy,
            site_policy,
            offer_timeout: Millis(1),
            connect_timeout: Millis(2),
            cool_down: Millis(3),
            wrap_up: Millis(4),
            handle_max: Millis(5),
            preferred_wait: Millis(6),
            length_max: 7,
            wait_max: Millis(8),
            overflow: overflow.clone(),
            closed: Overflow::Callback,
            calendar: Some(calendar()),
            auto_answer: true,
        })
        .collect()
}

fn agent_config() -> AgentConfig {
    AgentConfig {
        id: agent(),
        name: label(),
        home_site: site(),
        skills: vec![(skill(), SkillLevel::new(10).unwrap())],
        queues: vec![Assignment { queue: queue(), grade: Grade::new(2).unwrap() }],
        capacity: Capacity {
            max: [0, 1, 20, 3],
            interruptible_by: [
                Media::NONE,
                Media::of(&[Medium::Voice]),
                Media::of(&Medium::ALL),
                Media::of(&[Medium::Chat, Medium::Email]),
            ],
        },
    }
}

fn opening_hours(any: bool) -> Calendar {
    let interval = |start, end| Interval { start: LogTime(start), end: LogTime(end) };
    let open = if any { vec![interval(0, 1_000), interval(1_000, 5_000)] } else { vec![] };
    Calendar { id: calendar(), name: label(), open, covers_until: STAMP }
}

fn settings(days: bool) -> Settings {
    Settings {
        unreachable_for: Millis(1),
        orphan_after: Millis(2),
        stranded_for: Millis(3),
        stranded_callback_for: Millis(4),
        calendar_alarm_before: Millis(5),
        day_starts: if days { vec![LogTime(0), STAMP] } else { vec![] },
    }
}

/// A contact with every part present, and one with as little as there can be.
pub(super) fn contact_records() -> Vec<ContactRecord> {
    let abandoned = ContactRecord {
        contact: contact(),
        seq: Seq(200),
        channel: Channel::Voice,
        priority: Priority::new(2).unwrap(),
        ingress: principal(),
        site: site(),
        queue: queue(),
        agent: None,
        agent_site: None,
        token: None,
        outcome: Outcome::Abandoned,
        arrived: STAMP,
        entered_queue: STAMP,
        answered: None,
        closed: STAMP,
        talk: Millis::ZERO,
        hold: Millis::ZERO,
        wrap_up: Millis::ZERO,
        transfers: 0,
        failed_offers: 0,
        disposition: None,
        resolved: None,
        recording: None,
        consult_of: None,
        attributes: attributes(),
    };
    let handled = ContactRecord {
        agent: Some(agent()),
        agent_site: Some(site()),
        token: Some(TOKEN),
        outcome: Outcome::Handled,
        answered: Some(STAMP),
        // Worked out, so it may lie after the last possible stamp.
        closed: LogTime(u64::MAX),
        talk: Millis(u64::MAX),
        hold: Millis(1),
        wrap_up: Millis(2),
        transfers: 255,
        failed_offers: 7,
        disposition: Some(label()),
        resolved: Some(false),
        recording: Some(label()),
        consult_of: Some(ContactId::new("c-1").unwrap()),
        ..abandoned.clone()
    };
    vec![handled, abandoned]
}

/// Every command in the audit trail, with every optional part present and absent.
pub(super) fn audit_records() -> Vec<AuditRecord> {
    let record = |submission: Submission| AuditRecord {
        at: STAMP,
        principal: submission.principal,
        request: submission.request,
        reason: submission.reason,
        inverse: submission.request.map(|_| Box::new(submission.command.clone())),
        command: submission.command,
        refused: None,
    };
    submissions().into_iter().map(record).collect()
}
