//! Performs exactly one step.

use super::{
    Run,
    decide::{Commit, Leftovers, MAX_ATTEMPTS, Step, Work, may_drop},
    observe::FINALIZER,
    session::Session,
};
use crate::{
    grants::GrantPurpose,
    manifests::MOVERS_NAMESPACE,
    points,
    status::{MANAGER, show_progress},
    step::StepError,
};
use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Resource,
    api::{Patch, PatchParams},
};
use protection::{Problem, RecoveryPointId, code};
use resources::{Backup, Phase};
use serde_json::json;
use std::time::Duration;

/// How long dropping snapshots may take before what is left is named.
const DROP: Duration = Duration::from_secs(120);

impl Run {
    /// Takes `step`.
    ///
    /// Boxed: a future of all steps in one would be large, and recursive where a step needs another.
    pub(super) fn act(&mut self, step: Step) -> BoxFuture<'_, Result<(), StepError>> {
        match step {
            Step::Begin => self.begin().boxed(),
            Step::Thaw => self.thaw().boxed(),
            Step::FindCommit => self.find_commit().boxed(),
            Step::DropSnapshots => self.drop_snapshots().boxed(),
            Step::Prepare => self.prepare().boxed(),
            Step::AwaitTurn => self.await_turn().boxed(),
            Step::RecordIntent => self.record_intent().boxed(),
            Step::PreHook => self.pre_hook().boxed(),
            Step::RequestSnapshots => self.request_snapshots().boxed(),
            Step::StartCapture => self.start_capture().boxed(),
            Step::AwaitCut => self.await_cut().boxed(),
            Step::Anchor => self.anchor().boxed(),
            Step::AwaitCapture => self.await_capture().boxed(),
            Step::AwaitReady => self.await_ready().boxed(),
            Step::StopCapture => self.stop_capture().boxed(),
            Step::CopyFiles => self.copy_files().boxed(),
            Step::Commit => self.commit().boxed(),
            Step::Detach => self.detach().boxed(),
            Step::WriteResult => self.write_result().boxed(),
            Step::Finish => self.finish().boxed(),
            Step::Release => self.release().boxed(),
            Step::Leave => std::future::ready(Ok(())).boxed(),
        }
    }

    async fn begin(&mut self) -> Result<(), StepError> {
        let deleting = self.latest.borrow().meta().deletion_timestamp.is_some();
        if !self.finalizer && !deleting {
            self.set_finalizers(&[FINALIZER]).await?;
            self.finalizer = true;
        }
        let earlier = self.status.attempt;
        let has_hooks = !self.latest.borrow().spec.backup_hook_references.is_empty();
        let now = self.context.clock.now();
        self.status.attempt = earlier.saturating_add(1);
        self.status.observed_generation = self.latest.borrow().meta().generation.unwrap_or_default();
        self.status.phase = Phase::InProgress;
        self.status.stage = Step::Begin.name().to_owned();
        self.status.start_time.get_or_insert(Time(now));
        show_progress(&mut self.status.conditions, now);
        self.writer.write(&self.status).await?;
        let mut session = Session::new(self.status.attempt, Leftovers::of(earlier, has_hooks));
        if earlier > 0 {
            session.problems.push(again(self.status.attempt));
        } else {
            let object = self.latest.borrow().clone();
            self.context.events.normal(object.as_ref(), "Started", "the backup has begun").await;
        }
        if self.status.attempt > MAX_ATTEMPTS {
            session.failure = Some(too_often());
        }
        self.session = Some(session);
        Ok(())
    }

    async fn find_commit(&mut self) -> Result<(), StepError> {
        let name = self.latest.borrow().spec.storage_location.clone();
        let location =
            self.context.locations.open(&name, crate::locations::Access::Begin, &self.purpose()).await?;
        let point = points::of_backup(&location.repo, &self.uid).await?;
        let session = self.session()?;
        session.attempt.commit = if point.is_some() { Commit::Present } else { Commit::Absent };
        session.point = point;
        session.location = Some(location);
        Ok(())
    }

    async fn drop_snapshots(&mut self) -> Result<(), StepError> {
        let (client, id) = (self.context.client.clone(), self.point_id());
        let session = self.session()?;
        if !may_drop(&session.attempt) {
            return Err(super::internal("snapshots of a recovery point were about to be dropped"));
        }
        // What is still being requested would come after the removal: the cut ends first.
        session.cut_cancel.cancel();
        if let Some(cutting) = session.cutting.take()
            && let Err(error) = cutting.await
        {
            tracing::warn!(%error, "the cut ended unexpectedly");
        }
        volumes::files::remove_movers(&client, MOVERS_NAMESPACE, &id).await?;
        let removal = volumes::remove_point(&client, &id, &[], DROP).await?;
        session.problems.extend(removal.kept.into_iter().map(|kept| kept.problem));
        session.attempt.dropped = true;
        Ok(())
    }

    async fn start_capture(&mut self) -> Result<(), StepError> {
        self.stage(Step::StartCapture).await?;
        let budget = capture::Budget { memory: self.context.config.memory / 4, ..capture::Budget::default() };
        let client = self.context.client.clone();
        let session = self.session()?;
        let writer = session.writer.clone().ok_or_else(|| super::internal("no writer is open"))?;
        let prepared = session.prepared.as_ref().ok_or_else(|| super::internal("nothing is prepared"))?;
        let (selection, counter) = (prepared.selection.clone(), session.counter.clone());
        let capturing = async move { capture::capture(&client, &selection, &writer, &budget, counter).await };
        session.capturing = Some(tokio_util::task::AbortOnDropHandle::new(tokio::spawn(capturing)));
        session.attempt.capture = Work::Running;
        Ok(())
    }

    async fn await_capture(&mut self) -> Result<(), StepError> {
        self.stage(Step::AwaitCapture).await?;
        let mut report = tokio::time::interval(Duration::from_secs(3));
        loop {
            let session = self.session()?;
            let Some(capturing) = session.capturing.as_mut() else {
                return Err(super::internal("no capture is under way"));
            };
            tokio::select! {
                ended = capturing => {
                    session.capturing = None;
                    let captured = ended.map_err(|error| StepError::StartOver(crashed(&error)))?;
                    session.captured = Some(captured.map_err(|error| StepError::from(error).unrepeatable())?);
                    session.attempt.capture = Work::Done;
                    return Ok(());
                }
                _ = report.tick() => {
                    let (objects, bytes) = session.counter.so_far();
                    (self.status.objects, self.status.bytes_read) = (objects, bytes);
                    self.writer.write(&self.status).await?;
                }
            }
        }
    }

    pub(super) async fn stop_capture(&mut self) -> Result<(), StepError> {
        let Some(session) = self.session.as_mut() else { return Ok(()) };
        session.attempt.capture = Work::NotStarted;
        session.captured = None;
        if let Some(capturing) = session.capturing.take() {
            capturing.abort();
        }
        if let Some(writer) = session.writer.take() {
            writer.abort().await?;
        }
        Ok(())
    }

    async fn release(&mut self) -> Result<(), StepError> {
        self.set_finalizers(&[]).await?;
        self.finalizer = false;
        Ok(())
    }

    /// Applies our finalizers; those of others are not ours to change.
    async fn set_finalizers(&self, finalizers: &[&str]) -> Result<(), StepError> {
        let body = json!({
            "apiVersion": Backup::api_version(&()),
            "kind": Backup::kind(&()),
            "metadata": {"name": self.name, "uid": self.uid, "finalizers": finalizers},
        });
        let params = PatchParams::apply(&format!("{MANAGER}-finalizer")).force();
        match self.api.patch(&self.name, &params, &Patch::Apply(body)).await {
            Ok(_) => Ok(()),
            Err(error) if crate::api::is_absent(&error) => {
                Err(StepError::Leave(crate::status::StatusError::Gone(self.name.clone())))
            }
            // With a UID in the body, a conflict means that the object is gone or another one.
            Err(kube::Error::Api(answer)) if answer.code == 409 => {
                Err(StepError::Leave(crate::status::StatusError::Gone(self.name.clone())))
            }
            Err(error) => Err(StepError::api("set the finalizer of the backup", &error)),
        }
    }

    /// What grants of the vault are asked for with.
    pub(super) fn purpose(&self) -> GrantPurpose {
        GrantPurpose::job::<Backup>(&self.name)
    }

    /// Shows the step in the status.
    pub(super) async fn stage(&mut self, step: Step) -> Result<(), StepError> {
        self.status.stage = step.name().to_owned();
        Ok(self.writer.write(&self.status).await?)
    }

    /// The recovery point that this backup makes: the UID of its object.
    pub(super) fn point_id(&self) -> RecoveryPointId {
        RecoveryPointId::new(self.uid.clone())
    }
}

fn again(attempt: u32) -> Problem {
    Problem::information(
        code::RESTARTED_DURING_BACKUP,
        format!("The extension was restarted or began anew during this backup; this is attempt {attempt}."),
    )
}

fn too_often() -> Problem {
    Problem::error(
        code::RESTARTED_DURING_BACKUP,
        format!("The backup was begun {MAX_ATTEMPTS} times and never came to its end."),
    )
    .fix("See why with `cofferdam backup logs` and `kubectl describe pod`.")
    .fix("If the pod ran out of memory, raise the setting resources.limits.memory.")
}

fn crashed(error: &tokio::task::JoinError) -> Problem {
    Problem::error(code::GENERIC_WARNING, format!("the capture ended unexpectedly: {error}"))
}
