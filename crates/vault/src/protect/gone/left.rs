//! Snapshots that the vault left behind, because only their storage system can still delete them: kept until the operator
//! says that they are gone.

use super::{Found, LeftSnapshot};
use crate::api::Each;
use crate::{
    api::{Loaded, put, read},
    keys::EVERYWHERE,
    store::{AuditEntry, AuditOutcome, Change, Expected, Store, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const KIND: &str = "Cofferdam.Vault/leftSnapshots";

/// What is kept of a recovery point whose snapshots are left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftRecord {
    /// The recovery point that was.
    pub point: ResourceId,
    /// The cluster that it was of.
    pub cluster: ResourceId,
    /// Why the cluster could not delete it.
    pub because: String,
    /// When the vault did.
    pub deleted_at: Timestamp,
    /// Its snapshots.
    pub snapshots: Vec<LeftSnapshot>,
    /// Why they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// One entry: what is left of one recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// By which it is struck off.
    pub id: String,
    /// What is kept.
    #[serde(flatten)]
    pub record: LeftRecord,
}

impl LeftRecord {
    /// What is left of a recovery point.
    pub fn of(
        point: &ResourceId,
        cluster: &ResourceId,
        because: &str,
        found: &Found,
        now: Timestamp,
    ) -> Self {
        Self {
            point: point.clone(),
            cluster: cluster.clone(),
            because: because.to_owned(),
            deleted_at: now,
            snapshots: found.snapshots.clone(),
            unread: found.unread.clone(),
        }
    }
}

/// The change that writes down what is left; none when nothing is.
pub fn change(record: LeftRecord) -> Result<Option<Change>, StoreError> {
    if record.snapshots.is_empty() && record.unread.is_none() {
        return Ok(None);
    }
    // A recovery point's name is known to whoever can write to the repository; this one is nobody's.
    let name = uuid::Uuid::new_v4().simple().to_string();
    put(&above()?.with(KIND, &name).map_err(wrong)?, &record, Expected::Absent).map(Some)
}

/// All that is left.
pub async fn list(store: &dyn Store) -> Result<Vec<Left>, StoreError> {
    let mut found = Vec::new();
    let above = above()?;
    let mut each = Each::of(store, KIND, &above);
    while let Some(stored) = each.next().await? {
        let Loaded { id, document, .. } = read(stored)?;
        found.push(Left { id: id.name().to_owned(), record: document });
    }
    found.sort_by_key(|left| left.record.deleted_at);
    Ok(found)
}

/// Strikes an entry off; whether it was there.
pub async fn strike(store: &dyn Store, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let Ok(id) = above()?.with(KIND, id) else { return Ok(false) };
    let Some(stored) = store.resource(&id).await? else { return Ok(false) };
    let left: Loaded<LeftRecord> = read(stored)?;
    let audit = AuditEntry {
        at: now,
        principal: "operator".to_owned(),
        action: format!("strike off {} snapshots that were left", left.document.snapshots.len()),
        scope: left.document.point.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    };
    store.commit(&[Change::Remove(left.id, Expected::Version(left.version))], &audit).await?;
    Ok(true)
}

fn above() -> Result<ResourceId, StoreError> {
    EVERYWHERE.parse().map_err(wrong)
}

fn wrong(error: arm::IdError) -> StoreError {
    StoreError::Damaged(error.to_string())
}
