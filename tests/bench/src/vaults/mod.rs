//! Measures a vault: the real server as a process of its own, many simulated agents on real tunnels, and schedules that fire
//! while clients ask.

pub mod agents;
mod blobs;
mod client;
mod lateness;
mod limits;
mod load;
pub mod outcome;
#[allow(dead_code, reason = "what tests do to a database is not done here")]
#[path = "../../../../crates/vault/tests/databases/server.rs"]
mod postgres;
pub mod report;
mod run;
mod server;
mod simulated;
mod usage;
mod world;

use crate::{environment::Environment, results::Results};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::{path::PathBuf, time::Duration};

/// Measures a vault with many agents.
#[derive(Debug, Clone, Args)]
pub struct VaultArgs {
    /// What to measure; everything when absent.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Simulated agents.
    #[arg(long, env = "BENCH_AGENTS", default_value_t = 10_000)]
    agents: usize,
    /// Backup instances in the vault.
    #[arg(long, env = "BENCH_INSTANCES", default_value_t = 5_000)]
    instances: usize,
    /// Seconds over which the backups of one slot begin.
    #[arg(long, env = "BENCH_SPREAD", default_value_t = 240)]
    spread: u64,
    /// Reads a second, sent at that rate whatever the answers do.
    #[arg(long, env = "BENCH_RATE", default_value_t = 200)]
    rate: u32,
    /// Clients that each wait for an answer before they ask again.
    #[arg(long, env = "BENCH_CLIENTS", default_value_t = 64)]
    clients: usize,
    /// Seconds for which these ask for each thing.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 15)]
    seconds: u64,
    /// How often starts and transfers of blobs are measured.
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 7)]
    rounds: usize,
    /// What shall be said of the machine: what else it did, or how it was kept from that.
    #[arg(long, env = "BENCH_NOTE", default_value = "")]
    note: String,
    /// The day, as it shall stand in the page.
    #[arg(long)]
    date: String,
    /// Where results are kept between runs.
    #[arg(long, default_value = "docs/benchmarks.json")]
    results: PathBuf,
    /// The page.
    #[arg(long, default_value = "docs/benchmarks.md")]
    page: PathBuf,
}

/// One part of it; each is written down as soon as it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Blobs,
    Sqlite,
    Postgres,
}

/// How a vault is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    size: world::Size,
    spread: Duration,
    rate: u32,
    clients: usize,
    each: Duration,
    rounds: usize,
    note: String,
}

/// Measures, and writes the page.
pub async fn measure(arguments: VaultArgs) -> Result<()> {
    let VaultArgs { agents, instances, .. } = arguments;
    limits::raise(agents)?;
    let plan = Plan {
        size: world::Size { agents: agents.max(1), instances },
        spread: Duration::from_secs(arguments.spread.max(1)),
        rate: arguments.rate.max(1),
        clients: arguments.clients.max(1),
        each: Duration::from_secs(arguments.seconds.max(1)),
        rounds: arguments.rounds.max(1),
        note: arguments.note,
    };
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let environment = Environment::of_this_machine(&arguments.date);
    let keep = |change: &dyn Fn(&mut Results)| {
        let mut results = Results::read(&arguments.results)?;
        change(&mut results);
        results.write(&arguments.results, &arguments.page)
    };
    if wanted(Part::Blobs) {
        let folder = tempfile::tempdir()?;
        let measured = blobs::measure(folder.path(), plan.rounds, &environment).await?;
        let measured = outcome::Blobs { note: plan.note.clone(), ..measured };
        keep(&|results| results.blobs = Some(measured.clone()))?;
    }
    if wanted(Part::Sqlite) {
        let measured = run::measure(&plan, None, &environment).await?;
        keep(&|results| results.add_vault(measured.clone()))?;
    }
    if wanted(Part::Postgres) {
        let server = postgres::Server::as_packaged();
        let measured = run::measure(&plan, Some(&server), &environment).await?;
        keep(&|results| results.add_vault(measured.clone()))?;
    }
    let results = Results::read(&arguments.results)?;
    println!("{}", report::tables(&results.vaults, results.blobs.as_ref()));
    Ok(())
}
