//! How single values of a centre file are written: ids and labels, words, instants.

use acd::channel::{Channel, Medium};
use acd::config::Strategy;
use acd::ids::{AgentId, CalendarId, PrincipalId, QueueId, SiteId, SkillId};
use acd::rejection::Rejection;
use acd::roles::Role;
use acd::text::Label;
use acd::time::LogTime;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

/// A value that is parsed from text by the state machine's own rules.
pub trait Parsed: Sized {
    /// What such a text has to look like.
    const FORM: &'static str;

    /// Parses it.
    fn parse(text: &str) -> Result<Self, Rejection>;

    /// The text.
    fn text(&self) -> &str;
}

const SLUG_FORM: &str =
    "at most 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit";

macro_rules! parsed {
    ($form:expr => $($name:ident),*) => {
        $(impl Parsed for $name {
            const FORM: &'static str = $form;

            fn parse(text: &str) -> Result<Self, Rejection> {
                Self::new(text)
            }

            fn text(&self) -> &str {
                self.as_str()
            }
        })*
    };
}
parsed!(SLUG_FORM => AgentId, CalendarId, PrincipalId, QueueId, SiteId, SkillId);
parsed!("1 to 200 bytes without control characters" => Label);

/// An id or a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<T>(pub T);

impl<T: Parsed> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text())
    }
}

impl<'de, T: Parsed> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let form = T::FORM;
        T::parse(&text).map(Self).map_err(|why| D::Error::custom(format!("{why}: write {form}")))
    }
}

/// One of a few values that have a word each.
pub trait Word: Copy + PartialEq + 'static {
    /// What they are together.
    const KIND: &'static str;
    /// All that can be written, with their words.
    const WORDS: &'static [(&'static str, Self)];
}

impl Word for Channel {
    const KIND: &'static str = "channel";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("voice", Self::Voice),
        ("chat", Self::Chat),
        ("email", Self::Email),
        ("message", Self::Message),
        ("callback", Self::Callback),
    ];
}

impl Word for Medium {
    const KIND: &'static str = "medium";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("voice", Self::Voice),
        ("chat", Self::Chat),
        ("email", Self::Email),
        ("message", Self::Message),
    ];
}

impl Word for Strategy {
    const KIND: &'static str = "strategy";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("longest-idle", Self::LongestIdle),
        ("least-occupied", Self::LeastOccupied),
        ("most-skilled", Self::MostSkilled),
        ("round-robin", Self::RoundRobin),
    ];
}

impl Word for Role {
    const KIND: &'static str = "role that is given by hand";
    /// `node` comes with membership and `agent` with the roster, so neither is written here.
    const WORDS: &'static [(&'static str, Self)] = &[
        ("viewer", Self::Viewer),
        ("supervisor", Self::Supervisor),
        ("operator", Self::Operator),
        ("admin", Self::Admin),
        ("ingress", Self::Ingress),
        ("gateway", Self::Gateway),
    ];
}

/// A value written as its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named<T>(pub T);

impl<T: Word> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word = T::WORDS.iter().find(|(_, value)| *value == self.0);
        let (word, _) = word.ok_or_else(|| S::Error::custom(format!("not a {}", T::KIND)))?;
        serializer.serialize_str(word)
    }
}

impl<'de, T: Word> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = T::WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| Self(*value)).ok_or_else(|| {
            let words: Vec<_> = T::WORDS.iter().map(|(word, _)| *word).collect();
            let kind = T::KIND;
            D::Error::custom(format!("{text:?} is no {kind}: write one of {}", words.join(", ")))
        })
    }
}

/// An instant, written as RFC 3339 in UTC: `1999-02-01T07:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub LogTime);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = i64::try_from(self.0.0).map_err(S::Error::custom)?;
        let at = jiff::Timestamp::from_millisecond(ms).map_err(S::Error::custom)?;
        serializer.collect_str(&at)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = text.parse::<jiff::Timestamp>().ok();
        let ms = at.and_then(|at| u64::try_from(at.as_millisecond()).ok());
        ms.map(|ms| Self(LogTime(ms))).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is no instant: write date, time and offset, such as \
                 \"2027-02-01T07:00:00Z\", not before 1970"
            ))
        })
    }
}
