//! Acts of administration, in the words of the command line where it has them.

use acd::command::{
    AgentCommand, ClusterCommand, Command, ConfigCommand, ContactCommand, LeaderChoice, SiteCommand,
};

/// What an act is called, and what it is about.
pub(super) fn deed(command: &Command) -> (&'static str, String) {
    match command {
        Command::Cluster(command) => of_cluster(command),
        Command::Contact(command) => of_contact(command),
        Command::Agent(command) => of_agent(command),
        Command::Site(command) => of_site(command),
        Command::Config(command) => of_config(command),
        // Not administration.
        Command::Work(_) => ("work", String::new()),
    }
}

fn of_cluster(command: &ClusterCommand) -> (&'static str, String) {
    use ClusterCommand as C;
    match command {
        C::Init { cluster, .. } => ("init", cluster.as_str().to_owned()),
        C::SetTime { to } => ("set time", crate::output::time(to.0)),
        C::AdvanceTo { to } => ("advance time", crate::output::time(to.0)),
        C::RaiseVersion { to } => ("cluster finalize-upgrade", format!("version {to}")),
        C::TransferLeader { to, .. } => {
            let to = match to {
                LeaderChoice::Node(node) => format!("node {}", node.0),
                LeaderChoice::Site(site) => site.to_string(),
                LeaderChoice::NotNode(node) => format!("any but node {}", node.0),
                LeaderChoice::NotSite(site) => format!("anywhere but {site}"),
            };
            ("cluster transfer-leader", to)
        }
        C::Tick | C::TermStarted { .. } | C::Checkpoint { .. } => ("cluster", String::new()),
    }
}

fn of_contact(command: &ContactCommand) -> (&'static str, String) {
    match command {
        ContactCommand::Move { contact, to } => ("contact move", format!("{contact} to {to}")),
        ContactCommand::Remove { contact } => ("contact remove", contact.to_string()),
        _ => ("contact", String::new()),
    }
}

fn of_agent(command: &AgentCommand) -> (&'static str, String) {
    match command {
        AgentCommand::SetReady { agent } => ("agent ready", agent.to_string()),
        AgentCommand::SetNotReady { agent, .. } => ("agent not-ready", agent.to_string()),
        AgentCommand::ForceLogOut { agent } => ("agent log-out", agent.to_string()),
        _ => ("agent", String::new()),
    }
}

fn of_site(command: &SiteCommand) -> (&'static str, String) {
    use SiteCommand as S;
    match command {
        S::Put { config, .. } => ("site put", config.id.to_string()),
        S::Delete { site, .. } => ("site delete", site.to_string()),
        S::AddNode { site } => ("node add", site.to_string()),
        S::IssueToken { site, role, .. } => {
            ("cluster join-token", format!("{site}, {}", role.word()))
        }
        S::RevokeToken { token } => ("cluster revoke-token", token.0.to_string()),
        S::RedeemToken { address, .. } => ("node join", address.as_str().to_owned()),
        S::SetNodeRole { node, role, .. } => {
            ("node role", format!("node {} to {}", node.0, role.word()))
        }
        S::RetireNode { node, .. } => ("node remove", format!("node {}", node.0)),
        S::RemoveNode { node } => ("node removed", format!("node {}", node.0)),
        S::NodeLost { node } => ("node lost", format!("node {}", node.0)),
        S::Suspect { site } => ("site suspect", site.to_string()),
        S::Heard { site } => ("site heard", site.to_string()),
        S::Lost { site } => ("site lost", site.to_string()),
        S::CaughtUp { site } => ("site caught-up", site.to_string()),
        S::DeclareLost { site, .. } => ("site failover --unplanned", site.to_string()),
        S::Drain { site, .. } => ("site drain", site.to_string()),
        S::CancelDrain { site, .. } => ("site cancel-drain", site.to_string()),
        S::Return { site, .. } => ("site return", site.to_string()),
    }
}

fn of_config(command: &ConfigCommand) -> (&'static str, String) {
    use ConfigCommand as C;
    match command {
        C::PutQueue { config, .. } => ("queue put", config.id.to_string()),
        C::DeleteQueue { queue, .. } => ("queue delete", queue.to_string()),
        C::CloseQueue { queue, .. } => ("queue close", queue.to_string()),
        C::ReopenQueue { queue, .. } => ("queue reopen", queue.to_string()),
        C::PutCalendar { config, .. } => ("calendar put", config.id.to_string()),
        C::DeleteCalendar { calendar, .. } => ("calendar delete", calendar.to_string()),
        C::PutSkill { skill, .. } => ("skill put", skill.to_string()),
        C::DeleteSkill { skill, .. } => ("skill delete", skill.to_string()),
        C::PutAgent { config, .. } => ("agent put", config.id.to_string()),
        C::DeleteAgent { agent, .. } => ("agent delete", agent.to_string()),
        C::MoveAgent { agent, queues, duration, .. } => {
            let to: Vec<_> = queues.iter().map(|served| served.queue.as_str()).collect();
            let time = duration.map(|ms| format!(" for {}", crate::output::duration(ms.0)));
            let time = time.unwrap_or_default();
            ("agent move", format!("{agent} to {}{time}", to.join(", ")))
        }
        C::EndMove { agent, .. } => ("agent end-move", agent.to_string()),
        C::PutPrincipal { principal, roles, .. } => {
            ("principal put", format!("{principal}: {roles}"))
        }
        C::DeletePrincipal { principal, .. } => ("principal delete", principal.to_string()),
        C::PutSettings { .. } => ("settings put", String::new()),
    }
}
