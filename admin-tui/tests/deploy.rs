//! `deploy/centre.toml` is a centre that a cluster takes, and that can do what its comments say.

use acd::Centre;
use acd::command::{ClusterCommand, Submission};
use acd::ids::{PrincipalId, SiteId};
use acd::text::Label;
use acd::time::LogTime;
use admin_tui::centre_file::CentreFile;

const SAMPLE: &str = include_str!("../../deploy/centre.toml");
/// 2027-02-01T10:00:00Z.
const NOW: LogTime = LogTime(1_801_476_000_000);

#[test]
fn the_sample_makes_a_centre_and_can_be_applied_again() {
    let file = CentreFile::parse(SAMPLE).unwrap();
    let mut centre = Centre::new();
    let mut index = 0;
    let mut must = |centre: &mut Centre, command| {
        index += 1;
        let operator = PrincipalId::new("operator").unwrap();
        let submission = Submission::new(operator, command);
        let reply = centre.apply(index, NOW, submission, &mut Vec::new());
        centre.check_invariants().unwrap();
        reply.unwrap_or_else(|rejection| panic!("{rejection}"));
    };
    let init = ClusterCommand::Init {
        cluster: Label::new("Three cities").unwrap(),
        site: SiteId::new("kyiv").unwrap(),
        admin: PrincipalId::new("operator").unwrap(),
        replay: false,
    };
    must(&mut centre, init.into());
    for _ in 0..2 {
        for command in file.to_commands(NOW).unwrap() {
            must(&mut centre, command);
        }
    }
    assert_eq!(file.sites.len(), 3);
    for queue in &file.queues {
        let is_served = file.agents.iter().any(|agent| agent.queues.contains_key(&queue.id));
        assert!(is_served, "nobody serves {:?}", queue.id);
    }
}
