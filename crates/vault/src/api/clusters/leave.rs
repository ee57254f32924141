//! What goes with a cluster besides the records below it: its connection, and the node resource group with all identities
//! of its extensions.

use super::{ClusterRecord, KIND, enrolment};
use crate::{
    api::{
        identities::{node_group, remove_node_group},
        resource::{Loaded, PAGE, read},
        vaults,
    },
    store::{Change, Store, StoreError},
};
use arm::{ArmError, ResourceId};

/// Why a cluster cannot be deleted: its node resource group, which goes with it, holds a vault that protects something.
pub async fn keeps(
    store: &dyn Store,
    cluster: &Loaded<ClusterRecord>,
) -> Result<Option<ArmError>, StoreError> {
    vaults::keeps(store, &node_group(cluster)?).await
}

/// The changes that go with a cluster.
pub async fn changes(store: &dyn Store, cluster: &Loaded<ClusterRecord>) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    if let Some(connection) = &cluster.document.connection {
        // The token's record lies below the cluster and goes with it.
        changes.extend(enrolment::unset(connection));
    }
    let node_group = remove_node_group(store, cluster).await?;
    for change in &node_group {
        if let Change::Remove(group, _) = change {
            changes.extend(vaults::leaving(store, group).await?);
        }
    }
    changes.extend(node_group);
    Ok(changes)
}

/// The connections and changes that go with the clusters of a group that is deleted.
pub async fn leaving(
    store: &dyn Store,
    group: &ResourceId,
) -> Result<(Vec<String>, Vec<Change>), StoreError> {
    let (mut connections, mut all) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let page = store.resources(KIND, group, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok((connections, all)) };
        after = Some(last.id.folded().to_owned());
        for stored in page {
            let cluster: Loaded<ClusterRecord> = read(stored)?;
            all.extend(changes(store, &cluster).await?);
            connections.extend(cluster.document.connection);
        }
    }
}

/// Why a group cannot be deleted: one of its clusters cannot.
pub async fn keeps_in(store: &dyn Store, group: &ResourceId) -> Result<Option<ArmError>, StoreError> {
    let mut after: Option<String> = None;
    loop {
        let page = store.resources(KIND, group, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some(last.id.folded().to_owned());
        for stored in page {
            if let Some(refusal) = keeps(store, &read(stored)?).await? {
                return Ok(Some(refusal));
            }
        }
    }
}
