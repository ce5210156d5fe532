use acd::Centre;
use acd::channel::{Channel, Channels, Media, Medium};
use acd::command::{ClusterCommand, ConfigCommand, SiteCommand, Submission};
use acd::config::{AgentConfig, HeadStart, Overflow, QueueConfig, ReturnMode, SitePolicy};
use acd::ids::{PrincipalId, SiteId};
use acd::text::Label;
use acd::time::{LogTime, Millis};

use super::*;

/// 2027-02-01T10:00:00Z.
const NOW: LogTime = LogTime(1_801_476_000_000);

/// Everything a file can say.
const EVERYTHING: &str = r#"
[settings]
unreachable_for = "3m"
orphan_after = "10m"
stranded_for = "5m"
stranded_callback_for = "1d"
calendar_alarm_before = "30d"
day_starts = ["2027-02-01T00:00:00+02:00", "2027-02-02T00:00:00+02:00"]

[[site]]
id = "kyiv"
name = "Київ"
return_after = "45s"
leader_priority = 90

[[site]]
id = "lviv"
name = "Львів"
return_after = "by-hand"

[[skill]]
id = "english"
name = "English"

[[calendar]]
id = "office"
name = "Office hours"
covers_until = "2027-03-01T00:00:00Z"
open = [
  { from = "2027-02-01T07:00:00Z", to = "2027-02-01T15:00:00Z" },
  { from = "2027-02-02T07:00:00Z", to = "2027-02-02T15:00:00Z" },
]

[[calendar]]
id = "local"
name = "Local hours"
time_zone = "Europe/Kyiv"
holidays = ["2027-08-24"]

[calendar.weekly]
mon = ["09:00-13:00", "14:00-18:00"]
fri = ["22:00-02:00"]
sun = []

[calendar.special]
2027-12-31 = ["09:00-12:00"]

[[queue]]
id = "billing"
name = "Billing"
channels = ["voice", "callback", "chat", "email", "message"]
target = { percent = 90, within = "15s", short_abandon = "3s" }
head_starts = { 2 = "90s", 9 = "strict" }
strategy = "most-skilled"
site_policy = { local-first = { spill_after = "30s" } }
offer_timeout = "18s"
connect_timeout = "25s"
cool_down = "2m"
wrap_up = "0s"
handle_max = "4h"
preferred_wait = "1m30s"
length_max = 500
wait_max = "30m"
overflow = { queue = "general" }
closed = "callback"
calendar = "office"
auto_answer = true

[[queue.step]]
after = "0s"
skills = { english = 7 }
sites = ["lviv"]

[[queue.step]]
after = "20s"
extra_queues = ["general"]
head_start = "10s"

[[queue]]
id = "general"
name = "General"
site_policy = { shares = { kyiv = 3, lviv = 1 } }
overflow = { queue = "billing" }

[[queue]]
id = "sales"
name = "Sales"
site_policy = { free-capacity = { hysteresis = 2 } }
closed = { queue = "general" }

[[queue]]
id = "spare"
name = "Spare"
site_policy = "any"
overflow = "reject"

[[agent]]
id = "anna"
name = "Anna"
home_site = "lviv"
skills = { english = 9 }
queues = { billing = 1, general = 2 }
capacity = { voice = 1, chat = 2 }
interruptible_by = { chat = ["voice"], email = [] }

[[principal]]
id = "edge-kyiv"
roles = ["ingress"]
site = "kyiv"

[[principal]]
id = "olena"
roles = ["admin", "operator", "supervisor", "viewer", "gateway"]
"#;

const REFERENCE: &str = include_str!("../../../docs/centre-file.md");

/// What a file must have to be read at all.
const MINIMAL_QUEUE: &str = "[[queue]]\nid = \"ps\"\nname = \"Regular\"\n";

fn parse(text: &str) -> CentreFile {
    CentreFile::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> CentreFileError {
    CentreFile::parse(text).expect_err("refused")
}

fn queues(file: &CentreFile) -> Vec<QueueConfig> {
    let commands = file.to_commands(NOW).expect("checked");
    let config = |command| match command {
        Command::Config(ConfigCommand::PutQueue { config, expected: None }) => Some(config),
        _ => None,
    };
    commands.into_iter().filter_map(config).collect()
}

fn agent(file: &CentreFile) -> AgentConfig {
    let commands = file.to_commands(NOW).expect("checked");
    let config = |command| match command {
        Command::Config(ConfigCommand::PutAgent { config, .. }) => Some(config),
        _ => None,
    };
    commands.into_iter().find_map(config).expect("an agent")
}

#[test]
fn a_file_that_says_everything_survives_being_written_and_read() {
    let file = parse(EVERYTHING);
    let written = file.to_toml().expect("writable");
    assert_eq!(parse(&written), file, "{written}");
    assert_eq!(parse(&written).to_toml().expect("writable"), written);
    assert_eq!(parse(""), CentreFile::default());
    assert_eq!(CentreFile::default().to_toml().expect("writable"), "");
}

#[test]
fn every_field_reaches_the_configuration() {
    let file = parse(EVERYTHING);
    let billing = queues(&file).pop().expect("the completed queue comes last");
    assert_eq!(billing.id.as_str(), "billing");
    assert_eq!(billing.channels, Channels::of(&Channel::ALL));
    assert_eq!((billing.target.percent, billing.target.within), (90, Millis::seconds(15)));
    assert_eq!(billing.target.short_abandon, Millis::seconds(3));
    let head_starts: Vec<_> = billing.head_starts.iter().map(|(p, h)| (p.get(), *h)).collect();
    assert_eq!(head_starts, [(2, HeadStart::By(Millis::seconds(90))), (9, HeadStart::Strict)]);
    assert_eq!(billing.site_policy, SitePolicy::LocalFirst { spill_after: Millis::seconds(30) });
    assert_eq!(billing.preferred_wait, Millis::seconds(90));
    assert_eq!((billing.wrap_up, billing.length_max), (Millis::ZERO, 500));
    assert_eq!((billing.closed, billing.auto_answer), (Overflow::Callback, true));
    assert_eq!(billing.calendar.expect("has one").as_str(), "office");
    let [first, second] = billing.steps.as_slice() else { panic!("two steps") };
    assert_eq!((first.skills[0].level.get(), first.sites[0].as_str()), (7, "lviv"));
    assert_eq!((second.after, second.head_start), (Millis::seconds(20), Millis::seconds(10)));

    let anna = agent(&file);
    assert_eq!(anna.capacity.max, [1, 2, 5, 3], "e-mail and messages keep their defaults");
    let interruptible = anna.capacity.interruptible_by;
    assert_eq!(interruptible[Medium::Chat.index()], Media::of(&[Medium::Voice]));
    assert_eq!(interruptible[Medium::Email.index()], Media::NONE);
    assert_eq!(anna.queues[1].grade.get(), 2);

    let commands = file.to_commands(NOW).expect("checked");
    let Command::Site(SiteCommand::Put { config, .. }) = &commands[1] else { panic!() };
    assert_eq!((config.return_mode, config.leader_priority), (ReturnMode::ByHand, 50));
    let Some(Command::Config(ConfigCommand::PutSettings { settings, .. })) = commands.last() else {
        panic!("settings come last")
    };
    assert_eq!(settings.unreachable_for, Millis::minutes(3));
    assert_eq!(settings.day_starts[0], LogTime(1_801_432_800_000));
}

#[test]
fn what_is_left_out_is_as_the_state_machine_has_it() {
    let file = parse(MINIMAL_QUEUE);
    let entry = &file.queues[0];
    let expected = QueueConfig::new(entry.id.0.clone(), entry.name.0.clone());
    assert_eq!(queues(&file), [expected]);
    assert_eq!(file.to_toml().expect("writable"), MINIMAL_QUEUE);
}

#[test]
fn commands_refer_only_to_what_is_there() {
    let file = parse(EVERYTHING);
    let made: Vec<_> = queues(&file)
        .into_iter()
        .map(|queue| {
            let to = match queue.overflow {
                Overflow::Queue(to) => to.as_str().to_owned(),
                other => format!("{other:?}"),
            };
            let extra = queue.steps.iter().map(|step| step.extra_queues.len()).sum::<usize>();
            format!("{} {to} {extra}", queue.id)
        })
        .collect();
    // Billing and general refer to each other, so the first of them is made in two steps.
    let expected = [
        "billing Reject 0",
        "general billing 0",
        "sales Reject 0",
        "spare Reject 0",
        "billing general 1",
    ];
    assert_eq!(made, expected);
    let kinds: Vec<_> = file
        .to_commands(NOW)
        .expect("checked")
        .iter()
        .map(|command| match command {
            Command::Site(SiteCommand::Put { .. }) => "site",
            Command::Config(ConfigCommand::PutSkill { .. }) => "skill",
            Command::Config(ConfigCommand::PutCalendar { .. }) => "calendar",
            Command::Config(ConfigCommand::PutQueue { .. }) => "queue",
            Command::Config(ConfigCommand::PutAgent { .. }) => "agent",
            Command::Config(ConfigCommand::PutPrincipal { .. }) => "principal",
            Command::Config(ConfigCommand::PutSettings { .. }) => "settings",
            other => panic!("{other:?}"),
        })
        .collect();
    let mut order = kinds.clone();
    order.dedup();
    let expected = ["site", "skill", "calendar", "queue", "agent", "principal", "settings"];
    assert_eq!(order, expected);
}

#[test]
fn an_error_says_the_line_and_what_may_stand_there() {
    let cases = [
        ("[[queue]]\nid = \"ps\"\nname = \"x\"\nwarp_up = \"5s\"\n", 4, "unknown field `warp_up`"),
        ("[[queue]]\nid = \"PS\"\nname = \"x\"\n", 2, "\"PS\" is not a queue id: write at most 63"),
        ("[[queue]]\nid = \"ps\"\n\nname = \"\"\n", 4, "write 1 to 200 bytes"),
        ("[[queue]]\nid = \"ps\"\nname = \"x\"\nwrap_up = \"5\"\n", 4, "such as \"20s\""),
        ("[[queue]]\nid = \"ps\"\nname = \"x\"\nwrap_up = 5\n", 4, "expected a string"),
        ("[[queue]]\nid = \"ps\"\nname = \"x\"\nchannels = [\"fax\"]\n", 4, "one of voice, chat"),
        ("[[queue]]\nid = \"ps\"\nname = \"x\"\nhead_starts = { 10 = \"1s\" }", 4, "write 0 to 9"),
        (
            "[[queue]]\nid = \"ps\"\nname = \"x\"\noverflow = \"drop\"\n",
            4,
            "unknown variant `drop`",
        ),
        ("[[queue]]\nname = \"x\"\n", 1, "missing field `id`"),
        ("[[site]]\nid = \"a\"\nname = \"x\"\nreturn_after = \"never\"\n", 4, "or \"by-hand\""),
        ("[[principal]]\nid = \"a\"\nroles = [\"node\"]\n", 3, "one of viewer, supervisor"),
        ("[settings]\nday_starts = [\"noon\"]\n", 2, "write date, time and offset"),
        ("[[site]]\nid = \"a\nname = \"x\"\n", 2, ""),
        ("[[city]]\nid = \"a\"\n", 1, "unknown field `city`"),
    ];
    for (text, line, part) in cases {
        let CentreFileError::Toml { line: at, message, .. } = error(text) else {
            panic!("another kind of error: {text}")
        };
        assert_eq!(at, line, "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn an_entry_that_is_refused_is_named() {
    let text = format!("{MINIMAL_QUEUE}length_max = 0\n");
    assert_eq!(error(&text).to_string(), "queue ps: length_max is 0, must be 1 to 100000");
    let text = format!("{MINIMAL_QUEUE}{MINIMAL_QUEUE}");
    assert_eq!(error(&text).to_string(), "queue ps is there twice");
    let agent = "[[site]]\nid = \"kyiv\"\nname = \"Kyiv\"\n\
                 [[agent]]\nid = \"anna\"\nname = \"Anna\"\nhome_site = \"kyiv\"\n";
    let text = format!("{agent}skills = {{ english = 11 }}\n");
    assert_eq!(error(&text).to_string(), "agent anna: skill level is 11, must be 1 to 10");
}

#[test]
fn a_reference_to_what_is_not_in_the_file_is_refused() {
    for (line, kind, id) in [
        ("calendar = \"office\"", "calendar", "office"),
        ("overflow = { queue = \"general\" }", "queue", "general"),
        ("closed = { queue = \"general\" }", "queue", "general"),
        ("site_policy = { shares = { kyiv = 1 } }", "site", "kyiv"),
        ("step = [{ after = \"0s\", sites = [\"kyiv\"] }]", "site", "kyiv"),
        ("step = [{ after = \"0s\", extra_queues = [\"general\"] }]", "queue", "general"),
        ("step = [{ after = \"0s\", skills = { english = 1 } }]", "skill", "english"),
    ] {
        let error = error(&format!("{MINIMAL_QUEUE}{line}\n"));
        let entry = String::from("queue ps");
        let expected = CentreFileError::UnknownReference { entry, kind, id: id.into() };
        assert_eq!(error, expected, "{line}");
        assert!(error.remedy().contains(id), "{}", error.remedy());
    }
    let nowhere = "[[agent]]\nid = \"anna\"\nname = \"Anna\"\nhome_site = \"kyiv\"\n";
    assert_eq!(
        error(nowhere).to_string(),
        "agent anna names the site kyiv, which is not in the file"
    );
    let nowhere = "[[principal]]\nid = \"edge\"\nroles = [\"ingress\"]\nsite = \"kyiv\"\n";
    assert_eq!(
        error(nowhere).to_string(),
        "principal edge names the site kyiv, which is not in the file"
    );
}

#[test]
fn the_example_of_the_reference_makes_a_centre() {
    let example = REFERENCE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let file = parse(example.expect("an example"));
    let admin = PrincipalId::new("setup").expect("a slug");
    let init = ClusterCommand::Init {
        cluster: Label::new("example").expect("a label"),
        site: SiteId::new("kyiv").expect("a slug"),
        admin: admin.clone(),
        replay: false,
    };
    let commands = file.to_commands(NOW).expect("checked");
    let mut centre = Centre::new();
    for (index, command) in (1..).zip([init.into()].into_iter().chain(commands)) {
        let submission = Submission::new(admin.clone(), command);
        let outcome = centre.apply(index, NOW, submission.clone(), &mut Vec::new());
        assert!(outcome.is_ok(), "{outcome:?} {submission:?}");
    }
    assert_eq!(centre.counts(), (0, 1, 3, 3), "contacts, agents, queues, sites");
}

#[test]
fn the_reference_has_every_field() {
    let fields = EVERYTHING.lines().filter_map(|line| line.split_once(" = "));
    let is_name = |key: &&str| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    for field in fields.map(|(key, _)| key.trim()).filter(is_name) {
        assert!(REFERENCE.contains(&format!("`{field}`")), "{field}");
    }
}
