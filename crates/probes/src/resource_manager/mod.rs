//! What a resource manager says of a cluster, its vault and its storage account: Azure's, or that of our vault. Only
//! documented calls are made, and all of them read.

mod account;
mod azure;
mod cluster;
mod given;
mod ids;
mod rights;

pub use given::Given;

use crate::contain::{FEW, within};
use ids::{parent, part};
use management::{Client, Request, versions};
use prerequisites::{ArmFacts, ArmVault, ClusterVolume, InstalledExtension, Names, Observed, StorageAccount};
use serde_json::Value;

/// What to look at, by ids of resources.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    /// The subscription, where no id says it.
    pub subscription: Option<String>,
    /// The cluster.
    pub cluster: Option<String>,
    /// The Backup vault.
    pub vault: Option<String>,
    /// The storage account; that of the extension's settings when absent.
    pub account: Option<String>,
    /// The container in it.
    pub container: Option<String>,
    /// The snapshot resource group.
    pub snapshot_group: Option<String>,
    /// The staging account of a restore.
    pub staging: Option<String>,
    /// The resource group where a restore from the vault tier makes disks.
    pub staging_group: Option<String>,
    /// The account with the file shares of volumes.
    pub shares: Option<String>,
    /// Recovery points are copied to the vault tier too.
    pub vault_tier: bool,
    /// The cluster that was backed up, where another one is restored into.
    pub source: Option<String>,
    /// The user-assigned identity as which the vault works; its own, or its first one, when absent.
    pub vault_identity: Option<String>,
}

/// What a backup instance says of what it protects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    /// The cluster.
    pub cluster: Option<String>,
    /// The vault.
    pub vault: Option<String>,
    /// The snapshot resource group.
    pub snapshot_group: Option<String>,
    /// Namespaces that its configuration names.
    pub namespaces: Vec<String>,
    /// Hooks that it names, as `<namespace>/<name>`.
    pub hooks: Vec<String>,
    /// The user-assigned identity as which the vault works for it.
    pub vault_identity: Option<String>,
}

/// A resource manager, and what to look at there.
#[derive(Debug)]
pub struct ResourceManager {
    /// Where it is.
    pub url: String,
    /// A client of it.
    pub client: Client,
    /// What to look at.
    pub ids: Ids,
}

/// What a backup instance names; `id` is that of the instance.
pub async fn instance(client: &Client, id: &str) -> Result<Instance, management::Error> {
    let read = client.get(id, versions::DATA_PROTECTION).await?;
    let text = |path: &str| read.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let parameters = read.pointer("/properties/policyInfo/policyParameters");
    let list = |name: &str| {
        let all = parameters.and_then(|all| all.get(name)).and_then(Value::as_array);
        all.cloned().unwrap_or_default()
    };
    let sources = list("backupDatasourceParametersList");
    let strings = |name: &str| {
        let members = sources.iter().filter_map(|one| one.get(name)?.as_array()).flatten();
        members.cloned().collect::<Vec<Value>>()
    };
    let hook =
        |hook: &Value| Some(format!("{}/{}", hook.get("namespace")?.as_str()?, hook.get("name")?.as_str()?));
    Ok(Instance {
        cluster: text("/properties/dataSourceInfo/resourceID"),
        vault: parent(id, "backupInstances"),
        snapshot_group: list("dataStoreParametersList")
            .iter()
            .find_map(|one| Some(one.get("resourceGroupId")?.as_str()?.to_owned())),
        namespaces: strings("includedNamespaces")
            .iter()
            .filter_map(|n| n.as_str().map(str::to_owned))
            .collect(),
        hooks: strings("backupHookReferences").iter().filter_map(hook).collect(),
        vault_identity: text("/properties/identityDetails/userAssignedIdentityArmUrl")
            .filter(|_| flag(&read, "/properties/identityDetails/useSystemAssignedIdentity") != Some(true)),
    })
}

/// Asks everything that the ids lead to. `volumes` are those of the cluster, where they are known.
pub async fn observe(it: &ResourceManager, volumes: Option<&[ClusterVolume]>) -> ArmFacts {
    let (client, ids) = (&it.client, &it.ids);
    let extension = within("reading the extension", FEW, cluster::extension(client, ids)).await;
    let (extension, settings) = split(extension);
    let account_id = ids.account.clone().or_else(|| settings.as_ref().and_then(|s| s.account(ids)));
    let container = ids.container.clone().or_else(|| settings.as_ref().and_then(|s| s.container.clone()));
    let (providers, cluster, vault, bindings, account, staging, source_store) = futures::join!(
        within("reading providers", FEW, cluster::providers(client, ids)),
        within("reading the cluster", FEW, cluster::cluster(client, ids)),
        within("reading the vault", FEW, vault(client, ids)),
        within("reading Trusted Access bindings", FEW, cluster::bindings(client, ids)),
        within(
            "reading the storage account",
            FEW,
            account::account(client, account_id.as_deref(), container.as_deref())
        ),
        within("reading the staging account", FEW, staging(client, ids)),
        source_store(client, ids),
    );
    let people = rights::Identities {
        vault: vault.seen().and_then(Option::as_ref).and_then(|vault| vault.principal.clone()),
        cluster: cluster.seen().and_then(|(_, principal)| principal.clone()),
        extension: extension.seen().and_then(Option::as_ref).and_then(|one| one.principal.clone()),
        container: container.as_deref().and_then(|name| account::container_id(account_id.as_deref()?, name)),
        account: account_id,
        lacks_container: account.seen().is_some_and(|one| matches!(one.container, Some((_, false)))),
        source_store,
    };
    let given = Given::by(client);
    let node_group = cluster.seen().and_then(|(cluster, _)| azure::node_group(&cluster.1));
    let (roles, inbound, locks, disks) = futures::join!(
        within("reading role assignments", FEW, rights::roles(&given, ids, &people)),
        within("reading network security groups", FEW, azure::inbound(client, ids, node_group.as_deref())),
        within("reading locks", FEW, azure::locks(client, ids)),
        within("reading disks", FEW, azure::disks(client, volumes)),
    );
    let rights = within("reading permissions", FEW, rights::rights(&given, ids, &people, roles.seen())).await;
    let cluster = match cluster {
        Observed::Seen(((cluster, _), _)) => Observed::Seen(cluster),
        Observed::NotObservable(why) => Observed::NotObservable(why),
    };
    let url = it.url.clone();
    ArmFacts {
        url,
        providers,
        cluster,
        vault,
        bindings,
        extension,
        account,
        roles,
        rights,
        inbound,
        locks,
        disks,
        staging,
    }
}

/// The names that commands need.
pub fn names(it: &ResourceManager, facts: &ArmFacts) -> Names {
    let mut names = Names::default();
    let mut put = |name: &'static str, value: Option<String>| {
        if let Some(value) = value {
            names.0.insert(name, value);
        }
    };
    let ids = &it.ids;
    let of = |id: &Option<String>, kind: &str| id.as_deref().and_then(|id| part(id, kind));
    put("cluster", of(&ids.cluster, "managedClusters"));
    put("group", of(&ids.cluster, "resourceGroups"));
    put("subscription", ids.subscription());
    put("vault-id", ids.vault.clone());
    put("vault", of(&ids.vault, "backupVaults"));
    put("staging-id", ids.staging.clone());
    let account = facts.account.seen().map(|account| account.id.clone());
    put("account", of(&account, "storageAccounts"));
    put("account-group", of(&account, "resourceGroups"));
    put("account-id", account);
    let cluster = facts.cluster.seen();
    put("location", cluster.map(|cluster| cluster.location.clone()));
    put("tenant", facts.vault.seen().and_then(Option::as_ref).and_then(|vault| vault.tenant.clone()));
    let extension = facts.extension.seen().and_then(Option::as_ref);
    put("extension", extension.map(|extension| extension.name.clone()));
    put("extension-principal", extension.and_then(|extension| extension.principal.clone()));
    put("container", extension.and_then(|extension| extension.container.clone()));
    if it.url.contains("management.azure.") || it.url.contains("management.usgovcloudapi.") {
        put("azure", Some(it.url.clone()));
    }
    names
}

impl Ids {
    /// The subscription that any of the ids says.
    fn subscription(&self) -> Option<String> {
        let of = |id: &Option<String>| id.as_deref().and_then(|id| part(id, "subscriptions"));
        self.subscription.clone().or_else(|| of(&self.cluster)).or_else(|| of(&self.vault))
    }

    /// Whether a restore is meant: to another cluster, or from the vault tier.
    fn restores(&self) -> bool {
        self.source.is_some() || self.staging.is_some() || self.staging_group.is_some()
    }

    fn cluster(&self) -> Result<&str, String> {
        self.cluster.as_deref().ok_or_else(|| "no cluster was named (--cluster-id, --instance)".to_owned())
    }
}

fn flag(read: &Value, path: &str) -> Option<bool> {
    read.pointer(path).and_then(Value::as_bool)
}

fn split(
    extension: Observed<Option<(InstalledExtension, account::Settings)>>,
) -> (Observed<Option<InstalledExtension>>, Option<account::Settings>) {
    match extension {
        Observed::Seen(Some((extension, settings))) => (Observed::Seen(Some(extension)), Some(settings)),
        Observed::Seen(None) => (Observed::Seen(None), None),
        Observed::NotObservable(why) => (Observed::NotObservable(why), None),
    }
}

async fn vault(client: &Client, ids: &Ids) -> Observed<Option<ArmVault>> {
    let Some(id) = &ids.vault else { return Observed::Seen(None) };
    let read = match read(client, id, versions::DATA_PROTECTION).await {
        Ok(read) => read,
        Err(why) => return Observed::NotObservable(why),
    };
    let text = |path: &str| read.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let crossing = "/properties/featureSettings/crossRegionRestoreSettings/state";
    Observed::Seen(Some(ArmVault {
        id: id.clone(),
        location: text("/location").unwrap_or_default(),
        tenant: text("/identity/tenantId"),
        principal: principal_of(&read, ids.vault_identity.as_deref()),
        redundancy: text("/properties/storageSettings/0/type"),
        cross_region: text(crossing).as_deref() == Some("Enabled"),
    }))
}

/// The principal as which a vault works: that of the user-assigned identity that is named, else its own, else its first.
fn principal_of(vault: &Value, named: Option<&str>) -> Option<String> {
    let all = vault.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
    let mut all = all.into_iter().flatten();
    let id = |one: &Value| one.get("principalId").and_then(Value::as_str).map(str::to_owned);
    match named {
        Some(named) => id(all.find(|(one, _)| one.eq_ignore_ascii_case(named))?.1),
        None => vault.get("identity").and_then(id).or_else(|| id(all.next()?.1)),
    }
}

/// The container that the extension of the cluster writes to that was backed up; its account, where it names none.
async fn source_store(client: &Client, ids: &Ids) -> Option<String> {
    let source = Ids { cluster: Some(ids.source.clone()?), ..ids.clone() };
    let extension = within("reading the source's extension", FEW, cluster::extension(client, &source)).await;
    let settings = split(extension).1?;
    let account = settings.account(&source)?;
    let container = settings.container.as_deref().and_then(|name| account::container_id(&account, name));
    Some(container.unwrap_or(account))
}

async fn staging(client: &Client, ids: &Ids) -> Observed<Option<StorageAccount>> {
    let Some(id) = &ids.staging else { return Observed::Seen(None) };
    match account::account(client, Some(id), None).await {
        Observed::Seen(account) => Observed::Seen(Some(account)),
        Observed::NotObservable(why) => Observed::NotObservable(why),
    }
}

/// Reads a resource; why not, as a sentence.
async fn read(client: &Client, path: &str, version: &str) -> Result<Value, String> {
    client.get(path, version).await.map_err(|error| format!("{path}: {error}"))
}

/// Reads a list; why not, as a sentence.
async fn list(client: &Client, request: &Request) -> Result<Vec<Value>, String> {
    client.list(request).await.map_err(|error| format!("{}: {error}", request.path))
}

/// A fact, from a result.
fn fact<T>(read: Result<T, String>) -> Observed<T> {
    match read {
        Ok(value) => Observed::Seen(value),
        Err(why) => Observed::NotObservable(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_vault_works_as_the_identity_that_the_instance_names_else_as_its_own_else_as_its_first() {
        let both = json!({"identity": {"principalId": "own", "userAssignedIdentities":
            {"/subscriptions/s/a": {"principalId": "a"}, "/subscriptions/s/b": {"principalId": "b"}}}});
        let of_users =
            json!({"identity": {"userAssignedIdentities": {"/subscriptions/s/a": {"principalId": "a"}}}});
        let of = |vault: &Value, named: Option<&str>| principal_of(vault, named);

        assert_eq!(of(&both, Some("/SUBSCRIPTIONS/s/b")).as_deref(), Some("b"));
        assert_eq!(of(&both, None).as_deref(), Some("own"));
        assert_eq!(of(&of_users, None).as_deref(), Some("a"));
        assert_eq!(of(&both, Some("/subscriptions/s/c")), None);
        assert_eq!(of(&json!({}), None), None);
    }
}
