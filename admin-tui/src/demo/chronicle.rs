//! What happens to sites, nodes and leaders, as one node after the other tells it.

use std::sync::Arc;
use std::time::Duration;

use proto::api::v1 as api;
use proto::api::v1::watch_request::{Filter, Kind};
use proto::api::v1::watch_response::News;
use proto::api::v1::watches_client::WatchesClient;
use proto::stored::v1 as stored;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::transport::Channel;

use super::board::state_word;
use super::books::{Books, Phase, reached};
use crate::client::answer_bytes_max;

/// How long to wait before the next node is asked.
const PAUSE: Duration = Duration::from_millis(100);

/// Writes down what happens until it is over. Goes on at another node when one is gone; what happened
/// meanwhile is told there.
pub(super) async fn keep(
    channels: Vec<Channel>,
    books: Arc<Books>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut after = None;
    let follow = async {
        loop {
            for channel in &channels {
                let why = follow(channel.clone(), &mut after, &books).await;
                books.trouble(format!("a watch ended: {why}"));
                sleep(PAUSE).await;
            }
        }
    };
    tokio::select! {
        () = follow => {}
        () = reached(&mut phase, Phase::Over) => {}
    }
}

/// Follows one node; why that came to an end.
async fn follow(channel: Channel, after: &mut Option<api::Token>, books: &Books) -> String {
    let kinds = vec![Kind::Cluster.into(), Kind::Alarm.into()];
    let request = api::WatchRequest { after: *after, filter: Some(Filter { kinds }) };
    let mut client = WatchesClient::new(channel).max_decoding_message_size(answer_bytes_max());
    let mut news = match client.watch(request).await {
        Ok(news) => news.into_inner(),
        Err(status) => return status.message().to_owned(),
    };
    loop {
        let api::WatchResponse { token, news } = match news.message().await {
            Ok(Some(response)) => response,
            Ok(None) => return "the node closed it".to_owned(),
            Err(status) => return status.message().to_owned(),
        };
        let index = token.as_ref().map_or(0, |token| token.index);
        match news {
            Some(News::Entry(entry)) => {
                for event in entry.events {
                    note(books, index, event);
                }
            }
            Some(News::Ended(ended)) => {
                if ended.why() == api::watch_response::Why::Compacted {
                    // What was missed is not told any more: from now on, then.
                    *after = None;
                }
                return ended.why().as_str_name().to_owned();
            }
            Some(News::Started(_)) | None => {}
        }
        *after = token.or(*after);
    }
}

fn note(books: &Books, index: u64, event: stored::Event) {
    use stored::event::Event;
    match event.event {
        Some(Event::Site(changed)) => {
            let state = state_word(changed.state.as_ref());
            books.tell(format!("{} is {state}", changed.site));
        }
        Some(Event::TermStarted(started)) => {
            books.term_began(index);
            let gap = match started.gap_ms {
                0 => String::new(),
                gap => format!("; nobody was heard for {gap} ms"),
            };
            books.tell(format!("node {} leads{gap}", started.leader));
        }
        Some(Event::NodeLost(node)) => books.tell(format!("node {node} is lost")),
        Some(Event::Diverged(diverged)) => {
            books.tell(format!("a replica differs at log index {}", diverged.index));
        }
        _ => {}
    }
}
