//! A node for tests: the API over TLS in this process, with a contact centre behind it that takes
//! configuration as the real one does. What boards show is what a test puts there.

mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use acd::Centre;
use acd::command::{ClusterCommand, Command, Submission};
use acd::ids::{NodeId, PrincipalId, SiteId};
use acd::rejection::Rejection;
use acd::reply::Reply;
use acd::text::Label;
use acd::time::LogTime;
use node::identity::{Authority, ClusterId, Validity};
use proto::api::v1 as api;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The first operator, who is admin.
pub const ADMIN: &str = "olena";
const CLUSTER: ClusterId = ClusterId(0xfeed);

/// What the node tells of boards, as a test wants it. What is not there is refused.
#[derive(Default)]
pub struct Boards {
    pub cluster: Option<api::ClusterStatus>,
    pub queues: Vec<api::QueueStatus>,
    pub agents: Vec<api::AgentStatus>,
    pub contacts: Vec<api::ContactStatus>,
    pub contact: Option<api::GetContactResponse>,
    pub explanation: Option<api::ExplainContactResponse>,
    /// What would become of any site.
    pub impact: api::SiteImpact,
    pub audit: Vec<api::AuditEntry>,
}

/// How the node misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    #[default]
    None,
    /// It takes calls and never answers.
    Hangs,
    /// It says that it cannot answer.
    Unavailable,
    /// It says that it does not know what became of commands.
    Unsure,
    /// It carries commands out, and says that it does not know what became of them.
    UnsureOfAll,
    /// It carries commands out, and the answer to the first attempt of each is lost.
    LosesFirstAnswers,
}

/// What a node is, behind its API.
pub struct Inside {
    pub centre: Centre,
    pub boards: Boards,
    pub freshness: api::Freshness,
    pub fault: Fault,
    /// Commands that were carried out or refused, with the reason given.
    pub commands: Vec<(Command, Option<Label>)>,
    /// Why the leader does not hand over.
    pub stays: Option<String>,
    /// Who leads after it has.
    pub elected: Option<u64>,
    /// Reads that asked to catch up first.
    pub linearizable: u64,
    /// Requests whose answer was lost once.
    lost: Vec<acd::command::Request>,
    index: u64,
}

impl Inside {
    /// Applies a command as an entry of its own.
    pub fn apply(&mut self, submission: Submission) -> Result<Reply, Rejection> {
        self.index += 1;
        let now = self.centre.now().max(wall_time());
        self.centre.apply(self.index, now, submission, &mut Vec::new())
    }

    /// Applies a command of the first operator.
    pub fn configure(&mut self, command: impl Into<Command>) -> Result<Reply, Rejection> {
        self.apply(Submission::new(principal(ADMIN), command.into()))
    }
}

/// What would become of a site with some work, in a cluster of three cities.
fn impact() -> api::SiteImpact {
    let counts = |free, busy| Some(api::AgentCounts { free, busy, ..api::AgentCounts::default() });
    let queue = api::site_impact::QueueImpact {
        queue: "billing".into(),
        waiting: 4,
        handled: 9,
        handled_there: 3,
        agents_there: counts(0, 3),
        agents_elsewhere: counts(1, 6),
        load_now_per_mille: Some(929),
        load_then_per_mille: Some(1_182),
    };
    api::SiteImpact {
        agents: counts(0, 3),
        offered: 1,
        talking: 2,
        waiting: 4,
        cut_off: 5,
        load_now_per_mille: Some(929),
        load_then_per_mille: Some(1_182),
        queues: vec![queue],
        quorum: Some(api::QuorumLeft {
            voters: 3,
            needed: 2,
            answer_elsewhere: 2,
            kept: true,
            leader: Some(1),
            leader_site: Some("kyiv".into()),
            voter_sites: ["dnipro", "kyiv", "lviv"].map(str::to_owned).to_vec(),
        }),
        ..api::SiteImpact::default()
    }
}

/// The clock, as log time.
pub fn wall_time() -> LogTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    LogTime(now.as_millis() as u64)
}

/// A node, as long as it lives.
pub struct Node {
    pub address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    /// Keeps the server running.
    _runtime: Runtime,
    folder: TempDir,
    authority: Authority,
    identities: AtomicU64,
}

impl Node {
    /// A node of a new centre with one site, `kyiv`, and one operator, [`ADMIN`].
    pub fn start() -> Self {
        Self::of(Authority::create(CLUSTER, validity(), &mut rand::rng()).expect("keys"), 1)
    }

    /// Another node of the same cluster, with a centre of its own that is as this one was founded.
    pub fn another(&self) -> Self {
        let path = self.folder.path().join("ca.pem");
        self.authority.save(&path).expect("writable");
        Self::of(Authority::load(&path).expect("just written"), 2)
    }

    fn of(authority: Authority, number: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut inside = Inside {
            centre: Centre::new(),
            boards: Boards { impact: impact(), ..Boards::default() },
            freshness: api::Freshness {
                cluster: "Three cities".into(),
                node: number,
                site: "kyiv".into(),
                part: api::Part::Leader.into(),
                term: 7,
                leader: Some(number),
                applied: 100,
                age_ms: Some(200),
                ..api::Freshness::default()
            },
            fault: Fault::None,
            commands: Vec::new(),
            stays: None,
            elected: None,
            linearizable: 0,
            lost: Vec::new(),
            index: 0,
        };
        let init = ClusterCommand::Init {
            cluster: Label::new("Three cities").expect("a label"),
            site: SiteId::new("kyiv").expect("a slug"),
            admin: principal(ADMIN),
            replay: false,
        };
        inside.configure(init).expect("founded");
        let inside = Arc::new(Mutex::new(inside));
        let identity = folder.path().join("node.identity");
        let issued = authority.issue_to_node(NodeId(number), validity(), &mut rand::rng());
        issued.expect("keys").save(&identity).expect("writable");
        let runtime = Runtime::new().expect("threads");
        let address = server::serve(&runtime, inside.clone(), &identity);
        Self {
            address,
            inside,
            _runtime: runtime,
            folder,
            authority,
            identities: AtomicU64::new(0),
        }
    }

    /// What is behind the API.
    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it for good; connections are cut.
    pub fn kill(self) -> SocketAddr {
        self.address
    }

    /// A file that only this test uses.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("writable");
        path
    }

    /// An identity of this cluster that names `nodes`.
    pub fn identity(&self, name: &str, nodes: &[SocketAddr]) -> PathBuf {
        let number = self.identities.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("{name}-{number}.identity"));
        let issued = self.authority.issue_to(&principal(name), validity(), &mut rand::rng());
        let endpoints: Vec<_> = nodes.iter().map(SocketAddr::to_string).collect();
        issued.expect("keys").save_with_endpoints(&path, &endpoints).expect("writable");
        path
    }

    /// Runs `quorumcall` as the first operator.
    pub fn run(&self, args: &[&str]) -> Ran {
        let identity = self.identity(ADMIN, &[self.address]);
        run_as(&identity, args)
    }
}

/// What a run of the program printed.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: ExitCode,
}

impl Ran {
    /// The answer as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the error that was told, with its exit code checked.
    pub fn error(&self) -> &str {
        let code = self.err.strip_prefix("error ").and_then(|rest| rest.split(':').next());
        let code = code.unwrap_or_else(|| panic!("no error: {self:?}"));
        let known = crate::ErrorCode::ALL.into_iter().find(|known| known.as_str() == code);
        let exit = ExitCode::from(known.expect("a known code").exit_code());
        assert_eq!(self.code, exit, "{self:?}");
        assert!(self.err.contains("\n  why: ") && self.err.contains("\n  do:  "), "{self:?}");
        code
    }

    /// Asserts that all was done.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, ExitCode::SUCCESS, "{self:?}");
        assert_eq!(self.err, "", "{self:?}");
        self
    }
}

/// Runs `quorumcall` with an identity.
pub fn run_as(identity: &std::path::Path, args: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let identity = ["quorumcall".into(), "--identity".into(), identity.as_os_str().to_owned()];
    let args = identity.into_iter().chain(args.iter().map(Into::into));
    let code = crate::run(args, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { out: text(out), err: text(err), code }
}

pub fn principal(name: &str) -> PrincipalId {
    PrincipalId::new(name).expect("a slug")
}

fn validity() -> Validity {
    let now = wall_time().0;
    Validity { not_before_ms: now - 3_600_000, not_after_ms: now + 3_600_000 }
}
