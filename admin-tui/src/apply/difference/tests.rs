use acd::text::Label;

use super::*;
use crate::centre_file::CentreFile;

const DAY: u64 = 86_400_000;
/// 2027-02-01T10:00:00Z.
const NOW: LogTime = LogTime(1_801_476_000_000);

const HOURS: &str = r#"
[settings]
time_zone = "Europe/Kyiv"

[[calendar]]
id = "office"
name = "Office"
time_zone = "Europe/Kyiv"

[calendar.weekly]
mon = ["09:00-18:00"]
thu = ["22:00-02:00"]
"#;

/// What the objects of a file become at a time.
fn compiled(toml: &str, at: LogTime) -> Vec<Command> {
    CentreFile::parse(toml).expect("proper").to_commands(at).expect("proper")
}

fn changes(before: &str, then: LogTime, after: &str, now: LogTime) -> Vec<Change> {
    let before = compiled(before, then);
    let after = compiled(after, now);
    let pairs = before.iter().zip(&after);
    pairs
        .filter_map(|(before, after)| {
            let object = object_of(after).expect("an object");
            changed(&object, Revision(1), before, after, now)
        })
        .collect()
}

#[test]
fn hours_that_reach_further_are_renewed_not_changed() {
    assert!(changes(HOURS, NOW, HOURS, LogTime(NOW.0 + 3_600_000)).is_empty(), "on the same day");
    let later = LogTime(NOW.0 + 30 * DAY);
    let found = changes(HOURS, NOW, HOURS, later);
    let whats: Vec<_> = found.iter().map(|change| (change.object.kind, change.what)).collect();
    assert_eq!(whats, [(Kind::Calendar, What::Renewed), (Kind::Settings, What::Renewed)]);
    let fields: Vec<_> = found[0].fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["covers_until"], "not a thousand instants");
    let [days] = &found[1].fields[..] else { panic!("{:?}", found[1].fields) };
    assert_eq!(days.field, "day_starts");
}

#[test]
fn other_hours_are_a_change_however_far_they_reach() {
    let later = LogTime(NOW.0 + 30 * DAY);
    let closed_early = HOURS.replace("09:00-18:00", "09:00-17:00");
    let found = changes(HOURS, NOW, &closed_early, later);
    assert_eq!((found[0].object.kind, found[0].what), (Kind::Calendar, What::Changed));
    let other_days = HOURS.replacen("Europe/Kyiv", "Asia/Tokyo", 1);
    let found = changes(HOURS, NOW, &other_days, later);
    let settings = found.iter().find(|change| change.object.kind == Kind::Settings);
    assert_eq!(settings.map(|change| change.what), Some(What::Changed));
    // A renewal that also has another name is not only a renewal.
    let renamed = HOURS.replace("\"Office\"", "\"Hours\"");
    assert_eq!(changes(HOURS, NOW, &renamed, later)[0].what, What::Changed);
}

#[test]
fn what_goes_and_what_comes_of_a_list_of_instants_is_told() {
    let holiday =
        HOURS.replace("[calendar.weekly]", "holidays = [\"2027-02-08\"]\n\n[calendar.weekly]");
    let found = changes(HOURS, NOW, &holiday, NOW);
    let [change] = &found[..] else { panic!("{found:?}") };
    let expected = Field {
        field: "open".into(),
        before: Some("2027-02-08T07:00:00Z/2027-02-08T16:00:00Z".into()),
        after: None,
    };
    assert_eq!(change.fields, [expected]);
    let few_of = |count: usize| {
        let texts: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        few(&texts.iter().collect::<Vec<_>>())
    };
    assert_eq!(few_of(0), None);
    assert_eq!(few_of(3).as_deref(), Some("0, 1, 2"));
    assert_eq!(few_of(5).as_deref(), Some("0, 1, 2 and 2 more"));
}

#[test]
fn of_what_is_new_only_what_is_not_by_default_is_told() {
    let toml =
        "[[queue]]\nid = \"q\"\nname = \"Q\"\nwrap_up = \"0s\"\nstrategy = \"longest-idle\"\n";
    let [command] = &compiled(toml, NOW)[..] else { panic!("one object") };
    let change = added(&object_of(command).expect("a queue"), command);
    let field = |field: &str, after: &str| Field {
        field: field.into(),
        before: None,
        after: Some(after.into()),
    };
    assert_eq!(change.fields, [field("name", "\"Q\""), field("wrap_up", "\"0s\"")]);
    assert_eq!(change.revision, Revision(0));
    let skill = ConfigCommand::PutSkill {
        skill: acd::ids::SkillId::new("english").expect("a slug"),
        name: Label::new("English").expect("a label"),
        expected: None,
    };
    let change = added(&Object { kind: Kind::Skill, id: "english".into() }, &skill.into());
    assert_eq!(change.fields, [field("name", "\"English\"")]);
    let calendar = compiled(HOURS, NOW).remove(0);
    let change = added(&object_of(&calendar).expect("a calendar"), &calendar);
    let open = change.fields.last().expect("fields");
    assert_eq!((&*open.field, open.after.as_deref()), ("open", Some("115 openings")));
}
