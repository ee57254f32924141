//! Recovery points as an extension commits them.

use engine::{Job, Node, Repo, SnapshotDraft, Writer};
use protection::{
    BackupUid, ClusterUid, RecoveryPointId,
    point::{
        BackupIdentity, ClusterIdentity, FORMAT_VERSION, MANIFEST, Manifest, VolumeProtection, VolumeRecord,
    },
};
use serde_json::Value;
use std::sync::Arc;
use telemetry::Clock;

/// A recovery point that is to be written.
pub struct Written<'a> {
    /// Its id.
    pub id: &'a str,
    /// UID of the `Backup` that makes it.
    pub backup: &'a str,
    /// Label of its instance.
    pub instance: &'a str,
    /// UID of its cluster.
    pub cluster: &'a str,
    /// The `Backup`'s spec.
    pub selection: Value,
}

impl Written<'_> {
    /// Commits it, with one snapshot in the storage system and content of its own.
    pub async fn commit(self, repo: &Repo, clock: Arc<dyn Clock>) {
        let Self { id, backup, instance, cluster, selection } = self;
        let now = clock.now();
        let snapshot = VolumeRecord {
            namespace: "shop".to_owned(),
            claim: "data".to_owned(),
            persistent_volume: None,
            driver: Some("csi.example".to_owned()),
            storage_class: None,
            block: false,
            capacity: 1,
            protection: VolumeProtection::Snapshot {
                handle: handle(id),
                cut: now,
                restore_size: None,
                content: format!("anchor-{id}"),
                group: None,
            },
        };
        let manifest = Manifest {
            format_version: FORMAT_VERSION.to_owned(),
            recovery_point: RecoveryPointId::new(id),
            backup: BackupIdentity { name: format!("job-{id}"), uid: BackupUid::new(backup) },
            instance: instance.to_owned(),
            started: now,
            completed: now,
            cluster: ClusterIdentity {
                uid: ClusterUid::new(cluster),
                kubernetes_version: "v1.33.0".to_owned(),
            },
            writer: "cofferdam test".to_owned(),
            selection,
            lists: Vec::new(),
            counts: Default::default(),
            bytes: 0,
            volumes: vec![snapshot],
            problems: Vec::new(),
        };
        let writer = Writer::start(repo, Job::new(clock)).await.unwrap();
        let mut file = writer.file();
        file.write_slice(&serde_json::to_vec(&manifest).unwrap()).await.unwrap();
        let content = file.finish().await.unwrap();
        let root = writer.tree(vec![Node::file(MANIFEST, &content, now)]).await.unwrap();
        let tags =
            [("recovery-point", id), ("backup-uid", backup), ("cluster", cluster), ("instance", instance)];
        let tags = tags.map(|(name, value)| format!("{name}={value}")).to_vec();
        writer.commit(SnapshotDraft { tags, ..SnapshotDraft::new(root, now) }).await.unwrap();
    }
}

/// The storage system's handle of the snapshot of a recovery point.
pub fn handle(id: &str) -> String {
    format!("handle-{id}")
}
