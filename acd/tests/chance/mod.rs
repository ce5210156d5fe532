//! Commands by chance: whatever people, front ends, nodes and operators may come up with, in any
//! order, most of it fitting the state the centre is in.

use acd::Centre;
use acd::channel::{Channel, Channels, Medium};
use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, HeldContact, Request,
    SiteCommand, Submission, TransferTarget, WorkCommand,
};
use acd::config::{
    Calendar, HeadStart, Interval, Overflow, Priority, QueueConfig, Settings, SitePolicy,
    SkillLevel, Step, Strategy,
};
use acd::contact::Contact;
use acd::ids::{NodeId, OfferToken, RequestId, SessionEpoch};
use acd::time::{LogTime, Millis};

use crate::scene::*;

pub const CITIES: [&str; 3] = ["kyiv", "lviv", "dnipro"];
pub const QUEUES: [&str; 4] = ["q0", "q1", "q2", "q3"];
const AGENTS: u64 = 8;

/// Numbers by chance, the same for the same seed (splitmix64).
pub struct Chance {
    state: u64,
    contacts: u64,
    requests: u64,
    /// The last submission with a request, to be repeated.
    asked: Option<Submission>,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, contacts: 0, requests: 0, asked: None }
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn city(&mut self) -> &'static str {
        self.pick(&CITIES)
    }

    fn queue_name(&mut self) -> &'static str {
        self.pick(&QUEUES)
    }

    fn agent_name(&mut self) -> String {
        format!("a{}", self.below(AGENTS))
    }

    /// A contact that exists, most of the time.
    fn contact_name(&mut self) -> String {
        let recent = self.contacts.min(25);
        let back = self.below(recent.max(1));
        format!("c{}", self.contacts.saturating_sub(back))
    }

    /// How much time passes before the next entry.
    pub fn pause(&mut self) -> u64 {
        match self.below(60) {
            0 => self.below(20) * 60_000,
            1..5 => self.below(30_000),
            5..20 => self.below(3_000),
            _ => 0,
        }
    }

    /// A centre with three cities and everything configured.
    pub fn scene(&mut self) -> Scene {
        let mut s = Scene::new();
        s.put_skill("english");
        for id in QUEUES {
            let config = self.queue_config(id, true);
            s.put_queue(config);
        }
        for n in 0..AGENTS {
            let id = format!("a{n}");
            let config = self.agent_config(&id);
            s.put_agent(config);
            s.log_in(&id, self.city());
            s.ready(&id);
        }
        s
    }

    fn queue_config(&mut self, id: &str, alone: bool) -> QueueConfig {
        let site_policy = match self.below(4) {
            0 => SitePolicy::Any,
            1 => SitePolicy::LocalFirst { spill_after: seconds(10) },
            2 => SitePolicy::Shares(vec![(site("kyiv"), 3), (site("lviv"), 1)]),
            _ => SitePolicy::FreeCapacity { hysteresis: 1 },
        };
        let mut steps = vec![Step::default()];
        if self.one_in(2) {
            steps[0].skills = requires(&[("english", 3)]);
            steps.push(Step { after: seconds(8), ..Step::default() });
        }
        if !alone && self.one_in(2) {
            let extra_queues = vec![queue(self.queue_name())];
            let head_start = seconds(5);
            steps.push(Step { after: seconds(15), extra_queues, head_start, ..Step::default() });
        }
        let other = queue(self.queue_name());
        let to_other =
            if alone || other.as_str() == id { Overflow::Callback } else { Overflow::Queue(other) };
        let overflow = if self.one_in(2) { Overflow::Reject } else { to_other };
        QueueConfig {
            channels: Channels::of(&[Channel::Voice, Channel::Chat, Channel::Callback]),
            steps,
            head_starts: vec![
                (Priority::new(1).unwrap(), HeadStart::By(seconds(90))),
                (Priority::new(9).unwrap(), HeadStart::Strict),
            ],
            strategy: self.pick(&[
                Strategy::LongestIdle,
                Strategy::LeastOccupied,
                Strategy::MostSkilled,
                Strategy::RoundRobin,
            ]),
            site_policy,
            wait_max: Millis(self.pick(&[0, 40_000, 600_000])),
            length_max: self.pick(&[5, 1_000]),
            overflow: overflow.clone(),
            closed: overflow,
            ..queue_config(id)
        }
    }

    fn agent_config(&mut self, id: &str) -> acd::config::AgentConfig {
        let queues: Vec<(&str, u32)> =
            QUEUES.into_iter().map(|q| (q, 1 + self.below(2) as u32)).collect();
        let served = 1 + self.below(4) as usize;
        let mut config = roster_entry(id, self.city(), &queues[..served]);
        if self.one_in(2) {
            let level = SkillLevel::new(1 + self.below(10) as u32).unwrap();
            config.skills.push((skill("english"), level));
        }
        config
    }

    /// Something that somebody asks for.
    pub fn submission(&mut self, centre: &Centre) -> Submission {
        let (who, command) = match self.below(100) {
            0..25 => return self.enqueue(),
            25..60 => ("desk", self.work(centre)),
            60..70 => ("desk", self.contact(centre)),
            70..84 => self.agent(centre),
            84..90 => self.site(),
            90..96 => ("olena", self.config(centre)),
            _ => ("node-1", self.cluster(centre)),
        };
        let mut submission = Submission::new(principal(who), command);
        if self.one_in(3) {
            if let Some(again) = self.asked.clone().filter(|_| self.one_in(4)) {
                return again;
            }
            self.requests += 1;
            let id = RequestId(u128::from(self.requests) << 60);
            submission.request = Some(Request { id, issued_at: centre.now() });
            self.asked = Some(submission.clone());
        }
        submission
    }

    fn enqueue(&mut self) -> Submission {
        let id = if self.one_in(8) {
            self.contact_name()
        } else {
            self.contacts += 1;
            format!("c{}", self.contacts)
        };
        let mut enqueue = call(&id, self.queue_name());
        enqueue.channel = self.pick(&[Channel::Voice, Channel::Chat, Channel::Callback]);
        enqueue.priority = Priority::new(self.pick(&[0, 0, 1, 9])).unwrap();
        if self.one_in(4) {
            enqueue.preferred = Some(agent(&self.agent_name()));
            enqueue.preferred_wait = Some(Millis(self.pick(&[0, 5_000, 120_000])));
        }
        if self.one_in(5) {
            enqueue.requirements = requires(&[("english", 5)]);
        }
        if enqueue.channel == Channel::Callback && self.one_in(2) {
            enqueue.not_before = Some(LogTime(MORNING + self.below(7_200_000)));
        }
        let edge = format!("edge-{}", self.city());
        Submission::new(principal(&edge), ContactCommand::Enqueue(enqueue).into())
    }

    /// A contact that is with an agent, and the offer it is there by.
    fn engaged(&mut self, centre: &Centre) -> Option<(Contact, OfferToken)> {
        let with = |c: &&Contact| c.stage.engagement().is_some();
        let mut engaged: Vec<&Contact> = centre.tables().contacts().filter(with).collect();
        engaged.sort_by_key(|contact| contact.seq);
        if engaged.is_empty() {
            return None;
        }
        let contact = engaged[self.below(engaged.len() as u64) as usize].clone();
        let token = contact.stage.engagement()?.token;
        Some((contact, token))
    }

    fn target(&mut self) -> TransferTarget {
        if self.one_in(2) {
            TransferTarget::Queue(queue(self.queue_name()))
        } else {
            TransferTarget::Agent(agent(&self.agent_name()))
        }
    }

    fn work(&mut self, centre: &Centre) -> Command {
        let Some((found, token)) = self.engaged(centre) else {
            return ContactCommand::HangUp { contact: contact(&self.contact_name()) }.into();
        };
        let contact = found.id.clone();
        use acd::contact::Stage;
        let fitting = match found.stage {
            Stage::Offered { .. } => self.pick(&[0, 0, 0, 1]),
            Stage::Accepted { .. } => self.pick(&[9, 9, 9, 10]),
            Stage::Connected { .. } => self.pick(&[2, 4, 4, 5, 6, 7, 8]),
            Stage::Held { .. } => self.pick(&[3, 4, 7]),
            _ => self.pick(&[5, 6]),
        };
        let (disposition, resolved) = (Some(label("asked")), Some(self.one_in(2)));
        match if self.one_in(10) { self.below(11) } else { fitting } {
            0 => WorkCommand::Accept { contact, token }.into(),
            1 => WorkCommand::Decline { contact, token }.into(),
            2 => WorkCommand::Hold { contact, token }.into(),
            3 => WorkCommand::Retrieve { contact, token }.into(),
            4 => WorkCommand::End { contact, token }.into(),
            5 => WorkCommand::Complete { contact, token, disposition, resolved }.into(),
            6 => {
                let disposition = label("noted");
                WorkCommand::SetDisposition { contact, token, disposition, resolved: true }.into()
            }
            7 => WorkCommand::Transfer { contact, token, to: self.target() }.into(),
            8 => {
                self.contacts += 1;
                let consult = self::contact(&format!("c{}", self.contacts));
                WorkCommand::Consult { contact, token, consult, to: self.target() }.into()
            }
            9 => ContactCommand::Bridged { contact, token }.into(),
            _ => ContactCommand::BridgeFailed { contact, token }.into(),
        }
    }

    fn contact(&mut self, centre: &Centre) -> Command {
        let contact = contact(&self.contact_name());
        let later = self.one_in(2).then_some(LogTime(centre.now().0 + 60_000));
        let ingress = principal(&format!("edge-{}", self.city()));
        let node = NodeId(1 + self.below(3));
        match self.below(8) {
            0..2 => ContactCommand::HangUp { contact },
            2 => ContactCommand::RequestCallback { contact, not_before: later },
            3 => ContactCommand::SetRecording { contact, reference: label("s3://r/1") },
            4 => ContactCommand::Attach { ingress, node },
            5 => ContactCommand::Detach { ingress, node },
            6 => ContactCommand::Reattach { contacts: vec![HeldContact { contact, token: None }] },
            _ => ContactCommand::RecordCsat { contact, score: 80 },
        }
        .into()
    }

    fn agent(&mut self, centre: &Centre) -> (&'static str, Command) {
        let name = self.agent_name();
        let agent = agent(&name);
        let session = centre.agent(&agent).and_then(|a| a.session);
        let epoch = session.map_or(SessionEpoch(0), |s| s.epoch);
        let reason = label("coffee");
        let node = NodeId(1 + self.below(3));
        match self.below(12) {
            0..3 => ("desk", AgentCommand::LogIn { agent, node }.into()),
            3..7 => ("desk", AgentCommand::Ready { agent, epoch }.into()),
            7 => ("desk", AgentCommand::NotReady { agent, epoch, reason }.into()),
            8 => ("desk", AgentCommand::OpenMedium { agent, epoch, medium: Medium::Chat }.into()),
            9 => ("node-2", AgentCommand::SessionLost { agent, epoch }.into()),
            10 => ("olena", AgentCommand::SetNotReady { agent, reason }.into()),
            _ if self.one_in(2) => ("desk", AgentCommand::LogOut { agent, epoch }.into()),
            _ => ("olena", AgentCommand::ForceLogOut { agent }.into()),
        }
    }

    fn site(&mut self) -> (&'static str, Command) {
        let (site, expected) = (site(self.city()), None);
        match self.below(15) {
            0 => ("node-1", SiteCommand::Suspect { site }.into()),
            1..3 => ("node-1", SiteCommand::Heard { site }.into()),
            3 => ("node-1", SiteCommand::Lost { site }.into()),
            4..6 => ("node-1", SiteCommand::CaughtUp { site }.into()),
            6..10 => {
                let (deadline, expiry) = (seconds(30), seconds(300));
                let (callback, force) = (self.one_in(2), self.one_in(2));
                let drain =
                    SiteCommand::Drain { site, deadline, expiry, callback, force, expected };
                ("olena", drain.into())
            }
            10 => ("olena", SiteCommand::CancelDrain { site, expected }.into()),
            11..13 => ("olena", SiteCommand::Return { site, expected }.into()),
            13 => {
                let node = NodeId(1 + self.below(3));
                ("node-1", SiteCommand::NodeLost { node }.into())
            }
            _ => ("olena", SiteCommand::AddNode { site }.into()),
        }
    }

    fn config(&mut self, centre: &Centre) -> Command {
        let expected = None;
        let name = self.queue_name();
        let agent_name = self.agent_name();
        match self.below(14) {
            0..3 => ConfigCommand::PutQueue { config: self.queue_config(name, false), expected },
            3 => {
                let successor = Some(queue(self.queue_name()));
                ConfigCommand::DeleteQueue { queue: queue(name), successor, expected }
            }
            4 => {
                let (until, flush) = (LogTime(centre.now().0 + 90_000), self.one_in(2));
                ConfigCommand::CloseQueue { queue: queue(name), until, flush, expected }
            }
            5 => ConfigCommand::ReopenQueue { queue: queue(name), expected },
            6..8 => ConfigCommand::PutAgent { config: self.agent_config(&agent_name), expected },
            8 => ConfigCommand::DeleteAgent { agent: agent(&agent_name), expected },
            9 => ConfigCommand::MoveAgent {
                agent: agent(&agent_name),
                queues: roster_entry("x", "kyiv", &[(name, 1)]).queues,
                home_site: self.one_in(2).then(|| site("lviv")),
                duration: self.one_in(2).then_some(seconds(200)),
                expected,
            },
            10 => ConfigCommand::EndMove { agent: agent(&agent_name), expected },
            11 => ConfigCommand::PutCalendar {
                config: Calendar {
                    id: acd::ids::CalendarId::new("office").unwrap(),
                    name: label("office"),
                    open: vec![Interval { start: LogTime(0), end: LogTime(MORNING + 3_600_000) }],
                    covers_until: LogTime(centre.now().0 + Millis::days(30).0 + 20_000),
                },
                expected,
            },
            12 => ConfigCommand::PutSettings {
                settings: Settings { unreachable_for: seconds(20), ..Settings::default() },
                expected,
            },
            _ => {
                let to = queue(self.queue_name());
                return ContactCommand::Move { contact: contact(&self.contact_name()), to }.into();
            }
        }
        .into()
    }

    fn cluster(&mut self, centre: &Centre) -> Command {
        match self.below(5) {
            0 => ClusterCommand::TermStarted { leader: NodeId(1), gap: seconds(4) },
            1 => ClusterCommand::SetTime { to: LogTime(centre.now().0 + self.below(3_000)) },
            2 => ClusterCommand::Checkpoint { about: 0, votes: Vec::new() },
            _ => ClusterCommand::Tick,
        }
        .into()
    }
}
