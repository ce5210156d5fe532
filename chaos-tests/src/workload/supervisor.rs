//! A supervisor: moves agents, closes queues, drains sites and changes its mind; says everything
//! twice when in doubt.

use acd::command::{AgentCommand, Command, ConfigCommand, ContactCommand, SiteCommand};
use acd::config::Strategy;
use acd::ids::{ContactId, QueueId};
use acd::text::Label;
use acd::time::Millis;
use openraft_rt::AsyncRuntime;

use super::client::Client;
use super::{Door, Phase, setup};

/// Works until everybody goes home.
pub(super) async fn work<D: Door, RT: AsyncRuntime>(mut client: Client<D>) {
    let admin = client.plan.admin.clone();
    while client.phase() == Phase::Busy {
        client.pause::<RT>(150, 800).await;
        for command in decide(&mut client) {
            let submission = client.administer(&admin, command);
            let at = client.dice.below(64) as usize;
            let _ = client.insist::<RT>(at, &submission).await;
            if client.dice.percent(40) {
                // The same request again: the same answer.
                let _ = client.insist::<RT>(at + 1, &submission).await;
            }
            client.pause::<RT>(50, 900).await;
        }
    }
}

/// What comes to mind: one thing, or one and its opposite.
fn decide<D: Door>(client: &mut Client<D>) -> Vec<Command> {
    let desks = setup::agents(&client.plan);
    let sites = setup::sites(&client.plan);
    let queues = setup::queues(&client.plan).unwrap_or_default();
    // One that came in lately, if it came in as often as planned.
    let arrived = client.now() / client.plan.pace.max(1);
    let contact = format!(
        "edge-{}:{}",
        client.dice.pick(&sites).map_or("", |(site, _)| site.as_str()),
        arrived.saturating_sub(client.dice.between(1, 12)).max(1)
    );
    let (Some(desk), Some((site, _)), Some(queue), Ok(contact)) = (
        client.dice.pick(&desks),
        client.dice.pick(&sites).cloned(),
        client.dice.pick(&queues).cloned(),
        ContactId::new(&contact),
    ) else {
        return Vec::new();
    };
    let agent = desk.config.id.clone();
    let expected = None;
    match client.dice.below(100) {
        0..20 => {
            let assigned = client.dice.pick(&desks).map(|d| d.config.queues.clone());
            let queues = assigned.unwrap_or_default();
            let duration = Some(Millis(client.dice.between(1_000, 8_000)));
            let moved = ConfigCommand::MoveAgent {
                agent: agent.clone(),
                queues,
                home_site: None,
                duration,
                expected,
            };
            let mut all = vec![moved.into()];
            if client.dice.percent(30) {
                all.push(ConfigCommand::EndMove { agent, expected }.into());
            }
            all
        }
        20..36 => {
            let until = client.recorder.log_time().plus(Millis(client.dice.between(500, 3_000)));
            let flush = client.dice.percent(15);
            let id = queue.id;
            let close = ConfigCommand::CloseQueue { queue: id.clone(), until, flush, expected };
            let mut all = vec![close.into()];
            if client.dice.percent(50) {
                all.push(ConfigCommand::ReopenQueue { queue: id, expected }.into());
            }
            all
        }
        36..48 => {
            let (deadline, expiry) = (Millis(1_200), Millis(client.dice.between(1_000, 4_000)));
            let drain = SiteCommand::Drain {
                site: site.clone(),
                deadline,
                expiry,
                callback: client.dice.percent(40),
                force: client.dice.percent(15),
                expected,
            };
            let mut all = vec![drain.into()];
            if client.dice.percent(70) {
                all.push(SiteCommand::CancelDrain { site, expected }.into());
            }
            all
        }
        48..58 => {
            let mut config = queue;
            config.strategy = match client.dice.below(3) {
                0 => Strategy::LongestIdle,
                1 => Strategy::RoundRobin,
                _ => Strategy::MostSkilled,
            };
            vec![ConfigCommand::PutQueue { config, expected }.into()]
        }
        58..70 => match QueueId::new("service") {
            Ok(to) => vec![ContactCommand::Move { contact, to }.into()],
            Err(_) => Vec::new(),
        },
        70..76 => vec![ContactCommand::Remove { contact }.into()],
        76..90 => match Label::new("training") {
            Ok(reason) => vec![
                AgentCommand::SetNotReady { agent: agent.clone(), reason }.into(),
                AgentCommand::SetReady { agent }.into(),
            ],
            Err(_) => Vec::new(),
        },
        90..95 => vec![AgentCommand::ForceLogOut { agent }.into()],
        _ => vec![SiteCommand::Return { site, expected }.into()],
    }
}
