//! The customers of a day: when they come, what they want, how long they wait and talk.
//!
//! A pure function of the seed. Arrivals are a Poisson process whose rate follows the curve of a
//! working day (thinning: Lewis and Shedler 1979); patience is exponential, as in the Erlang A model;
//! handling times are lognormal, as measured in call centres (Brown et al. 2005). Only the scale is
//! not that of life: a day is as long as the run, and a call takes seconds, so that there is
//! something to see at once.

use std::time::Duration;

use super::dice::Dice;

/// Customers a second, in all cities, on the average of a day.
pub(super) const MEAN_PER_S: f64 = 6.0;
/// How the cities share them.
const SHARES: [f64; 3] = [0.42, 0.34, 0.24];
/// Load of each hour of a working day from 8:00 to 20:00, relative to the average: two peaks, with
/// lunch between them.
const CURVE: [f64; 12] = [0.60, 0.95, 1.30, 1.35, 1.15, 0.90, 0.95, 1.20, 1.25, 1.05, 0.75, 0.55];
/// When the first of these hours begins.
const OPENS_AT_H: f64 = 8.0;
/// The largest load, at an hour or between.
const CURVE_MAX: f64 = 1.35;

/// Standard deviation of the logarithm of handling times.
const SIGMA: f64 = 0.6;
/// Of 100 customers, the best ones.
const GOLD: f64 = 0.08;
/// Of 100 customers, those who want English.
const ENGLISH: f64 = 0.06;
/// Of 100 conversations, those that the customer ends.
const CUSTOMER_ENDS: f64 = 0.5;
/// Of 100 conversations, those that are put on hold in the middle.
const ON_HOLD: f64 = 0.08;
/// Of 100 customers of a queue that calls back, those who ask for it instead of leaving.
const CALLED_BACK: f64 = 0.4;

/// What customers come for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// The queue.
    pub queue: &'static str,
    /// Whether they write instead of calling.
    pub chat: bool,
    /// Whether the queue calls back.
    pub calls_back: bool,
    share: f64,
    talk_s: f64,
    wrap_up_s: f64,
    patience_s: f64,
}

/// All there are.
const KINDS: [Kind; 4] = [
    Kind {
        queue: "sales",
        chat: false,
        calls_back: false,
        share: 0.30,
        talk_s: 4.0,
        wrap_up_s: 1.2,
        patience_s: 12.0,
    },
    Kind {
        queue: "support",
        chat: false,
        calls_back: false,
        share: 0.33,
        talk_s: 5.0,
        wrap_up_s: 1.5,
        patience_s: 15.0,
    },
    Kind {
        queue: "billing",
        chat: false,
        calls_back: true,
        share: 0.20,
        talk_s: 3.0,
        wrap_up_s: 1.0,
        patience_s: 10.0,
    },
    Kind {
        queue: "web",
        chat: true,
        calls_back: false,
        share: 0.17,
        talk_s: 6.0,
        wrap_up_s: 0.8,
        patience_s: 20.0,
    },
];

/// One customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// When the customer comes, since the beginning.
    pub at: Duration,
    /// The how-manieth of the city.
    pub number: u64,
    /// What for.
    pub kind: Kind,
    /// One of the best customers.
    pub gold: bool,
    /// Wants English.
    pub english: bool,
    /// How long the customer waits.
    pub patience: Duration,
    /// Whether the customer then asks to be called back instead of leaving.
    pub called_back: bool,
    /// How long the conversation is.
    pub talk: Duration,
    /// Whether it is put on hold in the middle.
    pub hold: bool,
    /// Whether the customer ends it; otherwise the agent.
    pub customer_ends: bool,
    /// How long the agent then writes.
    pub wrap_up: Duration,
}

/// The customers of one city, in the order in which they come; day after day.
#[derive(Clone, Debug)]
pub struct Arrivals {
    dice: Dice,
    day_s: f64,
    rate_max: f64,
    at_s: f64,
    number: u64,
}

impl Arrivals {
    /// Those of the city with this number, from 0, when a day takes `day`.
    pub fn new(seed: u64, city: usize, day: Duration) -> Self {
        let share = SHARES.get(city).copied().unwrap_or(0.0);
        Self {
            dice: Dice::new(seed, city as u64),
            day_s: day.as_secs_f64().max(1.0),
            rate_max: MEAN_PER_S * share * CURVE_MAX,
            at_s: 0.0,
            number: 0,
        }
    }
}

impl Iterator for Arrivals {
    type Item = Customer;

    fn next(&mut self) -> Option<Customer> {
        if self.rate_max <= 0.0 {
            return None;
        }
        loop {
            self.at_s += self.dice.exponential(1.0 / self.rate_max);
            if self.dice.happens(load_at(self.at_s / self.day_s) / CURVE_MAX) {
                break;
            }
        }
        self.number += 1;
        let dice = &mut self.dice;
        let kind = pick(dice.unit());
        let seconds = |s: f64| Duration::from_millis((s * 1_000.0) as u64);
        Some(Customer {
            at: Duration::from_secs_f64(self.at_s),
            number: self.number,
            kind,
            gold: dice.happens(GOLD),
            english: dice.happens(ENGLISH),
            patience: seconds(dice.exponential(kind.patience_s)),
            called_back: kind.calls_back && dice.happens(CALLED_BACK),
            talk: seconds(dice.lognormal(kind.talk_s, SIGMA)),
            hold: !kind.chat && dice.happens(ON_HOLD),
            customer_ends: dice.happens(CUSTOMER_ENDS),
            wrap_up: seconds(dice.lognormal(kind.wrap_up_s, SIGMA)),
        })
    }
}

fn pick(mut at: f64) -> Kind {
    for kind in KINDS {
        if at < kind.share {
            return kind;
        }
        at -= kind.share;
    }
    KINDS[0]
}

/// The load at a point of the day, relative to the average; 1.0 is the beginning of the next day.
/// Between the middles of two hours it changes evenly.
fn load_at(day: f64) -> f64 {
    let hours = CURVE.len();
    let at = day.fract() * hours as f64 - 0.5;
    let before = at.floor();
    let hour = |at: f64| CURVE[at.clamp(0.0, (hours - 1) as f64) as usize];
    let (low, high) = (hour(before), hour(before + 1.0));
    low + (high - low) * (at - before)
}

/// What the clock of the day shows: hours and minutes.
pub(super) fn clock(since: Duration, day: Duration) -> (u32, u32) {
    let share = (since.as_secs_f64() / day.as_secs_f64().max(1.0)).fract();
    let minutes = ((OPENS_AT_H + share * CURVE.len() as f64) * 60.0) as u32;
    (minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(1_200);

    fn a_day(seed: u64, city: usize) -> Vec<Customer> {
        Arrivals::new(seed, city, DAY).take_while(|customer| customer.at < DAY).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_customers_and_another_one_others() {
        assert_eq!(a_day(7, 0), a_day(7, 0));
        assert_ne!(a_day(7, 0)[..50], a_day(8, 0)[..50]);
        assert_ne!(a_day(7, 0)[..50], a_day(7, 1)[..50]);
    }

    #[test]
    fn customers_come_as_often_as_the_curve_says() {
        let all: Vec<_> = (0..3).flat_map(|city| a_day(7, city)).collect();
        let expected = MEAN_PER_S * DAY.as_secs_f64();
        let off = (all.len() as f64 - expected) / expected;
        assert!(off.abs() < 0.04, "{} instead of {expected}", all.len());
        // Each hour by itself, within four standard deviations of a Poisson count.
        let hour = DAY / CURVE.len() as u32;
        for (at, load) in CURVE.iter().enumerate() {
            let hours = at as u32..at as u32 + 1;
            let there = |c: &&Customer| c.at >= hour * hours.start && c.at < hour * hours.end;
            let count = all.iter().filter(there).count() as f64;
            // Between hours it changes evenly, which shaves off peaks.
            let expected = MEAN_PER_S * hour.as_secs_f64() * load;
            let tolerance = 4.0 * expected.sqrt() + 0.08 * expected;
            assert!((count - expected).abs() < tolerance, "hour {at}: {count}, not {expected}");
        }
    }

    #[test]
    fn cities_and_queues_have_their_shares() {
        let counts = [0, 1, 2].map(|city| a_day(7, city).len() as f64);
        let all: f64 = counts.iter().sum();
        for (count, share) in counts.iter().zip(SHARES) {
            assert!((count / all - share).abs() < 0.03, "{counts:?}");
        }
        let customers: Vec<_> = (0..3).flat_map(|city| a_day(7, city)).collect();
        for kind in KINDS {
            let of = customers.iter().filter(|c| c.kind.queue == kind.queue).count() as f64;
            assert!((of / all - kind.share).abs() < 0.03, "{}", kind.queue);
        }
        let talk: f64 = customers.iter().map(|c| c.talk.as_secs_f64()).sum::<f64>() / all;
        let expected: f64 = KINDS.iter().map(|kind| kind.share * kind.talk_s).sum();
        assert!((talk - expected).abs() < 0.2, "{talk}");
    }

    #[test]
    fn the_shares_add_up_and_no_hour_is_above_the_largest() {
        assert!((SHARES.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!((KINDS.iter().map(|kind| kind.share).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!((CURVE.iter().sum::<f64>() / 12.0 - 1.0).abs() < 0.01);
        assert!((0..1_000).all(|at| load_at(f64::from(at) / 1_000.0) <= CURVE_MAX));
        assert_eq!(Arrivals::new(7, 3, DAY).next(), None, "there are three cities");
    }

    #[test]
    fn the_clock_of_a_day_runs_from_opening_to_closing() {
        assert_eq!(clock(Duration::ZERO, DAY), (8, 0));
        assert_eq!(clock(DAY / 2, DAY), (14, 0));
        assert_eq!(clock(DAY + DAY / 4, DAY), (11, 0));
    }
}
