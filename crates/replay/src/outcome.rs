//! What became of a restore as a whole: counts, problems, how it ended. Single objects go to a [`Progress`] as
//! they are done, so that a result of any size is never held.

use crate::codes;
use crate::order::Stage;
use crate::row::{Action, Checked, Ending, Row};
use crate::walk::Sink;
use parking_lot::Mutex;
use protection::{Problem, Severity, code};
use resources::OutcomeCounts;
use serde::Serialize;
use std::io::Write;

/// Watches a restore.
pub trait Progress: Send + Sync {
    /// A stage begins, with this many objects in its next wave.
    fn stage(&self, _stage: Stage, _objects: usize) {}

    /// An object is done. Rows come in no particular order within a wave.
    fn object(&self, _row: &Row) {}

    /// Something of this name holds the restore up, and why. Told again when the reason changes.
    fn waits(&self, _name: &str, _why: &Problem) {}

    /// It is not waited for any longer.
    fn waited(&self, _name: &str) {}
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Progress for Unwatched {}

/// Writes one JSON document per object and line: the result file.
#[derive(Debug)]
pub struct JsonLines<W>(Mutex<(W, Option<std::io::Error>)>);

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self(Mutex::new((out, None)))
    }

    /// The writer, or the first error that it gave.
    pub fn finish(self) -> std::io::Result<W> {
        let (mut out, error) = self.0.into_inner();
        match error {
            Some(error) => Err(error),
            None => out.flush().map(|()| out),
        }
    }
}

impl<W: Write + Send> Progress for JsonLines<W> {
    fn object(&self, row: &Row) {
        let mut guard = self.0.lock();
        let (out, error) = &mut *guard;
        if error.is_none() {
            let written = serde_json::to_writer(&mut *out, row)
                .map_err(std::io::Error::from)
                .and_then(|()| out.write_all(b"\n"));
            *error = written.err();
        }
    }
}

/// How a restore came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// Every object had its turn.
    Complete,
    /// Someone asked to stop. What was created stays.
    Cancelled,
    /// Its time was over. What was created stays.
    DeadlineExceeded,
}

/// Objects by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Did not exist and were created.
    pub created: u64,
    /// Existed and were changed or replaced.
    pub updated: u64,
    /// Existed, differ, and were left alone.
    pub skipped: u64,
    /// Existed and already were as in the recovery point.
    pub unchanged: u64,
    /// Could not be restored, or not with their data.
    pub failed: u64,
    /// Left to a controller, or never restored.
    pub left: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, ending: Ending) {
        let count = match ending {
            Ending::Created => &mut self.created,
            Ending::Updated => &mut self.updated,
            Ending::Skipped => &mut self.skipped,
            Ending::Unchanged => &mut self.unchanged,
            Ending::Failed => &mut self.failed,
            Ending::Left => &mut self.left,
        };
        *count += 1;
    }

    /// All objects.
    pub fn total(&self) -> u64 {
        self.created + self.updated + self.skipped + self.unchanged + self.failed + self.left
    }
}

impl From<Counts> for OutcomeCounts {
    fn from(counts: Counts) -> Self {
        Self {
            created: counts.created,
            updated: counts.updated,
            skipped: counts.skipped,
            unchanged: counts.unchanged,
            failed: counts.failed,
        }
    }
}

/// What became of a restore.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    /// How it came to its end.
    pub end: End,
    /// Objects by how they ended.
    pub counts: Counts,
    /// The first problems, as many as the budget allows; the worst first.
    pub problems: Vec<Problem>,
    /// All problems that weigh (warnings and errors).
    pub problem_count: u64,
}

/// Counts, keeps the first problems, and passes rows on.
pub(crate) struct Collector<'a> {
    progress: &'a dyn Progress,
    keep: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) counts: Counts,
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) remarks: Vec<Problem>,
    pub(crate) problem_count: u64,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(progress: &'a dyn Progress, keep: usize) -> Self {
        Self { progress, keep, kept: Mutex::default() }
    }

    pub(crate) fn outcomes(self, end: End) -> Outcomes {
        let Kept { counts, errors, warnings, remarks, problem_count } = self.kept.into_inner();
        let problems = errors.into_iter().chain(warnings).chain(remarks).take(self.keep).collect();
        Outcomes { end, counts, problems, problem_count }
    }
}

impl Sink for Collector<'_> {
    fn stage(&self, stage: Stage, objects: usize) {
        self.progress.stage(stage, objects);
    }

    fn waits(&self, name: &str, why: &Problem) {
        self.progress.waits(name, why);
    }

    fn waited(&self, name: &str) {
        self.progress.waited(name);
    }

    fn row(&self, row: Row) {
        for problem in problems_of(&row) {
            self.problem(problem);
        }
        self.kept.lock().counts.add(row.action.ending());
        self.progress.object(&row);
    }

    fn problem(&self, problem: Problem) {
        let mut kept = self.kept.lock();
        let kept = &mut *kept;
        let list = match problem.severity {
            Severity::Error => &mut kept.errors,
            Severity::Warning => &mut kept.warnings,
            Severity::Information => &mut kept.remarks,
        };
        kept.problem_count += u64::from(problem.severity > Severity::Information);
        if list.len() < self.keep {
            list.push(problem);
        }
    }
}

/// What a row contributes to the problems: a failed object is a warning for the restore as a whole, because the
/// others were restored.
pub(crate) fn problems_of(row: &Row) -> Vec<Problem> {
    let own = match &row.action {
        Action::Blocked(problem) => Some(Problem { severity: Severity::Warning, ..(**problem).clone() }),
        Action::DataNotRestored => Some(
            Problem::warning(
                code::DATA_NOT_RESTORED,
                "A claim of this name exists: its data was not restored, and it keeps what it has.",
            )
            .fix("Restore into another namespace with a namespace mapping.")
            .fix("Or replace the claim: conflict policy Replace and persistentvolumeclaims in replaceResourceTypes."),
        ),
        Action::SharedLeftAlone { fields } => Some(Problem::information(
            code::SHARED_LEFT_ALONE,
            format!(
                "It differs from the recovery point in {}, and was left alone: the original namespace lives \
                 and shares it.",
                fields.join(", ")
            ),
        )),
        _ => None,
    };
    let notes = row.notes.iter().cloned();
    own.into_iter()
        .chain(notes)
        .map(|problem| match problem.target {
            Some(_) => problem,
            None => problem.about(row.place.to_string()),
        })
        .collect()
}

/// A remark about objects that were skipped, for the result as a whole.
pub(crate) fn skipped_remark(counts: &Counts) -> Option<Problem> {
    (counts.skipped > 0).then(|| {
        Problem::information(
            codes::SKIPPED,
            format!(
                "{} objects exist and differ from the recovery point; they stay as they are.",
                counts.skipped
            ),
        )
    })
}

/// Rows of a plan.
pub(crate) fn is_sure(row: &Row) -> bool {
    !matches!(row.checked, Checked::NotCheckable { .. })
}
