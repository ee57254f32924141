//! `cofferdam mover`: moves the data of one volume, in a Job that the extension makes.
//!
//! Everything secret comes from a mounted Secret. The outcome is a JSON report in the container's termination
//! message; the exit code says whether trying again can help.

mod fill;
mod open;
mod save;

use crate::{
    exit::{Exit, Failure, Outcome},
    output::file_problem,
};
use clap::{Args, Subcommand};
use engine::{EngineError, FileOutcome};
use extension::MoverReport;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Longest list of problems in a report, in bytes: a termination message has 4,096 at most.
const NAMED: usize = 2000;

#[derive(Debug, Subcommand)]
pub enum MoverCommand {
    /// Save the files (or the blocks) of a volume in the repository
    Save(save::SaveArgs),
    /// Fill a volume with what a recovery point holds
    Fill(fill::FillArgs),
}

/// What every mover is told.
#[derive(Debug, Args)]
pub struct MoverArgs {
    /// Where the volume is mounted, or its block device
    #[arg(long, value_name = "PATH")]
    volume: PathBuf,
    /// Where the Secret with settings, credential and password is mounted
    #[arg(long, value_name = "DIR")]
    secret: PathBuf,
    /// Where the report is written
    #[arg(long, default_value = "/dev/termination-log", value_name = "FILE")]
    report: PathBuf,
    /// MiB that may be held in memory
    #[arg(long, default_value_t = 160, value_name = "MIB")]
    memory: u64,
}

pub async fn run(command: MoverCommand) -> Outcome {
    let stop = super::extension::stop_on_signals()?;
    let (report, moved) = match command {
        MoverCommand::Save(args) => (args.mover.report.clone(), save::run(&args, &stop).await),
        MoverCommand::Fill(args) => (args.mover.report.clone(), fill::run(&args, &stop).await),
    };
    let (message, outcome) = match moved {
        Ok(report) => (report, Ok(Exit::Done)),
        Err(failure) => {
            let message = MoverReport { error: Some(failure.text.clone()), ..MoverReport::default() };
            // A lasting failure has a code of its own, at which the Job is not tried again.
            let failed = if failure.temporary { Failure::failed } else { Failure::precondition };
            (message, Err(failed(failure.text)))
        }
    };
    let text = serde_json::to_string(&message).map_err(Failure::failed)?;
    std::fs::write(&report, text).map_err(|error| {
        Failure::failed(format!("could not write the report to {}: {error}", report.display()))
    })?;
    outcome
}

/// Why a mover failed.
#[derive(Debug)]
struct Failed {
    text: String,
    temporary: bool,
}

impl Failed {
    fn lasting(text: impl Into<String>) -> Self {
        Self { text: text.into(), temporary: false }
    }
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self { text: error.to_string(), temporary: error.is_temporary() }
    }
}

/// The first problems by path and reason, as many as fit into a report.
fn named(problems: &[(PathBuf, FileOutcome)]) -> Vec<String> {
    let mut left = NAMED;
    problems
        .iter()
        .map(file_problem)
        .take_while(|line| {
            let fits = line.len() + 8 <= left;
            left = left.saturating_sub(line.len() + 8);
            fits
        })
        .collect()
}

/// Ends with the cancellation's error when asked to stop.
async fn until<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    tokio::select! {
        done = work => done,
        () = stop.cancelled() => Err(Failed { text: "stopped on request".to_owned(), temporary: true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_into_a_termination_message_however_much_went_wrong() {
        let long = "x".repeat(150);
        let problems: Vec<(PathBuf, FileOutcome)> = (0..100)
            .map(|at| (PathBuf::from(format!("{at}/{long}")), FileOutcome::Failed("no".to_owned())))
            .collect();

        let report = MoverReport { problems: named(&problems), skipped: 100, ..MoverReport::default() };

        assert!(!report.problems.is_empty());
        assert!(serde_json::to_string(&report).unwrap().len() < 4096);
    }
}
