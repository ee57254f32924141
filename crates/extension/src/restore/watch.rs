//! Watches a restore: every outcome goes into the result file, and the counts into the status.

use crate::{fault, results::ResultFile};
use parking_lot::Mutex;
use protection::Problem;
use replay::{Ending, Progress, Row, Stage};
use resources::OutcomeCounts;
use std::{collections::BTreeMap, sync::Arc};

/// Collects outcomes while they come. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    file: Option<ResultFile>,
    counts: OutcomeCounts,
    stage: Option<Stage>,
    waits: BTreeMap<String, Problem>,
    failed: Option<String>,
}

/// Where a restore stands.
#[derive(Debug, Clone)]
pub struct SoFar {
    /// Objects by how they ended.
    pub counts: OutcomeCounts,
    /// What is at work.
    pub stage: Option<Stage>,
    /// What holds it up, if anything does.
    pub waits: Option<Problem>,
}

impl Watch {
    /// Collects into `file`.
    pub fn new(file: ResultFile) -> Self {
        let counts = OutcomeCounts::default();
        let waits = BTreeMap::new();
        Self(Arc::new(Mutex::new(Seen { file: Some(file), counts, stage: None, waits, failed: None })))
    }

    /// Where it stands at this moment.
    pub fn so_far(&self) -> SoFar {
        let seen = self.0.lock();
        let waits = seen.waits.values().next().cloned().map(|problem| match seen.waits.len() {
            1 => problem,
            several => {
                let message = format!("{} {} more are waited for.", problem.message, several - 1);
                Problem { message, ..problem }
            }
        });
        SoFar { counts: seen.counts.clone(), stage: seen.stage, waits }
    }

    /// The collected file, or why a line could not be added to it.
    pub fn take_file(&self) -> Result<Option<ResultFile>, String> {
        let mut seen = self.0.lock();
        match seen.failed.take() {
            Some(why) => Err(why),
            None => Ok(seen.file.take()),
        }
    }
}

impl Progress for Watch {
    fn stage(&self, stage: Stage, _objects: usize) {
        fault::inside("restore", &format!("stage-{stage:?}").to_lowercase());
        self.0.lock().stage = Some(stage);
    }

    fn waits(&self, name: &str, why: &Problem) {
        self.0.lock().waits.insert(name.to_owned(), why.clone());
    }

    fn waited(&self, name: &str) {
        self.0.lock().waits.remove(name);
    }

    fn object(&self, row: &Row) {
        let mut seen = self.0.lock();
        let counts = &mut seen.counts;
        match row.action.ending() {
            Ending::Created => counts.created += 1,
            Ending::Updated => counts.updated += 1,
            Ending::Skipped => counts.skipped += 1,
            Ending::Unchanged => counts.unchanged += 1,
            Ending::Failed => counts.failed += 1,
            Ending::Left => {}
        }
        let added = seen.file.as_mut().map(|file| file.line(row));
        if let Some(Err(error)) = added {
            seen.failed = Some(error.to_string());
        }
    }
}
