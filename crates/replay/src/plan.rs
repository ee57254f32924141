//! A plan: what a restore would do, with nothing written.

use crate::ReplayError;
use crate::apply::stopped;
use crate::options::RestoreOptions;
use crate::order::Stage;
use crate::outcome::{Counts, Unwatched, is_sure, problems_of};
use crate::row::Row;
use crate::source::PointSource;
use crate::stop::{Stop, Stopped};
use crate::target::Target;
use crate::volumes::VolumeRestorer;
use crate::walk::{Sink, Start};
use parking_lot::Mutex;
use protection::point::Manifest;
use protection::{Problem, Severity};
use serde::Serialize;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// What a restore would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The recovery point.
    pub recovery_point: String,
    /// When it was taken.
    pub taken: jiff::Timestamp,
    /// UID of the cluster that it was taken of.
    pub source_cluster: String,
    /// From original namespace to target namespace, where they differ.
    pub namespace_mappings: BTreeMap<String, String>,
    /// Objects by how they would end.
    pub counts: Counts,
    /// Rows that the server checked, and rows that it could not.
    pub checked: u64,
    /// See [`Plan::checked`].
    pub not_checkable: u64,
    /// What stands in the way or is worth knowing; the worst first.
    pub problems: Vec<Problem>,
    /// Every object, in the order of the waves, by place within a wave.
    pub rows: Vec<Row>,
}

/// Makes a plan. Every row is checked by a dry run where the server can do that.
pub async fn plan(
    target: &Target,
    source: &dyn PointSource,
    options: &RestoreOptions,
    restorer: &dyn VolumeRestorer,
    cancel: &CancellationToken,
) -> Result<Plan, ReplayError> {
    let rows = Rows::default();
    let stop = Stop { cancel: cancel.clone(), deadline: options.deadline };
    let start = Start {
        api: &*target.api,
        source,
        options,
        restorer,
        sink: &rows,
        stop: stop.clone(),
        dry_run: true,
    };
    let (walk, manifest) = tokio::select! {
        walk = start.walk() => walk?,
        stopped = stopped(&stop) => return Err(stopped),
    };
    walk.run().await.map_err(|stopped| match stopped {
        Stopped::Cancelled => ReplayError::Cancelled,
        Stopped::DeadlineExceeded => ReplayError::DeadlineExceeded,
    })?;
    drop(walk);
    Ok(rows.plan(&manifest, options))
}

#[derive(Default)]
struct Rows {
    rows: Mutex<Vec<Row>>,
    problems: Mutex<Vec<Problem>>,
}

impl Sink for Rows {
    fn stage(&self, stage: Stage, objects: usize) {
        crate::outcome::Progress::stage(&Unwatched, stage, objects);
    }

    fn row(&self, row: Row) {
        self.problems.lock().extend(problems_of(&row));
        self.rows.lock().push(row);
    }

    fn problem(&self, problem: Problem) {
        self.problems.lock().push(problem);
    }
}

impl Rows {
    fn plan(self, manifest: &Manifest, options: &RestoreOptions) -> Plan {
        let mut rows = self.rows.into_inner();
        rows.sort_by(|a, b| (a.stage, &a.place).cmp(&(b.stage, &b.place)));
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| (severity(b), &a.code, &a.target).cmp(&(severity(a), &b.code, &b.target)));
        let mut counts = Counts::default();
        for row in &rows {
            counts.add(row.action.ending());
        }
        let not_checkable = rows.iter().filter(|row| !is_sure(row)).count() as u64;
        let moved = options.namespace_mappings.iter().filter(|(from, to)| from != to);
        Plan {
            recovery_point: manifest.recovery_point.to_string(),
            taken: manifest.started,
            source_cluster: manifest.cluster.uid.to_string(),
            namespace_mappings: moved.map(|(from, to)| (from.clone(), to.clone())).collect(),
            counts,
            checked: counts.total() - counts.left - not_checkable.min(counts.total() - counts.left),
            not_checkable,
            problems,
            rows,
        }
    }
}

fn severity(problem: &Problem) -> Severity {
    problem.severity
}
