use acd::command::{Command, ConfigCommand};
use acd::time::LogTime;
use jiff::civil::date;

use super::*;
use crate::centre_file::{CentreFile, CentreFileError};

const HEAD: &str = "[[calendar]]\nid = \"c\"\nname = \"c\"\n";
const KYIV: &str = "time_zone = \"Europe/Kyiv\"\n";
const WEEK: &str = "weekly = { mon = [\"09:00-18:00\"] }\n";

/// Where an error is, and what it says.
fn error(text: &str) -> (usize, String) {
    match CentreFile::parse(text).expect_err(text) {
        CentreFileError::Toml { line, message, .. } => (line, message),
        other => panic!("another kind of error: {other}"),
    }
}

fn calendar(text: &str) -> CalendarEntry {
    let mut file = CentreFile::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let written = file.to_toml().expect("writable");
    assert_eq!(CentreFile::parse(&written).as_ref(), Ok(&file), "{written}");
    file.calendars.remove(0)
}

#[test]
fn local_hours_are_read_and_written() {
    let text = format!(
        "{HEAD}{KYIV}holidays = [\"2026-12-25\"]\n\n[calendar.weekly]\n\
         mon = [\"09:00-13:00\", \"14:00-18:00\"]\nsun = []\n\n\
         [calendar.special]\n2026-12-31 = [\"09:00-12:00\"]\n"
    );
    let OpeningHours::Local(hours) = calendar(&text).hours else { panic!("local hours") };
    assert_eq!(hours.time_zone.to_string(), "Europe/Kyiv");
    assert_eq!(hours.of(date(2026, 12, 21)).openings().len(), 2);
    assert!(hours.of(date(2026, 12, 25)).is_closed());
    assert_eq!(hours.of(date(2026, 12, 31)).openings()[0].to_string(), "09:00-12:00");
    assert!(hours.of(date(2026, 12, 27)).is_closed());
}

#[test]
fn a_date_may_stand_without_quotes() {
    let bare = calendar(&format!("{HEAD}{KYIV}{WEEK}holidays = [2026-12-25]\n"));
    let quoted = calendar(&format!("{HEAD}{KYIV}{WEEK}holidays = [\"2026-12-25\"]\n"));
    assert_eq!(bare, quoted);
}

#[test]
fn a_week_may_be_closed_but_not_forgotten() {
    let closed = calendar(&format!("{HEAD}{KYIV}[calendar.weekly]\n"));
    assert!(matches!(closed.hours, OpeningHours::Local(_)));
    let (line, message) = error(&format!("{HEAD}{KYIV}"));
    assert_eq!((line, message.as_str()), (1, "calendar c: local hours need a [calendar.weekly]"));
}

#[test]
fn an_error_says_the_line_and_what_is_wrong_there() {
    let cases = [
        ("time_zone = \"Europe/Kiyv\"", 4, "\"Europe/Kiyv\" is no time zone"),
        ("weekly = { mon = [\"9-18\"] }", 4, "\"9-18\" are no opening hours: write HH:MM-HH:MM"),
        ("weekly = { mon = [\"09:00-25:00\"] }", 4, "from 00:00 to 24:00"),
        ("weekly = { mon = [\"09:00-09:00\"] }", 4, "09:00-09:00 ends when it begins"),
        (
            "[calendar.weekly]\nmon = [\"09:00-18:00\"]\ntue = [\"09:00-13:00\", \"12:00-18:00\"]",
            6,
            "12:00-18:00 begins before 09:00-13:00 is over",
        ),
        ("[calendar.weekly]\nmonday = []", 5, "unknown field `monday`"),
        ("holidays = [\"2026-12-24\",\n\"2026-02-29\"]", 5, "\"2026-02-29\" is no date"),
        ("holidays = [\"25.12.2026\"]", 4, "such as \"2026-12-25\""),
        ("holidays = [\"20261225\"]", 4, "is no date"),
        ("holidays = [\"2026-12-25T09:00\"]", 4, "is no date"),
        ("holidays = [2026-12-25T09:00:00Z]", 4, "is no date"),
        ("holidays = [25]", 4, "expected a date such as \"2026-12-25\""),
        ("holidays = [\"2026-12-25\", \"2026-12-25\"]", 4, "2026-12-25 is there twice"),
        ("[calendar.special]\n2026-12-25 = [\"09:00-12:00\"]\n2026-13-01 = []", 6, "is no date"),
        ("special = { 2026-12-25 = [\"12:00\"] }", 4, "\"12:00\" are no opening hours"),
    ];
    for (text, line, part) in cases {
        let (at, message) = error(&format!("{HEAD}{text}\n"));
        assert!(message.contains(part), "{text}: {message}");
        assert_eq!(at, line, "{text}: {message}");
    }
}

#[test]
fn fields_that_do_not_go_together_are_refused() {
    let until = "covers_until = \"2027-03-01T00:00:00Z\"\n";
    let open = "open = [{ from = \"2027-02-01T07:00:00Z\", to = \"2027-02-01T15:00:00Z\" }]\n";
    for (text, part) in [
        (String::new(), "write time_zone and [calendar.weekly]"),
        (format!("{KYIV}{WEEK}{until}"), "either local"),
        (format!("{KYIV}{WEEK}{open}"), "either local"),
        (format!("{until}{open}holidays = [\"2026-12-25\"]\n"), "either local"),
        (open.to_owned(), "or covers_until and open"),
        (WEEK.to_owned(), "local hours need a time_zone"),
        (
            format!("{KYIV}{WEEK}holidays = [\"2026-12-25\"]\nspecial = {{ 2026-12-25 = [] }}\n"),
            "2026-12-25 is a holiday and a special day",
        ),
    ] {
        let (line, message) = error(&format!("\n{HEAD}{text}"));
        assert!(message.starts_with("calendar c: ") && message.contains(part), "{message}");
        assert_eq!(line, 2, "{text}: {message}");
    }
}

#[test]
fn instants_follow_each_other() {
    let until = "covers_until = \"2027-03-01T00:00:00Z\"\n";
    let open = |from: u8, to: u8| {
        format!("{{ from = \"2027-02-01T{from:02}:00:00Z\", to = \"2027-02-01T{to:02}:00:00Z\" }}")
    };
    for (list, part) in [
        ([open(7, 9), open(12, 10)], "interval 2 ends before it starts"),
        ([open(7, 7), open(10, 12)], "interval 1 ends before it starts"),
        ([open(7, 12), open(10, 13)], "interval 2 starts before interval 1 is over"),
        ([open(10, 13), open(7, 9)], "interval 2 starts before interval 1 is over"),
    ] {
        let (line, message) = error(&format!("{HEAD}{until}open = [{}]\n", list.join(", ")));
        assert_eq!((line, message.as_str()), (5, part));
    }
    let entry = calendar(&format!("{HEAD}{until}open = [{}, {}]\n", open(7, 9), open(9, 12)));
    assert!(matches!(entry.hours, OpeningHours::Instants(_)));
}

#[test]
fn a_program_cannot_make_a_holiday_a_special_day() {
    let text = format!("{HEAD}{KYIV}{WEEK}holidays = [\"2026-12-25\"]\n");
    let mut entry = calendar(&text);
    let OpeningHours::Local(hours) = &mut entry.hours else { panic!("local hours") };
    hours.special.insert(Day(date(2026, 12, 25)), DayHours::CLOSED);
    let file = CentreFile { calendars: vec![entry], ..CentreFile::default() };
    assert!(file.to_commands(LogTime(0)).is_err());
}

#[test]
fn reporting_days_come_from_one_place() {
    let file = CentreFile::parse("[settings]\ntime_zone = \"Europe/Kyiv\"\n").expect("in order");
    assert_eq!(CentreFile::parse(&file.to_toml().expect("writable")), Ok(file.clone()));
    // 2027-02-01T10:00:00Z
    let now = LogTime(1_801_476_000_000);
    let commands = file.to_commands(now).expect("in order");
    let Command::Config(ConfigCommand::PutSettings { settings, .. }) = &commands[0] else {
        panic!("settings")
    };
    // 2027-02-01T00:00:00+02:00
    assert_eq!(settings.day_start(now), LogTime(1_801_432_800_000));
    assert_eq!(settings.day_starts.len(), 402);
    let both = "[settings]\ntime_zone = \"Europe/Kyiv\"\nday_starts = [\"2027-02-01T00:00:00Z\"]\n";
    let error = CentreFile::parse(both).expect_err("both");
    assert_eq!(
        error.to_string(),
        "settings: configuration refused: reporting days come from time_zone or from day_starts, \
         not from both"
    );
    let (line, message) = self::error("[settings]\ntime_zone = \"Kyiv\"\n");
    assert_eq!(line, 2);
    assert!(message.contains("\"Kyiv\" is no time zone"), "{message}");
}
