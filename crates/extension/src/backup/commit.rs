//! The commit: manifest, root, one last look, and the snapshot file that makes the recovery point exist.

use super::{
    Run,
    decide::{Commit, Step},
    internal,
    snapshots::records,
};
use crate::{
    points::{self, TAG_BACKUP, TAG_CLUSTER, TAG_INSTANCE, TAG_POINT},
    step::StepError,
};
use capture::PointIdentity;
use engine::{SnapshotDraft, Totals};
use jiff::Timestamp;
use protection::{
    BackupUid,
    point::{BackupIdentity, Manifest, VolumeProtection},
};
use repository::SnapshotSummary;

impl Run {
    pub(super) async fn commit(&mut self) -> Result<(), StepError> {
        self.stage(Step::Commit).await?;
        self.session()?.attempt.commit_tried = true;
        let object = self.latest.borrow().clone();
        let identity = PointIdentity {
            recovery_point: self.point_id(),
            backup: BackupIdentity { name: self.name.clone(), uid: BackupUid::new(self.uid.clone()) },
            instance: object.spec.backup_instance.clone(),
            selection: serde_json::to_value(&object.spec)
                .map_err(|error| internal(&format!("the spec cannot be written: {error}")))?,
        };
        let (uid, cluster) = (self.uid.clone(), self.context.cluster.uid.clone());
        let context = self.context.clone();
        let session = self.session()?;
        let location = session.location.clone().ok_or_else(|| internal("no location is open"))?;
        let writer = session.writer.clone().ok_or_else(|| internal("no writer is open"))?;
        let captured = session.captured.take().ok_or_else(|| internal("nothing was captured"))?;
        context
            .locations
            .verify_owner(&location)
            .await
            .map_err(|error| StepError::from(error).unrepeatable())?;

        let contents = session.copies.iter().filter_map(|(_, content)| content.clone()).collect();
        let problems = std::mem::take(&mut session.problems);
        let started = captured.started;
        let assembled = capture::assemble(&writer, identity, captured, records(session), contents, problems)
            .await
            .map_err(|error| StepError::from(error).unrepeatable())?;

        // Another process may have committed while this one believed to be the leader.
        if let Some(point) = points::of_backup(&location.repo, &uid)
            .await
            .map_err(|error| StepError::from(error).unrepeatable())?
        {
            tracing::warn!(backup = self.name, uid, "the backup was committed by another process");
            let session = self.session()?;
            session.point = Some(point);
            session.attempt.commit = Commit::Present;
            return self.stop_capture().await;
        }
        let draft = SnapshotDraft {
            hostname: cluster.clone(),
            paths: vec!["/".to_owned()],
            tags: vec![
                format!("{TAG_POINT}={uid}"),
                format!("{TAG_BACKUP}={uid}"),
                format!("{TAG_CLUSTER}={cluster}"),
                format!("{TAG_INSTANCE}={}", object.spec.backup_instance),
            ],
            summary: Some(summary(&assembled.manifest, self.context.clock.now(), writer.totals())),
            ..SnapshotDraft::new(assembled.root, started)
        };
        // A later attempt drops the snapshots that this recovery point would refer to: the last look before the commit.
        self.writer.still_ours().await.map_err(|error| StepError::from(error).unrepeatable())?;
        // From here on only a search tells whether the recovery point exists.
        let session = self.session()?;
        session.attempt.commit = Commit::Unknown;
        writer.commit(draft).await.map_err(|error| StepError::from(error).unrepeatable())?;
        session.attempt.commit = Commit::Present;
        let totals = writer.totals();
        session.writer = None;
        self.status.bytes_added = totals.stored;
        self.adopt(&assembled.manifest);
        tracing::info!(backup = self.name, uid, objects = self.status.objects, "committed");
        Ok(())
    }
}

/// The sizes that lists of recovery points show, ours and those of other restic clients. What file copies added
/// is counted by the movers that wrote it.
fn summary(manifest: &Manifest, end: Timestamp, totals: Totals) -> SnapshotSummary {
    let copied = manifest.volumes.iter().filter_map(|volume| match volume.protection {
        VolumeProtection::Files { files, bytes, .. } => Some((files, bytes)),
        VolumeProtection::Snapshot { .. } | VolumeProtection::None { .. } => None,
    });
    let (files, bytes) = copied.fold((0, manifest.bytes), |(f, b), (files, bytes)| (f + files, b + bytes));
    SnapshotSummary {
        backup_start: manifest.started,
        backup_end: end,
        files_new: files,
        files_changed: 0,
        files_unmodified: 0,
        dirs_new: 0,
        dirs_changed: 0,
        dirs_unmodified: 0,
        data_blobs: totals.data_blobs,
        tree_blobs: totals.tree_blobs,
        data_added: totals.added,
        data_added_packed: totals.stored,
        total_files_processed: files,
        total_bytes_processed: bytes,
    }
}
