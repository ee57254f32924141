//! Performs exactly one step.

use super::{
    ASK_AGAIN, FOUND, RETAINED, Run,
    decide::{Attempt, Point, Step},
};
use crate::{
    grants::GrantPurpose,
    locations::{Access, OpenLocation, Role},
    metrics::Ended,
    points::{self, Forgotten, OpenPoint},
    status::{set_condition, summarise},
    step::StepError,
};
use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource, ResourceExt, api::ListParams};
use protection::{Problem, RecoveryPointId, Severity, code, point::VolumeRecord};
use resources::{Backup, Phase, Restore, UnanchoredSnapshot};
use std::time::Duration;
use volumes::RecordedSnapshot;

/// How long deleting snapshots may take before what is left is named.
const REMOVE: Duration = Duration::from_secs(300);

impl Run {
    pub(super) fn act(&mut self, step: Step) -> BoxFuture<'_, Result<(), StepError>> {
        match step {
            Step::Begin => self.begin().boxed(),
            Step::Find => self.find().boxed(),
            Step::Forget => self.forget().boxed(),
            Step::DeleteSnapshots => self.delete_snapshots().boxed(),
            Step::Wait => self.note_retention().boxed(),
            Step::Finish => self.finish().boxed(),
            Step::Leave => std::future::ready(Ok(())).boxed(),
        }
    }

    async fn begin(&mut self) -> Result<(), StepError> {
        let now = self.context.clock.now();
        self.status.phase = Phase::InProgress;
        self.status.observed_generation = self.object.meta().generation.unwrap_or_default();
        self.status.start_time.get_or_insert(Time(now));
        self.writer.write(&self.status).await?;
        self.attempt = Some(Attempt { point: Point::Unknown, snapshots_deleted: false });
        Ok(())
    }

    async fn find(&mut self) -> Result<(), StepError> {
        let location = self.location().await?;
        let id = self.object.spec.recovery_point.id.clone();
        self.nobody_restores(&id).await?;
        let found = points::find(&location.repo, &id).await?;
        let known = self.has(FOUND);
        let state = match &found {
            Some(point) => {
                // A damaged manifest must not keep the recovery point from being deleted.
                match OpenPoint::open(&location.repo, point.clone()).await?.manifest().await {
                    Ok(manifest) => self.write_down_unanchored(&id, &manifest.volumes).await?,
                    Err(error) => self.problems.push(unread(&error)),
                }
                self.note(FOUND, "True", "Found", "").await?;
                Point::Listed
            }
            None if known => Point::Forgotten,
            None => {
                self.not_anybody_elses(&id, &location.record.name).await?;
                if !self.has_leftovers(&id).await? {
                    return Err(StepError::Permanent(not_found(&id, &location.record.name)));
                }
                Point::Forgotten
            }
        };
        self.point = found;
        self.set(state)
    }

    /// Handles whose anchor someone deleted are only in the manifest, which goes first: what dies in between must know
    /// them still.
    async fn write_down_unanchored(&mut self, id: &str, volumes: &[VolumeRecord]) -> Result<(), StepError> {
        let recorded: Vec<RecordedSnapshot> = volumes.iter().filter_map(RecordedSnapshot::of).collect();
        let id = RecoveryPointId::new(id);
        let found = volumes::unanchored(&self.context.client, &id, &recorded).await?;
        self.status.unanchored_snapshots = found.into_iter().map(noted).collect();
        Ok(())
    }

    /// A backup that never committed may have left snapshots; they are deleted too.
    async fn has_leftovers(&self, id: &str) -> Result<bool, StepError> {
        let id = RecoveryPointId::new(id);
        Ok(!volumes::observe_leftovers(&self.context.client, Some(&id)).await?.is_empty())
    }

    /// A restore that was accepted gets the data that it was accepted for. One that is accepted from now on sees this
    /// deletion and refuses.
    async fn nobody_restores(&self, id: &str) -> Result<(), StepError> {
        let restores: Api<Restore> =
            Api::namespaced(self.context.client.clone(), &self.context.config.namespace);
        let listed = restores.list(&ListParams::default()).await;
        let listed = listed.map_err(|error| StepError::api("list the restores", &error))?;
        let reads = listed.items.iter().find(|restore| {
            let phase = restore.status.as_ref().map(|status| status.phase).unwrap_or_default();
            restore.spec.recovery_point.id == id && !phase.is_final()
        });
        reads.map_or(Ok(()), |restore| {
            Err(StepError::Temporary(Problem::warning(
                code::GENERIC_WARNING,
                format!(
                    "Restore {} reads the recovery point; the deletion waits for its end.",
                    restore.name_any()
                ),
            )))
        })
    }

    /// Snapshots without a recovery point here may be those of a backup that is still at work, or of a recovery
    /// point in another location.
    async fn not_anybody_elses(&self, id: &str, here: &str) -> Result<(), StepError> {
        let backups: Api<Backup> =
            Api::namespaced(self.context.client.clone(), &self.context.config.namespace);
        let listed = backups.list(&ListParams::default()).await;
        let listed = listed.map_err(|error| StepError::api("list the backups", &error))?;
        let its_backup = listed.items.iter().find(|backup| backup.uid().as_deref() == Some(id));
        if let Some(backup) = its_backup.filter(|backup| is_at_work(backup)) {
            return Err(StepError::Temporary(Problem::warning(
                code::GENERIC_WARNING,
                format!("Backup {} is still at work; the deletion waits for its end.", backup.name_any()),
            )));
        }
        let records = self.context.locations.list().await;
        let records = records.map_err(|error| StepError::api("list the storage locations", &error))?;
        for record in records.into_iter().filter_map(|(_, record)| record.ok()) {
            if record.role != Role::Own || record.name == here {
                continue;
            }
            let location =
                self.context.locations.open(&record.name, Access::Read, &GrantPurpose::Upkeep).await?;
            if points::find(&location.repo, id).await?.is_some() {
                return Err(StepError::Permanent(elsewhere(id, here, &record.name)));
            }
        }
        Ok(())
    }

    async fn forget(&mut self) -> Result<(), StepError> {
        let location = self.location().await?;
        let Some(point) = &self.point else { return self.set(Point::Forgotten) };
        match points::forget(&location.repo, point, self.context.clock.clone()).await? {
            Forgotten::Gone => {
                self.context.prune.notify_one();
                self.set(Point::Forgotten)
            }
            Forgotten::Retained => self.set(Point::Retained),
        }
    }

    async fn delete_snapshots(&mut self) -> Result<(), StepError> {
        let id = RecoveryPointId::new(self.object.spec.recovery_point.id.clone());
        let recorded: Vec<_> = self.status.unanchored_snapshots.iter().map(recorded).collect();
        let removal = volumes::remove_point(&self.context.client, &id, &recorded, REMOVE).await?;
        self.status.snapshots_deleted += removal.deleted.len() as u64;
        if let Some(kept) = removal.kept.iter().find(|kept| kept.retry) {
            return Err(StepError::Temporary(kept.problem.clone()));
        }
        self.problems.extend(removal.kept.into_iter().map(|kept| kept.problem));
        if let Some(attempt) = self.attempt.as_mut() {
            attempt.snapshots_deleted = true;
        }
        Ok(())
    }

    async fn note_retention(&mut self) -> Result<(), StepError> {
        let message =
            "The store's retention keeps the recovery point; it is deleted when the retention ends.";
        if !self.has(RETAINED) {
            self.context.events.normal(&self.object, RETAINED, message).await;
        }
        self.note(RETAINED, "True", "Retention", message).await?;
        // The task keeps the object until the store is asked again; another process continues after a restart.
        tokio::select! {
            () = self.stop.cancelled() => Ok(()),
            () = tokio::time::sleep(ASK_AGAIN) => {
                // From here on a restore is refused again: the store may let go of the recovery point now.
                self.note(RETAINED, "False", "AskedAgain", "").await?;
                self.set(Point::Unknown)
            }
        }
    }

    async fn finish(&mut self) -> Result<(), StepError> {
        let mut problems = self.problems.clone();
        problems.extend(self.failure.clone());
        let weighty = problems.iter().any(|problem| problem.severity > Severity::Information);
        self.status.phase = match (&self.failure, weighty) {
            (Some(_), _) => Phase::Failed,
            (None, true) => Phase::CompletedWithWarnings,
            (None, false) => Phase::Completed,
        };
        let now = self.context.clock.now();
        (self.status.problems, self.status.problem_count) = summarise(&problems);
        self.status.completion_time = Some(Time(now));
        if self.has(RETAINED) {
            set_condition(&mut self.status.conditions, RETAINED, "False", "Deleted", "", now);
        }
        let verdict = if self.failure.is_some() { "False" } else { "True" };
        let reason = format!("{:?}", self.status.phase);
        set_condition(&mut self.status.conditions, "Succeeded", verdict, &reason, "", now);
        self.writer.write(&self.status).await?;
        let note = format!("{reason}: {} snapshots deleted", self.status.snapshots_deleted);
        match self.status.phase {
            Phase::Completed => self.context.events.normal(&self.object, &reason, &note).await,
            _ => self.context.events.warning(&self.object, &reason, &note).await,
        }
        let ended = Ended { kind: "DeleteBackup", phase: reason };
        self.context.health.metrics().ended.get_or_create(&ended).inc();
        Ok(())
    }

    async fn location(&self) -> Result<OpenLocation, StepError> {
        let name = &self.object.spec.recovery_point.location;
        self.context.locations.open(name, Access::Write, &GrantPurpose::Upkeep).await.map_err(|error| {
            let mut problem = error.problem();
            if problem.code == code::LOCATION_READ_ONLY {
                problem.code = code::DELETE_LOCATION_READ_ONLY.to_owned();
            }
            StepError::of(error.is_temporary(), problem)
        })
    }

    fn set(&mut self, point: Point) -> Result<(), StepError> {
        if let Some(attempt) = self.attempt.as_mut() {
            attempt.point = point;
        }
        Ok(())
    }

    fn has(&self, type_: &str) -> bool {
        self.status.conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True")
    }

    async fn note(
        &mut self,
        type_: &str,
        status: &str,
        reason: &str,
        message: &str,
    ) -> Result<(), StepError> {
        let now = self.context.clock.now();
        set_condition(&mut self.status.conditions, type_, status, reason, message, now);
        Ok(self.writer.write(&self.status).await?)
    }
}

fn noted(snapshot: RecordedSnapshot) -> UnanchoredSnapshot {
    let RecordedSnapshot { driver, handle, group, namespace, claim, block } = snapshot;
    UnanchoredSnapshot { driver, handle, group, namespace, claim, block }
}

fn recorded(snapshot: &UnanchoredSnapshot) -> RecordedSnapshot {
    let UnanchoredSnapshot { driver, handle, group, namespace, claim, block } = snapshot.clone();
    RecordedSnapshot { driver, handle, group, namespace, claim, block }
}

fn is_at_work(backup: &Backup) -> bool {
    let phase = backup.status.as_ref().map(|status| status.phase).unwrap_or_default();
    !phase.is_final() || !backup.finalizers().is_empty()
}

fn elsewhere(id: &str, here: &str, there: &str) -> Problem {
    Problem::error(
        code::RECOVERY_POINT_NOT_FOUND,
        format!("Location {here} holds no recovery point {id}; location {there} does."),
    )
    .fix(format!("Delete it there: name location {there} in the DeleteBackup."))
}

fn not_found(id: &str, location: &str) -> Problem {
    Problem::error(
        code::RECOVERY_POINT_NOT_FOUND,
        format!("Location {location} holds no recovery point {id}, and the cluster no snapshot of it."),
    )
    .fix(format!("See what there is: `cofferdam recovery-point list --location {location}`."))
}

fn unread(error: &points::PointError) -> Problem {
    Problem::warning(
        code::REPOSITORY_DAMAGED,
        format!(
            "The manifest could not be read, so snapshots without an anchor in the cluster are not known: {error}"
        ),
    )
}
