//! A snapshot as bytes.

use alloc::vec::Vec;

use prost::Message;
use proto::stored::v1;
use v1::snapshot_item::Item;
use xxhash_rust::xxh3::Xxh3;

use super::{FORMAT_VERSION, Snapshot, agent, contact, members, objects};
use crate::codec::stored::Stored;
use crate::limits;
use crate::table::{Entity, Fork};

/// Bytes that the sink gets at once, unless one item is longer.
const CHUNK_BYTES: usize = 64 * 1_024;

impl Snapshot {
    /// Writes the snapshot: `sink` gets the bytes in order, in chunks of about 64 KiB, at most
    /// [`limits::SNAPSHOT_ITEM_BYTES_MAX`]. A sink that fails remembers that it did, and the
    /// bytes are not used.
    pub fn write(&self, sink: &mut dyn FnMut(&[u8])) {
        // No `..`: a new part of the state must be written.
        let Self {
            globals,
            sites,
            nodes,
            skills,
            calendars,
            queues,
            agents,
            principals,
            ingresses,
            contacts,
            closed,
            requests,
            state_hash,
        } = self;
        let mut out = Writer::new(sink);
        out.item(Item::Header(v1::SnapshotHeader { format_version: FORMAT_VERSION }));
        out.item(Item::Centre(globals.to_stored()));
        for site in by_number(sites, |site| site.seq.0) {
            out.item(Item::Site(site.to_stored()));
        }
        for node in nodes.values() {
            out.item(Item::Node(members::write_node(node, sites)));
        }
        for skill in by_id(skills) {
            out.item(Item::Skill(skill.to_stored()));
        }
        for calendar in by_number(calendars, |calendar| calendar.seq.0) {
            out.item(Item::Calendar(calendar.to_stored()));
        }
        for queue in by_number(queues, |queue| queue.seq.0) {
            out.item(Item::Queue(queue.to_stored()));
        }
        for agent in by_number(agents, |agent| agent.seq.0) {
            out.item(Item::Agent(agent::write(agent, sites)));
        }
        for principal in by_id(principals) {
            out.item(Item::Principal(principal.to_stored()));
        }
        for (principal, nodes) in ingresses {
            out.item(Item::Ingress(objects::write_ingress(principal, nodes)));
        }
        let names = contact::Names { queues, agents, sites };
        for contact in by_number(contacts, |contact| contact.seq.0) {
            out.item(Item::Contact(contact::write(contact, names)));
        }
        for (contact, _) in closed.iter() {
            out.item(Item::ClosedContact(contact.to_stored()));
        }
        for first in requests {
            out.item(Item::FirstAnswer((**first).to_stored()));
        }
        out.finish(*state_hash);
    }
}

fn by_number<T: Entity>(table: &Fork<T>, number: impl Fn(&T) -> u64) -> Vec<&T> {
    let mut all: Vec<(u64, &T)> = table.iter().map(|entity| (number(entity), entity)).collect();
    all.sort_unstable_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, entity)| entity).collect()
}

fn by_id<T: Entity>(table: &Fork<T>) -> Vec<&T> {
    let mut all: Vec<&T> = table.iter().collect();
    all.sort_unstable_by_key(|entity| entity.key());
    all
}

struct Writer<'a> {
    sink: &'a mut dyn FnMut(&[u8]),
    chunk: Vec<u8>,
    items: u64,
    checksum: Xxh3,
}

impl<'a> Writer<'a> {
    fn new(sink: &'a mut dyn FnMut(&[u8])) -> Self {
        Self { sink, chunk: Vec::with_capacity(CHUNK_BYTES), items: 0, checksum: Xxh3::new() }
    }

    fn item(&mut self, item: Item) {
        let item = v1::SnapshotItem { item: Some(item) };
        let length = item.encoded_len();
        debug_assert!(length <= limits::SNAPSHOT_ITEM_BYTES_MAX, "it will not be read back");
        let length = length + prost::length_delimiter_len(length);
        if self.chunk.len() + length > CHUNK_BYTES && !self.chunk.is_empty() {
            self.flush();
        }
        self.chunk.extend_from_slice(&item.encode_length_delimited_to_vec());
        self.items += 1;
    }

    fn flush(&mut self) {
        self.checksum.update(&self.chunk);
        (self.sink)(&self.chunk);
        self.chunk.clear();
    }

    fn finish(mut self, state_hash: u128) {
        self.flush();
        let trailer = v1::SnapshotTrailer {
            items: self.items,
            state_hash: state_hash.to_stored(),
            checksum: self.checksum.digest(),
        };
        self.item(Item::Trailer(trailer));
        (self.sink)(&self.chunk);
    }
}
