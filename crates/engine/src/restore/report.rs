//! What was restored, and what was not, by name.

use crate::{FileOutcome, Job};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};

/// Problems that a report lists; beyond it they are only counted.
const LISTED: usize = 10_000;

/// What was restored, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Regular files, hard links not counted.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Devices and named pipes.
    pub specials: u64,
    /// Further names of files.
    pub hard_links: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Entries that are missing or incomplete, with paths relative to the target; at most 10,000 are listed.
    pub problems: Vec<(PathBuf, FileOutcome)>,
    /// Problems that are not listed any more.
    pub more_problems: u64,
}

impl RestoreReport {
    /// Whether everything was restored whole.
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Collects a report from many threads and passes each outcome on.
#[derive(Debug)]
pub(super) struct Reporter {
    job: Job,
    report: Mutex<RestoreReport>,
}

impl Reporter {
    pub(super) fn new(job: &Job) -> Self {
        Self { job: job.clone(), report: Mutex::default() }
    }

    /// Notes how an entry fared; `count` adds it to the totals when it is there.
    pub(super) fn note(&self, path: &Path, outcome: FileOutcome, count: impl FnOnce(&mut RestoreReport)) {
        self.job.progress.file(path, &outcome);
        let mut report = self.report.lock();
        if !matches!(outcome, FileOutcome::Failed(_)) {
            count(&mut report);
        }
        if outcome != FileOutcome::Complete {
            if report.problems.len() < LISTED {
                report.problems.push((path.to_path_buf(), outcome));
            } else {
                report.more_problems += 1;
            }
        }
    }

    /// Notes bytes as they are written.
    pub(super) fn bytes(&self, bytes: u64) {
        self.job.progress.read(bytes);
    }

    /// The report, when all is done.
    pub(super) fn take(self) -> RestoreReport {
        self.report.into_inner()
    }
}
