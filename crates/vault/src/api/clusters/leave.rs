//! What goes with a cluster besides the records below it: its connection, and the node resource group with all that is in it.

use super::{ClusterRecord, KIND, enrolment};
use crate::api::Each;
use crate::{
    api::{
        BLOCKED_GROUP, group_keeps,
        identities::going_with,
        locks,
        resource::{Loaded, read},
        storage::ACCOUNT,
        vaults,
    },
    store::{Change, Expected, Store, StoreError, Stored},
};
use arm::{ArmError, ResourceId};

/// What goes with clusters.
#[derive(Debug, Default)]
pub struct Leaving {
    /// Their connections.
    pub connections: Vec<String>,
    /// What changes before anything is removed.
    pub changes: Vec<Change>,
    /// Their node resource groups, for what goes with those.
    pub groups: Vec<ResourceId>,
    /// By which the groups and identities go.
    pub removals: Vec<Change>,
    /// With all that is below these ids, which the clusters themselves are among, principals go.
    pub scopes: Vec<ResourceId>,
    /// Groups that are said to be theirs, and stay.
    pub staying: Vec<ResourceId>,
}

impl Leaving {
    /// What the caller should know of groups that stay.
    pub fn told(&self) -> Option<String> {
        let names: Vec<_> = self.staying.iter().map(|group| format!("'{}'", group.name())).collect();
        let names = (!names.is_empty()).then(|| names.join(", "))?;
        Some(format!(
            "The resource group {names} stays: nothing shows that this vault made it for the cluster, or that nothing of \
             somebody else's is in it. Look at what is there, and delete it by itself."
        ))
    }

    async fn add(&mut self, store: &dyn Store, cluster: &Loaded<ClusterRecord>) -> Result<(), StoreError> {
        if let Some(connection) = &cluster.document.connection {
            // The token's record lies below the cluster and goes with it.
            self.changes.extend(enrolment::unset(connection));
            self.connections.push(connection.clone());
        }
        self.scopes.push(cluster.id.clone());
        let nodes = going_with(store, cluster).await?;
        if let Some(group) = &nodes.group {
            self.changes.extend(vaults::leaving(store, &group.id).await?);
            // What is made there since then was not asked about: it is a conflict, and all is asked again.
            for (kind, most) in [(KIND, 0), (ACCOUNT, store.count(ACCOUNT, &group.id).await?)] {
                self.changes.push(Change::AtMost { under: group.id.clone(), kind, most });
            }
            self.groups.push(group.id.clone());
        }
        for gone in nodes.group.into_iter().chain(nodes.identities) {
            self.scopes.push(gone.id.clone());
            self.removals.push(Change::Remove(gone.id, Expected::Version(gone.version)));
        }
        self.staying.extend(nodes.stays);
        Ok(())
    }
}

/// Why a cluster cannot be deleted: of its node resource group, which goes with it, something must stay.
pub async fn keeps(
    store: &dyn Store,
    cluster: &Loaded<ClusterRecord>,
) -> Result<Option<ArmError>, StoreError> {
    let nodes = going_with(store, cluster).await?;
    for identity in &nodes.identities {
        if let Some(refusal) = locks::keeps(store, &identity.id).await? {
            return Ok(Some(refusal));
        }
    }
    let Some(group) = nodes.group else { return Ok(None) };
    // With it would go that cluster's own node resource group, and so on.
    if let Some(inner) = store.resources(KIND, &group.id, None, 1).await?.first() {
        return Ok(Some(holds_another(&group, inner)));
    }
    group_keeps(store, &group.id).await
}

fn holds_another(group: &Stored, inner: &Stored) -> ArmError {
    let message = format!(
        "The node resource group '{}' cannot be deleted: the cluster '{}' is in it. Delete that cluster first.",
        group.id.name(),
        inner.id
    );
    ArmError::new(409, BLOCKED_GROUP, message).about(inner.id.as_str())
}

/// What goes with a cluster.
pub async fn leaving_with(store: &dyn Store, cluster: &Loaded<ClusterRecord>) -> Result<Leaving, StoreError> {
    let mut leaving = Leaving::default();
    leaving.add(store, cluster).await?;
    Ok(leaving)
}

/// What goes with the clusters of a group that is deleted.
pub async fn leaving(store: &dyn Store, group: &ResourceId) -> Result<Leaving, StoreError> {
    let mut all = Leaving::default();
    let mut each = Each::of(store, KIND, group);
    while let Some(stored) = each.next().await? {
        all.add(store, &read(stored)?).await?;
    }
    Ok(all)
}

/// Why a group cannot be deleted: one of its clusters cannot.
pub async fn keeps_in(store: &dyn Store, group: &ResourceId) -> Result<Option<ArmError>, StoreError> {
    let mut each = Each::of(store, KIND, group);
    while let Some(stored) = each.next().await? {
        if let Some(refusal) = keeps(store, &read(stored)?).await? {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}
