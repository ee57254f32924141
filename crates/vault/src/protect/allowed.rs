//! Whether vault and cluster still hold their roles when a backup or a restore begins. Stored data and Trusted Access are
//! asked about at each access; for these roles there is no other place where they would be missed.

use super::{
    checks::{RoleFact, missing_role},
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
use identity::required::{Places, Principals, Purpose, Whose, needs};
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
    let mut missing = Vec::new();
    for need in needs(purpose, &places, &principals) {
        if need.is_binding() || !matches!(need.row.whose, Whose::Vault | Whose::Cluster) {
            continue;
        }
        let assignments = match &need.principal {
            Some(principal) => store.roles_of(principal).await?,
            None => Vec::new(),
        };
        let held = need.held(&assignments, &app.roles);
        missing.extend(missing_role(&vault.id, &RoleFact { need, held }));
    }
    Ok(missing)
}
