//! Names and numbers of things. Each is parsed once, at the edge; inside the state machine a
//! value of one of these types is known to be well formed.

use alloc::{string::String, sync::Arc};
use core::fmt;

use crate::limits;
use crate::rejection::Rejection;

/// Checks a slug: `[a-z0-9][a-z0-9._-]{0,62}`.
fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((first, rest)) = bytes.split_first() else {
        return false;
    };
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.len() <= limits::SLUG_BYTES_MAX
        && plain(first)
        && rest.iter().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
}

macro_rules! slug_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        /// A slug: `[a-z0-9][a-z0-9._-]{0,62}`. Cloning shares the text.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a slug; anything else is [`Rejection::InvalidId`].
            pub fn new(text: &str) -> Result<Self, Rejection> {
                if is_slug(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(Rejection::InvalidId { kind: $kind, text: excerpt(text) })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slug_type!(
    /// A queue.
    QueueId, "queue"
);
slug_type!(
    /// An agent; also the name of the principal an agent logs in as.
    AgentId, "agent"
);
slug_type!(
    /// A site: a city.
    SiteId, "site"
);
slug_type!(
    /// A skill.
    SkillId, "skill"
);
slug_type!(
    /// A calendar of opening hours.
    CalendarId, "calendar"
);
slug_type!(
    /// Whoever authenticated: a person or a machine.
    PrincipalId, "principal"
);

/// The start of a text that is not what it should be, fit for an error message: printable
/// ASCII, at most 64 characters.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars()
        .take(limits::SLUG_BYTES_MAX + 1)
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .collect()
}

/// A contact: 1–128 printable ASCII bytes without spaces, supplied by the ingress or made as a
/// UUIDv7. The id *is* the idempotency key of the enqueue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(Arc<str>);

impl ContactId {
    /// Parses a contact id; anything else is [`Rejection::InvalidId`].
    pub fn new(text: &str) -> Result<Self, Rejection> {
        let fits = !text.is_empty() && text.len() <= limits::CONTACT_ID_BYTES_MAX;
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(Rejection::InvalidId { kind: "contact", text: excerpt(text) })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number from the one counter of the state. Everything that is created or becomes free draws
/// one, so comparing two of them compares their order in the log, even inside one log entry
/// that carries many commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// The fence of an offer: the [`Seq`] that made it. Unique for ever, so a command that carries a
/// token can only mean that one offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferToken(pub u64);

/// The fence of an agent's session: the [`Seq`] of the log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionEpoch(pub u64);

/// A node: a number from a counter in the log, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// The revision of a configured object (site, queue, agent …). Starts at 1; each change adds 1;
/// a command that expects another revision is refused as stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies one administrative request across retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_lower_case_ascii_of_at_most_63_bytes() {
        let long = "a".repeat(63);
        let too_long = "a".repeat(64);
        for good in ["a", "0", "kyiv", "a.b_c-d", long.as_str()] {
            assert!(QueueId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "A", "kyїv", "a b", "a\n", too_long.as_str()] {
            assert!(QueueId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_contact_id_is_printable_ascii_of_at_most_128_bytes() {
        let long = "x".repeat(128);
        let too_long = "x".repeat(129);
        for good in ["a", "Call:1@edge~7", long.as_str()] {
            assert!(ContactId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "\u{7f}", "дзвінок", too_long.as_str()] {
            assert!(ContactId::new(bad).is_err(), "{bad}");
        }
    }
}
