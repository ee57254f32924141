//! The storage account of the extension's location.

use super::{Ids, read};
use arm::ResourceId;
use management::{Client, build, versions};
use prerequisites::{Observed, StorageAccount};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the extension's settings say of its location.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    all: BTreeMap<String, String>,
    /// The container.
    pub container: Option<String>,
}

impl Settings {
    pub(super) fn read(settings: Option<&Value>) -> Self {
        let members = settings.and_then(Value::as_object).into_iter().flatten();
        let all: BTreeMap<String, String> =
            members.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
        let named = |key: &String| {
            key.eq_ignore_ascii_case("blobContainer") || key == "configuration.backupStorageLocation.bucket"
        };
        let container = all.iter().find(|(key, _)| named(key)).map(|(_, value)| value.clone());
        Self { container, all }
    }

    /// The account's id.
    pub(super) fn account(&self, ids: &Ids) -> Option<String> {
        let (name, group, subscription) = build::extension::account(&self.all)?;
        let subscription = subscription.map(str::to_owned).or_else(|| ids.subscription())?;
        Some(format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{name}"
        ))
    }
}

/// The id of a container; none where no container can have that name.
pub(super) fn container_id(account: &str, name: &str) -> Option<String> {
    let id: ResourceId = format!("{account}/blobServices/default/containers/{name}").parse().ok()?;
    Some(id.to_string())
}

/// Reads an account and whether a container in it exists.
pub(super) async fn account(
    client: &Client,
    id: Option<&str>,
    container: Option<&str>,
) -> Observed<StorageAccount> {
    let Some(id) = id else {
        return Observed::NotObservable(
            "no storage account is known: the extension names none, and none was named (--account-id)"
                .to_owned(),
        );
    };
    let found = match read(client, id, versions::STORAGE).await {
        Ok(found) => found,
        Err(why) => return Observed::NotObservable(why),
    };
    let container = match container {
        None => None,
        Some(name) => {
            let path = format!("{id}/blobServices/default/containers/{name}");
            match client.find(&path, versions::STORAGE).await {
                Ok(there) => Some((name.to_owned(), there.is_some())),
                Err(error) => return Observed::NotObservable(format!("{path}: {error}")),
            }
        }
    };
    let text = |path: &str| found.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let rules = found.pointer("/properties/networkAcls/resourceAccessRules").and_then(Value::as_array);
    let trusted = rules.into_iter().flatten().filter_map(|rule| rule.get("resourceId")?.as_str());
    Observed::Seen(StorageAccount {
        id: id.to_owned(),
        location: text("/location").unwrap_or_default(),
        kind: text("/kind").unwrap_or_default(),
        sku: text("/sku/name").unwrap_or_default(),
        default_action: text("/properties/networkAcls/defaultAction"),
        bypass: text("/properties/networkAcls/bypass"),
        trusted: trusted.map(str::to_owned).collect(),
        public: text("/properties/publicNetworkAccess").as_deref() != Some("Disabled"),
        cross_tenant: found.pointer("/properties/allowCrossTenantReplication").and_then(Value::as_bool),
        container,
    })
}
