//! Kinds of contacts, and how many of each an agent may have at once.

/// The kind of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    /// A telephone call: somebody is on the line.
    Voice = 0,
    /// A chat: somebody is at the keyboard.
    Chat = 1,
    /// An e-mail.
    Email = 2,
    /// A message (SMS, messenger) that may be answered later.
    Message = 3,
    /// A call that the centre makes back; it uses the agent's voice capacity.
    Callback = 4,
}

impl Channel {
    /// All channels, in order.
    pub const ALL: [Self; 5] =
        [Self::Voice, Self::Chat, Self::Email, Self::Message, Self::Callback];

    /// What it occupies at the agent's desk.
    pub fn medium(self) -> Medium {
        match self {
            Self::Voice | Self::Callback => Medium::Voice,
            Self::Chat => Medium::Chat,
            Self::Email => Medium::Email,
            Self::Message => Medium::Message,
        }
    }

    /// Whether the front end has to connect customer and agent after the agent accepted.
    pub fn needs_bridging(self) -> bool {
        matches!(self, Self::Voice | Self::Callback)
    }

    /// Whether the contact cannot go on without its ingress: somebody's call or chat lives
    /// there, or a call has to be made from there. Mail and messages wait by themselves.
    pub fn needs_ingress(self) -> bool {
        matches!(self, Self::Voice | Self::Chat | Self::Callback)
    }
}

/// What a contact occupies at an agent's desk: the unit of capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Medium {
    /// Talking.
    Voice = 0,
    /// Chatting.
    Chat = 1,
    /// Writing mail.
    Email = 2,
    /// Answering messages.
    Message = 3,
}

impl Medium {
    /// How many there are.
    pub const COUNT: usize = 4;
    /// All media, in order.
    pub const ALL: [Self; Self::COUNT] = [Self::Voice, Self::Chat, Self::Email, Self::Message];

    /// Position in arrays that have one element a medium.
    pub fn index(self) -> usize {
        self as usize
    }
}

macro_rules! small_set {
    ($(#[$doc:meta])* $name:ident of $item:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u8);

        impl $name {
            /// Nothing.
            pub const NONE: Self = Self(0);

            /// A set of these.
            pub fn of(items: &[$item]) -> Self {
                Self(items.iter().fold(0, |bits, item| bits | 1 << *item as u8))
            }

            /// Whether it is in the set.
            pub fn contains(self, item: $item) -> bool {
                self.0 & (1 << item as u8) != 0
            }

            /// The set with it.
            #[must_use]
            pub fn with(self, item: $item) -> Self {
                Self(self.0 | 1 << item as u8)
            }

            /// The set without it.
            #[must_use]
            pub fn without(self, item: $item) -> Self {
                Self(self.0 & !(1 << item as u8))
            }

            /// Whether nothing is in it.
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// What is in it, in order.
            pub fn iter(self) -> impl Iterator<Item = $item> {
                <$item>::ALL.into_iter().filter(move |item| self.contains(*item))
            }
        }
    };
}
pub(crate) use small_set;

small_set!(
    /// A set of channels.
    Channels of Channel
);
small_set!(
    /// A set of media.
    Media of Medium
);
