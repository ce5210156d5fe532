//! Arguments of `quorumcall demo`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::centre_file::Duration;
use crate::cli::Output;

/// Arguments of `quorumcall demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Without a live table: runs for --duration, then prints a summary.
    #[arg(long)]
    pub headless: bool,
    /// How long it runs: `30s`, `5m`. With --headless 30 s unless given, else until Ctrl-C.
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Duration>,
    /// The traffic: the same seed makes the same customers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Kills all processes of a city (or of the `leader`'s city) at this time: `lviv@10s`. May be
    /// repeated.
    #[arg(long, value_name = "CITY@TIME")]
    pub kill: Vec<Moment>,
    /// Starts the processes of a city that was killed: `lviv@20s`. May be repeated.
    #[arg(long, value_name = "CITY@TIME")]
    pub restore: Vec<Moment>,
    /// Keeps everything in this folder, which must be empty or not there yet. Unless given, a new one
    /// among the temporary files, of which only the logs are kept.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How to print the summary. `json` implies --headless.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Says nothing on standard error while all goes well.
    #[arg(short, long)]
    pub quiet: bool,
}

/// A city, and a time since the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The city.
    pub city: Target,
    /// When.
    pub at: Duration,
}

/// Which city.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// This one.
    City(String),
    /// The one in which the leader is then.
    Leader,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::City(city) => f.write_str(city),
            Self::Leader => f.write_str("leader"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.city, self.at)
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (city, at) = text.split_once('@').ok_or("write a city and a time, as in lviv@10s")?;
        let city = match city {
            "" => return Err("write a city before the @, as in lviv@10s".into()),
            "leader" => Target::Leader,
            city => Target::City(city.to_owned()),
        };
        let at = at.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { city, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_city_and_a_time() {
        for text in ["lviv@10s", "leader@90s", "kyiv@500ms"] {
            assert_eq!(text.parse::<Moment>().map(|moment| moment.to_string()), Ok(text.into()));
        }
        for text in ["lviv", "@10s", "lviv@", "lviv@soon", ""] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
