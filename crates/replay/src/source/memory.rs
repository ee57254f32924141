//! A recovery point in memory, laid out like a real one: for tests of the rules, with no store.

use super::{PointSource, lines};
use crate::SourceError;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use protection::point::{
    BackupIdentity, ClusterIdentity, FORMAT_VERSION, IndexEntry, Manifest, Owner, VolumeRecord, list_path,
};
use protection::{BackupUid, ClusterUid, RecoveryPointId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// Objects of a made-up cluster, as lists and an index.
#[derive(Debug, Clone)]
pub struct MemorySource {
    manifest: Manifest,
    index: Vec<IndexEntry>,
    lists: BTreeMap<String, Vec<u8>>,
}

impl Default for MemorySource {
    fn default() -> Self {
        let manifest = Manifest {
            format_version: FORMAT_VERSION.to_owned(),
            recovery_point: RecoveryPointId::new("point-1"),
            backup: BackupIdentity { name: "backup-1".to_owned(), uid: BackupUid::new("point-1") },
            instance: "default".to_owned(),
            started: jiff::Timestamp::UNIX_EPOCH,
            completed: jiff::Timestamp::UNIX_EPOCH,
            cluster: ClusterIdentity {
                uid: ClusterUid::new("source"),
                kubernetes_version: "v1.35.4".to_owned(),
            },
            writer: "test".to_owned(),
            selection: Value::Null,
            lists: Vec::new(),
            counts: BTreeMap::new(),
            bytes: 0,
            volumes: Vec::new(),
            problems: Vec::new(),
        };
        Self { manifest, index: Vec::new(), lists: BTreeMap::new() }
    }
}

impl MemorySource {
    /// Adds an object under its plural resource name. It must have `apiVersion`, `kind` and a name; as in a
    /// real recovery point, the first two are left out of the stored bytes.
    pub fn add(&mut self, resource: &str, mut object: Value) {
        let text =
            |object: &Value, path: &[&str]| crate::json::text(object, path).unwrap_or_default().to_owned();
        let api_version = text(&object, &["apiVersion"]);
        let kind = text(&object, &["kind"]);
        let (group, version) = crate::item::group_version(&api_version);
        let namespace = crate::json::text(&object, &["metadata", "namespace"]).map(str::to_owned);
        let name = text(&object, &["metadata", "name"]);
        if crate::json::text(&object, &["metadata", "uid"]).is_none() {
            let uid = format!("{resource}.{group}/{}/{name}", namespace.as_deref().unwrap_or(""));
            crate::json::set(&mut object, &["metadata", "uid"], json!(uid));
        }
        crate::json::take(&mut object, &["apiVersion"]);
        crate::json::take(&mut object, &["kind"]);
        let bytes = object.to_string().into_bytes();
        let list = self
            .lists
            .entry(list_path(resource, group, namespace.as_deref()))
            .or_insert_with(|| format!("{{\"kind\":\"{kind}List\",\"items\":[\n").into_bytes());
        let labels = crate::json::at(&object, &["metadata", "labels"]).cloned();
        self.index.push(IndexEntry {
            group: group.to_owned(),
            version: version.to_owned(),
            kind,
            resource: resource.to_owned(),
            namespace,
            name,
            uid: text(&object, &["metadata", "uid"]),
            offset: list.len() as u64,
            length: bytes.len() as u64,
            owners: crate::json::items(&object, &["metadata", "ownerReferences"])
                .iter()
                .map(|owner| Owner {
                    api_version: text(owner, &["apiVersion"]),
                    kind: text(owner, &["kind"]),
                    name: text(owner, &["name"]),
                    uid: text(owner, &["uid"]),
                    controller: crate::json::is_true(owner, &["controller"]),
                })
                .collect(),
            labels: labels.and_then(|labels| serde_json::from_value(labels).ok()).unwrap_or_default(),
        });
        list.extend_from_slice(&bytes);
        list.extend_from_slice(b",\n");
    }

    /// Adds what protects a claim.
    pub fn add_volume(&mut self, record: VolumeRecord) {
        self.manifest.volumes.push(record);
    }
}

#[async_trait]
impl PointSource for MemorySource {
    async fn manifest(&self) -> Result<Manifest, SourceError> {
        Ok(self.manifest.clone())
    }

    async fn index(&self) -> Result<BoxStream<'_, Result<IndexEntry, SourceError>>, SourceError> {
        let mut text = "[\n".to_owned();
        for entry in &self.index {
            let line = serde_json::to_string(entry).map_err(|error| SourceError::damaged("index", error))?;
            text.push_str(&line);
            text.push_str(",\n");
        }
        text.push_str("]\n");
        Ok(lines::entries(stream::iter([Ok(Bytes::from(text))])))
    }

    async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        let list = self.lists.get(path).ok_or_else(|| SourceError::damaged(path, "there is no such file"))?;
        let bytes = list
            .get(range.start as usize..range.end as usize)
            .ok_or_else(|| SourceError::damaged(path, "it is too short"))?;
        Ok(Bytes::copy_from_slice(bytes))
    }
}
