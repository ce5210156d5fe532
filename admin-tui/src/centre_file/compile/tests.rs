use std::collections::BTreeMap;

use acd::limits;
use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::{AmbiguousOffset, TimeZoneDatabase};

use super::*;
use crate::centre_file::CentreFile;

const HOUR: u64 = 3_600_000;

fn at(text: &str) -> LogTime {
    let at: Timestamp = text.parse().expect(text);
    LogTime(u64::try_from(at.as_millisecond()).expect("since 1970"))
}

/// The entry of a calendar that says this.
fn entry(hours: &str) -> CalendarEntry {
    let text = format!("[[calendar]]\nid = \"c\"\nname = \"c\"\n{hours}");
    let mut file = CentreFile::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    file.calendars.remove(0)
}

fn compiled(hours: &str, from: &str) -> Calendar {
    let calendar = compile(&entry(hours), at(from)).expect("compiles");
    assert_eq!(calendar.clone().normalise().as_ref(), Ok(&calendar));
    calendar
}

/// What is open of some time.
fn open_in(calendar: &Calendar, from: &str, to: &str) -> Vec<(LogTime, LogTime)> {
    let (from, to) = (at(from), at(to));
    let within = calendar.open.iter().filter(|i| i.end > from && i.start < to);
    within.map(|i| (i.start.max(from), i.end.min(to))).collect()
}

fn spans(list: &[(&str, &str)]) -> Vec<(LogTime, LogTime)> {
    list.iter().map(|(start, end)| (at(start), at(end))).collect()
}

/// Kyiv puts the clock forward on 2026-03-29 and 2027-03-28 at 03:00, back on 2026-10-25 and
/// 2027-10-31 at 04:00.
#[test]
fn nine_o_clock_is_another_instant_after_each_change_of_the_clock() {
    let weekly = "time_zone = \"Europe/Kyiv\"\nweekly = { mon = [\"09:00-18:00\"], fri = [\"09:00-18:00\"] }\n";
    let opens = |from, day: &str, hour: u64| {
        let start = LogTime(at(&format!("{day}T00:00:00Z")).0 + hour * HOUR);
        let found = compiled(weekly, from)
            .open
            .contains(&Interval { start, end: start.plus(Millis::hours(9)) });
        assert!(found, "{day} at {hour} UTC");
    };
    for (from, friday, hour, monday, hour_after) in [
        ("2026-03-01T12:00:00Z", "2026-03-27", 7, "2026-03-30", 6),
        ("2026-03-01T12:00:00Z", "2026-10-23", 6, "2026-10-26", 7),
        ("2026-03-01T12:00:00Z", "2027-03-26", 7, "2027-03-29", 6),
        ("2027-03-01T12:00:00Z", "2027-10-29", 6, "2027-11-01", 7),
    ] {
        opens(from, friday, hour);
        opens(from, monday, hour_after);
    }
}

#[test]
fn a_reporting_day_has_23_hours_in_spring_and_25_in_autumn() {
    let kyiv: Zone = "Europe/Kyiv".parse().expect("a zone");
    for from in ["2026-02-01T12:00:00Z", "2027-02-01T12:00:00Z"] {
        let starts = day_starts(&kyiv, at(from)).expect("compiles");
        assert_eq!(starts.len(), usize::from(COMPILED_DAYS) + 2);
        assert!(starts.len() <= limits::REPORTING_DAYS_MAX);
        let year = &from[..4];
        let start = |day: &str| at(&format!("{year}-{day}"));
        assert_eq!(starts[..2], [start("01-31T00:00:00+02:00"), start("02-01T00:00:00+02:00")]);
        let changes: BTreeMap<LogTime, u64> = starts
            .windows(2)
            .map(|pair| (pair[0], pair[1].since(pair[0]).0 / HOUR))
            .filter(|(day, hours)| *hours != 24 && *day < start("12-31T00:00:00Z"))
            .collect();
        let (spring, autumn) = if year == "2026" { (29, 25) } else { (28, 31) };
        let spring = start(&format!("03-{spring}T00:00:00+02:00"));
        let autumn = start(&format!("10-{autumn}T00:00:00+03:00"));
        assert_eq!(changes, BTreeMap::from([(spring, 23), (autumn, 25)]));
    }
}

#[test]
fn a_day_that_the_clock_leaves_out_is_no_reporting_day() {
    let apia: Zone = "Pacific/Apia".parse().expect("a zone");
    let starts = day_starts(&apia, at("2011-12-01T12:00:00Z")).expect("compiles");
    assert_eq!(starts.len(), usize::from(COMPILED_DAYS) + 1);
    assert!(starts.is_sorted_by(|one, next| one < next));
}

#[test]
fn what_is_missing_in_spring_opens_and_closes_after_the_gap() {
    let gap = "2026-03-29T01:00:00Z";
    for (hours, expected) in [
        ("\"02:30-03:30\"", vec![("2026-03-29T00:30:00Z", gap)]),
        ("\"03:30-05:00\"", vec![(gap, "2026-03-29T02:00:00Z")]),
        ("\"03:15-03:45\"", vec![]),
        (
            "\"02:00-03:10\", \"03:20-05:00\"",
            vec![("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z")],
        ),
        ("\"00:00-24:00\"", vec![("2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z")]),
    ] {
        let calendar = compiled(
            &format!("time_zone = \"Europe/Kyiv\"\nweekly = {{ sun = [{hours}] }}\n"),
            "2026-03-20T00:00:00Z",
        );
        let day = open_in(&calendar, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        assert_eq!(day, spans(&expected), "{hours}");
    }
}

#[test]
fn what_comes_twice_in_autumn_opens_at_the_first_and_closes_at_the_second() {
    for (hours, start, end) in [
        ("\"03:30-05:00\"", "2026-10-25T00:30:00Z", "2026-10-25T03:00:00Z"),
        ("\"02:00-03:30\"", "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z"),
        ("\"03:15-03:45\"", "2026-10-25T00:15:00Z", "2026-10-25T01:45:00Z"),
        ("\"02:00-03:30\", \"03:45-05:00\"", "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z"),
        ("\"00:00-24:00\"", "2026-10-24T21:00:00Z", "2026-10-25T22:00:00Z"),
    ] {
        let calendar = compiled(
            &format!("time_zone = \"Europe/Kyiv\"\nweekly = {{ sun = [{hours}] }}\n"),
            "2026-10-20T00:00:00Z",
        );
        let day = open_in(&calendar, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
        assert_eq!(day, spans(&[(start, end)]), "{hours}");
    }
}

/// Cairo goes from Friday 2026-04-24 00:00 to 01:00.
#[test]
fn a_day_without_midnight_opens_at_its_first_instant() {
    let gap = "2026-04-23T22:00:00Z";
    for (week, start, end) in [
        ("fri = [\"00:00-02:00\"]", gap, "2026-04-23T23:00:00Z"),
        ("thu = [\"22:00-24:00\"]", "2026-04-23T20:00:00Z", gap),
        ("thu = [\"22:00-00:30\"]", "2026-04-23T20:00:00Z", gap),
        ("thu = [\"22:00-02:00\"]", "2026-04-23T20:00:00Z", "2026-04-23T23:00:00Z"),
        (
            "thu = [\"22:00-24:00\"], fri = [\"00:00-02:00\"]",
            "2026-04-23T20:00:00Z",
            "2026-04-23T23:00:00Z",
        ),
    ] {
        let calendar = compiled(
            &format!("time_zone = \"Africa/Cairo\"\nweekly = {{ {week} }}\n"),
            "2026-04-20T00:00:00Z",
        );
        let day = open_in(&calendar, "2026-04-23T00:00:00Z", "2026-04-25T00:00:00Z");
        assert_eq!(day, spans(&[(start, end)]), "{week}");
    }
}

#[test]
fn openings_that_touch_or_overlap_are_one() {
    let calendar = compiled(
        "time_zone = \"UTC\"\n[calendar.weekly]\n\
         mon = [\"09:00-13:00\", \"13:00-18:00\", \"22:00-02:00\"]\n\
         tue = [\"01:00-03:00\", \"22:00-24:00\"]\nwed = [\"00:00-01:00\"]\n",
        "2027-02-01T12:00:00Z",
    );
    let week = open_in(&calendar, "2027-02-01T00:00:00Z", "2027-02-08T00:00:00Z");
    let expected = [
        ("2027-02-01T09:00:00Z", "2027-02-01T18:00:00Z"),
        ("2027-02-01T22:00:00Z", "2027-02-02T03:00:00Z"),
        ("2027-02-02T22:00:00Z", "2027-02-03T01:00:00Z"),
    ];
    assert_eq!(week, spans(&expected));
}

/// Every day alike.
fn daily(hours: &str) -> String {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days: Vec<_> = days.iter().map(|day| format!("{day} = [{hours}]")).collect();
    format!("weekly = {{ {} }}\n", days.join(", "))
}

#[test]
fn round_the_clock_is_one_interval_up_to_the_last_midnight() {
    let calendar = compiled(
        &format!("time_zone = \"Europe/Kyiv\"\n{}", daily("\"00:00-24:00\"")),
        "2026-06-30T21:30:00Z",
    );
    // It is 2026-07-01 in Kyiv already; 400 days later it is 2027-08-05.
    let start = at("2026-06-30T20:00:00Z");
    let end = at("2027-08-05T00:00:00+03:00");
    assert_eq!(calendar.open, [Interval { start, end }]);
    assert_eq!(calendar.covers_until, end);
}

#[test]
fn all_hours_of_a_day_compile_to_the_same() {
    let hours = format!("time_zone = \"Europe/Kyiv\"\n{}", daily("\"20:00-08:00\""));
    let midnight = compiled(&hours, "2026-10-24T21:00:00Z");
    assert_eq!(compiled(&hours, "2026-10-25T21:59:59.999Z"), midnight);
    assert_ne!(compiled(&hours, "2026-10-24T20:59:59.999Z"), midnight);
    assert_ne!(compiled(&hours, "2026-10-25T22:00:00Z"), midnight);
    // A leader whose clock is behind still finds last night open.
    assert!(midnight.is_open(at("2026-10-24T20:00:00Z")));
}

#[test]
fn a_holiday_is_closed_from_its_first_instant_to_its_last() {
    let hours = format!(
        "time_zone = \"Europe/Kyiv\"\nholidays = [\"2026-12-25\"]\n{}",
        daily("\"20:00-08:00\"")
    );
    let calendar = compiled(&hours, "2026-12-01T00:00:00Z");
    let days = open_in(&calendar, "2026-12-24T12:00:00+02:00", "2026-12-27T12:00:00+02:00");
    let expected = [
        ("2026-12-24T20:00:00+02:00", "2026-12-25T00:00:00+02:00"),
        ("2026-12-26T20:00:00+02:00", "2026-12-27T08:00:00+02:00"),
    ];
    assert_eq!(days, spans(&expected));
    // Compiled on the day itself and on the day after it is no different.
    for from in ["2026-12-25T10:00:00Z", "2026-12-26T10:00:00Z"] {
        let calendar = compiled(&hours, from);
        let days = open_in(&calendar, "2026-12-25T00:00:00+02:00", "2026-12-27T12:00:00+02:00");
        assert_eq!(days, spans(&expected[1..]), "{from}");
    }
}

#[test]
fn a_special_day_replaces_what_opens_on_it() {
    let hours = format!(
        "time_zone = \"Europe/Kyiv\"\nholidays = [\"2027-01-01\"]\n\
         special = {{ \"2026-12-30\" = [\"09:00-12:00\"], \"2026-12-31\" = [\"22:00-04:00\"], \
         \"2027-01-02\" = [] }}\n{}",
        daily("\"20:00-02:00\"")
    );
    let calendar = compiled(&hours, "2026-12-01T00:00:00Z");
    let days = open_in(&calendar, "2026-12-29T12:00:00+02:00", "2027-01-03T22:00:00+02:00");
    let expected = [
        ("2026-12-29T20:00:00+02:00", "2026-12-30T02:00:00+02:00"),
        ("2026-12-30T09:00:00+02:00", "2026-12-30T12:00:00+02:00"),
        ("2026-12-31T22:00:00+02:00", "2027-01-01T00:00:00+02:00"),
        ("2027-01-03T20:00:00+02:00", "2027-01-03T22:00:00+02:00"),
    ];
    assert_eq!(days, spans(&expected));
}

#[test]
fn eight_openings_a_day_fit_a_calendar_and_one_more_does_not() {
    let eight: Vec<_> = (0..8).map(|hour| format!("\"{hour:02}:00-{hour:02}:30\"")).collect();
    let hours = format!("time_zone = \"UTC\"\n{}", daily(&eight.join(", ")));
    assert_eq!(compiled(&hours, "2026-03-01T00:00:00Z").open.len(), limits::CALENDAR_INTERVALS_MAX);
    // Last night is one more.
    let night = format!("{}, \"23:00-00:00\"", eight[1..].join(", "));
    let hours = format!("time_zone = \"UTC\"\n{}", daily(&night));
    let error = compile(&entry(&hours), at("2026-03-01T00:00:00Z")).expect_err("too many");
    assert_eq!(error.to_string(), "no more than 3200 intervals of a calendar");
    let text = format!("[[calendar]]\nid = \"c\"\nname = \"c\"\n{hours}");
    let file = CentreFile::parse(&text).expect("in order");
    let error = file.to_commands(at("2026-03-01T00:00:00Z")).expect_err("too many");
    assert_eq!(error.to_string(), "calendar c: no more than 3200 intervals of a calendar");
}

#[test]
fn years_that_log_time_does_not_reach_are_refused() {
    let hours = entry("time_zone = \"UTC\"\nweekly = { mon = [\"09:00-18:00\"] }\n");
    for from in [LogTime(limits::STAMP_MAX), LogTime(limits::STAMP_MAX + 1), LogTime(u64::MAX)] {
        let error = compile(&hours, from).expect_err("too late");
        assert!(matches!(error, Rejection::InvalidConfig { .. }), "{error}");
    }
    let utc: Zone = "UTC".parse().expect("a zone");
    assert!(day_starts(&utc, LogTime(u64::MAX)).is_err());
    assert_eq!(
        day_starts(&utc, LogTime(0)).expect("the first day")[..2],
        [0, 86_400_000].map(LogTime)
    );
    assert!(compile(&hours, LogTime(0)).is_ok());
}

/// Whether a clock that shows this is one of an open hour.
fn clock_is_open(hours: &LocalHours, local: DateTime) -> bool {
    let minute =
        u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
    let yesterday = local.date().yesterday().expect("a date");
    let has = |date, minute| {
        hours.of(date).openings().iter().any(|o| (o.from()..o.until()).contains(&minute))
    };
    !hours.is_holiday(local.date())
        && (has(local.date(), minute) || has(yesterday, minute + DAY_MINUTES))
}

/// The other way round: from instants to the clock. Whenever a clock shows a time that comes
/// once, compiled hours say what the clock says; when it comes twice, they are open at least
/// when the clock says so.
#[test]
fn compiled_hours_agree_with_the_clock_on_the_wall() {
    let hours = "holidays = [\"2026-10-24\", \"2026-12-25\", \"2027-03-28\"]\n\
         special = { \"2026-10-25\" = [\"02:15-03:45\", \"23:30-01:30\"], \"2026-12-24\" = [] }\n\
         [calendar.weekly]\nmon = [\"00:00-24:00\"]\ntue = [\"09:00-13:00\", \"14:00-18:00\"]\n\
         wed = [\"22:00-21:00\"]\nthu = [\"23:45-00:15\"]\nfri = [\"01:30-02:30\", \"20:00-00:00\"]\n\
         sat = [\"23:00-03:15\"]\nsun = [\"00:30-02:15\", \"02:45-23:30\"]\n";
    let zones = [
        "Europe/Kyiv",
        "Africa/Cairo",
        "Africa/Casablanca",
        "America/Havana",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
    ];
    for zone in zones {
        let from = "2026-02-14T12:00:00Z";
        let entry = entry(&format!("time_zone = \"{zone}\"\n{hours}"));
        let OpeningHours::Local(local) = &entry.hours else { panic!("local hours") };
        let calendar = compile(&entry, at(from)).expect("compiles");
        let clock = TimeZoneDatabase::bundled().get(zone).expect("a zone");
        assert_eq!(
            clock.to_datetime(Timestamp::from_millisecond(calendar.covers_until.0 as i64).unwrap()),
            date(2027, 3, 21).at(0, 0, 0, 0),
        );
        let mut now = at(from);
        while now < calendar.covers_until {
            let shown = clock.to_datetime(Timestamp::from_millisecond(now.0 as i64).unwrap());
            let (open, said) = (calendar.is_open(now), clock_is_open(local, shown));
            let twice = clock.to_ambiguous_timestamp(shown).offset();
            let agree = match twice {
                AmbiguousOffset::Fold { .. } => open >= said,
                _ => open == said,
            };
            assert!(agree, "{zone} {shown}: open {open}, clock {said}");
            now = now.plus(Millis::minutes(15));
        }
    }
}
