//! What a recovery point holds that the vault cannot delete: snapshots in the storage system of its cluster. Written down
//! before the recovery point goes, because afterwards nothing leads to them.

use engine::Repo;
use points::{OpenPoint, Point};
use protection::point::{VolumeProtection, VolumeRecord};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was found in the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Its snapshots.
    pub snapshots: Vec<LeftSnapshot>,
    /// Why they are not known; a damaged manifest must not keep a recovery point from being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// A snapshot that only the storage system can still delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftSnapshot {
    /// CSI driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The storage system's handle.
    pub handle: String,
    /// Handle of the group snapshot that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Namespace of the claim.
    pub namespace: String,
    /// Name of the claim.
    pub claim: String,
    /// The VolumeSnapshotContent that leads to it, as long as its cluster exists.
    pub content: String,
}

impl LeftSnapshot {
    fn of(record: &VolumeRecord) -> Option<Self> {
        let VolumeProtection::Snapshot { handle, group, content, .. } = &record.protection else {
            return None;
        };
        Some(Self {
            driver: record.driver.clone(),
            handle: handle.clone(),
            group: group.clone(),
            namespace: record.namespace.clone(),
            claim: record.claim.clone(),
            content: content.clone(),
        })
    }
}

impl Found {
    /// What the manifest of a recovery point says.
    pub async fn read(repo: &Repo, point: Point) -> Self {
        let manifest = async { OpenPoint::open(repo, point).await.map_err(|error| error.to_string()) };
        match manifest.await {
            Ok(open) => match open.manifest().await {
                Ok(manifest) => Self {
                    snapshots: manifest.volumes.iter().filter_map(LeftSnapshot::of).collect(),
                    unread: None,
                },
                Err(error) => Self { snapshots: Vec::new(), unread: Some(error.to_string()) },
            },
            Err(error) => Self { snapshots: Vec::new(), unread: Some(error) },
        }
    }

    /// Whether something may be left in a storage system.
    pub fn leaves(&self) -> bool {
        !self.snapshots.is_empty() || self.unread.is_some()
    }
}

impl fmt::Display for LeftSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { driver, handle, namespace, claim, .. } = self;
        let driver = driver.as_deref().unwrap_or("unknown driver");
        write!(f, "{driver} {handle} ({namespace}/{claim})")
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.unread {
            return write!(f, "which snapshots stay in the storage system is not known: {why}");
        }
        if self.snapshots.is_empty() {
            return f.write_str("no snapshot of it is left");
        }
        let named: Vec<String> = self.snapshots.iter().map(ToString::to_string).collect();
        write!(f, "{} snapshots stay in the storage system: {}", named.len(), named.join(", "))
    }
}
