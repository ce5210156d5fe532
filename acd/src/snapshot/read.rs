//! A centre from the bytes of a snapshot.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use prost::Message;
use proto::stored::v1;
use v1::snapshot_item::Item;
use xxhash_rust::xxh3::Xxh3;

use super::{FORMAT_VERSION, Globals, agent, bad, contact, members, objects};
use crate::catalogue::{CalendarEntry, Skill};
use crate::centre::Centre;
use crate::codec::stored::{Stored, no_choice};
use crate::config::limit;
use crate::ids::{NodeId, PrincipalId, RequestId, Seq, SkillId};
use crate::limits;
use crate::memory::{ClosedContact, FirstAnswer};
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::roles::Principal;
use crate::site::Site;
use crate::table::{Entity, Table};
use crate::time::LogTime;

/// Makes a centre of a snapshot that comes in chunks, however they are cut.
///
/// A chunk that cannot be right takes the restorer with it, so nothing can go on from there. Holds
/// no more of the bytes than one item of at most [`limits::SNAPSHOT_ITEM_BYTES_MAX`].
pub struct Restorer {
    partial: Box<Partial>,
}

struct Partial {
    centre: Centre,
    /// The beginning of an item whose rest has not come yet.
    pending: Vec<u8>,
    /// The item that came last.
    position: Option<Position>,
    /// How many came.
    items: u64,
    /// Of everything that came before the trailer.
    checksum: Xxh3,
    /// What the trailer says.
    state_hash: Option<u128>,
}

/// Items come in this order, each once.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Position {
    Header,
    Centre,
    Site(Seq),
    Node(NodeId),
    Skill(SkillId),
    Calendar(Seq),
    Queue(Seq),
    Agent(Seq),
    Principal(PrincipalId),
    Ingress(PrincipalId),
    Contact(Seq),
    /// When it was closed, and which item it is.
    Closed(LogTime, u64),
    Answer(RequestId),
    Trailer,
}

/// An item in its frame: bytes of the length in front of it, bytes with both.
struct Frame {
    prefix: usize,
    total: usize,
}

impl Default for Restorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Restorer {
    /// A restorer that has got nothing yet.
    pub fn new() -> Self {
        let partial = Partial {
            centre: Centre::new(),
            pending: Vec::new(),
            position: None,
            items: 0,
            checksum: Xxh3::new(),
            state_hash: None,
        };
        Self { partial: Box::new(partial) }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadSnapshot`] if they cannot be the next bytes of a snapshot of a version
    /// that this program knows.
    pub fn push(mut self, chunk: &[u8]) -> Result<Self, Rejection> {
        self.partial.push(chunk)?;
        Ok(self)
    }

    /// The centre, when everything has come.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadSnapshot`] if something is missing, or the state that was read is not the
    /// one that was written.
    pub fn finish(self) -> Result<Centre, Rejection> {
        let Partial { mut centre, pending, state_hash, .. } = *self.partial;
        let Some(state_hash) = state_hash else {
            return Err(bad("cut short: it ends before its trailer"));
        };
        if !pending.is_empty() {
            return Err(bad("something follows the trailer"));
        }
        centre.rebuild()?;
        if centre.state_hash() != state_hash {
            return Err(bad("the state read has another hash than the state written"));
        }
        Ok(centre)
    }
}

impl Partial {
    fn push(&mut self, mut rest: &[u8]) -> Result<(), Rejection> {
        while !rest.is_empty() {
            if self.pending.is_empty() {
                match self.frame(rest)? {
                    Some(frame) if frame.total <= rest.len() => {
                        let (item, after) = rest.split_at(frame.total);
                        self.take(item, frame.prefix)?;
                        rest = after;
                    }
                    _ => {
                        self.pending.extend_from_slice(rest);
                        return Ok(());
                    }
                }
            } else {
                // As much as the item needs; of its length one byte at a time.
                let frame = self.frame(&self.pending)?;
                let total = frame.map_or(self.pending.len() + 1, |frame| frame.total);
                let needed = total.saturating_sub(self.pending.len()).min(rest.len());
                let (more, after) = rest.split_at(needed);
                self.pending.extend_from_slice(more);
                rest = after;
                if let Some(frame) = self.frame(&self.pending)?
                    && frame.total == self.pending.len()
                {
                    let item = core::mem::take(&mut self.pending);
                    self.take(&item, frame.prefix)?;
                }
            }
        }
        Ok(())
    }

    /// The frame of the item that begins here; none: its length is not all there.
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, Rejection> {
        let mut length = 0;
        // Lengths up to 128 KiB take at most three bytes.
        for (at, byte) in bytes.iter().take(3).enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * at);
            if length > limits::SNAPSHOT_ITEM_BYTES_MAX {
                break;
            }
            if *byte < 0x80 {
                return Ok(Some(Frame { prefix: at + 1, total: at + 1 + length }));
            }
        }
        if bytes.len() < 3 && length <= limits::SNAPSHOT_ITEM_BYTES_MAX {
            return Ok(None);
        }
        let max = limits::SNAPSHOT_ITEM_BYTES_MAX;
        Err(bad(format!("item {}: longer than {max} bytes", self.items + 1)))
    }

    /// Takes one item, with its length in front.
    fn take(&mut self, framed: &[u8], prefix: usize) -> Result<(), Rejection> {
        let item = self.items + 1;
        self.admit(framed, prefix).map_err(|rejection| match rejection {
            Rejection::BadSnapshot { what } => bad(format!("item {item}: {what}")),
            other => bad(format!("item {item}: {other}")),
        })?;
        self.items = item;
        Ok(())
    }

    fn admit(&mut self, framed: &[u8], prefix: usize) -> Result<(), Rejection> {
        let bytes = &framed[prefix..];
        let item =
            v1::SnapshotItem::decode(bytes).map_err(|_| bad("not a SnapshotItem message"))?;
        let item = item.item.ok_or_else(|| no_choice("SnapshotItem.item"))?;
        if let Item::Trailer(trailer) = item {
            return self.trailer(trailer, bytes);
        }
        self.checksum.update(framed);
        let centre = &mut self.centre;
        let position = match item {
            Item::Header(v1::SnapshotHeader { format_version }) => {
                if format_version != FORMAT_VERSION {
                    return Err(bad(format!(
                        "format version {format_version}; this program knows version \
                         {FORMAT_VERSION}"
                    )));
                }
                Position::Header
            }
            Item::Centre(stored) => {
                centre.set_globals(Globals::from_stored(stored, "Centre")?);
                Position::Centre
            }
            Item::Site(stored) => {
                let site = Site::from_stored(stored, "Site")?;
                let seq = centre.drawn(site.seq)?;
                insert(&mut centre.sites, site, "sites", limits::SITES_MAX)?;
                Position::Site(seq)
            }
            Item::Node(stored) => {
                let node = members::read_node(stored, &centre.sites)?;
                if node.id.0 > centre.last_node {
                    return Err(bad("a node with a number that has not been given"));
                }
                let id = node.id;
                centre.nodes.insert(id, node);
                limit("nodes", centre.nodes.len(), limits::NODES_MAX)?;
                Position::Node(id)
            }
            Item::Skill(stored) => {
                let skill = Skill::from_stored(stored, "Skill")?;
                let id = skill.id.clone();
                insert(&mut centre.skills, skill, "skills", limits::SKILLS_MAX)?;
                Position::Skill(id)
            }
            Item::Calendar(stored) => {
                let calendar = CalendarEntry::from_stored(stored, "CalendarEntry")?;
                let seq = centre.drawn(calendar.seq)?;
                insert(&mut centre.calendars, calendar, "calendars", limits::CALENDARS_MAX)?;
                Position::Calendar(seq)
            }
            Item::Queue(stored) => {
                let queue = Queue::from_stored(stored, "Queue")?;
                let seq = centre.drawn(queue.seq)?;
                insert(&mut centre.queues, queue, "queues", limits::QUEUES_MAX)?;
                Position::Queue(seq)
            }
            Item::Agent(stored) => {
                let Centre { queues, sites, skills, .. } = &*centre;
                let agent = agent::read(stored, agent::Tables { queues, sites, skills })?;
                let seq = centre.drawn(agent.seq)?;
                insert(&mut centre.agents, agent, "agents", limits::AGENTS_MAX)?;
                Position::Agent(seq)
            }
            Item::Principal(stored) => {
                let principal = Principal::from_stored(stored, "Principal")?;
                let id = principal.id.clone();
                insert(&mut centre.principals, principal, "principals", limits::PRINCIPALS_MAX)?;
                Position::Principal(id)
            }
            Item::Ingress(stored) => {
                let (id, nodes) = objects::read_ingress(stored)?;
                centre.ingresses.insert(id.clone(), nodes);
                Position::Ingress(id)
            }
            Item::Contact(stored) => {
                let Centre { queues, agents, sites, principals, .. } = &*centre;
                let tables = contact::Tables { queues, agents, sites, principals };
                let contact = contact::read(stored, tables)?;
                let seq = centre.drawn(contact.seq)?;
                insert(&mut centre.contacts, contact, "contacts", limits::CONTACTS_MAX)?;
                Position::Contact(seq)
            }
            Item::ClosedContact(stored) => {
                let contact = ClosedContact::from_stored(stored, "ClosedContact")?;
                let live = centre.contacts.find(contact.id.as_str()).is_some();
                if live || centre.closed.find(&contact.id).is_some() {
                    return Err(bad(format!("contact {} is there twice", contact.id)));
                }
                limit("remembered contacts", centre.closed.len() + 1, limits::REMEMBERED_MAX)?;
                let closed = contact.closed;
                centre.closed.remember(contact, &mut centre.digest);
                Position::Closed(closed, self.items)
            }
            Item::FirstAnswer(stored) => {
                let first = FirstAnswer::from_stored(stored, "FirstAnswer")?;
                let id = first.request.id;
                limit("remembered requests", centre.requests.len() + 1, limits::REQUESTS_MAX)?;
                // One that comes twice is refused below, before anybody can ask for it.
                centre.requests.remember(first, &mut centre.digest);
                Position::Answer(id)
            }
            Item::Trailer(_) => unreachable!("taken care of above"),
        };
        self.advance(position)
    }

    fn advance(&mut self, position: Position) -> Result<(), Rejection> {
        let (fits, otherwise) = match &self.position {
            None => (position == Position::Header, "a snapshot begins with its header"),
            Some(Position::Header) => {
                (position == Position::Centre, "the centre follows the header")
            }
            Some(before) => (*before < position, "out of order, or there twice"),
        };
        if !fits {
            return Err(bad(otherwise));
        }
        self.position = Some(position);
        Ok(())
    }

    fn trailer(&mut self, trailer: v1::SnapshotTrailer, bytes: &[u8]) -> Result<(), Rejection> {
        self.advance(Position::Trailer)?;
        let v1::SnapshotTrailer { items, state_hash, checksum } = trailer.clone();
        if items != self.items {
            return Err(bad(format!("the trailer follows {items} items, not {}", self.items)));
        }
        if checksum != self.checksum.digest() {
            return Err(bad("the checksum is not that of the bytes"));
        }
        // The checksum is not over itself: nothing but these three may be in it.
        let written = v1::SnapshotItem { item: Some(Item::Trailer(trailer)) };
        if written.encode_to_vec() != bytes {
            return Err(bad("the trailer is not as it is written"));
        }
        self.state_hash = Some(u128::from_stored(state_hash, "SnapshotTrailer.state_hash")?);
        Ok(())
    }
}

impl Centre {
    fn set_globals(&mut self, globals: Globals) {
        let Globals {
            cluster,
            version,
            replay,
            clocks,
            last_seq,
            last_node,
            members_revision,
            tokens,
            settings,
            settings_revision,
            checkpoint,
        } = globals;
        self.cluster = cluster;
        self.version = version;
        self.replay = replay;
        self.clocks = clocks;
        self.last_seq = last_seq;
        self.last_node = last_node;
        self.members_revision = members_revision;
        self.tokens = tokens;
        self.settings = settings;
        self.settings_revision = settings_revision;
        self.checkpoint = checkpoint;
    }

    /// A number that can have been drawn: the next one drawn is another.
    fn drawn(&self, seq: Seq) -> Result<Seq, Rejection> {
        if seq > self.last_seq { Err(bad("a number that has not been drawn")) } else { Ok(seq) }
    }
}

fn insert<T: Entity>(
    table: &mut Table<T>,
    entity: T,
    what: &'static str,
    max: usize,
) -> Result<(), Rejection> {
    limit(what, table.len() + 1, max)?;
    if table.find(entity.key()).is_some() {
        return Err(bad(format!("{} is twice among the {what}", entity.key())));
    }
    table.insert(entity);
    Ok(())
}
