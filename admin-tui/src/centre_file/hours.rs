//! The hours of a day as people write them: `["09:00-13:00", "14:00-18:00"]`.

use std::fmt;
use std::str::FromStr;

use acd::limits;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::compile::COMPILED_DAYS;

/// Minutes of a day on the clock.
pub(super) const DAY_MINUTES: u16 = 24 * 60;

/// How often a day may open: every day of those compiled, and it still fits a calendar.
const OPENINGS_PER_DAY_MAX: usize = limits::CALENDAR_INTERVALS_MAX / COMPILED_DAYS as usize;

/// `"09:00-13:00"`: from one time of the clock up to, not including, another.
///
/// If the second is earlier than the first it is of the next day: `"22:00-02:00"`. A day ends at
/// `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Minutes since midnight, below [`DAY_MINUTES`].
    from: u16,
    /// Minutes since midnight, [`DAY_MINUTES`] at most; not the same as `from`.
    to: u16,
}

/// The text gives no opening hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHours {
    /// Another form, or times that no clock shows.
    #[error(
        "{text:?} are no opening hours: write HH:MM-HH:MM, from 00:00 to 24:00, such as \
         \"09:00-18:00\" or, over midnight, \"22:00-02:00\""
    )]
    Form {
        /// The start of it.
        text: String,
    },
    /// Open from a time up to the same time.
    #[error("{opening} ends when it begins: leave it out, or write 00:00-24:00 for a whole day")]
    Empty {
        /// The opening.
        opening: Opening,
    },
    /// Two openings of a day at one time, or in the wrong order.
    #[error(
        "{second} begins before {first} is over: write the openings of a day in order, without \
         overlap"
    )]
    Overlap {
        /// The one that stands first.
        first: Opening,
        /// The one after it.
        second: Opening,
    },
    /// More openings than a day may have.
    #[error("{count} openings in a day: write at most {OPENINGS_PER_DAY_MAX}")]
    TooMany {
        /// How many.
        count: usize,
    },
}

impl Opening {
    /// When it opens, in minutes since midnight.
    pub(super) fn from(self) -> u16 {
        self.from
    }

    /// When it closes, in minutes since the midnight before it opened: over midnight it is more
    /// than [`DAY_MINUTES`].
    pub(super) fn until(self) -> u16 {
        if self.to < self.from { self.to + DAY_MINUTES } else { self.to }
    }
}

/// Minutes since midnight of a time written `HH:MM`, 24:00 at most.
fn parse_clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let proper = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| proper)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let at = hours * 60 + minutes;
    (minutes < 60 && at <= DAY_MINUTES).then_some(at)
}

impl FromStr for Opening {
    type Err = InvalidHours;

    fn from_str(text: &str) -> Result<Self, InvalidHours> {
        let invalid = || InvalidHours::Form { text: text.chars().take(64).collect() };
        let (from, to) = text.split_once('-').ok_or_else(invalid)?;
        let from = parse_clock(from).filter(|from| *from < DAY_MINUTES).ok_or_else(invalid)?;
        let to = parse_clock(to).ok_or_else(invalid)?;
        let opening = Self { from, to };
        if from == to { Err(InvalidHours::Empty { opening }) } else { Ok(opening) }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl Serialize for Opening {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Opening {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The openings that begin on one day, in order, without overlaps. None: closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayHours(Vec<Opening>);

impl DayHours {
    /// Nothing opens.
    pub const CLOSED: Self = Self(Vec::new());

    /// Checks order and number.
    pub fn new(openings: Vec<Opening>) -> Result<Self, InvalidHours> {
        if openings.len() > OPENINGS_PER_DAY_MAX {
            return Err(InvalidHours::TooMany { count: openings.len() });
        }
        match openings.windows(2).find(|pair| pair[1].from < pair[0].until()) {
            Some(pair) => Err(InvalidHours::Overlap { first: pair[0], second: pair[1] }),
            None => Ok(Self(openings)),
        }
    }

    /// The openings.
    pub fn openings(&self) -> &[Opening] {
        &self.0
    }

    /// Whether nothing opens on that day.
    pub fn is_closed(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for DayHours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DayHours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(texts: &[&str]) -> Result<DayHours, InvalidHours> {
        DayHours::new(texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
    }

    #[test]
    fn an_opening_is_two_times_of_the_clock() {
        for (text, from, until) in [
            ("09:00-13:00", 540, 780),
            ("00:00-24:00", 0, 1_440),
            ("22:00-02:00", 1_320, 1_560),
            ("22:00-00:00", 1_320, 1_440),
            ("23:59-23:58", 1_439, 2_878),
        ] {
            let opening: Opening = text.parse().expect(text);
            assert_eq!((opening.from(), opening.until()), (from, until), "{text}");
            assert_eq!(opening.to_string(), text);
        }
    }

    #[test]
    fn what_no_clock_shows_is_refused() {
        for bad in [
            "",
            "-",
            "09:00",
            "9:00-13:00",
            "09:00-13",
            "09:60-13:00",
            "09:00-24:01",
            "09:00-25:00",
            "24:00-02:00",
            "09:00 - 13:00",
            "09:00–13:00",
            "09:00-13:00-14:00",
            "+9:00-13:00",
            "09:00-13:00Z",
            "٠٩:00-13:00",
        ] {
            let error = bad.parse::<Opening>().expect_err(bad);
            assert!(matches!(error, InvalidHours::Form { .. }), "{bad}: {error}");
        }
        for empty in ["09:00-09:00", "00:00-00:00"] {
            let error = empty.parse::<Opening>().expect_err(empty);
            assert!(matches!(error, InvalidHours::Empty { .. }), "{empty}: {error}");
        }
    }

    #[test]
    fn the_openings_of_a_day_follow_each_other() {
        assert!(day(&[]).expect("closed").is_closed());
        assert!(day(&["09:00-13:00", "13:00-18:00", "22:00-02:00"]).is_ok());
        for pair in [
            ["09:00-13:00", "12:59-18:00"],
            ["14:00-18:00", "09:00-13:00"],
            ["22:00-02:00", "23:00-24:00"],
        ] {
            let error = day(&pair).expect_err("overlap");
            let (first, second) = (pair[0].parse().unwrap(), pair[1].parse().unwrap());
            assert_eq!(error, InvalidHours::Overlap { first, second });
        }
        let eight: Vec<_> = (0..8).map(|hour| format!("{hour:02}:00-{hour:02}:30")).collect();
        let mut texts: Vec<_> = eight.iter().map(String::as_str).collect();
        assert!(day(&texts).is_ok());
        texts.push("20:00-21:00");
        assert_eq!(day(&texts), Err(InvalidHours::TooMany { count: 9 }));
    }
}
