//! What becomes of vaults when their resource group is deleted: a group does not go while a vault in it protects
//! something or is guarded, or deleting the group would be the way around every protection.

use super::{INSTANCES, KIND, VaultRecord};
use crate::api::Each;
use crate::{
    api::resource::{Loaded, read},
    api::{BLOCKED_GROUP as BLOCKED, points},
    store::{Change, Store, StoreError},
};
use arm::{ArmError, ResourceId};

async fn all_in(store: &dyn Store, group: &ResourceId) -> Result<Vec<Loaded<VaultRecord>>, StoreError> {
    let mut all = Vec::new();
    let mut each = Each::of(store, KIND, group);
    while let Some(stored) = each.next().await? {
        all.push(read(stored)?);
    }
    Ok(all)
}

/// Why a group cannot be deleted.
pub async fn keeps(store: &dyn Store, group: &ResourceId) -> Result<Option<ArmError>, StoreError> {
    for vault in all_in(store, group).await? {
        let mut reason =
            vault.document.guard.map(|guard| format!("is guarded by '{guard}'; remove that mapping"));
        for kind in INSTANCES {
            if !store.resources(kind, &vault.id, None, 1).await?.is_empty() {
                reason = Some(
                    "holds backup instances, or deleted ones that can come back; delete them".to_owned(),
                );
            }
        }
        if reason.is_none() && points::first_of(store, &vault.id).await?.is_some() {
            reason =
                Some("still deletes recovery points; wait until they are gone, and delete it".to_owned());
        }
        if let Some(reason) = reason {
            let message =
                format!("The resource group cannot be deleted: the vault '{}' {reason} first.", vault.id);
            return Ok(Some(ArmError::new(409, BLOCKED, message).about(vault.id.as_str())));
        }
    }
    Ok(None)
}

/// What goes with the vaults of a group that is deleted: their identities. The group stays when an instance was made in one of
/// them since it was looked at.
pub async fn leaving(store: &dyn Store, group: &ResourceId) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    for vault in all_in(store, group).await? {
        changes.extend(INSTANCES.map(|kind| Change::AtMost { under: vault.id.clone(), kind, most: 0 }));
        changes.extend(vault.document.identity.system.map(|one| Change::RemovePrincipal(one.principal_id)));
    }
    Ok(changes)
}
