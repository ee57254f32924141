//! What must hold outside a cluster for it to be backed up or restored to: extension, Trusted Access, roles. Facts are
//! gathered once and judged all together, so that everything that is wrong is told at once.

use super::{reach::no_binding, schedule::no_extension, start::location_settings, vault::Existing};
use crate::{
    api::{
        GROUP, Loaded,
        clusters::{self, ClusterIdentity, ClusterRecord},
        extensions::{self, ExtensionRecord, ExtensionState},
        identities::has_extension_identity,
        instances::twin_problem,
        load,
        locks::{self, Lock},
    },
    app::App,
    keys::setting,
    store::StoreError,
};
use arm::ResourceId;
use identity::{Action, Decision, decide};
use protection::{Problem, code};
use std::collections::BTreeMap;

/// What whoever links to a cluster must be allowed there.
pub const READ_CLUSTER: &str = "Microsoft.ContainerService/managedClusters/read";
const READ_GROUP: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
const WRITE_SNAPSHOTS: &str = "Microsoft.Compute/snapshots/write";
const WRITE_BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write";
const READ_BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read";

/// Who needs which role where, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFact {
    /// The documented number, R1 to R13.
    pub number: &'static str,
    /// Whose.
    pub identity: &'static str,
    /// Its object id, if it has one.
    pub principal: Option<String>,
    /// The role that grants it.
    pub role: &'static str,
    /// Where.
    pub scope: ResourceId,
    /// Whether the right is there.
    pub granted: bool,
    /// The documented code when it is not.
    pub code: &'static str,
}

/// What was found out.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The vault.
    pub vault: ResourceId,
    /// Where it is.
    pub vault_location: String,
    /// The cluster.
    pub cluster: ResourceId,
    /// What is kept of it.
    pub record: Option<ClusterRecord>,
    /// Its backup extension.
    pub extension: Option<ExtensionRecord>,
    /// The extension's identity is there.
    pub has_identity: bool,
    /// The vault is let in.
    pub is_bound: bool,
    /// The resource group for snapshots.
    pub snapshot_group: Option<(ResourceId, bool)>,
    /// A lock that holds for it.
    pub lock: Option<Lock>,
    /// Roles.
    pub roles: Vec<RoleFact>,
    /// The policy, and another instance that protects the cluster by it already.
    pub twin: Option<(ResourceId, ResourceId)>,
}

/// Gathers the facts for a backup of a cluster, or with `source` for a restore to it from another one's location.
pub async fn gather(
    app: &App,
    vault: &Existing,
    cluster: &ResourceId,
    snapshot_group: Option<&ResourceId>,
    source: Option<&ResourceId>,
) -> Result<Facts, StoreError> {
    let store = app.store.as_ref();
    let record: Option<Loaded<ClusterRecord>> = load(store, cluster).await?;
    let extension = extensions::backup_extension(store, cluster).await?;
    let is_bound = clusters::binding_for(store, cluster, &vault.id).await?.is_some();
    let group = match snapshot_group {
        Some(group) => {
            Some((group.clone(), store.resource(group).await?.is_some() && group.kind().is(GROUP)))
        }
        None => None,
    };
    let lock = match snapshot_group {
        Some(group) => locks::holding(store, group).await?,
        None => None,
    };
    let vault_principal = vault.facts.principal.clone();
    let cluster_principal = record.as_ref().and_then(|record| match &record.document.identity {
        ClusterIdentity::SystemAssigned { principal_id }
        | ClusterIdentity::UserAssigned { principal_id, .. } => Some(principal_id.clone()),
        ClusterIdentity::ServicePrincipal { .. } => None,
    });
    let identity = extension.as_ref().and_then(|one| one.document.identity.as_ref());
    let has_identity = has_extension_identity(store, identity).await?;
    let extension_principal = identity.filter(|_| has_identity).map(|identity| identity.principal_id.clone());
    let mut wanted = vec![(
        "R1",
        "vault",
        vault_principal.clone(),
        "Reader",
        cluster.clone(),
        Action::control(READ_CLUSTER),
        "KubernetesBackupListExtensionsError",
    )];
    if let Some(group) = snapshot_group {
        wanted.push((
            "R2",
            "vault",
            vault_principal,
            "Reader",
            group.clone(),
            Action::control(READ_GROUP),
            "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup",
        ));
        wanted.push((
            "R3",
            "cluster",
            cluster_principal,
            "Contributor",
            group.clone(),
            Action::control(WRITE_SNAPSHOTS),
            "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup",
        ));
    }
    if let Some(account) = extension.as_ref().and_then(|one| storage_account(&one.document)) {
        wanted.push((
            "R4",
            "extension",
            extension_principal.clone(),
            "Storage Blob Data Contributor",
            account,
            Action::data(WRITE_BLOBS),
            code::LOCATION_MISSING_PERMISSIONS,
        ));
    }
    if let Some(account) = source {
        wanted.push((
            "R4",
            "extension",
            extension_principal,
            "Storage Blob Data Contributor",
            account.clone(),
            Action::data(READ_BLOBS),
            code::LOCATION_MISSING_PERMISSIONS,
        ));
    }
    let mut roles = Vec::new();
    for (number, identity, principal, role, scope, action, code) in wanted {
        let granted = match &principal {
            Some(principal) => holds(app, principal, &action, &scope).await?,
            None => false,
        };
        roles.push(RoleFact { number, identity, principal, role, scope, granted, code });
    }
    Ok(Facts {
        vault: vault.id.clone(),
        vault_location: vault.facts.location.clone(),
        cluster: cluster.clone(),
        record: record.map(|record| record.document),
        extension: extension.map(|extension| extension.document),
        has_identity,
        is_bound,
        snapshot_group: group,
        lock,
        roles,
        twin: None,
    })
}

async fn holds(app: &App, principal: &str, action: &Action, scope: &ResourceId) -> Result<bool, StoreError> {
    let assigned = app.store.assignments_of(principal).await?;
    let assignments: Vec<_> = assigned.into_iter().map(|record| record.assignment).collect();
    Ok(decide(principal, action, scope, &assignments, &app.roles) != Decision::Denied)
}

/// The storage account to which an extension writes, where the resource manager knows it.
pub fn storage_account(extension: &ExtensionRecord) -> Option<ResourceId> {
    account_of(&location_settings(&extension.settings))
}

/// The storage account of a location.
pub fn account_of(settings: &BTreeMap<String, String>) -> Option<ResourceId> {
    let (subscription, group) =
        (setting(settings, ".config.subscriptionId")?, setting(settings, ".config.resourceGroup")?);
    let account = setting(settings, ".config.storageAccount")?;
    ResourceId::group(subscription, group).ok()?.with("Microsoft.Storage/storageAccounts", account).ok()
}

/// The container of a location.
pub fn container_of(settings: &BTreeMap<String, String>) -> Option<ResourceId> {
    let service = account_of(settings)?.child("blobServices", "default").ok()?;
    service.child("containers", setting(settings, ".bucket")?).ok()
}

/// Everything that is wrong.
pub fn judge(facts: &Facts) -> Vec<Problem> {
    let mut wrong = Vec::new();
    let cluster = &facts.cluster;
    let Some(record) = &facts.record else {
        let message = format!("The cluster '{cluster}' could not be found.");
        return vec![
            Problem::error("UserErrorDataSourceNotFound", message)
                .fix("Connect it: cofferdam cluster connect."),
        ];
    };
    if record.connection.is_none() {
        let message = format!("The cluster '{}' is not connected to the vault.", cluster.name());
        wrong.push(
            Problem::error("UserErrorClusterNotConnected", message)
                .fix("Connect it: cofferdam cluster connect."),
        );
    }
    if !same_place(&record.location, &facts.vault_location) {
        let message = format!(
            "The cluster is in '{}' and the vault in '{}'; both must be in one region.",
            record.location, facts.vault_location
        );
        wrong.push(
            Problem::error("UserErrorCrossRegionNotSupported", message)
                .fix("Use a vault in the cluster's region."),
        );
    }
    if let ClusterIdentity::ServicePrincipal { .. } = record.identity {
        let message = format!("The cluster '{}' uses a service principal.", cluster.name());
        wrong.push(Problem::error("UserErrorClusterServicePrincipalNotSupported", message).fix(format!(
            "az aks update --enable-managed-identity --resource-group {} --name {}",
            cluster.resource_group().unwrap_or_default(),
            cluster.name()
        )));
    }
    match &facts.extension {
        None => wrong.push(no_extension(cluster)),
        Some(extension) => wrong.extend(of_extension(cluster, extension, facts.has_identity)),
    }
    if !facts.is_bound {
        wrong.push(no_binding(&facts.vault, cluster));
    }
    if let Some((policy, twin)) = &facts.twin {
        wrong.push(twin_problem(twin, cluster, policy));
    }
    if let Some((group, false)) = &facts.snapshot_group {
        let message = format!("The snapshot resource group '{group}' could not be found.");
        wrong.push(Problem::error("UserErrorSnapshotResourceGroupNotFound", message).fix(format!(
            "az group create --name {} --location {}",
            group.name(),
            record.location
        )));
    }
    if let (Some(lock), Some((group, _))) = (&facts.lock, &facts.snapshot_group) {
        let message = format!(
            "The snapshot resource group '{}' is under the lock '{}' of '{}': snapshots could not be made or deleted.",
            group.name(),
            lock.name,
            lock.scope
        );
        wrong.push(
            Problem::error("UserErrorSnapshotResourceGroupHasLocks", message).about(lock.scope.as_str()).fix(
                format!(
                    "Take another resource group, or remove the lock: az lock delete --ids {}",
                    lock.id()
                ),
            ),
        );
    }
    wrong
        .extend(facts.roles.iter().filter(|role| !role.granted).filter_map(|role| missing_role(facts, role)));
    wrong
}

fn of_extension(cluster: &ResourceId, extension: &ExtensionRecord, has_identity: bool) -> Option<Problem> {
    let fix = "Delete the extension and install it again.";
    match extension.state {
        ExtensionState::Failed => {
            let said =
                extension.error.as_ref().and_then(|error| error.get("message")?.as_str().map(str::to_owned));
            let message = format!(
                "The backup extension of '{}' reports errors: {}",
                cluster.name(),
                said.unwrap_or_else(|| "it did not say which".to_owned())
            );
            Some(Problem::error("UserErrorKubernetesBackupExtensionHasErrors", message).fix(fix))
        }
        ExtensionState::Creating | ExtensionState::Deleting => {
            let message = format!("The backup extension of '{}' is not ready yet.", cluster.name());
            Some(
                Problem::error("UserErrorKubernetesBackupExtensionUnhealthy", message)
                    .fix("Wait until it is installed."),
            )
        }
        ExtensionState::Succeeded | ExtensionState::Updating if !has_identity => {
            let message = format!("The backup extension of '{}' has no identity.", cluster.name());
            Some(Problem::error("UserErrorKubernetesBackupExtensionIdentityNotFound", message).fix(fix))
        }
        ExtensionState::Succeeded | ExtensionState::Updating => None,
    }
}

/// A role is missed only where there is somebody to have it: what is absent is told for itself.
fn missing_role(facts: &Facts, role: &RoleFact) -> Option<Problem> {
    let principal = match (&role.principal, role.identity) {
        (Some(principal), _) => principal.as_str(),
        (None, "vault") => {
            let message = format!("The vault '{}' has no managed identity.", facts.vault.name());
            return (role.number == "R1").then(|| {
                Problem::error("UserErrorVaultIdentityNotFound", message)
                    .fix("Give it one: az dataprotection backup-vault update --type SystemAssigned.")
            });
        }
        (None, _) => return None,
    };
    let message = format!(
        "The {}'s identity {principal} lacks the role '{}' on '{}' ({}).",
        role.identity, role.role, role.scope, role.number
    );
    Some(Problem::error(role.code, message).about(role.scope.as_str()).fix(format!(
        "az role assignment create --assignee-object-id {principal} --assignee-principal-type ServicePrincipal --role \
         '{}' --scope {}",
        role.role, role.scope
    )))
}

fn same_place(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::extensions::ExtensionIdentity;

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    fn role(number: &'static str, identity: &'static str, granted: bool, code: &'static str) -> RoleFact {
        let scope = id("/subscriptions/s/resourceGroups/g");
        RoleFact { number, identity, principal: Some("p".into()), role: "Reader", scope, granted, code }
    }

    fn healthy() -> Facts {
        let group = id("/subscriptions/s/resourceGroups/g");
        let cluster = group.with(clusters::KIND, "c").unwrap();
        let record = ClusterRecord {
            location: "East US".into(),
            tags: BTreeMap::new(),
            identity: ClusterIdentity::SystemAssigned { principal_id: "c".into() },
            node_resource_group: "nodes".into(),
            connection: Some("1".into()),
            given: serde_json::Value::Null,
            observed: None,
            observed_at: None,
        };
        let extension = ExtensionRecord {
            extension_type: extensions::BACKUP_TYPE.into(),
            namespace: "n".into(),
            settings: BTreeMap::new(),
            protected: None,
            auto_upgrade: true,
            release_train: "stable".into(),
            pinned_version: None,
            wanted_version: "1".into(),
            current_version: Some("1".into()),
            generation: 1,
            state: ExtensionState::Succeeded,
            statuses: Vec::new(),
            error: None,
            operation: None,
            identity: Some(ExtensionIdentity {
                resource: group.clone(),
                principal_id: "e".into(),
                client_id: "e".into(),
            }),
            upgrades: Default::default(),
        };
        Facts {
            vault: group.with("Microsoft.DataProtection/backupVaults", "v").unwrap(),
            vault_location: "eastus".into(),
            cluster,
            record: Some(record),
            extension: Some(extension),
            has_identity: true,
            is_bound: true,
            snapshot_group: Some((group, true)),
            lock: None,
            roles: vec![role("R1", "vault", true, "KubernetesBackupListExtensionsError")],
            twin: None,
        }
    }

    fn codes(change: impl FnOnce(&mut Facts)) -> Vec<String> {
        let mut facts = healthy();
        change(&mut facts);
        judge(&facts).into_iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn a_healthy_cluster_has_no_fault() {
        assert_eq!(codes(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn each_fault_has_its_documented_code() {
        let extension = |facts: &mut Facts| facts.extension.as_mut().unwrap().clone();

        assert_eq!(codes(|f| f.extension = None), ["UserErrorKubernetesBackupExtensionNotFoundError"]);
        assert_eq!(codes(|f| f.is_bound = false), ["UserErrorTrustedAccessGatewayReturnedForbidden"]);
        assert_eq!(
            codes(|f| f.extension = Some(ExtensionRecord { state: ExtensionState::Failed, ..extension(f) })),
            ["UserErrorKubernetesBackupExtensionHasErrors"]
        );
        assert_eq!(codes(|f| f.has_identity = false), ["UserErrorKubernetesBackupExtensionIdentityNotFound"]);
        assert_eq!(
            codes(|f| f.lock = Some(Lock::at("keep", f.snapshot_group.clone().unwrap().0))),
            ["UserErrorSnapshotResourceGroupHasLocks"]
        );
        assert_eq!(
            codes(|f| f.twin = Some((f.cluster.clone(), f.vault.clone()))),
            ["UserErrorBackupInstanceAlreadyExists"]
        );
        assert_eq!(
            codes(|f| f.roles = vec![role("R1", "vault", false, "KubernetesBackupListExtensionsError")]),
            ["KubernetesBackupListExtensionsError"]
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let all = codes(|facts| {
            facts.extension = None;
            facts.is_bound = false;
            facts.vault_location = "westeurope".into();
            facts.record.as_mut().unwrap().identity =
                ClusterIdentity::ServicePrincipal { client_id: "x".into() };
        });

        assert_eq!(all.len(), 4, "{all:?}");
    }
}
