//! The subscription's providers, the cluster, its Trusted Access bindings and its backup extension.

use super::{Ids, account::Settings, fact, list, read};
use management::{Client, Request, build::extension::BACKUP, versions};
use prerequisites::{Binding, InstalledExtension, ManagedCluster, Observed};
use serde_json::Value;

const PROVIDERS: [&str; 3] =
    ["Microsoft.KubernetesConfiguration", "Microsoft.DataProtection", "Microsoft.ContainerService"];

pub(super) async fn providers(client: &Client, ids: &Ids) -> Observed<Vec<(String, String)>> {
    let Some(subscription) = ids.subscription() else {
        return Observed::NotObservable(
            "no subscription was named (--cluster-id, --subscription)".to_owned(),
        );
    };
    let asked = PROVIDERS.map(|name| {
        let path = format!("/subscriptions/{subscription}/providers/{name}");
        async move {
            let read = read(client, &path, versions::RESOURCES).await?;
            let state = read.get("registrationState").and_then(Value::as_str).unwrap_or("Unknown");
            Ok((name.to_owned(), state.to_owned()))
        }
    });
    fact(futures::future::join_all(asked).await.into_iter().collect())
}

/// The cluster's resource, its node resource group's name, and the principal that makes its snapshots.
pub(super) type Read = ((ManagedCluster, (String, Option<String>)), Option<String>);

pub(super) async fn cluster(client: &Client, ids: &Ids) -> Observed<Read> {
    let id = match ids.cluster() {
        Ok(id) => id,
        Err(why) => return Observed::NotObservable(why),
    };
    let read = match read(client, id, versions::CLUSTERS).await {
        Ok(read) => read,
        Err(why) => return Observed::NotObservable(why),
    };
    let text = |path: &str| read.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let flag = |path: &str| read.pointer(path).and_then(Value::as_bool);
    let user_assigned = read.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
    let of_user = user_assigned
        .and_then(|all| all.values().next()?.get("principalId").and_then(Value::as_str).map(str::to_owned));
    let principal = text("/identity/principalId").or(of_user);
    let cluster = ManagedCluster {
        id: id.to_owned(),
        location: text("/location").unwrap_or_default(),
        tenant: text("/identity/tenantId"),
        identity: text("/identity/type"),
        service_principal: text("/properties/servicePrincipalProfile/clientId"),
        disk_driver: flag("/properties/storageProfile/diskCSIDriver/enabled"),
        snapshot_controller: flag("/properties/storageProfile/snapshotController/enabled"),
        outbound: text("/properties/networkProfile/outboundType"),
        artifacts: text("/properties/bootstrapProfile/artifactSource"),
    };
    Observed::Seen(((cluster, (id.to_owned(), text("/properties/nodeResourceGroup"))), principal))
}

pub(super) async fn bindings(client: &Client, ids: &Ids) -> Observed<Vec<Binding>> {
    let id = match ids.cluster() {
        Ok(id) => id,
        Err(why) => return Observed::NotObservable(why),
    };
    let all =
        list(client, &Request::get(format!("{id}/trustedAccessRoleBindings"), versions::CLUSTERS)).await;
    fact(all.map(|all| all.iter().map(binding).collect()))
}

fn binding(read: &Value) -> Binding {
    let text = |path: &str| read.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let roles = read.pointer("/properties/roles").and_then(Value::as_array);
    Binding {
        name: text("/name"),
        source: text("/properties/sourceResourceId"),
        roles: roles.into_iter().flatten().filter_map(|role| role.as_str().map(str::to_owned)).collect(),
        state: text("/properties/provisioningState"),
    }
}

pub(super) async fn extension(
    client: &Client,
    ids: &Ids,
) -> Observed<Option<(InstalledExtension, Settings)>> {
    let id = match ids.cluster() {
        Ok(id) => id,
        Err(why) => return Observed::NotObservable(why),
    };
    let path = format!("{id}/providers/Microsoft.KubernetesConfiguration/extensions");
    let all = list(client, &Request::get(path, versions::EXTENSIONS)).await;
    fact(all.map(|all| {
        let is_backup = |one: &&Value| {
            let kind = one.pointer("/properties/extensionType").and_then(Value::as_str);
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(BACKUP))
        };
        all.iter().find(is_backup).map(|one| {
            let text = |path: &str| one.pointer(path).and_then(Value::as_str).map(str::to_owned);
            let settings = Settings::read(one.pointer("/properties/configurationSettings"));
            let extension = InstalledExtension {
                name: text("/name").unwrap_or_default(),
                state: text("/properties/provisioningState").unwrap_or_default(),
                principal: text("/properties/aksAssignedIdentity/principalId"),
                container: settings.container.clone(),
            };
            (extension, settings)
        })
    }))
}
