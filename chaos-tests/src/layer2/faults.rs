//! What goes wrong, and when: a seed's plan.

use std::time::Duration;

use crate::workload::Dice;

/// Something that goes wrong for a while. All of it meets whoever leads then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// All nodes of the leader's city are killed.
    KillCity,
    /// Those of another city, too: the rest is no majority.
    LoseQuorum,
    /// The leader's city and the others do not reach each other. Its clients reach its nodes.
    BlackHole,
    /// Nothing of the leader's city reaches the others; all of theirs reaches it.
    MuteCity,
    /// Nothing of the others reaches the leader's city; all of it reaches them.
    DeafCity,
    /// The leader's process stands still for longer than its lease, and goes on.
    PauseLeader,
    /// The leader's disk takes no more.
    FullDisk,
    /// The leader's wall clock jumps an hour.
    ClockJump {
        /// Ahead; otherwise back.
        ahead: bool,
    },
}

impl Fault {
    /// All kinds.
    const ALL: [Self; 8] = [
        Self::KillCity,
        Self::LoseQuorum,
        Self::BlackHole,
        Self::MuteCity,
        Self::DeafCity,
        Self::PauseLeader,
        Self::FullDisk,
        Self::ClockJump { ahead: true },
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillCity => "kill_city",
            Self::LoseQuorum => "lose_quorum",
            Self::BlackHole => "black_hole",
            Self::MuteCity => "mute_city",
            Self::DeafCity => "deaf_city",
            Self::PauseLeader => "pause_leader",
            Self::FullDisk => "full_disk",
            Self::ClockJump { .. } => "clock_jump",
        }
    }
}

/// A fault, how long the cluster is left alone before it, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// After the one before was taken back and somebody leads again.
    pub after: Duration,
    /// What.
    pub fault: Fault,
    /// For so long.
    pub lasts: Duration,
}

/// The faults of a seed, without end: every kind comes once in a round, each round in another order.
/// `election_max` is the longest election timeout: what lasts is longer than a lease and an election.
pub fn plan(seed: u64, election_max: Duration) -> impl Iterator<Item = Planned> {
    let mut dice = Dice::new(seed, "faults");
    let mut round: Vec<Fault> = Vec::new();
    std::iter::from_fn(move || {
        if round.is_empty() {
            round.extend(Fault::ALL);
        }
        let at = dice.below(round.len() as u64) as usize;
        let mut fault = round.swap_remove(at);
        if let Fault::ClockJump { ahead } = &mut fault {
            *ahead = dice.percent(50);
        }
        let ms = |low, high, dice: &mut Dice| Duration::from_millis(dice.between(low, high));
        let lasts = 2 * election_max + ms(500, 4_500, &mut dice);
        Some(Planned { after: ms(500, 3_000, &mut dice), fault, lasts })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ELECTION: Duration = Duration::from_millis(450);

    #[test]
    fn a_seed_has_one_plan_and_others_have_others() {
        let plan = |seed| plan(seed, ELECTION).take(40).collect::<Vec<_>>();
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn every_kind_comes_in_every_round_and_lasts_longer_than_an_election() {
        let planned: Vec<_> = plan(3, ELECTION).take(2 * Fault::ALL.len()).collect();
        for round in planned.chunks(Fault::ALL.len()) {
            let names: BTreeSet<_> = round.iter().map(|planned| planned.fault.name()).collect();
            assert_eq!(names.len(), Fault::ALL.len());
        }
        assert!(planned.iter().all(|planned| planned.lasts > 2 * ELECTION));
    }
}
