//! The lines between the people and the cluster: a stream of commands for each principal, and one
//! watch, all to the node that leads.
//!
//! When a line breaks, or a command does not get into the log, all lines are made anew, to whoever
//! leads then, and what has no answer is sent again, one after the other. Commands carry ids and
//! tokens, so a repeat changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use acd::codec::{encode_submission, event_from_stored, reply_from_stored};
use acd::command::{ClusterCommand, ContactCommand, Submission};
use acd::event::Event;
use acd::ids::{ContactId, PrincipalId};
use acd::reply::Reply;
use acd::time::LogTime;
use proto::api::v1 as api;
use proto::api::v1::answer::Answer;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;

use crate::client::commands::CommandStream;
use crate::client::watch::{Watch, WatchError};
use crate::client::{Client, ClientError};
use crate::failure::{ErrorCode, Failure};
use crate::replay::stopped;
use crate::testbed::{Testbed, no_cluster};

/// How long one answer, or the news of what an answer speaks of, may take: longer than a node waits
/// for a command.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long the cluster may do nothing before the replay is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// How long to wait before a cluster that cannot do it is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    Committed { index: u64, reply: Reply },
    Refused { index: u64, code: String, message: String },
}

impl Fate {
    /// Index of the log entry that carried it.
    pub(super) fn index(&self) -> u64 {
        match self {
            Self::Committed { index, .. } | Self::Refused { index, .. } => *index,
        }
    }
}

/// What became of commands.
pub(super) struct Exchanged {
    /// In the order in which they were given.
    pub(super) fates: Vec<Fate>,
    /// Whether each was given once: then whatever happened by it is told at its index.
    pub(super) first_try: bool,
}

struct Party {
    client: Client,
    stream: Option<CommandStream>,
}

/// The lines.
pub(super) struct Lines {
    parties: BTreeMap<PrincipalId, Party>,
    operator: PrincipalId,
    pub(super) desk: PrincipalId,
    /// Which node they lead to.
    at: usize,
    watch: Option<Watch>,
    /// The last entry that was learned of.
    token: api::Token,
    /// Log time, as it was set last.
    pub(super) now: LogTime,
    /// The last entry that may have set or moved a deadline.
    pub(super) changed: u64,
    /// An entry, and when something is due by itself as of that entry.
    pub(super) due: Option<(u64, Option<LogTime>)>,
}

impl Lines {
    /// Lines for the operator, the desk and the edges.
    pub(super) async fn new(
        testbed: &Testbed,
        desk: PrincipalId,
        edges: &[PrincipalId],
    ) -> Result<Self, Failure> {
        let operator = testbed.operator_name().clone();
        let mut parties = BTreeMap::new();
        parties.insert(operator.clone(), Party { client: testbed.operator()?, stream: None });
        for principal in edges.iter().chain([&desk]) {
            let party = Party { client: testbed.client(principal)?, stream: None };
            parties.insert(principal.clone(), party);
        }
        let mut lines = Self {
            parties,
            operator,
            desk,
            at: 0,
            watch: None,
            token: api::Token::default(),
            now: LogTime(0),
            changed: 0,
            due: None,
        };
        let at = lines.client(&lines.operator)?.leader().await;
        lines.at = at.map_err(|error| no_cluster(&error))?;
        let answer = Client::cluster_at(lines.channel(&lines.operator)?).await;
        let freshness = answer.map_err(|error| no_cluster(&error))?.freshness.unwrap_or_default();
        lines.token = freshness.token.unwrap_or_default();
        Ok(lines)
    }

    /// A command of the operator.
    pub(super) fn by_operator(&self, command: impl Into<acd::command::Command>) -> Submission {
        Submission::new(self.operator.clone(), command.into())
    }

    /// Moves time; the answer says when something is due.
    pub(super) fn advance(&self, to: LogTime) -> Submission {
        Submission::new(self.desk.clone(), ClusterCommand::AdvanceTo { to }.into())
    }

    /// The same by the operator, before there is a desk.
    pub(super) fn advance_by_operator(&self, to: LogTime) -> Submission {
        self.by_operator(ClusterCommand::AdvanceTo { to })
    }

    /// What happened up to an entry is of no interest.
    pub(super) fn skip_to(&mut self, index: u64) {
        self.token.index = self.token.index.max(index);
    }

    fn client(&self, principal: &PrincipalId) -> Result<&Client, Failure> {
        match self.parties.get(principal) {
            Some(party) => Ok(&party.client),
            None => Err(nobody(principal)),
        }
    }

    /// The connection of a principal to the node that leads.
    pub(super) fn channel(&self, principal: &PrincipalId) -> Result<Channel, Failure> {
        let channel = self.client(principal)?.node(self.at);
        channel.ok_or_else(|| no_cluster(&ClientError::NoEndpoint))
    }

    /// The connection of the operator to the node that leads.
    pub(super) fn operator_channel(&self) -> Result<Channel, Failure> {
        self.channel(&self.operator)
    }

    /// Has commands carried out. Those of one principal take effect in their order; those of
    /// different ones in any.
    pub(super) async fn exchange(
        &mut self,
        submissions: &[Submission],
    ) -> Result<Exchanged, Failure> {
        match self.try_exchange(submissions).await {
            Ok(fates) => return Ok(Exchanged { fates, first_try: true }),
            Err(error) if is_final(&error) => return Err(no_cluster(&error)),
            Err(_) => {}
        }
        let mut fates = Vec::with_capacity(submissions.len());
        for submission in submissions {
            fates.push(self.insist(submission).await?);
        }
        Ok(Exchanged { fates, first_try: false })
    }

    /// Has a command carried out, whatever it takes.
    async fn insist(&mut self, submission: &Submission) -> Result<Fate, Failure> {
        let until = Instant::now() + GIVE_UP_AFTER;
        loop {
            self.renew().await;
            match self.try_exchange(std::slice::from_ref(submission)).await {
                Ok(fates) => {
                    if let Some(fate) = fates.into_iter().next() {
                        return Ok(fate);
                    }
                }
                Err(error) if is_final(&error) || Instant::now() >= until => {
                    return Err(no_cluster(&error));
                }
                Err(_) => {}
            }
            sleep(PAUSE).await;
        }
    }

    /// Gives up all lines, and finds out who leads.
    async fn renew(&mut self) {
        for party in self.parties.values_mut() {
            party.stream = None;
        }
        self.watch = None;
        // Nobody may lead for a moment: then the same node is asked again, which may know better.
        if let Some(party) = self.parties.get(&self.operator)
            && let Ok(at) = party.client.leader().await
        {
            self.at = at;
        }
    }

    async fn try_exchange(&mut self, submissions: &[Submission]) -> Result<Vec<Fate>, ClientError> {
        let at = self.at;
        // Whoever is named first is sent first, although only its own stream keeps an order.
        let mut by_principal: Vec<(&PrincipalId, Vec<usize>)> = Vec::new();
        for (number, Submission { principal, .. }) in submissions.iter().enumerate() {
            match by_principal.iter_mut().find(|(known, _)| *known == principal) {
                Some((_, numbers)) => numbers.push(number),
                None => by_principal.push((principal, vec![number])),
            }
        }
        for (principal, numbers) in &by_principal {
            let Some(party) = self.parties.get_mut(*principal) else {
                return Err(ClientError::NotFound { message: nobody(principal).what });
            };
            let stream = match &mut party.stream {
                Some(stream) => stream,
                closed => {
                    let channel = party.client.node(at).ok_or(ClientError::NoEndpoint)?;
                    let opened = timeout(ANSWER_WITHIN, CommandStream::open(channel)).await;
                    closed.insert(opened.map_err(|_| late())??)
                }
            };
            let commands = numbers.iter().map(|number| {
                let encoded = encode_submission(&submissions[*number]);
                (*number as u64, encoded.into())
            });
            stream.send(commands).await?;
        }
        let mut fates: Vec<Option<Fate>> = vec![None; submissions.len()];
        for (principal, numbers) in &by_principal {
            let stream = self.parties.get_mut(*principal).and_then(|party| party.stream.as_mut());
            let Some(stream) = stream else { return Err(late()) };
            let mut missing = numbers.len();
            while missing > 0 {
                let outcomes =
                    timeout(ANSWER_WITHIN, stream.next()).await.map_err(|_| late())??;
                for (tag, answer) in outcomes {
                    let place = usize::try_from(tag).ok().and_then(|tag| fates.get_mut(tag));
                    let Some(place) = place else { continue };
                    *place = Some(fate(answer)?);
                    missing = missing.saturating_sub(1);
                }
            }
        }
        fates.into_iter().map(|fate| fate.ok_or_else(late)).collect()
    }

    /// What happened up to an entry. `something_did`: in that very entry something happened for
    /// certain. Otherwise nobody can tell a watch that has nothing to say from one that is late,
    /// and a mark is made in the log that the watch does tell of.
    pub(super) async fn learn(
        &mut self,
        index: u64,
        something_did: bool,
    ) -> Result<Vec<Event>, Failure> {
        let up_to = if something_did { index } else { self.mark().await? };
        let until = Instant::now() + GIVE_UP_AFTER;
        let mut events = Vec::new();
        while self.token.index < up_to {
            let last = match self.watch_on().await {
                Ok(told) => {
                    for event in told {
                        events.push(event_from_stored(event).map_err(|why| stopped(&why))?);
                    }
                    continue;
                }
                Err(WatchError::Compacted) => return Err(missed()),
                Err(WatchError::Elsewhere(last)) => last,
            };
            self.watch = None;
            if Instant::now() >= until {
                let error = ClientError::Unavailable { within: GIVE_UP_AFTER, last };
                return Err(no_cluster(&error));
            }
            sleep(PAUSE).await;
        }
        Ok(events)
    }

    async fn watch_on(&mut self) -> Result<Vec<proto::stored::v1::Event>, WatchError> {
        let elsewhere = |error: ClientError| WatchError::Elsewhere(error.to_string());
        let late = |_| WatchError::Elsewhere("nothing is told".to_owned());
        let watch = match &mut self.watch {
            Some(watch) => watch,
            closed => {
                let party = self.parties.get(&self.operator);
                let channel = party.and_then(|party| party.client.node(self.at));
                let channel = channel.ok_or_else(|| elsewhere(ClientError::NoEndpoint))?;
                let opened = Watch::open(channel, Some(self.token), &[]);
                let opened = timeout(ANSWER_WITHIN, opened).await.map_err(late)?;
                let watch = closed.insert(opened.map_err(elsewhere)?);
                timeout(ANSWER_WITHIN, watch.started()).await.map_err(late)??;
                watch
            }
        };
        let told = timeout(ANSWER_WITHIN, watch.next()).await.map_err(late)??;
        self.token = watch.token();
        Ok(told.events)
    }

    /// Makes a mark in the log: an act of administration that is refused. It changes nothing, and
    /// is in the audit trail, which the watch tells.
    async fn mark(&mut self) -> Result<u64, Failure> {
        let nothing = ContactId::new("mark-of-the-replay").map_err(|why| stopped(&why))?;
        let mark = self.by_operator(ContactCommand::Remove { contact: nothing });
        let fates = match self.try_exchange(std::slice::from_ref(&mark)).await {
            Ok(fates) => fates,
            Err(error) if is_final(&error) => return Err(no_cluster(&error)),
            Err(_) => vec![self.insist(&mark).await?],
        };
        match fates.first() {
            Some(fate) if fate.index() > 0 => Ok(fate.index()),
            _ => Err(no_cluster(&late())),
        }
    }
}

/// Whether another try would end alike.
fn is_final(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::NotPermitted { .. }
            | ClientError::NotFound { .. }
            | ClientError::Failed { .. }
            | ClientError::BadIdentity { .. }
            | ClientError::BadEndpoint { .. }
            | ClientError::NoEndpoint
    )
}

/// A fate that is known; anything else is tried again.
fn fate(answer: api::Answer) -> Result<Fate, ClientError> {
    let unknown = |last: String| ClientError::Unknown { last };
    match answer.answer {
        Some(Answer::Committed(done)) => {
            let reply = reply_from_stored(done.reply.unwrap_or_default());
            let reply = reply.map_err(|why| ClientError::Failed {
                code: tonic::Code::Internal,
                message: format!("carried out, with a reply that {why}"),
            })?;
            Ok(Fate::Committed { index: done.index, reply })
        }
        Some(Answer::Refused(refused)) => {
            let api::answer::Refused { index, code, message } = refused;
            Ok(Fate::Refused { index, code, message })
        }
        Some(Answer::Unavailable(unavailable)) => Err(unknown(unavailable.message)),
        Some(Answer::Unknown(unavailable)) => Err(unknown(unavailable.message)),
        None => Err(unknown("an answer that this program does not know".to_owned())),
    }
}

fn late() -> ClientError {
    ClientError::Unknown { last: "no answer in time".to_owned() }
}

fn nobody(principal: &PrincipalId) -> Failure {
    Failure {
        code: ErrorCode::BadIdentity,
        what: format!("{principal} takes no part in this replay"),
        why: "the log knows other cities than the centre".into(),
        remedy: "report this with the command that led to it".into(),
    }
}

fn missed() -> Failure {
    Failure {
        code: ErrorCode::NoCluster,
        what: "the replay cannot go on".into(),
        why: "what happened in the cluster meanwhile is not kept by its nodes any more".into(),
        remedy: "use a cluster that nobody else uses, or one that is started for the replay".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::stored::v1 as stored;

    fn answered(answer: Answer) -> Result<Fate, ClientError> {
        fate(api::Answer { answer: Some(answer) })
    }

    #[test]
    fn a_fate_that_is_not_known_is_asked_for_again() {
        let unavailable = api::answer::Unavailable { message: "no leader".into(), leader: None };
        let unknown = api::answer::Unknown { message: "no answer in time".into() };
        for error in [
            answered(Answer::Unavailable(unavailable)).expect_err("not carried out"),
            answered(Answer::Unknown(unknown)).expect_err("nobody knows"),
            fate(api::Answer::default()).expect_err("nothing was said"),
            late(),
        ] {
            assert!(!is_final(&error), "{error}");
        }
    }

    #[test]
    fn a_fate_names_its_entry() {
        let refused =
            api::answer::Refused { index: 9, code: "unknown".into(), ..Default::default() };
        assert_eq!(answered(Answer::Refused(refused)).expect("known").index(), 9);
        let done = stored::reply::Reply::Done(stored::reply::Done {});
        let reply = Some(stored::Reply { reply: Some(done) });
        let committed = api::answer::Committed { index: 8, reply };
        let fate = answered(Answer::Committed(committed)).expect("known");
        assert_eq!(fate, Fate::Committed { index: 8, reply: Reply::Done });
    }
}
