//! A cluster is protected once by each policy of a vault. Where it is protected twice, by the same policy, both instances would
//! do the same, and neither would know of the other. With another policy, or in another vault, it may be.

use super::InstanceRecord;
use crate::{
    api::Loaded,
    store::{Change, Expected, Store, StoreError},
};
use arm::{ArmError, ResourceId};
use protection::Problem;
use serde_json::json;
use uuid::Uuid;

/// The documented rule has no documented code.
const CODE: &str = "UserErrorBackupInstanceAlreadyExists";

/// The decision about a cluster in a vault. Of several that are made at once, on whatever replicas, one is committed.
pub struct Turn {
    id: ResourceId,
    expected: Expected,
}

impl Turn {
    /// Before anything is read on which the decision stands.
    pub async fn begin(
        store: &dyn Store,
        vault: &ResourceId,
        cluster: &ResourceId,
    ) -> Result<Self, StoreError> {
        let name = Uuid::new_v5(&Uuid::NAMESPACE_URL, cluster.folded().as_bytes()).to_string();
        let id = vault
            .child("clusterTurns", &name)
            .map_err(|error| StoreError::Damaged(format!("{vault}: {error}")))?;
        let found = store.resource(&id).await?;
        let expected = found.map_or(Expected::Absent, |found| Expected::Version(found.version));
        Ok(Self { id, expected })
    }

    /// The change that has all others about the same cluster decided again.
    pub fn take(self) -> Change {
        Change::Put { id: self.id, document: json!({}), expected: self.expected }
    }
}

/// The instance of a vault that protects a cluster by a policy already; `but` is the one that is asked about.
pub async fn twin(
    store: &dyn Store,
    cluster: &ResourceId,
    policy: &ResourceId,
    but: Option<&ResourceId>,
) -> Result<Option<ResourceId>, StoreError> {
    let Some(vault) = policy.parent() else { return Ok(None) };
    let all = super::all(store, &vault).await?;
    Ok(all.into_iter().find(|one| is_twin(one, cluster, policy, but)).map(|one| one.id))
}

fn is_twin(
    one: &Loaded<InstanceRecord>,
    cluster: &ResourceId,
    policy: &ResourceId,
    but: Option<&ResourceId>,
) -> bool {
    let record = &one.document;
    let same = record.instance.source.resource == *cluster && record.instance.policy == *policy;
    same && Some(&one.id) != but && !record.state.is_deleted()
}

/// The refusal.
pub fn refusal(twin: &ResourceId, cluster: &ResourceId, policy: &ResourceId) -> ArmError {
    ArmError::new(409, CODE, message(twin, cluster, policy)).about(twin.as_str())
}

/// The same among all else that is wrong.
pub fn problem(twin: &ResourceId, cluster: &ResourceId, policy: &ResourceId) -> Problem {
    let fix = "Change the instance that there is, or take another policy of the vault, or another vault.";
    Problem::error(CODE, message(twin, cluster, policy)).about(twin.as_str()).fix(fix)
}

fn message(twin: &ResourceId, cluster: &ResourceId, policy: &ResourceId) -> String {
    format!(
        "The cluster '{}' is protected by the policy '{}' already, in the backup instance '{}' of the same vault. Change that \
         one, or take another policy or another vault.",
        cluster.name(),
        policy.name(),
        twin.name()
    )
}
