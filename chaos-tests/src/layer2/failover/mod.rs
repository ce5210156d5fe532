//! Measures failover: the leader's city is lost again and again, under load, and it is timed until
//! somebody elsewhere is offered a contact from elsewhere.
//!
//! Timed from the moment before the first process is killed, or the wires are cut, to the first offer
//! that a live session at a node of another city receives, of a contact that came in at another city,
//! too, and that was made by the next leader: its place in the log is behind the beginning of that
//! leader's term. What was on its way when the city was lost does not count.
//!
//! All invariants are judged over the whole, like in any run of layer 2: nothing acknowledged is lost,
//! and nobody is offered twice.

mod centre;
mod session;
mod times;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acd::time::LogTime;
use node::seams::{SystemClock, WallClock};
use openraft_rt_tokio::TokioRuntime;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::centre::Load;
pub use self::times::Times;
use self::times::{Loss, Notes};
use super::inject::{Injector, Silence};
use super::net::{CITIES, city_of, nodes_of};
use super::{
    Ran, SETTINGS, Scene, Trouble, assemble, bounds, closing, daemon, kept, look, observe,
};
use crate::checks::judge;
use crate::history::Recorder;
use crate::layer1::Outcome;
use crate::report::Report;

/// How long to wait for the first offer before a loss counts as one without.
const OFFER_WITHIN: Duration = Duration::from_secs(30);
/// How long the city stays lost after that.
const STAYS_LOST: Duration = Duration::from_secs(1);
/// How long the load goes on after everything is healed for good.
const GOES_ON: Duration = Duration::from_secs(1);
/// How long everybody may take to be at home again.
const HOME_WITHIN: Duration = Duration::from_secs(60);
/// How long the load goes on before a city is lost: at least this, at most twice.
const LOAD_BEFORE: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How the leader's city is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Its nodes are killed.
    Kill,
    /// It and the others do not reach each other any more.
    BlackHole,
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Decides when cities are lost.
    pub seed: u64,
    /// How often.
    pub times: u32,
    /// The round trip between cities, in ms, at most 80.
    pub rtt_ms: u64,
    /// How.
    pub how: How,
    /// Where the history is kept; none: only if the run fails.
    pub keep: Option<PathBuf>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The round trip between cities, in ms.
    pub rtt_ms: u64,
    /// The nodes' profile: city, metro or wan.
    pub profile: &'static str,
    /// How the leader's city was lost.
    pub how: How,
    /// Contacts that came in per second, about.
    pub contacts_per_second: u64,
    /// The times.
    #[serde(flatten)]
    pub times: Times,
    /// What a run of layer 2 says of itself.
    pub run: Report,
}

/// Measures; the outcome is that of a run.
///
/// # Errors
///
/// If there is no daemon, or nothing can be founded. What goes wrong later is in the outcome.
pub fn measure(settings: &Settings) -> Result<(Measured, Outcome), Trouble> {
    let folder = kept::Folder::new(settings.keep.as_deref())?;
    let daemon = daemon::daemon()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ran = runtime.block_on(run(settings, daemon, folder.path()));
    runtime.shutdown_timeout(super::END_WITHIN);
    let (Ran { history, faults, chronicle, stopped }, notes) = ran?;
    let verdicts = judge(&history, bounds(settings.rtt_ms));
    let mut report = Report::new(settings.seed, 2, faults, &history, &verdicts);
    report.stopped = stopped.map(|trouble| trouble.0);
    report.history = folder.keep(&history, &chronicle, &verdicts, report.passes())?;
    let measured = Measured {
        rtt_ms: settings.rtt_ms,
        profile: super::profile(settings.rtt_ms).word(),
        how: settings.how,
        contacts_per_second: centre::CONTACTS_PER_SECOND,
        times: notes.times(&history),
        run: report.clone(),
    };
    Ok((measured, Outcome { report, verdicts, history }))
}

/// What is noted of losses.
#[derive(Default)]
struct Losses {
    silences: Vec<Silence>,
    chronicle: Vec<(u64, String)>,
}

async fn run(settings: &Settings, daemon: PathBuf, folder: &Path) -> Result<(Ran, Notes), Trouble> {
    let scene = Scene::set(settings.rtt_ms, daemon, folder, SETTINGS).await?;
    let Scene { cluster, net, door } = scene;
    let recorder = Recorder::on::<TokioRuntime>(LogTime(SystemClock.now_ms()));
    let injector = Injector { cluster, net, door: door.clone(), recorder: recorder.clone() };
    injector.one_leads().await?;
    let notes = Notes::new();
    let observers = observe::observe(&door, &recorder);
    let load = Load::begin(&door, &recorder, &notes).await?;
    load.all_at_home(HOME_WITHIN).await?;

    let mut losses = Losses::default();
    let mut lost = 0;
    let mut stopped = None;
    while lost < settings.times && stopped.is_none() {
        match lose_once(settings, lost, &injector, &load, &notes, &mut losses).await {
            Ok(()) => lost += 1,
            Err(trouble) => stopped = Some(trouble),
        }
    }
    injector.net.heal();
    recorder.healed();
    // Whether it takes any writes is seen by what comes in now.
    sleep(GOES_ON).await;
    load.end().await;
    if stopped.is_none() {
        stopped = closing::write_records(&injector).await.err();
    }
    let mut faults = BTreeMap::new();
    let name = match settings.how {
        How::Kill => "kill_city",
        How::BlackHole => "black_hole",
    };
    faults.insert(name.to_owned(), u64::from(lost));
    recorder.ended(look(&injector).await);
    let mut history = recorder.history();
    drop(observers);
    if stopped.is_none() {
        let ended = injector.cluster.stop().await;
        let read = match ended {
            Ok(()) => {
                let rtt_ms = settings.rtt_ms;
                assemble::complete(&mut history, &injector.cluster, &losses.silences, rtt_ms).await
            }
            Err(trouble) => Err(trouble),
        };
        stopped = read.err();
    }
    let chronicle = losses.chronicle;
    Ok((Ran { history, faults, chronicle, stopped }, notes))
}

/// Loses the leader's city once, and has it back.
async fn lose_once(
    settings: &Settings,
    number: u32,
    injector: &Injector,
    load: &Load,
    notes: &Notes,
    losses: &mut Losses,
) -> Result<(), Trouble> {
    // Not in step with heartbeats, which are a multiple of nothing here.
    let mut dice = crate::workload::Dice::new(settings.seed, &format!("loss {number}"));
    sleep(LOAD_BEFORE + Duration::from_micros(dice.below(LOAD_BEFORE.as_micros() as u64))).await;
    let leader = injector.one_leads().await?;
    let city = city_of(leader);
    let (at, at_ms) = (Instant::now(), injector.recorder.now());
    notes.lost(Loss { at, at_ms, city });
    let what = format!("{} is lost, with node {leader}, which leads", CITIES[city]);
    losses.chronicle.push((at_ms, what));
    match settings.how {
        How::Kill => losses.silences.push(injector.kill(leader, nodes_of(city))),
        How::BlackHole => injector.net.cut_off(city),
    }
    let mut is_led_by = None;
    while at.elapsed() < OFFER_WITHIN {
        sleep(LOOK_EVERY).await;
        let next = injector.leader().await.filter(|next| city_of(*next) != city);
        is_led_by = is_led_by.or(next.map(|_| Instant::now()));
        if is_led_by.is_some_and(|since| notes.offered_elsewhere_since(since, city)) {
            break;
        }
    }
    sleep(STAYS_LOST).await;
    match settings.how {
        How::Kill => injector.start(nodes_of(city))?,
        How::BlackHole => injector.net.heal(),
    }
    injector.one_leads().await?;
    load.all_at_home(HOME_WITHIN).await
}
