//! The live table: drawn over itself on a terminal, a line a second elsewhere.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use acd::metrics::Ratio;
use tokio::time::Instant;

use super::board::{Board, word};
use super::books::Books;
use super::ledger::Counts;
use super::plan::CITIES;
use super::traffic::clock;

/// Lines of the chronicle under the table.
const LINES_SHOWN: usize = 6;

/// Columns of a terminal that may be counted on.
const WIDTH: usize = 79;

/// What is shown beside the board.
pub(super) struct Scene<'a> {
    pub board: &'a Board,
    pub books: &'a Books,
    /// Which nodes' processes run, by city.
    pub running: [usize; 3],
    pub began: Instant,
    pub day: Duration,
    pub duration: Option<Duration>,
}

/// Draws the table over the one before.
pub(super) struct Table {
    drawn: usize,
}

impl Table {
    pub fn new() -> Self {
        Self { drawn: 0 }
    }

    /// Draws it, a few times a second.
    pub fn draw(&mut self, scene: &Scene<'_>, out: &mut impl Write) -> io::Result<()> {
        let mut text = String::new();
        if self.drawn > 0 {
            // Up to the first line of the last one.
            let _ = write!(text, "\x1b[{}A\r", self.drawn);
        }
        let lines = lines(scene);
        self.drawn = lines.len();
        for line in lines {
            let shown: String = line.chars().take(WIDTH).collect();
            // … and nothing left of it behind the new one.
            let _ = writeln!(text, "{shown}\x1b[K");
        }
        text += "\x1b[J";
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// The table in one line.
pub(super) fn line(scene: &Scene<'_>) -> String {
    let Counts { offered, answered, abandoned, waiting, double_offered, .. } =
        scene.books.ledger.counts();
    let seconds = scene.began.elapsed().as_secs();
    let leader = scene.board.leader().map_or("none".into(), |(node, _)| format!("node {node}"));
    let sites: Vec<_> = scene.board.best().map_or(Vec::new(), |said| {
        said.cluster.sites.iter().map(|site| format!("{} {}", site.id, word(site))).collect()
    });
    format!(
        "{seconds:>4} s  offered {offered}, answered {answered}, abandoned {abandoned}, waiting \
         {waiting}, offered twice {double_offered}; leader {leader}; {}",
        sites.join(", ")
    )
}

fn lines(scene: &Scene<'_>) -> Vec<String> {
    let mut lines = vec![head(scene), String::new()];
    lines.push(format!(
        "{:<10}{:<11}{:>5}{:>7}{:>6}{:>7}{:>6}{:>9}{:>10}",
        "city", "state", "nodes", "agents", "free", "busy", "away", "waiting", "answered"
    ));
    for (city, running) in CITIES.iter().zip(scene.running) {
        lines.push(city_line(scene.board, city, running));
    }
    lines.push(String::new());
    lines.push(format!(
        "{:<10}{:>8}{:>9}{:>9}{:>10}{:>11}{:>11}",
        "queue", "waiting", "oldest", "talking", "answered", "abandoned", "in target"
    ));
    for queue in &scene.board.queues {
        lines.push(queue_line(queue));
    }
    lines.push(String::new());
    lines.push(raft(scene.board));
    lines.push(String::new());
    for (at, line) in scene.books.last_lines(LINES_SHOWN) {
        let since = at.saturating_duration_since(scene.began).as_secs_f64();
        lines.push(format!("{since:>7.1} s  {line}"));
    }
    lines
}

fn head(scene: &Scene<'_>) -> String {
    let Counts { offered, answered, abandoned, waiting, double_offered, .. } =
        scene.books.ledger.counts();
    let (hour, minute) = clock(scene.began.elapsed(), scene.day);
    let seconds = scene.began.elapsed().as_secs();
    let of = scene.duration.map_or(String::new(), |all| format!(" of {}", all.as_secs()));
    format!(
        "{hour:02}:{minute:02} ({seconds}{of} s)  came {offered}, answered {answered}, left \
         {abandoned}, wait {waiting}, offered twice {double_offered}"
    )
}

fn city_line(board: &Board, city: &str, running: usize) -> String {
    let status = board.best().and_then(|said| said.cluster.sites.iter().find(|s| s.id == city));
    let Some(site) = status else { return format!("{city:<10}?") };
    let agents = site.agents.unwrap_or_default();
    let there = agents.free + agents.busy + agents.not_ready;
    let answered = today(site.metrics.as_ref()).answered;
    format!(
        "{city:<10}{:<11}{running:>5}{there:>7}{:>6}{:>7}{:>6}{:>9}{answered:>10}",
        word(site),
        agents.free,
        agents.busy,
        agents.not_ready,
        site.waiting,
    )
}

fn queue_line(queue: &proto::api::v1::QueueStatus) -> String {
    let id = queue.config.as_ref().map_or("?", |config| config.id.as_str());
    let oldest = queue.oldest_wait_ms.map_or("-".into(), |ms| format!("{:.1} s", ms as f64 / 1e3));
    let today = today(queue.metrics.as_ref());
    let level = Ratio::new(u64::from(today.answered_in_target), u64::from(today.offered));
    let level = level.scaled(100).map_or("no data".into(), |percent| format!("{percent} %"));
    format!(
        "{id:<10}{:>8}{oldest:>9}{:>9}{:>10}{:>11}{level:>11}",
        queue.waiting, queue.connected, today.answered, today.abandoned,
    )
}

fn raft(board: &Board) -> String {
    let Some(best) = board.best() else { return "no node answers".to_owned() };
    let freshness = &best.freshness;
    let (nodes, all) = (board.nodes.len(), best.cluster.nodes.len());
    let leader = match board.leader() {
        None => "nobody leads".to_owned(),
        Some((leader, term)) => {
            let site = best.cluster.nodes.iter().find(|node| node.node == leader);
            let site = site.map_or("?", |node| node.site.as_str());
            let silent = if board.nodes.contains_key(&leader) { "" } else { " (silent)" };
            format!("node {leader} in {site} leads{silent}, term {term}")
        }
    };
    let age = freshness.age_ms.map_or("?".into(), |ms| format!("{:.1} s", ms as f64 / 1e3));
    format!("{leader}; {nodes} of {all} nodes answer; log index {}, {age} old", freshness.applied)
}

/// Counters of the day.
pub(super) fn today(
    metrics: Option<&proto::stored::v1::QueueMetrics>,
) -> proto::stored::v1::QueueCounters {
    metrics.and_then(|metrics| metrics.today.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_the_chronicle_are_under_the_table() {
        let (board, books) = (Board::default(), Books::default());
        (0..10).for_each(|line| books.tell(format!("line {line}")));
        let (running, day) = ([0; 3], Duration::from_secs(120));
        let began = Instant::now();
        let scene = Scene { board: &board, books: &books, running, began, day, duration: None };
        let lines = lines(&scene);
        let told = lines.iter().filter_map(|line| line.split_once(" s  line ")).map(|(_, n)| n);
        assert_eq!(told.collect::<Vec<_>>(), ["4", "5", "6", "7", "8", "9"], "{lines:?}");
    }
}
