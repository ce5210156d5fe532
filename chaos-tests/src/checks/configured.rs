//! Configuration as the audit trail tells of it.

use acd::command::{ClusterCommand, Command, ConfigCommand, SiteCommand};
use acd::event::SiteState;

use super::ledger::Ledger;

/// Notes an act of administration that was carried out.
pub(crate) fn note(ledger: &mut Ledger, command: &Command) {
    match command {
        Command::Cluster(ClusterCommand::Init { site, .. }) => {
            ledger.sites.insert(site.clone(), SiteState::Active);
        }
        Command::Site(SiteCommand::Put { config, .. }) => {
            ledger.sites.entry(config.id.clone()).or_insert(SiteState::Active);
        }
        Command::Site(SiteCommand::Delete { site, .. }) => {
            ledger.sites.remove(site);
        }
        Command::Config(command) => note_config(ledger, command),
        _ => {}
    }
}

fn note_config(ledger: &mut Ledger, command: &ConfigCommand) {
    match command {
        ConfigCommand::PutQueue { config, .. } => {
            let last = u8::try_from(config.steps.len()).unwrap_or(u8::MAX).saturating_sub(1);
            for contact in ledger.contacts.values_mut().filter(|c| c.queue == config.id) {
                contact.step = contact.step.min(last);
            }
            ledger.queues.insert(config.id.clone(), config.clone());
        }
        ConfigCommand::DeleteQueue { queue, .. } => {
            ledger.queues.remove(queue);
        }
        ConfigCommand::PutAgent { config, .. } => ledger.put_agent(config),
        ConfigCommand::DeleteAgent { agent, .. } => {
            ledger.agents.remove(agent);
        }
        ConfigCommand::MoveAgent { agent, queues, duration, .. } => {
            if let Some(agent) = ledger.agents.get_mut(agent) {
                match duration {
                    Some(_) => agent.moved = Some(queues.clone()),
                    None => {
                        agent.config.queues = queues.clone();
                        agent.moved = None;
                    }
                }
            }
        }
        ConfigCommand::PutSettings { settings, .. } => ledger.settings = settings.clone(),
        _ => {}
    }
}
