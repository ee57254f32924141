//! What must hold outside a cluster for it to be backed up or restored to: extension, Trusted Access, roles. Facts are
//! gathered once and judged all together, so that everything that is wrong is told at once: by the rules of the catalogue of
//! prerequisites, in the words and codes of the original's validation.

pub mod catalogue;

use super::{reach::no_binding, schedule::no_extension, start::location_settings, vault::Existing};
use crate::{
    api::{
        GROUP, Loaded,
        clusters::{self, ClusterRecord},
        extensions::{self, ExtensionRecord, ExtensionState},
        identities::has_extension_identity,
        instances::twin_problem,
        load,
        locks::{self, Lock},
        storage::AccountRecord,
    },
    app::App,
    keys::setting,
    store::StoreError,
};
use arm::ResourceId;
use catalogue::Verdicts;
use identity::required::{Held, Need, Places, Principals, Purpose, Whose, needs, ours, with_az};
use protection::Problem;
use std::collections::BTreeMap;

/// The providers that are needed in the vault's subscription, and in the cluster's.
const VAULT_PROVIDERS: &[&str] = &["Microsoft.DataProtection"];
const CLUSTER_PROVIDERS: &[&str] = &["Microsoft.ContainerService", "Microsoft.KubernetesConfiguration"];

/// What whoever links to a cluster must be allowed there.
pub const READ_CLUSTER: &str = "Microsoft.ContainerService/managedClusters/read";

/// A role that is needed, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFact {
    /// Who needs what where, by the table of roles.
    pub need: Need,
    /// Whether it is there.
    pub held: Held,
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
    /// Resource providers that are needed and not registered.
    pub unregistered: Vec<String>,
    /// The storage account of the extension's location, where it is one of this vault.
    pub account: Option<AccountFacts>,
}

/// What is known of a storage account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its id.
    pub id: ResourceId,
    /// Its network rules let the Backup vault in, by name or as a trusted service.
    pub admits_vault: bool,
    /// Where it is.
    pub location: String,
    /// `StorageV2` and the like.
    pub kind: String,
    /// `Standard_LRS` and the like.
    pub sku: String,
    /// The container of the extension's location, and whether it exists.
    pub container: Option<(ResourceId, bool)>,
}

/// Gathers the facts for a backup of a cluster or a restore to it, with `source` from another one's container.
pub async fn gather(
    app: &App,
    purpose: Purpose,
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
    let own = record.as_ref().and_then(|record| record.document.identity.principal().map(str::to_owned));
    let identity = extension.as_ref().and_then(|one| one.document.identity.as_ref());
    let has_identity = has_extension_identity(store, identity).await?;
    let principals = Principals {
        vault: vault.facts.principal.clone(),
        cluster: own,
        extension: identity.filter(|_| has_identity).map(|identity| identity.principal_id.clone()),
    };
    let settings = extension.as_ref().map(|one| location_settings(&one.document.settings));
    let container = settings.as_ref().and_then(container_of);
    let places = Places {
        snapshot_group: snapshot_group.cloned(),
        store: settings.as_ref().and_then(account_of),
        container: container.clone(),
        source_store: source.cloned(),
        ..Places::of(cluster.clone())
    };
    let container = match container {
        Some(id) => Some((id.clone(), store.resource(&id).await?.is_some())),
        None => None,
    };
    let account = match &places.store {
        Some(id) => load::<AccountRecord>(store, id).await?.map(|found| AccountFacts {
            admits_vault: found.document.network.admit(None, Some(&vault.id)),
            id: found.id,
            location: found.document.location,
            kind: found.document.kind,
            sku: found.document.sku,
            container,
        }),
        None => None,
    };
    let unregistered = unregistered(app, &vault.id, cluster).await?;
    let roles = roles(app, purpose, &places, &principals).await?;
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
        unregistered,
        account,
    })
}

/// The roles of a purpose, and whether each is there. Whether the vault is let in is a fact of its own.
pub async fn roles(
    app: &App,
    purpose: Purpose,
    places: &Places,
    principals: &Principals,
) -> Result<Vec<RoleFact>, StoreError> {
    let mut roles = Vec::new();
    for need in needs(purpose, places, principals).into_iter().filter(|need| !need.is_binding()) {
        let assignments = match &need.principal {
            Some(principal) => app.store.roles_at(principal, need.at()).await?,
            None => Vec::new(),
        };
        let held = need.held(&assignments, &app.roles);
        roles.push(RoleFact { need, held });
    }
    Ok(roles)
}

/// The providers that are needed where vault and cluster are, and are not registered there.
async fn unregistered(
    app: &App,
    vault: &ResourceId,
    cluster: &ResourceId,
) -> Result<Vec<String>, StoreError> {
    let mut missing = Vec::new();
    for (of, namespaces) in [(vault, VAULT_PROVIDERS), (cluster, CLUSTER_PROVIDERS)] {
        let Ok(subscription) = ResourceId::subscription(of.subscription_id()) else { continue };
        let registered = app.store.registrations(&subscription).await?;
        let not = namespaces.iter().filter(|name| !registered.contains(&name.to_lowercase()));
        missing.extend(not.map(|name| (*name).to_owned()));
    }
    Ok(missing)
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
    problems(facts, &Verdicts::of(facts))
}

/// What is wrong, by what the catalogue says of the same facts.
pub fn problems(facts: &Facts, verdicts: &Verdicts) -> Vec<Problem> {
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
    if verdicts.fails("P24") {
        let message = format!(
            "The cluster is in '{}' and the vault in '{}'; both must be in one region.",
            record.location, facts.vault_location
        );
        wrong.push(
            Problem::error("UserErrorCrossRegionNotSupported", message)
                .fix("Use a vault in the cluster's region."),
        );
    }
    if verdicts.fails("P7") {
        wrong.push(of_providers(&facts.unregistered));
    }
    if verdicts.fails("P14") {
        let message = format!("The cluster '{}' uses a service principal.", cluster.name());
        wrong.push(Problem::error("UserErrorClusterServicePrincipalNotSupported", message).fix(format!(
            "az aks update --enable-managed-identity --resource-group {} --name {}",
            cluster.resource_group().unwrap_or_default(),
            cluster.name()
        )));
    }
    match &facts.extension {
        None => wrong.push(no_extension(cluster)),
        Some(extension) => wrong.extend(of_extension(cluster, extension, !verdicts.fails("P5"))),
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
    if verdicts.fails("P32")
        && let (Some(lock), Some((group, _))) = (&facts.lock, &facts.snapshot_group)
    {
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
    wrong.extend(facts.roles.iter().filter_map(|role| missing_role(&facts.vault, role)));
    wrong
}

fn of_providers(unregistered: &[String]) -> Problem {
    let message = format!("Resource providers are not registered: {}.", unregistered.join(", "));
    let commands = ["az", "cofferdam"].map(|by| {
        let each =
            unregistered.iter().map(|name| format!("{by} provider register --namespace {name} --wait"));
        each.collect::<Vec<_>>().join(" && ")
    });
    commands.into_iter().fold(Problem::error("MissingSubscriptionRegistration", message), Problem::fix)
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
pub fn missing_role(vault: &ResourceId, role: &RoleFact) -> Option<Problem> {
    let need = &role.need;
    match role.held {
        Held::There | Held::Inherited { .. } => None,
        Held::NoIdentity if need.row.whose == Whose::Vault && need.row.id == "R1" => {
            let message = format!("The vault '{}' has no managed identity.", vault.name());
            Some(
                Problem::error("UserErrorVaultIdentityNotFound", message)
                    .fix("Give it one: az dataprotection backup-vault update --type SystemAssigned."),
            )
        }
        Held::NoIdentity => None,
        Held::Missing => {
            let problem = Problem::error(need.row.code?, need.missing()).about(need.scope.as_str());
            let commands = [with_az(need, vault), ours(need, vault)];
            Some(commands.into_iter().flatten().fold(problem, Problem::fix))
        }
    }
}

#[cfg(test)]
pub(crate) use tests::healthy as facts_of_a_test;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{clusters::ClusterIdentity, extensions::ExtensionIdentity};

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    /// The vault's role on the cluster.
    fn reader(cluster: &ResourceId, held: Held) -> RoleFact {
        let principals = Principals { vault: Some("p".into()), ..Principals::default() };
        let purpose = Purpose::Backup { vault_tier: false };
        let all = needs(purpose, &Places::of(cluster.clone()), &principals);
        RoleFact { need: all[0].clone(), held }
    }

    /// All is as it should be.
    pub(crate) fn healthy() -> Facts {
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
            roles: vec![reader(&cluster, Held::There)],
            cluster,
            record: Some(record),
            extension: Some(extension),
            has_identity: true,
            is_bound: true,
            snapshot_group: Some((group, true)),
            lock: None,
            twin: None,
            unregistered: Vec::new(),
            account: None,
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
            codes(|f| f.unregistered = vec!["Microsoft.DataProtection".into()]),
            ["MissingSubscriptionRegistration"]
        );
        assert_eq!(
            codes(|f| f.roles = vec![reader(&f.cluster, Held::Missing)]),
            ["KubernetesBackupListExtensionsError"]
        );
        assert_eq!(
            codes(|f| f.roles = vec![reader(&f.cluster, Held::NoIdentity)]),
            ["UserErrorVaultIdentityNotFound"]
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
