//! Parts of the state in their stored form, for those who show them.

use alloc::vec::Vec;

use proto::stored::v1;

use super::stored::Stored;
use crate::agent::Presence;
use crate::channel::{Channel, Media};
use crate::event::NotReadyReason;

macro_rules! shown {
    ($($(#[$doc:meta])* $name:ident($type:ty) -> $form:ty;)+) => {$(
        $(#[$doc])*
        pub fn $name(value: &$type) -> $form {
            Stored::to_stored(value)
        }
    )+};
}
shown! {
    /// The stored form of a presence.
    presence_to_stored(Presence) -> v1::Presence;
    /// The stored form of a reason not to be ready.
    not_ready_reason_to_stored(NotReadyReason) -> v1::NotReadyReason;
    /// The stored form of media.
    media_to_stored(Media) -> Vec<i32>;
    /// The stored form of a channel.
    channel_to_stored(Channel) -> i32;
}
