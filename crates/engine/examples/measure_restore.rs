//! Restores the newest recovery point of a local repository and prints how long it took and how much memory.
//!
//! `cargo run --release -p engine --example measure_restore -- REPOSITORY PASSWORD NEW_TARGET [MEMORY_MIB]`

use engine::{Budget, Job, Reader, Repo, RepositorySecret, RestoreOptions, restore};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use storage::LocalStore;
use telemetry::SystemClock;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let repository = PathBuf::from(arguments.next().ok_or("which REPOSITORY?")?);
    let secret = RepositorySecret::new(arguments.next().ok_or("which PASSWORD?")?);
    let target = PathBuf::from(arguments.next().ok_or("which NEW_TARGET?")?);
    let budget = match arguments.next() {
        Some(mebibytes) => Budget::with_memory(mebibytes.parse::<u64>()? << 20),
        None => Budget::default(),
    };
    let repo = Repo::open(Arc::new(LocalStore::open(&repository).await?), &secret).await?;
    let snapshots = repo.snapshots().await?;
    let tree = snapshots.last().ok_or("the repository holds no recovery point")?.1.tree;
    let job = Job { budget, ..Job::new(Arc::new(SystemClock)) };

    let start = Instant::now();
    let reader = Reader::with_budget(&repo, &budget).await?;
    let report = restore(&reader, tree, &target, RestoreOptions::default(), &job).await?;
    let seconds = start.elapsed().as_secs_f64();

    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    let mebibytes = report.bytes as f64 / 1048576.0;
    println!(
        "{} files, {mebibytes:.1} MiB in {seconds:.2} s: {:.0} files/s, {:.0} MiB/s; {peak}; {} problems",
        report.files,
        report.files as f64 / seconds,
        mebibytes / seconds,
        report.problems.len()
    );
    Ok(())
}
