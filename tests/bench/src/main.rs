//! Measures the product beside a bare client and beside Velero, on real clusters of the testbed, and a vault with many
//! simulated agents, and writes what was measured to `docs/benchmarks.md`.

mod api;
mod bare;
mod capture;
mod cluster;
mod environment;
mod footprint;
mod preflight;
mod process;
mod product;
mod report;
mod restore;
mod results;
mod snapshots;
mod statistics;
mod vaults;
mod velero;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use environment::Environment;
use results::Results;
use std::path::PathBuf;
use std::time::Duration;

/// Measures speed and memory.
#[derive(Parser)]
struct Program {
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(Subcommand)]
enum What {
    /// Backups and restores of clusters of the testbed.
    Clusters(ClusterArgs),
    /// A vault with many agents.
    Vault(vaults::VaultArgs),
    /// The other end of the vault's tunnels; started by `vault`.
    #[command(name = vaults::agents::COMMAND, hide = true)]
    SimulateAgents {
        /// Who simulates what.
        file: PathBuf,
    },
}

/// Measures speed and memory on clusters of the testbed.
#[derive(Args)]
struct ClusterArgs {
    /// What to measure; everything when absent.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Experiment>,
    /// Objects in the cluster when it is captured.
    #[arg(long, value_delimiter = ',', default_values_t = [2_000, 20_000, 100_000])]
    capture: Vec<usize>,
    /// Objects that are restored.
    #[arg(long, value_delimiter = ',', default_values_t = [2_000, 20_000])]
    restore: Vec<usize>,
    /// Volumes that are snapshot.
    #[arg(long, default_value_t = 50)]
    volumes: usize,
    /// Objects in the cluster in which agent and gateway are measured.
    #[arg(long, default_value_t = 5_000)]
    footprint: usize,
    /// Objects in the cluster of which preflight is measured.
    #[arg(long, default_value_t = 20_000)]
    preflight: usize,
    /// How often each is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds after which one backup or restore of Velero's is ended; its rate is then that of this time.
    #[arg(long, default_value_t = 300)]
    velero_seconds: u64,
    /// Measure without Velero.
    #[arg(long)]
    without_velero: bool,
    /// The cluster's name.
    #[arg(long, default_value = "bench")]
    name: String,
    /// The day, as it shall stand in the page.
    #[arg(long)]
    date: String,
    /// Where results are kept between runs, and the page that is made of them.
    #[arg(long, default_value = "docs/benchmarks.json")]
    results: PathBuf,
    /// The page.
    #[arg(long, default_value = "docs/benchmarks.md")]
    page: PathBuf,
    /// Measure nothing: write the page anew from the results of earlier runs.
    #[arg(long)]
    page_only: bool,
}

/// One experiment; each is written down as soon as it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Experiment {
    Capture,
    Restore,
    Snapshots,
    Footprint,
    Preflight,
}

/// How experiments are carried out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The cluster's name.
    pub cluster: String,
    /// How often each is measured.
    pub rounds: usize,
    /// The directory of Velero's programs, and the longest that one run of it may take.
    pub velero: Option<(PathBuf, Duration)>,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Program::parse().what {
        What::Clusters(arguments) => clusters(arguments).await,
        What::Vault(arguments) => vaults::measure(arguments).await,
        What::SimulateAgents { file } => vaults::agents::simulate(&file).await,
    }
}

async fn clusters(arguments: ClusterArgs) -> Result<()> {
    if arguments.page_only {
        return Results::read(&arguments.results)?.write(&arguments.results, &arguments.page);
    }
    let wanted = |experiment| arguments.only.is_empty() || arguments.only.contains(&experiment);
    let velero = match arguments.without_velero {
        true => None,
        false => Some((velero::build().await?, Duration::from_secs(arguments.velero_seconds))),
    };
    let plan = Plan { cluster: arguments.name.clone(), rounds: arguments.rounds.max(1), velero };
    let environment = Environment::of_this_machine(&arguments.date);
    let mut results = Results::read(&arguments.results)?;
    if wanted(Experiment::Capture) {
        let keep = |measured| {
            results.add_capture(measured);
            results.write(&arguments.results, &arguments.page)
        };
        capture::measure(&plan, &arguments.capture, &environment, keep).await?;
    }
    if wanted(Experiment::Restore) {
        for &objects in &arguments.restore {
            results.add_restore(restore::measure(&plan, objects, &environment).await?);
            results.write(&arguments.results, &arguments.page)?;
        }
    }
    if wanted(Experiment::Snapshots) {
        results.snapshots = Some(snapshots::measure(&plan, arguments.volumes, &environment).await?);
        results.write(&arguments.results, &arguments.page)?;
    }
    if wanted(Experiment::Footprint) {
        results.footprint = Some(footprint::measure(&plan, arguments.footprint, &environment).await?);
        results.write(&arguments.results, &arguments.page)?;
    }
    if wanted(Experiment::Preflight) {
        results.preflight = Some(preflight::measure(&plan, arguments.preflight, &environment).await?);
        results.write(&arguments.results, &arguments.page)?;
    }
    println!("{}", report::tables(&results));
    Ok(())
}
