//! A queue with hours in `centre.toml`, in the contact centre itself: who is let in when.

use acd::Centre;
use acd::channel::Channel;
use acd::command::{ClusterCommand, Command, ConfigCommand, ContactCommand, Enqueue, Submission};
use acd::config::{Priority, Requirements};
use acd::ids::{ContactId, PrincipalId, QueueId, SiteId};
use acd::record::TurnedAway;
use acd::reply::Reply;
use acd::roles::{Role, Roles};
use acd::text::{Attributes, Label};
use acd::time::LogTime;
use admin_tui::centre_file::CentreFile;

const CENTRE: &str = r#"
[settings]
time_zone = "Europe/Kyiv"

[[site]]
id = "kyiv"
name = "Kyiv"

[[calendar]]
id = "office"
name = "Office hours"
time_zone = "Europe/Kyiv"
holidays = ["2026-12-25"]
special = { "2026-12-31" = ["09:00-12:00"] }

[calendar.weekly]
mon = ["09:00-13:00", "14:00-18:00"]
tue = ["09:00-13:00", "14:00-18:00"]
wed = ["09:00-13:00", "14:00-18:00"]
thu = ["09:00-13:00", "14:00-18:00"]
fri = ["09:00-13:00", "22:00-02:00"]

[[queue]]
id = "billing"
name = "Billing"
calendar = "office"
"#;

/// A centre and the number of entries in its log.
struct Scene {
    centre: Centre,
    index: u64,
}

impl Scene {
    fn must(&mut self, now: LogTime, who: &str, command: Command) -> Reply {
        self.index += 1;
        let submission = Submission::new(PrincipalId::new(who).unwrap(), command);
        let reply = self.centre.apply(self.index, now, submission, &mut Vec::new());
        self.centre.check_invariants().unwrap();
        reply.unwrap_or_else(|rejection| panic!("{who}: {rejection}"))
    }

    /// Makes the centre of the file, compiled now.
    fn open(now: LogTime) -> Self {
        let mut scene = Self { centre: Centre::new(), index: 0 };
        let init = ClusterCommand::Init {
            cluster: Label::new("test").unwrap(),
            site: SiteId::new("kyiv").unwrap(),
            admin: PrincipalId::new("olena").unwrap(),
            replay: false,
        };
        scene.must(now, "olena", init.into());
        let ingress = ConfigCommand::PutPrincipal {
            principal: PrincipalId::new("edge").unwrap(),
            roles: Roles::of(&[Role::Ingress]),
            site: Some(SiteId::new("kyiv").unwrap()),
            expected: None,
        };
        scene.must(now, "olena", ingress.into());
        let file = CentreFile::parse(CENTRE).unwrap();
        for command in file.to_commands(now).unwrap() {
            scene.must(now, "olena", command);
        }
        scene
    }

    /// A call at this time: whether it is let in.
    fn lets_in(&mut self, text: &str) -> bool {
        let call = Enqueue {
            contact: ContactId::new(text).unwrap(),
            queue: QueueId::new("billing").unwrap(),
            channel: Channel::Voice,
            priority: Priority::new(0).unwrap(),
            site: None,
            requirements: Requirements::from([]),
            preferred: None,
            preferred_wait: None,
            not_before: None,
            attributes: Attributes::default(),
        };
        match self.must(at(text), "edge", ContactCommand::Enqueue(call).into()) {
            Reply::TurnedAway { why: TurnedAway::Closed } => false,
            Reply::TurnedAway { why } => panic!("{text}: {why:?}"),
            _ => true,
        }
    }
}

fn at(text: &str) -> LogTime {
    let at: jiff::Timestamp = text.parse().expect(text);
    LogTime(u64::try_from(at.as_millisecond()).unwrap())
}

#[test]
fn a_queue_is_closed_outside_its_local_hours() {
    // A Thursday.
    let mut scene = Scene::open(at("2026-10-22T08:00:00+03:00"));
    let calls = [
        // Before work, at work, at lunch, after work.
        ("2026-10-22T08:59:59.999+03:00", false),
        ("2026-10-22T09:00:00+03:00", true),
        ("2026-10-22T12:59:59.999+03:00", true),
        ("2026-10-22T13:00:00+03:00", false),
        ("2026-10-22T14:00:00+03:00", true),
        ("2026-10-22T18:00:00+03:00", false),
        // Friday night goes on until Saturday.
        ("2026-10-23T21:59:59+03:00", false),
        ("2026-10-23T22:00:00+03:00", true),
        ("2026-10-24T01:59:59.999+03:00", true),
        ("2026-10-24T02:00:00+03:00", false),
        // On Sunday the clock is put back: on Monday nine o'clock is an hour later.
        ("2026-10-26T06:30:00Z", false),
        ("2026-10-26T07:00:00Z", true),
        // A holiday on a Friday, and the night that would have followed.
        ("2026-12-25T10:00:00+02:00", false),
        ("2026-12-25T23:00:00+02:00", false),
        ("2026-12-26T01:00:00+02:00", false),
        // The last day of the year.
        ("2026-12-31T11:59:59+02:00", true),
        ("2026-12-31T14:00:00+02:00", false),
        // In spring it is an hour earlier again.
        ("2027-03-29T06:00:00Z", true),
        // The last night that is known, and the midnight after it: nobody applied the file
        // again, and a queue is rather open than closed for good.
        ("2027-11-25T23:59:59.999+02:00", false),
        ("2027-11-26T00:00:00+02:00", true),
    ];
    for (when, open) in calls {
        assert_eq!(scene.lets_in(when), open, "{when}");
    }
}

#[test]
fn a_file_applied_again_changes_nothing_for_those_who_call() {
    let mut scene = Scene::open(at("2026-10-23T21:00:00+03:00"));
    assert!(scene.lets_in("2026-10-23T23:58:00+03:00"));
    // The clock of whoever applies it is some minutes ahead, over midnight.
    let file = CentreFile::parse(CENTRE).unwrap();
    for command in file.to_commands(at("2026-10-24T00:03:00+03:00")).unwrap() {
        scene.must(at("2026-10-23T23:58:30+03:00"), "olena", command);
    }
    assert!(scene.lets_in("2026-10-23T23:59:00+03:00"));
    assert!(scene.lets_in("2026-10-24T01:59:00+03:00"));
    assert!(!scene.lets_in("2026-10-24T02:00:00+03:00"));
}
