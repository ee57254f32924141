//! What is kept of a recovery point.

use crate::store::{Store, StoreError};
use arm::ResourceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of a recovery point.
pub const KIND: &str = "Microsoft.DataProtection/backupVaults/backupInstances/recoveryPoints";

/// What is kept of a recovery point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PointRecord {
    /// When its snapshots were cut, or else when it was written.
    pub time: Timestamp,
    /// The job that made it.
    pub job: ResourceId,
    /// The cluster that it is of.
    pub cluster: ResourceId,
    /// The namespace of the extension that wrote it.
    pub namespace: String,
    /// Where it lies: the settings of the location, without secrets.
    pub location: BTreeMap<String, String>,
    /// Id of the repository's key.
    pub key: String,
    /// Something is not protected by it.
    pub is_partial: bool,
    /// Its retention tag.
    pub tag: String,
    /// The tag was asked for, and no rule of the schedule gave it: it is the first of no day, and leaves that to others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tag_asked: bool,
    /// The policy that made it.
    pub policy: String,
    /// When it has lived long enough.
    pub expires_at: Timestamp,
    /// Its deletion has begun.
    #[serde(default)]
    pub deleting: bool,
    /// Why its deletion did not come about yet.
    #[serde(default)]
    pub kept_because: Option<String>,
}

/// A recovery point of a vault, if it has any: also one whose instance is gone.
pub async fn first_of(store: &dyn Store, vault: &ResourceId) -> Result<Option<ResourceId>, StoreError> {
    Ok(store.resources(KIND, vault, None, 1).await?.into_iter().next().map(|stored| stored.id))
}
