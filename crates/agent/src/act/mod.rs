//! The acts: each performs one step and answers with the record as it is then.

mod begin;
mod empty;
mod gate;
mod remove;

pub(crate) use empty::QUOTA;

use crate::{
    decide::{GATE_AGAIN, failed_back, is_of_gate},
    egress::Egress,
    error::{ActError, Failure, code},
    fault::FaultPoints,
    objects,
    record::{Failed, Record, Release, Work, union, without},
    registry::Registry,
};
use jiff::Timestamp;
use kube::Client;
use packages::{
    ObjectKey, Trust,
    wire::{Status, VaultPlace},
};
use std::{fmt, sync::Arc};
use telemetry::Clock;

/// What the acts work with.
#[derive(Clone)]
pub(crate) struct Actor {
    pub client: Client,
    pub registry: Arc<dyn Registry>,
    pub trust: Trust,
    pub clock: Arc<dyn Clock>,
    pub points: FaultPoints,
    pub egress: Option<Egress>,
    pub cluster_uid: String,
    pub vault: VaultPlace,
}

/// What an act led to.
#[derive(Debug)]
pub(crate) enum Done {
    /// The record to write; `None` takes it away.
    Record(Option<Box<Record>>),
    /// Nothing to write yet; look again soon. What is being waited for.
    NotYet(String),
    /// As `Record`, and something was noticed that the record does not hold.
    Noticed(Option<Box<Record>>, Vec<Status>),
}

impl Done {
    fn record(record: Record) -> Self {
        Self::Record(Some(Box::new(record)))
    }
}

impl Actor {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Applies the release that is under way.
    pub async fn apply(&self, name: &str, record: &Record) -> Result<Done, ActError> {
        let Some(Work::Apply { release, strays, later, .. }) = &record.work else {
            return Ok(Done::record(record.clone()));
        };
        let mut release = release.clone();
        if !later.is_empty() {
            release.statuses.extend(self.judge_in_place(name, &release, later).await?);
        }
        self.apply_all(name, &release).await?;
        // Its failure at the gate stood until it got on.
        let failed = record.failed.clone().filter(|failed| failed.generation != release.generation);
        let work = Work::Wait { release, strays: strays.clone(), since: self.now() };
        Ok(Done::record(Record { work: Some(work), failed, ..record.clone() }))
    }

    /// Makes the namespaces and the accounts of pods, which have no rights yet, and judges what can be judged only now that
    /// they are there. Nothing else is written yet.
    async fn judge_in_place(
        &self,
        name: &str,
        release: &Release,
        later: &[String],
    ) -> Result<Vec<Status>, ActError> {
        let objects = release.documents()?;
        for is_next in [ObjectKey::is_namespace, ObjectKey::is_service_account] {
            for (key, object) in objects.iter().filter(|(key, _)| is_next(key)) {
                objects::apply(&self.client, key, object, name, &self.points).await?;
            }
        }
        let asked = gate::Asked {
            ids: later,
            namespace: &release.namespace,
            place: None,
            objects: &objects,
            in_place: true,
        };
        let mut passed = gate::pass(self, &asked).await?;
        if passed.later.is_empty() {
            stamp(&mut passed.statuses, self.now());
            return Ok(passed.statuses);
        }
        Err(ActError::Temporary {
            code: code::NOT_SEEN,
            message: format!("The namespace that {} needs is not there yet.", passed.later.join(", ")),
        })
    }

    async fn apply_all(&self, name: &str, release: &Release) -> Result<(), ActError> {
        for (key, object) in release.documents()? {
            objects::apply(&self.client, &key, &object, name, &self.points).await?;
        }
        Ok(())
    }

    /// Removes what the release before had beside, and makes the one under way the installed one.
    pub async fn finish(&self, name: &str, record: &Record) -> Result<Done, ActError> {
        let Some(Work::Wait { release, strays, .. }) = &record.work else {
            return Ok(Done::record(record.clone()));
        };
        let before = record.installed.as_ref().map(|release| release.objects.as_slice()).unwrap_or_default();
        let gone = without(&union(before, strays), &release.objects);
        let removed = self.remove_all(name, record, &gone).await?;
        if let Some(left) = removed.waiting {
            return Ok(Done::NotYet(left));
        }
        let record = Record {
            installed: Some(release.clone()),
            work: None,
            failed: None,
            made: removed.made,
            ..record.clone()
        };
        Ok(Done::Noticed(Some(Box::new(record)), removed.noticed))
    }

    /// Writes down that what is installed is applied once more.
    pub fn repair(&self, record: &Record) -> Done {
        let Some(release) = &record.installed else { return Done::record(record.clone()) };
        let work = Work::Apply {
            release: release.clone(),
            strays: Vec::new(),
            since: self.now(),
            later: Vec::new(),
        };
        Done::record(Record { work: Some(work), ..record.clone() })
    }

    /// Writes down that what is under way failed.
    pub fn give_up(&self, record: &Record, mut failure: Failure) -> Done {
        stamp(&mut failure.statuses, self.now());
        let Some(work) = &record.work else { return Done::record(record.clone()) };
        Done::record(Record { work: Some(work.given_up(failure, self.now())), ..record.clone() })
    }

    /// Back to the release that is installed, or to nothing.
    pub async fn go_back(&self, name: &str, record: &Record) -> Result<Done, ActError> {
        let Some(Work::Return { generation, failure, strays, proxy, .. }) = &record.work else {
            return Ok(Done::record(record.clone()));
        };
        let kept = match &record.installed {
            Some(release) => {
                self.apply_all(name, release).await?;
                release.objects.as_slice()
            }
            None => &[],
        };
        let removed = self.remove_all(name, record, &without(strays, kept)).await?;
        if let Some(left) = removed.waiting {
            return Ok(Done::NotYet(left));
        }
        let installed = record.installed.as_ref();
        let failed = failed_back(installed, *generation, failure, proxy.as_deref(), self.now());
        let record = Record { work: None, failed, made: removed.made, ..record.clone() };
        Ok(Done::Noticed(Some(Box::new(record)), removed.noticed))
    }

    /// Writes down that a generation failed before anything was touched. What is under way goes on.
    pub fn refuse(&self, record: &Record, generation: i64, kind: &str, mut failure: Failure) -> Done {
        stamp(&mut failure.statuses, self.now());
        let again = self.now().saturating_add(GATE_AGAIN).unwrap_or(Timestamp::MAX);
        let again = is_of_gate(&failure).then_some(again);
        let kind = if record.kind.is_empty() { kind.to_owned() } else { record.kind.clone() };
        let proxy = Some(self.egress.as_ref().map(Egress::digest).unwrap_or_default());
        let failed = Some(Failed { generation, failure, again, proxy });
        Done::record(Record { kind, failed, ..record.clone() })
    }
}

/// Gives the statuses that have no time yet this one.
pub(crate) fn stamp(statuses: &mut [Status], now: Timestamp) {
    for status in statuses.iter_mut().filter(|status| status.time.is_empty()) {
        status.time = now.to_string();
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("registry", &self.registry).finish_non_exhaustive()
    }
}
