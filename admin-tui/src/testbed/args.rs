//! Which cluster a replay or a benchmark runs on.

use std::path::PathBuf;

use clap::Args;

/// Which cluster to use. Without these one is founded on this machine and removed afterwards.
#[derive(Clone, Debug, Default, Args)]
pub struct TestbedArgs {
    /// A node of a running cluster; repeat it for others. Left out: those the identity names.
    #[arg(long = "endpoint", value_name = "HOST:PORT", requires = "identity")]
    pub endpoints: Vec<String>,
    /// Uses a running cluster, as this admin. Identities of the others who take part are looked
    /// for beside the file, named PRINCIPAL.identity.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Founds the cluster in this folder, which must be empty or not there yet, and leaves it there.
    #[arg(long, value_name = "FOLDER", conflicts_with = "identity")]
    pub folder: Option<PathBuf>,
}
