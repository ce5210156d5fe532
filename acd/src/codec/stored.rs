//! How a value and its stored form become each other.
//!
//! A message is described once, as a list of its fields; [`Stored`] of each field does the rest,
//! in both directions. A field that differs between the two sides, or is forgotten on one of
//! them, does not compile.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use bytes::Bytes;

use crate::channel::{Channel, Channels, Media, Medium};
use crate::config::check_duration;
use crate::ids::{
    AgentId, CalendarId, ContactId, NodeId, OfferToken, PrincipalId, QueueId, RequestId, Revision,
    Seq, SessionEpoch, SiteId, SkillId,
};
use crate::limits;
use crate::rejection::Rejection;
use crate::roles::{Role, Roles};
use crate::site::NodeRole;
use crate::text::{Address, Attributes, Label};
use crate::time::{AttendedTime, LogTime, Millis};

/// A value with a stored form `M`: a message, or a field of one.
pub(crate) trait Stored<M>: Sized {
    /// The stored form.
    fn to_stored(&self) -> M;

    /// Checks and takes over a stored form. `at` names the field in refusals.
    fn from_stored(stored: M, at: &'static str) -> Result<Self, Rejection>;
}

pub(crate) fn malformed(what: String) -> Rejection {
    Rejection::Malformed { what }
}

/// A required message that is not there.
pub(crate) fn missing(at: &str) -> Rejection {
    malformed(format!("{at} is missing"))
}

/// A choice that is not there, or one that this program has no word for: readers skip fields
/// they do not know.
pub(crate) fn no_choice(at: &str) -> Rejection {
    malformed(format!("{at} is missing or unknown to this version"))
}

// -- Messages -----------------------------------------------------------------------------------

/// Reads one field, and passes it through a check if there is one. The check also says as what
/// the field is read.
macro_rules! read_field {
    ($value:expr, $at:expr) => {
        $crate::codec::stored::Stored::from_stored($value, $at)?
    };
    ($value:expr, $at:expr, $check:path) => {
        $check($crate::codec::stored::Stored::from_stored($value, $at)?)?
    };
}
pub(crate) use read_field;

/// Makes structs [`Stored`] as the messages of the same names: `Struct { fields; field as
/// other_name }`, with `=> check` behind a field for [`read_field`].
macro_rules! stored_messages {
    ($($type:ident {
        $($same:ident $(=> $check:path)?),* $(,)?
        $(; $($field:ident as $wire:ident $(=> $wire_check:path)?),+ $(,)?)?
    })+) => {$(
        impl $crate::codec::stored::Stored<proto::stored::v1::$type> for $type {
            fn to_stored(&self) -> proto::stored::v1::$type {
                use $crate::codec::stored::Stored;
                proto::stored::v1::$type {
                    $($same: Stored::to_stored(&self.$same),)*
                    $($($wire: Stored::to_stored(&self.$field),)+)?
                }
            }

            fn from_stored(
                stored: proto::stored::v1::$type,
                _: &'static str,
            ) -> Result<Self, $crate::rejection::Rejection> {
                use $crate::codec::stored::read_field;
                Ok(Self {
                    $($same: read_field!(
                        stored.$same,
                        concat!(stringify!($type), ".", stringify!($same))
                        $(, $check)?
                    ),)*
                    $($($field: read_field!(
                        stored.$wire,
                        concat!(stringify!($type), ".", stringify!($wire))
                        $(, $wire_check)?
                    ),)+)?
                })
            }
        }

        $crate::codec::stored::required!($type);
    )+};
}
pub(crate) use stored_messages;

/// Makes a type that is [`Stored`] as a message one that is required as a field: protobuf can
/// leave out any message.
macro_rules! required {
    ($($type:ident),+) => {$(
        impl $crate::codec::stored::Stored<Option<proto::stored::v1::$type>> for $type {
            fn to_stored(&self) -> Option<proto::stored::v1::$type> {
                Some(self.to_stored())
            }

            fn from_stored(
                stored: Option<proto::stored::v1::$type>,
                at: &'static str,
            ) -> Result<Self, $crate::rejection::Rejection> {
                let stored = stored.ok_or_else(|| $crate::codec::stored::missing(at))?;
                Self::from_stored(stored, at)
            }
        }
    )+};
}
pub(crate) use required;

impl<T: Stored<M>, M> Stored<Option<M>> for Option<T> {
    fn to_stored(&self) -> Option<M> {
        self.as_ref().map(T::to_stored)
    }

    fn from_stored(stored: Option<M>, at: &'static str) -> Result<Self, Rejection> {
        stored.map(|stored| T::from_stored(stored, at)).transpose()
    }
}

impl<T: Stored<M>, M> Stored<M> for Box<T> {
    fn to_stored(&self) -> M {
        T::to_stored(self)
    }

    fn from_stored(stored: M, at: &'static str) -> Result<Self, Rejection> {
        T::from_stored(stored, at).map(Self::new)
    }
}

impl<T: Stored<M>, M> Stored<Vec<M>> for Vec<T> {
    fn to_stored(&self) -> Vec<M> {
        self.iter().map(T::to_stored).collect()
    }

    fn from_stored(stored: Vec<M>, at: &'static str) -> Result<Self, Rejection> {
        stored.into_iter().map(|stored| T::from_stored(stored, at)).collect()
    }
}

// -- Text ---------------------------------------------------------------------------------------

macro_rules! stored_text {
    ($($type:ident),+) => {$(
        impl Stored<String> for $type {
            fn to_stored(&self) -> String {
                self.as_str().into()
            }

            fn from_stored(stored: String, _: &'static str) -> Result<Self, Rejection> {
                Self::new(&stored)
            }
        }
    )+};
}
stored_text!(QueueId, AgentId, SiteId, SkillId, CalendarId, PrincipalId, ContactId, Label, Address);

impl Stored<Bytes> for Attributes {
    fn to_stored(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }

    fn from_stored(stored: Bytes, _: &'static str) -> Result<Self, Rejection> {
        Self::new(&stored)
    }
}

// -- Numbers ------------------------------------------------------------------------------------

macro_rules! stored_as_it_is {
    ($($type:ty),+) => {$(
        impl Stored<$type> for $type {
            fn to_stored(&self) -> $type {
                *self
            }

            fn from_stored(stored: $type, _: &'static str) -> Result<Self, Rejection> {
                Ok(stored)
            }
        }
    )+};
}
stored_as_it_is!(bool, u32, u64);

macro_rules! stored_number {
    ($($type:ident),+) => {$(
        impl Stored<u64> for $type {
            fn to_stored(&self) -> u64 {
                self.0
            }

            fn from_stored(stored: u64, _: &'static str) -> Result<Self, Rejection> {
                Ok(Self(stored))
            }
        }
    )+};
}
stored_number!(NodeId, OfferToken, Revision, Seq, SessionEpoch, AttendedTime);

impl Stored<u32> for u8 {
    fn to_stored(&self) -> u32 {
        u32::from(*self)
    }

    fn from_stored(stored: u32, at: &'static str) -> Result<Self, Rejection> {
        crate::config::in_range(at, stored, 0, u32::from(u8::MAX))
    }
}

impl Stored<Bytes> for u128 {
    fn to_stored(&self) -> Bytes {
        Bytes::copy_from_slice(&self.to_be_bytes())
    }

    fn from_stored(stored: Bytes, at: &'static str) -> Result<Self, Rejection> {
        let bytes = <[u8; 16]>::try_from(&*stored)
            .map_err(|_| malformed(format!("{at} has {} bytes, must have 16", stored.len())))?;
        Ok(Self::from_be_bytes(bytes))
    }
}

impl Stored<Bytes> for RequestId {
    fn to_stored(&self) -> Bytes {
        self.0.to_stored()
    }

    fn from_stored(stored: Bytes, at: &'static str) -> Result<Self, Rejection> {
        u128::from_stored(stored, at).map(Self)
    }
}

impl Stored<u64> for LogTime {
    fn to_stored(&self) -> u64 {
        self.0
    }

    fn from_stored(stored: u64, at: &'static str) -> Result<Self, Rejection> {
        if stored > limits::STAMP_MAX {
            return Err(Rejection::OutOfRange {
                what: at,
                value: stored,
                min: 0,
                max: limits::STAMP_MAX,
            });
        }
        Ok(Self(stored))
    }
}

impl Stored<u64> for Millis {
    fn to_stored(&self) -> u64 {
        self.0
    }

    fn from_stored(stored: u64, _: &'static str) -> Result<Self, Rejection> {
        check_duration(Self(stored))?;
        Ok(Self(stored))
    }
}

// -- Words --------------------------------------------------------------------------------------

/// Makes enums without data [`Stored`] as the enum of the same name.
macro_rules! stored_words {
    ($($type:ident { $($variant:ident),+ })+) => {$(
        impl $crate::codec::stored::Stored<i32> for $type {
            fn to_stored(&self) -> i32 {
                match self {
                    $(Self::$variant => proto::stored::v1::$type::$variant as i32,)+
                }
            }

            fn from_stored(
                stored: i32,
                at: &'static str,
            ) -> Result<Self, $crate::rejection::Rejection> {
                match proto::stored::v1::$type::try_from(stored) {
                    $(Ok(proto::stored::v1::$type::$variant) => Ok(Self::$variant),)+
                    Ok(proto::stored::v1::$type::Unspecified) => {
                        Err($crate::codec::stored::missing(at))
                    }
                    Err(_) => Err($crate::codec::stored::unknown_word(at, stored)),
                }
            }
        }
    )+};
}
pub(crate) use stored_words;

/// A word of a later version, or none at all.
pub(crate) fn unknown_word(at: &str, number: i32) -> Rejection {
    malformed(format!("{at} is {number}, which is unknown to this version"))
}

stored_words! {
    Channel { Voice, Chat, Email, Message, Callback }
    Medium { Voice, Chat, Email, Message }
    Role { Viewer, Supervisor, Operator, Admin, Node, Ingress, Agent, Gateway }
    NodeRole { Voter, Learner, Witness }
}

macro_rules! stored_sets {
    ($($set:ident of $item:ident),+) => {$(
        impl Stored<Vec<i32>> for $set {
            fn to_stored(&self) -> Vec<i32> {
                self.iter().map(|item| item.to_stored()).collect()
            }

            fn from_stored(stored: Vec<i32>, at: &'static str) -> Result<Self, Rejection> {
                stored.into_iter().try_fold(Self::NONE, |set, word| {
                    Ok(set.with($item::from_stored(word, at)?))
                })
            }
        }
    )+};
}
stored_sets!(Channels of Channel, Media of Medium, Roles of Role);
