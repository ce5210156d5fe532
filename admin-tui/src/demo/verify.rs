//! What is asked of the cluster when everybody has gone: whether it knows what it acknowledged, and
//! whether its nodes are equal.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use proto::api::v1 as api;
use proto::api::v1::reads_client::ReadsClient;
use tokio::time::{Instant, sleep};

use super::board::Readers;
use crate::client::{Client, ClientError, answer_bytes_max};

/// Questions at a time.
const AT_ONCE: usize = 8;
/// How often the nodes are compared.
const COMPARE_EVERY: Duration = Duration::from_millis(50);
/// Log indexes at which hashes are kept.
const INDEXES_KEPT: usize = 1_024;

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verified {
    /// Contacts that were acknowledged, and of which the cluster knows nothing.
    pub lost: Vec<String>,
    /// Contacts that were before two agents at a time.
    pub twice: Vec<String>,
    /// The state that all nodes had in common. None: there was none.
    pub hash: Option<String>,
    /// The log index of that state, or the last one that was seen.
    pub last_applied: u64,
}

/// Those of `contacts` of which the cluster knows nothing: they neither live nor were they closed.
pub(super) async fn lost(
    client: &Client,
    contacts: Vec<String>,
) -> Result<Vec<String>, ClientError> {
    let asked = contacts.into_iter().map(|contact| async move {
        let ask = |channel| {
            let contact = contact.clone();
            async move {
                let request = api::GetContactRequest { linearizable: true, contact };
                let reads = ReadsClient::new(channel);
                reads.max_decoding_message_size(answer_bytes_max()).get_contact(request).await
            }
        };
        match client.read(ask).await {
            Ok(api::GetContactResponse { live, records, closed, .. }) => {
                let is_known = live.is_some() || closed.is_some() || !records.is_empty();
                Ok((!is_known).then_some(contact))
            }
            Err(ClientError::NotFound { .. }) => Ok(Some(contact)),
            Err(error) => Err(error),
        }
    });
    let mut answers = stream::iter(asked).buffered(AT_ONCE);
    let mut lost = Vec::new();
    while let Some(answer) = answers.next().await {
        lost.extend(answer?);
    }
    Ok(lost)
}

/// The state that all these nodes had at one log index, whether they had it at one time or not. None:
/// they differ at one, or within this time there was none that all of them were seen at.
pub(super) async fn equal(
    readers: &Readers,
    nodes: &[u64],
    within: Duration,
) -> (Option<String>, u64) {
    let until = Instant::now() + within;
    let mut seen = Seen::default();
    loop {
        let board = readers.look().await;
        for (node, said) in &board.nodes {
            if let Some((index, hash)) = said.state() {
                seen.note(*node, index, hash);
            }
        }
        if let Some((index, hash)) = seen.judge(nodes) {
            return (hash, index);
        }
        if Instant::now() >= until {
            return (None, seen.last());
        }
        sleep(COMPARE_EVERY).await;
    }
}

/// Which hash each node had at which log index.
#[derive(Default)]
struct Seen(BTreeMap<u64, BTreeMap<u64, String>>);

impl Seen {
    fn note(&mut self, node: u64, index: u64, hash: &str) {
        self.0.entry(index).or_default().insert(node, hash.to_owned());
        if self.0.len() > INDEXES_KEPT {
            self.0.pop_first();
        }
    }

    fn last(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(index, _)| *index)
    }

    /// The last index at which all of them were seen, and the hash, if it is the same of all.
    fn judge(&self, nodes: &[u64]) -> Option<(u64, Option<String>)> {
        let all = |hashes: &BTreeMap<u64, String>| nodes.iter().all(|n| hashes.contains_key(n));
        let (index, hashes) = self.0.iter().rev().find(|(_, hashes)| all(hashes))?;
        let mut of_these = nodes.iter().filter_map(|node| hashes.get(node));
        let first = of_these.next()?;
        Some((*index, of_these.all(|other| other == first).then(|| first.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_compared_where_all_of_them_were() {
        let mut seen = Seen::default();
        seen.note(1, 10, "a");
        seen.note(2, 11, "b");
        assert_eq!(seen.judge(&[1, 2]), None);
        seen.note(2, 10, "a");
        assert_eq!(seen.judge(&[1, 2]), Some((10, Some("a".into()))));
        seen.note(1, 11, "c");
        assert_eq!(seen.judge(&[1, 2]), Some((11, None)), "they differ");
        assert_eq!(seen.judge(&[2]), Some((11, Some("b".into()))), "the other one does not run");
        assert_eq!(seen.judge(&[]), None);
    }
}
