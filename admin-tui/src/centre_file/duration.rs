//! Durations as people write them: `20s`, `90s`, `10m`, `1h30m`, `250ms`.

use std::fmt;
use std::str::FromStr;

use acd::time::Millis;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// Units, longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration that is written with its unit.
///
/// Read: whole numbers with a unit each (`d`, `h`, `m`, `s`, `ms`), longest unit first, each unit
/// once, without spaces. Written: in the longest unit that needs no fraction, so 90 s are `90s`
/// and 120 s are `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub Millis);

/// The text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no duration: write a whole number and a unit (d, h, m, s, ms), \
     such as \"20s\" or \"1h30m\""
)]
pub struct InvalidDuration {
    text: String,
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration { text: text.chars().take(64).collect() };
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut sum = 0_u64;
        loop {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, after) = rest.split_at(digits);
            let letters = after.len() - after.trim_start_matches(char::is_alphabetic).len();
            let (unit, after) = after.split_at(letters);
            let number: u64 = number.parse().map_err(|_| invalid())?;
            // The iterator goes on where it stopped: units only get shorter.
            let (_, ms) = units.find(|(name, _)| *name == unit).ok_or_else(invalid)?;
            let part = number.checked_mul(*ms).ok_or_else(invalid)?;
            sum = sum.checked_add(part).ok_or_else(invalid)?;
            if after.is_empty() {
                return Ok(Self(Millis(sum)));
            }
            rest = after;
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.0;
        if ms == 0 {
            return f.write_str("0s");
        }
        let fits = UNITS.iter().find(|(_, unit)| ms.is_multiple_of(*unit));
        let (name, unit) = fits.unwrap_or(&("ms", 1));
        write!(f, "{}{name}", ms / unit)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_numbers_with_units_longest_first() {
        for (text, ms) in [
            ("0s", 0),
            ("250ms", 250),
            ("90s", 90_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("400d", 34_560_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Duration(Millis(ms))), "{text}");
        }
        for bad in [
            "",
            "20",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            " 20s",
            "20 s",
            "20s ",
            "1m1h",
            "1s1s",
            "1S",
            "1min",
            "99999999999999999999s",
            "18446744073709551615s",
            "1w",
        ] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_is_written_in_the_longest_unit_without_a_fraction() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1ms"),
            (1_500, "1500ms"),
            (20_000, "20s"),
            (90_000, "90s"),
            (120_000, "2m"),
            (43_200_000, "12h"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(Duration(Millis(ms)).to_string(), text);
            assert_eq!(text.parse(), Ok(Duration(Millis(ms))));
        }
    }
}
