//! Backs a directory up into a new repository on local disk and prints how long it took and how much memory.
//!
//! `cargo run --release -p engine --example measure_backup -- SOURCE NEW_REPOSITORY [MEMORY_MIB]`

use engine::{BackupOptions, Budget, InitOptions, Job, Repo, RepositorySecret, backup};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use storage::LocalStore;
use telemetry::{Clock, SystemClock};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let source = PathBuf::from(arguments.next().ok_or("which SOURCE?")?);
    let repository = PathBuf::from(arguments.next().ok_or("which NEW_REPOSITORY?")?);
    let budget = match arguments.next() {
        Some(mebibytes) => Budget::with_memory(mebibytes.parse::<u64>()? << 20),
        None => Budget::default(),
    };
    let clock = Arc::new(SystemClock);
    std::fs::create_dir_all(&repository)?;
    let secret = RepositorySecret::new("measure");
    let store = Arc::new(LocalStore::open(&repository).await?);
    let repo = Repo::init(store, &secret, InitOptions::new(clock.now())).await?;

    let start = Instant::now();
    let options = BackupOptions { source, time: None, hostname: "measure".into(), tags: Vec::new() };
    let report = backup(&repo, Job { budget, ..Job::new(clock) }, options).await?;
    let seconds = start.elapsed().as_secs_f64();

    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    let saved = report.saved;
    println!(
        "{} files, {:.1} MiB in {seconds:.2} s: {:.0} files/s, {:.0} MiB/s; {:.1} MiB stored; {peak}; {} problems",
        saved.files,
        saved.bytes as f64 / 1048576.0,
        saved.files as f64 / seconds,
        saved.bytes as f64 / 1048576.0 / seconds,
        report.totals.stored as f64 / 1048576.0,
        saved.problems.len(),
    );
    Ok(())
}
