//! `quorumcall replay`.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use acd::ids::{ContactId, SiteId};
use clap::Args;

use super::Output;
use crate::testbed::TestbedArgs;

/// Arguments of `quorumcall replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The call log: one call per line, columns parted by tabs and named in the first line.
    pub file: PathBuf,
    /// In this process, without a cluster.
    #[arg(long, conflicts_with_all = ["identity", "folder"])]
    pub local: bool,
    /// Which cluster.
    #[command(flatten)]
    pub testbed: TestbedArgs,
    /// The cities. Agents are sorted by name and dealt to them in turn, for a log knows no cities.
    #[arg(
        long,
        value_name = "CITY,…",
        value_delimiter = ',',
        default_value = "kyiv,lviv,dnipro",
        value_parser = parse_city
    )]
    pub cities: Vec<SiteId>,
    /// How many times faster than it happened, or `max`.
    #[arg(long, value_name = "max|N", default_value_t = Speed::Max)]
    pub speed: Speed,
    /// How to print the result.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Tells the story of one call: line, call id and date joined.
    #[arg(long, value_name = "CONTACT", value_parser = parse_contact)]
    pub explain: Option<ContactId>,
    /// Prints the contact centre that the log makes, as a centre.toml, and replays nothing.
    #[arg(long)]
    pub print_centre: bool,
}

/// How fast a replay goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// As fast as it can.
    Max,
    /// This many times as fast as it happened.
    Times(NonZeroU32),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        text.parse().map(Self::Times).map_err(|_| {
            "write `max`, or how many times faster than it happened: a whole number from 1".into()
        })
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Times(times) => times.fmt(f),
        }
    }
}

fn parse_contact(text: &str) -> Result<ContactId, String> {
    ContactId::new(text).map_err(|why| format!("{why}: write 1 to 128 printable ASCII characters"))
}

fn parse_city(text: &str) -> Result<SiteId, String> {
    SiteId::new(text).map_err(|why| {
        format!("{why}: write a-z, 0-9, '.', '_' and '-', at most 63, such as `kyiv`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn replay(args: &[&str]) -> Result<ReplayArgs, String> {
        let all = ["quorumcall", "replay"].iter().chain(args);
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        match cli.command {
            Command::Replay(args) => Ok(args),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_replay_has_three_cities_and_full_speed_unless_told() {
        let args = replay(&["calls.tsv"]).expect("a file is enough");
        let cities: Vec<_> = args.cities.iter().map(SiteId::as_str).collect();
        assert_eq!(cities, ["kyiv", "lviv", "dnipro"]);
        assert_eq!((args.speed, args.output, args.local), (Speed::Max, Output::Table, false));
        let args = replay(&["f", "--cities", "a,b", "--speed", "60", "-o", "json", "--local"]);
        let args = args.expect("proper");
        assert_eq!((args.cities.len(), args.output, args.local), (2, Output::Json, true));
        assert_eq!(args.speed.to_string(), "60");
    }

    #[test]
    fn what_cannot_be_meant_is_a_wrong_use() {
        for (args, part) in [
            (&["f", "--speed", "0"][..], "a whole number from 1"),
            (&["f", "--speed", "fast"], "a whole number from 1"),
            (&["f", "--cities", "Kyiv"], "not a site id"),
            (&["f", "--cities", ""], "not a site id"),
            (&["f", "--cities", "a,,b"], "not a site id"),
            (&["f", "-o", "xml"], "table"),
            (&[], "required"),
        ] {
            let error = replay(args).expect_err("refused");
            assert!(error.contains(part), "{args:?}: {error}");
        }
    }
}
