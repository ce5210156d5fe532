//! `[[calendar]]`: opening hours in local time, or as instants.
//!
//! ```toml
//! [[calendar]]
//! id = "office"
//! name = "Office hours"
//! time_zone = "Europe/Kyiv"
//! holidays = ["2026-12-25"]
//! special = { "2026-12-31" = ["09:00-12:00"] }
//!
//! [calendar.weekly]
//! mon = ["09:00-13:00", "14:00-18:00"]
//! fri = ["09:00-13:00", "22:00-02:00"]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use acd::config::{Calendar, Interval};
use acd::ids::CalendarId;
use acd::rejection::Rejection;
use acd::text::Label;
use jiff::civil::{Date, Weekday};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::hours::DayHours;
use super::text::{Instant, Text};
use super::zone::Zone;

/// Opening hours with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct CalendarEntry {
    /// The id.
    pub id: Text<CalendarId>,
    /// The name people see.
    pub name: Text<Label>,
    /// When it is open.
    pub hours: OpeningHours,
}

/// When a calendar is open.
#[derive(Clone, Debug, PartialEq)]
pub enum OpeningHours {
    /// As people say it.
    Local(LocalHours),
    /// As the state machine has it: what a running centre can tell of itself.
    Instants(InstantHours),
}

/// Hours of the week in a time zone, and the days that are not like others.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalHours {
    /// Whose clock.
    pub time_zone: Zone,
    /// What opens on which day of the week.
    pub weekly: WeeklyHours,
    /// Days closed from their first instant to their last: the night before ends at midnight,
    /// and nothing opens.
    pub holidays: BTreeSet<Day>,
    /// What opens on these days instead of the hours of the week. What opened the evening before
    /// goes on to its end. None of them is a holiday.
    pub special: BTreeMap<Day, DayHours>,
}

impl LocalHours {
    /// What opens on a day.
    pub(super) fn of(&self, date: Date) -> &DayHours {
        const CLOSED: &DayHours = &DayHours::CLOSED;
        if self.is_holiday(date) {
            return CLOSED;
        }
        self.special.get(&Day(date)).unwrap_or_else(|| self.weekly.of(date.weekday()))
    }

    /// Whether a day is a holiday.
    pub(super) fn is_holiday(&self, date: Date) -> bool {
        self.holidays.contains(&Day(date))
    }

    /// A day that is named as a holiday and as a special day.
    fn contradiction(&self) -> Option<&Day> {
        self.special.keys().find(|day| self.holidays.contains(day))
    }
}

/// What opens on which day of the week. A day that is left out is closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeeklyHours {
    /// Monday.
    #[serde(skip_serializing_if = "DayHours::is_closed")]
    pub mon: DayHours,
    /// Tuesday.
    #[serde(skip_serializing_if = "DayHours::is_closed")]
    pub tue: DayHours,
    /// Wednesday.
    #[serde(skip_serializing_if = "DayHours::is_closed")]
    pub wed: DayHours,
    /// Thursday.
    #[serde(skip_serializing_if = "DayHours::is_closed")]
    pub thu: DayHours,
    /// Friday.
    #[serde(skip_serializing_if = "DayHours::is_closed")]
    pub fri: DayHours,
    /// Saturday.
    #[serde(skip_serializing_if = "DayHours::is_closed")]
    pub sat: DayHours,
    /// Sunday.
    #[serde(skip_serializing_if = "DayHours::is_closed")]
    pub sun: DayHours,
}

impl WeeklyHours {
    /// What opens on a day of the week.
    pub fn of(&self, weekday: Weekday) -> &DayHours {
        match weekday {
            Weekday::Monday => &self.mon,
            Weekday::Tuesday => &self.tue,
            Weekday::Wednesday => &self.wed,
            Weekday::Thursday => &self.thu,
            Weekday::Friday => &self.fri,
            Weekday::Saturday => &self.sat,
            Weekday::Sunday => &self.sun,
        }
    }
}

/// A date, written `"2026-12-25"`. Read also without quotes, as TOML has dates of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub Date);

/// The text is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no date: write year, month and day, such as \"2026-12-25\"")]
pub struct InvalidDay {
    text: String,
}

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        // The library also reads other forms of ISO 8601; here a date is written in one way.
        let found = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        found.map(Self).ok_or_else(|| InvalidDay { text: text.chars().take(64).collect() })
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DayVisitor;

        impl<'de> Visitor<'de> for DayVisitor {
            type Value = Day;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date such as \"2026-12-25\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Day, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Day, A::Error> {
                let date = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))?;
                date.to_string().parse().map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(DayVisitor)
    }
}

/// Holidays, each of which may be named once.
fn holidays<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Day>, D::Error> {
    let mut found = BTreeSet::new();
    for day in Vec::<Day>::deserialize(deserializer)? {
        if !found.insert(day) {
            return Err(D::Error::custom(format!("{} is there twice", day.0)));
        }
    }
    Ok(found)
}

/// Instants, complete up to one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct InstantHours {
    /// Up to when the list is complete. After that the queue counts as open.
    pub covers_until: Instant,
    /// When it is open, in order, without overlaps.
    pub open: Vec<OpenEntry>,
}

/// `{ from = "2027-02-01T07:00:00Z", to = "2027-02-01T22:00:00Z" }`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenEntry {
    /// First instant.
    pub from: Instant,
    /// First instant after.
    pub to: Instant,
}

/// Intervals in order, without overlaps, none of which ends before it starts.
fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OpenEntry>, D::Error> {
    let open = Vec::<OpenEntry>::deserialize(deserializer)?;
    if let Some(at) = open.iter().position(|entry| entry.to.0 <= entry.from.0) {
        return Err(D::Error::custom(format!("interval {} ends before it starts", at + 1)));
    }
    if let Some(at) = open.windows(2).position(|pair| pair[1].from.0 < pair[0].to.0) {
        let (first, second) = (at + 1, at + 2);
        let error = format!("interval {second} starts before interval {first} is over");
        return Err(D::Error::custom(error));
    }
    Ok(open)
}

impl InstantHours {
    /// The calendar with these hours.
    pub(super) fn to_config(&self, entry: &CalendarEntry) -> Result<Calendar, Rejection> {
        let interval = |open: &OpenEntry| Interval { start: open.from.0, end: open.to.0 };
        Calendar {
            id: entry.id.0.clone(),
            name: entry.name.0.clone(),
            open: self.open.iter().map(interval).collect(),
            covers_until: self.covers_until.0,
        }
        .normalise()
    }
}

impl CalendarEntry {
    /// What a file says of a calendar with these hours: as instants, for what they were compiled
    /// from, nobody knows any more.
    pub(super) fn from_config(calendar: &Calendar) -> Self {
        let Calendar { id, name, open, covers_until } = calendar;
        let entry = |interval: &Interval| OpenEntry {
            from: Instant(interval.start),
            to: Instant(interval.end),
        };
        Self {
            id: Text(id.clone()),
            name: Text(name.clone()),
            hours: OpeningHours::Instants(InstantHours {
                covers_until: Instant(*covers_until),
                open: open.iter().map(entry).collect(),
            }),
        }
    }

    /// Checks what does not depend on the time.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        match &self.hours {
            OpeningHours::Instants(hours) => hours.to_config(self).map(drop),
            OpeningHours::Local(hours) => match hours.contradiction() {
                Some(_) => Err(Rejection::InvalidConfig { what: "no holiday is a special day" }),
                None => Ok(()),
            },
        }
    }
}

/// What can stand in a `[[calendar]]`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    id: Text<CalendarId>,
    name: Text<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    covers_until: Option<Instant>,
    #[serde(default, deserialize_with = "in_order", skip_serializing_if = "Vec::is_empty")]
    open: Vec<OpenEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<Zone>,
    #[serde(default, deserialize_with = "holidays", skip_serializing_if = "BTreeSet::is_empty")]
    holidays: BTreeSet<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weekly: Option<WeeklyHours>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    special: BTreeMap<Day, DayHours>,
}

/// The fields of a `[[calendar]]` do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Contradiction {
    #[error(
        "calendar {id}: write time_zone and [calendar.weekly] for local hours, or covers_until \
         and open for instants"
    )]
    NoHours { id: String },
    #[error(
        "calendar {id}: hours are either local (time_zone, weekly, holidays, special) or \
         instants (covers_until, open)"
    )]
    Both { id: String },
    #[error("calendar {id}: local hours need a {field}")]
    Missing { id: String, field: &'static str },
    #[error("calendar {id}: {date} is a holiday and a special day")]
    TwoKinds { id: String, date: Date },
}

impl TryFrom<Fields> for CalendarEntry {
    type Error = Contradiction;

    fn try_from(fields: Fields) -> Result<Self, Contradiction> {
        let Fields { id, name, covers_until, open, time_zone, holidays, weekly, special } = fields;
        let entry = || id.0.as_str().to_owned();
        let is_local =
            time_zone.is_some() || weekly.is_some() || !(holidays.is_empty() && special.is_empty());
        let hours = match (covers_until, is_local) {
            (Some(_), true) => return Err(Contradiction::Both { id: entry() }),
            (None, true) if !open.is_empty() => return Err(Contradiction::Both { id: entry() }),
            (None, false) => return Err(Contradiction::NoHours { id: entry() }),
            (Some(covers_until), false) => {
                OpeningHours::Instants(InstantHours { covers_until, open })
            }
            (None, true) => {
                let missing = |field| Contradiction::Missing { id: entry(), field };
                let time_zone = time_zone.ok_or_else(|| missing("time_zone"))?;
                // A week that is left out would be a queue that never opens.
                let weekly = weekly.ok_or_else(|| missing("[calendar.weekly]"))?;
                let hours = LocalHours { time_zone, weekly, holidays, special };
                if let Some(day) = hours.contradiction() {
                    return Err(Contradiction::TwoKinds { id: entry(), date: day.0 });
                }
                OpeningHours::Local(hours)
            }
        };
        Ok(Self { id, name, hours })
    }
}

impl From<CalendarEntry> for Fields {
    fn from(entry: CalendarEntry) -> Self {
        let CalendarEntry { id, name, hours } = entry;
        let mut fields = Self {
            id,
            name,
            covers_until: None,
            open: Vec::new(),
            time_zone: None,
            holidays: BTreeSet::new(),
            weekly: None,
            special: BTreeMap::new(),
        };
        match hours {
            OpeningHours::Local(hours) => {
                fields.time_zone = Some(hours.time_zone);
                fields.holidays = hours.holidays;
                fields.weekly = Some(hours.weekly);
                fields.special = hours.special;
            }
            OpeningHours::Instants(hours) => {
                fields.covers_until = Some(hours.covers_until);
                fields.open = hours.open;
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests;
