//! Bounded text: labels that people read, addresses of nodes, attributes that only their owners read.

use alloc::{string::ToString, sync::Arc};
use core::fmt;

use crate::ids::excerpt;
use crate::limits;
use crate::rejection::Rejection;

/// Text for people: a display name, a reason, a disposition, a recording reference. Any Unicode
/// without control characters, 1–200 bytes. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Arc<str>);

impl Label {
    /// Parses a label; empty, too long or with control characters is
    /// [`Rejection::InvalidLabel`].
    pub fn new(text: &str) -> Result<Self, Rejection> {
        let fits = !text.is_empty() && text.len() <= limits::LABEL_BYTES_MAX;
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(Rejection::InvalidLabel { text: excerpt(text) })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where others find a node: `host:port`, printable ASCII, at most 259 bytes. Cloning shares the
/// text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

impl Address {
    /// Parses an address; anything else than a host, a colon and a port from 1 to 65,535 is
    /// [`Rejection::InvalidAddress`]. Whether there is such a host is not asked.
    pub fn new(text: &str) -> Result<Self, Rejection> {
        let is_port = |port: &str| {
            let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
            plain && port.parse::<u16>().is_ok()
        };
        let parts = text.rsplit_once(':');
        let fits = text.len() <= limits::ADDRESS_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_graphic())
            && parts.is_some_and(|(host, port)| !host.is_empty() && is_port(port));
        if fits {
            Ok(Self(Arc::from(text)))
        } else {
            Err(Rejection::InvalidAddress { text: excerpt(text) })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The attributes of a contact as the ingress wrote them: an encoded
/// `quorumcall.stored.v1.Attributes` message. Checked once for form and limits, then opaque: the
/// state machine never routes by them. One copied blob, because a slice of the receive buffer
/// would keep the whole batch alive.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    bytes: Arc<[u8]>,
    /// Hash of the bytes, so that a change of the contact need not read them again.
    hash: u64,
}

impl Attributes {
    /// Checks and copies an encoded attributes message; anything else is
    /// [`Rejection::InvalidAttributes`].
    pub fn new(bytes: &[u8]) -> Result<Self, Rejection> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let invalid = |what: &str| Rejection::InvalidAttributes { what: what.to_string() };
        if bytes.len() > limits::ATTRIBUTES_BYTES_MAX {
            return Err(invalid("more than 4,096 bytes"));
        }
        check_attributes(bytes).map_err(invalid)?;
        Ok(Self { bytes: Arc::from(bytes), hash: xxhash_rust::xxh3::xxh3_64(bytes) })
    }

    /// The encoded message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Hash of the bytes.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Attributes hold people's data: never in a log line.
        write!(f, "Attributes({} bytes)", self.bytes.len())
    }
}

/// Walks `repeated Attribute { string name = 1; string value = 2; } = 1` without building it.
fn check_attributes(mut rest: &[u8]) -> Result<(), &'static str> {
    const FIELD_1: u8 = 0x0a;
    const FIELD_2: u8 = 0x12;
    let mut count = 0;
    while !rest.is_empty() {
        let mut item = take_field(&mut rest, FIELD_1)?;
        let name = take_field(&mut item, FIELD_1)?;
        let value = if item.is_empty() { &[][..] } else { take_field(&mut item, FIELD_2)? };
        if !item.is_empty() {
            return Err("an attribute has more than a name and a value");
        }
        if name.is_empty() || name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX {
            return Err("an attribute's name has not 1 to 64 bytes");
        }
        if core::str::from_utf8(name).is_err() || core::str::from_utf8(value).is_err() {
            return Err("not UTF-8");
        }
        count += 1;
        if count > limits::ATTRIBUTES_MAX {
            return Err("more than 32 attributes");
        }
    }
    Ok(())
}

/// Takes one length-delimited field with the given key off the front.
fn take_field<'a>(rest: &mut &'a [u8], key: u8) -> Result<&'a [u8], &'static str> {
    const MALFORMED: &str = "not an encoded Attributes message";
    let (first, after_key) = rest.split_first().ok_or(MALFORMED)?;
    if *first != key {
        return Err(MALFORMED);
    }
    // Lengths up to 4,096 take at most two bytes.
    let (low, after_low) = after_key.split_first().ok_or(MALFORMED)?;
    let (length, body) = if *low < 0x80 {
        (usize::from(*low), after_low)
    } else {
        let (high, body) = after_low.split_first().ok_or(MALFORMED)?;
        if *high >= 0x80 {
            return Err(MALFORMED);
        }
        (usize::from(*low & 0x7f) | usize::from(*high) << 7, body)
    };
    if length > body.len() {
        return Err(MALFORMED);
    }
    let (field, after) = body.split_at(length);
    *rest = after;
    Ok(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec::Vec};
    use prost::Message;
    use proto::stored::v1 as stored;

    fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
        let items = pairs
            .iter()
            .map(|(n, v)| stored::Attribute { name: String::from(*n), value: String::from(*v) })
            .collect();
        stored::Attributes { items }.encode_to_vec()
    }

    #[test]
    fn what_prost_encodes_is_accepted() {
        let long = "x".repeat(3_000);
        let bytes = encoded(&[("name", "Олена"), ("empty", ""), ("long", &long)]);
        assert_eq!(Attributes::new(&bytes).unwrap().as_bytes(), bytes);
        assert!(Attributes::new(&[]).is_ok());
    }

    #[test]
    fn broken_or_oversized_attributes_are_refused() {
        let many: Vec<(&str, &str)> = (0..33).map(|_| ("a", "b")).collect();
        let huge = "x".repeat(4_096);
        for bad in [
            encoded(&many),
            encoded(&[("a", &huge)]),
            encoded(&[("", "nameless")]),
            encoded(&[("a", "b")])[..3].to_vec(),
            alloc::vec![0xff],
            alloc::vec![0x0a, 0x04, 0x0a, 0x02, 0xff, 0xfe],
        ] {
            assert!(Attributes::new(&bad).is_err());
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let longest = alloc::format!("{}:65535", "h".repeat(253));
        for good in ["127.0.0.1:7101", "[fd00::1]:7400", "kyiv-1.example:1", longest.as_str()] {
            assert_eq!(Address::new(good).map(|a| a.as_str() == good), Ok(true), "{good}");
        }
        let too_long = alloc::format!("{}:65535", "h".repeat(254));
        for bad in ["", "kyiv", ":7400", "kyiv:", "kyiv:0", "kyiv:07", "kyiv:65536", "kyiv:+7"] {
            assert!(Address::new(bad).is_err(), "{bad}");
        }
        for bad in ["a b:1", "київ:7400", "a\n:1", too_long.as_str()] {
            assert!(Address::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_label_is_any_text_without_control_characters() {
        assert!(Label::new("Київ, 3-й поверх").is_ok());
        for bad in ["", "a\u{1b}[2J", "a\nb", "x".repeat(201).as_str()] {
            assert!(Label::new(bad).is_err());
        }
    }
}
