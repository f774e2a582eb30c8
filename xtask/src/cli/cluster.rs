//! The command line of `cluster`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::load_test::{FindK6, Load, group};
use super::manifest::{Runners, image, name};
use super::output::Output;

const AFTER: &str = "\
Examples:
  cargo xtask cluster check
                        is everything there that it takes?
  cargo xtask cluster run stress missions --vus-scale 100 --runners 16 \\
      --namespace load --api-key-secret load-test \\
      --base-url http://tachikoma.staging.svc:3000
                        up to 10,000 users, and one verdict
  cargo xtask cluster attach stress-missions-0a1b2c3d
                        goes on with a run whose terminal is gone
  cargo xtask cluster clean
                        what of ours is left on the cluster?

Exit codes:
  0        passed; with check: all is there
  1        ran, and a threshold or a check failed, or a runner was lost
  2        the command line is wrong, or --yes is missing
  3        could not run: the cluster, the operator or k6 is in the way
  130 143  interrupted by Ctrl-C or SIGTERM: what was measured is kept, and
           what was created is deleted
  129      interrupted by SIGHUP: the test goes on, for attach

The guide is load-tests/cluster.md.";

/// Arguments of `cluster`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER, after_help = "Examples and exit codes are in --help.")]
pub struct Cluster {
    /// What to do.
    #[command(subcommand)]
    pub action: ClusterAction,
}

/// What `cluster` does.
#[derive(Debug, Subcommand)]
pub enum ClusterAction {
    /// Look whether the cluster has all that it takes, one line for each thing.
    Check {
        /// Which cluster.
        #[command(flatten)]
        cluster: Which,

        /// Which images it is to pull.
        #[command(flatten)]
        images: Images,
    },
    /// Run tests on the cluster, one after the other, and judge them as a local run is judged.
    Run(Box<ClusterRun>),
    /// Go on with a test that runs, or ran, on the cluster, judge it, and delete it.
    ///
    /// It ends as `cluster run` does: what the test is made of is deleted once it is judged, or at Ctrl-C, whoever
    /// created it; --keep leaves it.
    Attach {
        /// The TestRun, as `run` named it.
        #[arg(value_parser = name)]
        name: String,

        /// Which cluster.
        #[command(flatten)]
        cluster: Which,

        /// How it is followed, and what is kept.
        #[command(flatten)]
        follow: Follow,
    },
    /// List and delete what `run` and `manifest` left on the cluster.
    Clean {
        /// Which cluster.
        #[command(flatten)]
        cluster: Which,

        /// Delete without a question.
        #[arg(long)]
        yes: bool,
    },
}

/// Which cluster, and where on it.
#[derive(Debug, Args)]
pub struct Which {
    /// The context of kubectl [default: its current one].
    #[arg(help_heading = group::CLUSTER, long, value_name = "NAME")]
    pub context: Option<String>,

    /// The namespace [default: that of kubectl's context].
    #[arg(help_heading = group::CLUSTER, long, value_name = "NAME", value_parser = name)]
    pub namespace: Option<String>,
}

/// Images that `cluster check` tries.
#[derive(Debug, Args)]
pub struct Images {
    /// Have a node pull this image and run it, in a pod that ends at once and is deleted.
    ///
    /// Once for each image that runs will use. It takes the rights to create and to delete pods, which no run needs.
    #[arg(help_heading = group::CLUSTER, long, value_name = "IMAGE", value_parser = image)]
    pub pull: Vec<String>,

    /// A Secret of the namespace that the images are pulled with.
    #[arg(help_heading = group::CLUSTER, long, value_name = "NAME", value_parser = name, requires = "pull")]
    pub image_pull_secret: Option<String>,

    /// Create these pods even where a name says production.
    #[arg(help_heading = group::CLUSTER, long, requires = "pull")]
    pub yes: bool,
}

/// Arguments of `cluster run`.
#[derive(Debug, Args)]
pub struct ClusterRun {
    /// Which load, and where to.
    #[command(flatten)]
    pub load: Load,

    /// Which runners make it.
    #[command(flatten)]
    pub runners: Runners,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: Which,

    /// Merge the runners' samples instead of estimating percentiles.
    ///
    /// Each runner writes every sample to its log, about 2.5 kB a request, which costs it about a quarter more CPU time. For
    /// thresholds that are undecided without; a cluster that rotates logs faster than they are read spoils it.
    #[arg(help_heading = group::VERDICT, long)]
    pub exact: bool,

    /// Make load even where a name says production, and much of it against a public address.
    #[arg(help_heading = group::CLUSTER, long)]
    pub yes: bool,

    /// How it is followed, and what is kept.
    #[command(flatten)]
    pub follow: Follow,

    /// Options for finding k6, which packs the scripts.
    #[command(flatten)]
    pub k6: FindK6,
}

/// How a test on a cluster is followed, and what is kept of it.
#[derive(Debug, Args)]
pub struct Follow {
    /// The longest that each stage before the load may take, and the load beyond its plan.
    #[arg(help_heading = group::CLUSTER, long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub deadline: Duration,

    /// Leave the test's objects on the cluster, which else are deleted at the end.
    #[arg(help_heading = group::CLUSTER, long)]
    pub keep: bool,

    /// Where the results go, and what is printed.
    #[command(flatten)]
    pub output: Output,
}
