//! The demonstration itself, from a cluster whose nodes listen to a report.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acd::time::LogTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::args::{DemoArgs, Target};
use super::failover::Deed;
use super::failures::{floor as not_open, interrupted, local, silent};
use super::floor::{Badges, Floor, Place};
use super::folder::Folder;
use super::progress::{Progress, no_output, print};
use super::report::{Material, Report};
use super::strikes::{Machines, strike};
use super::table::{Scene, Table, line};
use super::verify::{self, Verified};
use crate::failure::Failure;
use crate::stop::Stop;

/// How long a day takes when the run has no end.
const DAY: Duration = Duration::from_secs(120);
/// How often the table is drawn, and how often a line is written elsewhere.
const DRAW_EVERY: Duration = Duration::from_millis(250);
const LINE_EVERY: Duration = Duration::from_secs(1);
/// How long the nodes may take to have the same state at the end: one that was just started again
/// catches up first.
const EQUAL_WITHIN: Duration = Duration::from_secs(30);

/// The demonstration itself.
pub(super) struct Show<'a> {
    pub args: &'a DemoArgs,
    /// How long customers come. None: until somebody wants it to end.
    pub duration: Option<Duration>,
    pub is_headless: bool,
    pub folder: &'a Folder,
    pub stop: &'a Stop,
}

impl Show<'_> {
    pub async fn run(
        &self,
        machines: &Machines,
        badges: &Badges,
        places: Vec<Place>,
        deeds: Vec<(Duration, Deed, Target)>,
        out: &mut impl Write,
        progress: &mut Progress<'_>,
    ) -> Result<Report, Failure> {
        let day = self.duration.unwrap_or(DAY);
        let mut floor = Floor::new(badges, places).map_err(|error| not_open(&error))?;
        tokio::select! {
            opened = self.open(&mut floor, badges, day, progress) => opened?,
            () = self.stop.asked() => return Err(interrupted()),
        }
        let terms = floor.books.terms();
        floor.open();
        let began = Instant::now();
        let strikes = strike(
            deeds,
            machines.clone(),
            floor.readers.clone(),
            floor.books.clone(),
            floor.phase(),
        );
        let mut striking = JoinSet::new();
        striking.spawn(strikes);
        if !self.is_headless {
            self.introduce(out)?;
        }
        self.watch(&floor, machines, began, day, out, progress).await?;
        self.say_news(&floor, began, progress);
        // As it was when customers ceased to come.
        let duration = began.elapsed();
        let board = floor.readers.look().await;
        let counts = floor.books.ledger.counts();
        let leader_changes = floor.books.terms() - terms;
        let occupancy = floor.occupancy().await.map_err(|error| not_open(&error))?;
        progress.say("closing: agents end their conversations and log out…");
        if !floor.close().await {
            progress.say("some agents could not log out in time");
        }
        // They end with the phase; what they started runs.
        while let Some(struck) = striking.join_next().await {
            struck.unwrap_or(Ok(())).map_err(|error| local(&error))?;
        }
        if !floor.leave().await {
            progress.say("some commands have no outcome yet");
        }
        self.say_news(&floor, began, progress);
        machines.intact().map_err(|error| local(&error))?;
        progress.say("comparing what was acknowledged with what the cluster knows…");
        let open = floor.books.ledger.open();
        let lost = verify::lost(&floor.client, open).await.map_err(silent)?;
        let running = machines.running();
        let (hash, last_applied) = verify::equal(&floor.readers, &running, EQUAL_WITHIN).await;
        // One that died meanwhile was not compared, or not to the end.
        machines.intact().map_err(|error| local(&error))?;
        let twice = floor.books.ledger.twice();
        let verified = Verified { lost, twice, hash, last_applied };
        Ok(Report::new(Material {
            seed: self.args.seed,
            duration,
            board: &board,
            occupancy,
            counts,
            running: &machines.running_by_city(),
            leader_changes,
            failovers: floor.books.failovers.measured(),
            verified: &verified,
        }))
    }

    /// Opens the contact centre: its customers may come.
    async fn open(
        &self,
        floor: &mut Floor,
        badges: &Badges,
        day: Duration,
        progress: &mut Progress<'_>,
    ) -> Result<(), Failure> {
        progress.say("waiting for the cluster…");
        floor.wait_for_cluster().await.map_err(|error| not_open(&error))?;
        progress.say("configuring four queues and sixty agents…");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let configured = floor.configure(LogTime(now.as_millis() as u64)).await;
        configured.map_err(|error| not_open(&error))?;
        progress.say("agents log in…");
        let connected = floor.connect(badges, self.args.seed, day).await;
        connected.map_err(|error| not_open(&error))
    }

    fn introduce(&self, out: &mut impl Write) -> Result<(), Failure> {
        let folder = self.folder.path().display();
        let kill = match self.args.kill.is_empty() {
            true => "\nTo see a city fail: quorumcall demo --kill lviv@10s --restore lviv@20s",
            false => "",
        };
        let text = format!(
            "\nThree cities on this machine share one queue of contacts and one roster of agents.\n\
             Five nodes keep them, each a process of its own; customers call, chat and lose\n\
             patience, sixty agents answer. Whoever is free first answers, in whatever city.\n\
             Ctrl-C ends it.{kill}\nLogs: {folder}/node-*.log\n\n"
        );
        print(out, &text)
    }

    /// Says what happened since the last time, where no table shows it.
    fn say_news(&self, floor: &Floor, began: Instant, progress: &mut Progress<'_>) {
        if !self.is_headless {
            return;
        }
        for (at, what) in floor.books.news() {
            let since = at.saturating_duration_since(began).as_secs_f64();
            progress.say(&format!("{since:>7.1} s  {what}"));
        }
    }

    /// Shows what happens until it is over. Fails if a node ends by itself.
    async fn watch(
        &self,
        floor: &Floor,
        machines: &Machines,
        began: Instant,
        day: Duration,
        out: &mut impl Write,
        progress: &mut Progress<'_>,
    ) -> Result<(), Failure> {
        let end = self.duration.map(|duration| began + duration);
        let is_terminal = io::stdout().is_terminal();
        let mut table = Table::new();
        let mut ticks = interval(if is_terminal { DRAW_EVERY } else { LINE_EVERY });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = sleep_until(end.unwrap_or(began)), if end.is_some() => return Ok(()),
                () = self.stop.asked() => return Ok(()),
            }
            self.say_news(floor, began, progress);
            machines.intact().map_err(|error| local(&error))?;
            if self.is_headless {
                continue;
            }
            let board = floor.board.borrow().clone();
            let scene = Scene {
                board: &board,
                books: &floor.books,
                running: machines.running_by_city(),
                began,
                day,
                duration: self.duration,
            };
            let drawn = match is_terminal {
                true => table.draw(&scene, out),
                false => writeln!(out, "{}", line(&scene)).and_then(|()| out.flush()),
            };
            match drawn {
                Ok(()) => {}
                // A reader that has seen enough (`| head`): it is over.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(no_output(&error)),
            }
        }
    }
}
