//! Why a resource group stays. It is asked when the deletion of a group begins and again when it is done, and of the node
//! resource group that goes with a cluster: whatever protects something in a group holds on each of these ways.

use super::BLOCKED;
use crate::{
    api::{guards, locks, vaults},
    protect::hold,
    store::{Store, StoreError},
};
use arm::{ArmError, ResourceId};

/// Why a group cannot go with all that is in it. Of clusters in it is asked where they are deleted.
pub async fn keeps(store: &dyn Store, group: &ResourceId) -> Result<Option<ArmError>, StoreError> {
    if let Some(refusal) = vaults::keeps(store, group).await? {
        return Ok(Some(refusal));
    }
    if let Some(refusal) = hold::keeps_in(store, group, BLOCKED).await? {
        return Ok(Some(refusal));
    }
    if let Some(refusal) = guards::keeps_in(store, group).await? {
        return Ok(Some(refusal));
    }
    locks::keeps(store, group).await
}
