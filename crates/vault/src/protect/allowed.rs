//! Whether vault and cluster still hold their roles when a backup or a restore begins. Stored data and Trusted Access are
//! asked about at each access; for these roles there is no other place where they would be missed.

use super::{
    checks::{self, RoleFact, missing_role},
    start::vault_of,
    vault,
};
use crate::{
    api::{
        Loaded,
        clusters::ClusterRecord,
        instances::InstanceRecord,
        jobs::{JobRecord, Task},
        load,
    },
    app::App,
    store::StoreError,
};
use identity::required::{Places, Principals, Purpose, Whose};
use protection::Problem;

/// The roles without which a job must not begin, each with its documented code.
pub async fn missing(app: &App, job: &JobRecord) -> Result<Vec<Problem>, StoreError> {
    let store = app.store.as_ref();
    let purpose = match job.task {
        Task::Backup { .. } => Purpose::Backup { vault_tier: false },
        Task::Restore { .. } => Purpose::Restore { vault_tier: false },
        Task::Manage { .. } => return Ok(Vec::new()),
    };
    let instance: Option<Loaded<InstanceRecord>> = load(store, &job.instance).await?;
    let cluster: Option<Loaded<ClusterRecord>> = load(store, &job.cluster).await?;
    let vault = vault::find(store, &vault_of(&job.instance)?).await?;
    // What is absent is told for itself.
    let (Some(instance), Some(cluster), Some(vault)) = (instance, cluster, vault) else {
        return Ok(Vec::new());
    };
    let written = &instance.document.instance;
    let vault = vault.acting_as(written.identity.as_ref());
    let group = store.resource(&written.snapshot_group).await?.map(|found| found.id);
    let principals = Principals {
        vault: vault.facts.principal.clone(),
        cluster: cluster.document.identity.principal().map(str::to_owned),
        extension: None,
    };
    let places = Places { snapshot_group: group, ..Places::of(job.cluster.clone()) };
    let roles = checks::roles(app, purpose, &places, &principals).await?;
    let is_ours = |role: &&RoleFact| matches!(role.need.row.whose, Whose::Vault | Whose::Cluster);
    Ok(roles.iter().filter(is_ours).filter_map(|role| missing_role(&vault.id, role)).collect())
}
