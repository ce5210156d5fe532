//! The centre that the parties work in: queues of differing rules, agents of all sites.

use acd::channel::{Channel, Channels};
use acd::command::{AgentCommand, Command, ConfigCommand, SiteCommand};
use acd::config::{
    AgentConfig, Assignment, Capacity, Grade, HeadStart, Overflow, Priority, QueueConfig,
    Requirement, Requirements, ReturnMode, Settings, SiteConfig, SitePolicy, SkillLevel, Step,
    Strategy,
};
use acd::ids::{AgentId, PrincipalId, QueueId, SiteId, SkillId};
use acd::rejection::Rejection;
use acd::roles::{Role, Roles};
use acd::text::Label;
use acd::time::Millis;
use openraft_rt::AsyncRuntime;

use super::client::Client;
use super::{Door, Plan};
use crate::history::Outcome;

/// Agents of each site.
const AGENTS_PER_SITE: usize = 3;

/// An agent, and the position in the plan of the node to begin at.
pub(super) struct Desk {
    pub(super) config: AgentConfig,
    pub(super) node: usize,
}

/// Sites of the plan, each once, with the position of the first node.
pub(super) fn sites(plan: &Plan) -> Vec<(SiteId, usize)> {
    let mut sites: Vec<(SiteId, usize)> = Vec::new();
    for (at, (_, site)) in plan.nodes.iter().enumerate() {
        if sites.iter().all(|(known, _)| known != site) {
            sites.push((site.clone(), at));
        }
    }
    sites
}

/// The roster.
pub(super) fn agents(plan: &Plan) -> Vec<Desk> {
    let mut desks = Vec::new();
    for (site, node) in sites(plan) {
        for number in 0..AGENTS_PER_SITE {
            // The configuration is made of constants; a mistake in it is one of this file.
            let config = agent(&site, number).expect("the roster is well formed");
            desks.push(Desk { config, node });
        }
    }
    desks
}

fn agent(site: &SiteId, number: usize) -> Result<AgentConfig, Rejection> {
    let assigned = |queue: &str, grade: u32| -> Result<Assignment, Rejection> {
        Ok(Assignment { queue: QueueId::new(queue)?, grade: Grade::new(grade)? })
    };
    let queues = match number {
        0 => vec![assigned("sales", 1)?, assigned("vip", 1)?, assigned("mail", 3)?],
        1 => vec![assigned("service", 1)?, assigned("sales", 2)?, assigned("mail", 3)?],
        _ => vec![assigned("service", 1)?, assigned("vip", 2)?, assigned("mail", 1)?],
    };
    let level = SkillLevel::new(3 + 3 * u32::try_from(number).unwrap_or(0))?;
    let skills = vec![(SkillId::new("ukrainian")?, level)];
    let id = format!("agent-{site}-{number}");
    Ok(AgentConfig {
        id: AgentId::new(&id)?,
        name: Label::new(&id)?,
        home_site: site.clone(),
        skills,
        queues,
        capacity: Capacity::default(),
    })
}

/// What a contact of the queue `vip` may ask for.
pub(super) fn speaks(level: u32) -> Requirements {
    let requirement = |level| -> Result<Requirement, Rejection> {
        Ok(Requirement { skill: SkillId::new("ukrainian")?, level: SkillLevel::new(level)? })
    };
    requirement(level).into_iter().collect()
}

fn queue(id: &str, channels: &[Channel]) -> Result<QueueConfig, Rejection> {
    let mut config = QueueConfig::new(QueueId::new(id)?, Label::new(id)?);
    config.channels = Channels::of(channels);
    config.offer_timeout = Millis(2_500);
    config.connect_timeout = Millis(2_500);
    config.cool_down = Millis(3_000);
    config.wrap_up = Millis(900);
    config.handle_max = Millis::seconds(20);
    config.preferred_wait = Millis(2_000);
    Ok(config)
}

/// The queues, in an order in which each names only earlier ones.
pub(super) fn queues(plan: &Plan) -> Result<Vec<QueueConfig>, Rejection> {
    use Channel::{Callback, Chat, Email, Message, Voice};
    let mut service = queue("service", &[Voice, Chat, Callback])?;
    service.site_policy = SitePolicy::LocalFirst { spill_after: Millis(1_500) };
    service.strategy = Strategy::RoundRobin;
    service.wrap_up = Millis::ZERO;

    let mut sales = queue("sales", &[Voice, Callback])?;
    let further = vec![QueueId::new("service")?];
    sales.steps.push(Step {
        after: Millis(3_000),
        extra_queues: further,
        head_start: Millis(2_000),
        ..Step::default()
    });
    sales.head_starts = vec![
        (Priority::new(5)?, HeadStart::By(Millis(6_000))),
        (Priority::new(9)?, HeadStart::Strict),
    ];
    sales.wait_max = Millis::seconds(8);
    sales.overflow = Overflow::Queue(QueueId::new("service")?);
    sales.closed = Overflow::Callback;

    let mut vip = queue("vip", &[Voice, Callback])?;
    let shares = sites(plan).into_iter().enumerate();
    vip.site_policy =
        SitePolicy::Shares(shares.map(|(at, (site, _))| (site, 1 + at as u32)).collect());
    vip.strategy = Strategy::MostSkilled;
    vip.steps[0].skills = speaks(6);
    vip.steps.push(Step { after: Millis(2_500), ..Step::default() });
    vip.length_max = 2;
    vip.overflow = Overflow::Callback;
    vip.auto_answer = true;

    let mut mail = queue("mail", &[Email, Message])?;
    mail.site_policy = SitePolicy::FreeCapacity { hysteresis: 1 };
    mail.strategy = Strategy::LeastOccupied;
    mail.wrap_up = Millis(400);
    mail.wait_max = Millis(2_500);
    Ok(vec![service, sales, vip, mail])
}

/// Times short enough for a minute to see them pass.
fn settings() -> Settings {
    Settings {
        unreachable_for: Millis(5_000),
        orphan_after: Millis(1_500),
        stranded_for: Millis(6_000),
        stranded_callback_for: Millis(9_000),
        ..Settings::default()
    }
}

/// Everything to be configured, in order.
fn commands(plan: &Plan) -> Result<Vec<Command>, Rejection> {
    let mut all: Vec<Command> = Vec::new();
    all.push(ConfigCommand::PutSettings { settings: settings(), expected: None }.into());
    for (site, _) in sites(plan) {
        let mut config = SiteConfig::new(site.clone(), Label::new(site.as_str())?);
        config.return_mode = ReturnMode::After(Millis(1_500));
        all.push(SiteCommand::Put { config, expected: None }.into());
        all.push(grant(&format!("edge-{site}"), &[Role::Ingress], Some(site))?);
    }
    all.push(grant("desk", &[Role::Gateway], None)?);
    let (skill, name) = (SkillId::new("ukrainian")?, Label::new("Ukrainian")?);
    all.push(ConfigCommand::PutSkill { skill, name, expected: None }.into());
    for config in queues(plan)? {
        all.push(ConfigCommand::PutQueue { config, expected: None }.into());
    }
    for Desk { config, .. } in agents(plan) {
        all.push(ConfigCommand::PutAgent { config, expected: None }.into());
    }
    Ok(all)
}

fn grant(who: &str, roles: &[Role], site: Option<SiteId>) -> Result<Command, Rejection> {
    let principal = PrincipalId::new(who)?;
    let roles = Roles::of(roles);
    Ok(ConfigCommand::PutPrincipal { principal, roles, site, expected: None }.into())
}

/// Configures the centre, one command after the other.
pub(super) async fn configure<D: Door, RT: AsyncRuntime>(
    client: &mut Client<D>,
) -> Result<(), String> {
    let commands = commands(&client.plan).map_err(|rejection| rejection.to_string())?;
    let admin = client.plan.admin.clone();
    for command in commands {
        let submission = client.administer(&admin, command);
        match client.insist::<RT>(0, &submission).await {
            Some(Outcome::Committed { .. }) => {}
            other => return Err(format!("{:?}: {other:?}", submission.command)),
        }
    }
    Ok(())
}

/// Takes back what keeps people from being served: closures, drains, moves, agents set aside.
pub(super) async fn reopen<D: Door, RT: AsyncRuntime>(client: &mut Client<D>) {
    let mut all: Vec<Command> = Vec::new();
    for config in queues(&client.plan).into_iter().flatten() {
        all.push(ConfigCommand::ReopenQueue { queue: config.id, expected: None }.into());
    }
    for (site, _) in sites(&client.plan) {
        all.push(SiteCommand::CancelDrain { site: site.clone(), expected: None }.into());
        all.push(SiteCommand::Return { site, expected: None }.into());
    }
    for Desk { config, .. } in agents(&client.plan) {
        let agent = config.id;
        all.push(ConfigCommand::EndMove { agent: agent.clone(), expected: None }.into());
        all.push(AgentCommand::SetReady { agent }.into());
    }
    let admin = client.plan.admin.clone();
    for command in all {
        let submission = client.administer(&admin, command);
        let at = client.dice.below(64) as usize;
        // Most of it is not needed, and is refused.
        let _ = client.insist::<RT>(at, &submission).await;
    }
}
