//! What happens in a cluster, entry by entry, as one node tells it.

use proto::api::v1 as api;
use proto::api::v1::watch_request::{Filter, Kind};
use proto::api::v1::watch_response::{News, Why};
use proto::api::v1::watches_client::WatchesClient;
use proto::stored::v1 as stored;
use tonic::Streaming;
use tonic::transport::Channel;

use super::{ClientError, answer_bytes_max, failed, words};

/// A watch at one node.
#[derive(Debug)]
pub struct Watch {
    responses: Streaming<api::WatchResponse>,
    /// The last entry that was told as a whole.
    token: api::Token,
    /// What was told of the next one so far: large entries come in parts, and the token stays
    /// until the last one.
    parts: Vec<stored::Event>,
}

/// What happened in one entry of the log.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Index of the entry.
    pub index: u64,
    /// What, in order.
    pub events: Vec<stored::Event>,
}

/// Why a watch is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// What came after the token is not kept any more.
    #[error("what happened meanwhile is not kept by the node any more")]
    Compacted,
    /// The node is behind the token, ends, or cannot be reached: it goes on elsewhere, or later.
    #[error("{0}")]
    Elsewhere(String),
}

impl Watch {
    /// Watches what happens after `after`, all of it or what is of these kinds.
    pub async fn open(
        channel: Channel,
        after: Option<api::Token>,
        kinds: &[Kind],
    ) -> Result<Self, ClientError> {
        let kinds = kinds.iter().map(|kind| i32::from(*kind)).collect();
        let request = api::WatchRequest { after, filter: Some(Filter { kinds }) };
        let mut client = WatchesClient::new(channel).max_decoding_message_size(answer_bytes_max());
        let responses = client.watch(request).await.map_err(|status| failed(&status))?;
        let token = after.unwrap_or_default();
        Ok(Self { responses: responses.into_inner(), token, parts: Vec::new() })
    }

    /// Where to go on after what was told so far.
    pub fn token(&self) -> api::Token {
        self.token
    }

    /// Waits until the watch stands. What happens from then on is told.
    pub async fn started(&mut self) -> Result<(), WatchError> {
        let response = self.message().await?;
        self.token = response.token.unwrap_or(self.token);
        match response.news {
            Some(News::Started(_)) => Ok(()),
            Some(News::Ended(ended)) => Err(why(ended.why())),
            _ => Err(WatchError::Elsewhere("the watch does not begin as it should".to_owned())),
        }
    }

    /// The next entry in which something happened. May be given up at any moment: nothing is lost.
    pub async fn next(&mut self) -> Result<Happened, WatchError> {
        loop {
            let response = self.message().await?;
            let token = response.token.unwrap_or(self.token);
            match response.news {
                Some(News::Entry(entry)) => {
                    self.parts.extend(entry.events);
                    if token.index > self.token.index {
                        self.token = token;
                        let events = std::mem::take(&mut self.parts);
                        return Ok(Happened { index: token.index, events });
                    }
                }
                Some(News::Ended(ended)) => return Err(why(ended.why())),
                // What a newer node may tell besides.
                Some(News::Started(_)) | None => {}
            }
        }
    }

    async fn message(&mut self) -> Result<api::WatchResponse, WatchError> {
        match self.responses.message().await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(WatchError::Elsewhere("the node has ended the watch".to_owned())),
            Err(status) => Err(WatchError::Elsewhere(words(&status))),
        }
    }
}

fn why(why: Why) -> WatchError {
    match why {
        Why::Compacted => WatchError::Compacted,
        Why::Behind => WatchError::Elsewhere("the node is behind".to_owned()),
        Why::NodeEnding => WatchError::Elsewhere("the node is ending".to_owned()),
        Why::Unspecified => WatchError::Elsewhere("the watch is over".to_owned()),
    }
}
