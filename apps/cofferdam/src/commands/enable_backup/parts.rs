//! The parts that recovery points need: providers, group, storage, extension, vault, policy.

use super::{
    config::Config,
    steps::{Did, Steps, principal},
    unmet,
};
use crate::{
    commands::{
        extension::manage::{EXTENSIONS, around},
        provider::{is_registered, register},
        storage,
    },
    exit::Failure,
};
use arm::ResourceId;
use management::{
    Request,
    build::{
        extension::{self, Extension},
        names,
        vault::Vault,
    },
    versions,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PROVIDERS: [&str; 4] = [
    "Microsoft.ContainerService",
    "Microsoft.KubernetesConfiguration",
    "Microsoft.DataProtection",
    "Microsoft.Storage",
];
const ACCOUNTS: &str = "Microsoft.Storage/storageAccounts";
const VAULTS: &str = "Microsoft.DataProtection/backupVaults";
const LOCATION: &str = "configuration.backupStorageLocation";

/// Where the cluster's own recovery points go.
#[derive(Debug)]
pub struct Place {
    pub account: ResourceId,
    pub container: String,
    /// The extension that is there and writes to it.
    pub extension: Option<Value>,
}

/// The vault.
#[derive(Debug)]
pub struct Found {
    pub id: ResourceId,
    pub principal: Option<String>,
}

impl Steps<'_> {
    /// Providers are registered in the cluster's subscription.
    pub async fn providers(&mut self) -> Result<(), Failure> {
        for namespace in PROVIDERS {
            let path = format!("/subscriptions/{}/providers/{namespace}", self.cluster.subscription_id());
            let found = self.session.client.get(&path, versions::RESOURCES).await?;
            let did = if is_registered(&found) {
                Did::Found
            } else {
                if !self.dry {
                    register(self.session, &path, true).await?;
                }
                self.made()
            };
            self.show("provider", namespace, did);
        }
        Ok(())
    }

    /// The named group, else the one of the region.
    pub async fn group(&mut self, config: &Config) -> Result<ResourceId, Failure> {
        if let Some(id) = &config.group {
            self.session.client.get(id.as_str(), versions::RESOURCES).await?;
            self.show("resource group", id.name(), Did::Found);
            return Ok(id.clone());
        }
        let root = format!("/subscriptions/{}", self.cluster.subscription_id());
        if let Some(id) = self.tagged(&format!("{root}/resourcegroups"), versions::RESOURCES).await? {
            self.show("resource group", id.name(), Did::Found);
            return Ok(id);
        }
        let id = ResourceId::group(self.cluster.subscription_id(), &names::group(&self.location))?;
        if !self.dry {
            let body = json!({"location": self.location, "tags": config.region_tags(&self.location)});
            let put = Request::put(id.as_str(), versions::RESOURCES, body);
            self.session.follow("making the resource group", &put).await?;
        }
        self.show("resource group", id.name(), self.made());
        Ok(id)
    }

    /// The account that an extension already writes to, the named one, the one of the region, or a new one.
    pub async fn storage(&mut self, config: &Config, group: &ResourceId) -> Result<Place, Failure> {
        let extension = self.installed().await?;
        if let Some((account, container)) = extension.as_ref().and_then(|one| place_of(one, &self.cluster)) {
            if config.account.as_ref().is_some_and(|wanted| *wanted != account) {
                return Err(unmet(
                    format!("the extension in the cluster writes to {account}, not to the named account"),
                    "Leave storageAccountResourceId out, or uninstall the extension first.",
                ));
            }
            self.show("storage account", account.name(), Did::Found);
            self.show("container", &container, Did::Found);
            return Ok(Place { account, container, extension });
        }
        let account = self.account(config, group).await?;
        let container = config.container.clone().unwrap_or_else(|| names::container(&self.cluster));
        let id = account.child("blobServices", "default")?.child("containers", &container)?;
        let did = match self.there(id.as_str(), versions::STORAGE).await? {
            true => Did::Found,
            false => {
                if !self.dry {
                    let put = Request::put(id.as_str(), versions::STORAGE, json!({"properties": {}}));
                    self.session.follow("making the container", &put).await?;
                }
                self.made()
            }
        };
        self.show("container", &container, did);
        Ok(Place { account, container, extension })
    }

    async fn account(&mut self, config: &Config, group: &ResourceId) -> Result<ResourceId, Failure> {
        if let Some(id) = &config.account {
            self.session.client.get(id.as_str(), versions::STORAGE).await?;
            self.show("storage account", id.name(), Did::Found);
            return Ok(id.clone());
        }
        let subscription = self.cluster.subscription_id().to_owned();
        let all = format!("/subscriptions/{subscription}/providers/{ACCOUNTS}");
        if let Some(id) = self.tagged(&all, versions::STORAGE).await? {
            self.show("storage account", id.name(), Did::Found);
            return Ok(id);
        }
        let id = group.with(ACCOUNTS, &names::account(&subscription, &self.location))?;
        if !self.dry {
            storage::account::available(self.session, &id).await?;
            let tags = config.region_tags(&self.location);
            let body = storage::account::body(&self.location, "Standard_LRS", &tags);
            let put = Request::put(id.as_str(), versions::STORAGE, body);
            self.session.follow("making the storage account", &put).await?;
        }
        self.show("storage account", id.name(), self.made());
        Ok(id)
    }

    /// The extension; its principal once it is there.
    pub async fn extension(&mut self, place: &Place) -> Result<Option<String>, Failure> {
        if let Some(found) = &place.extension {
            let name = found.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.show("extension", &name, Did::Found);
            return Ok(assigned(found));
        }
        let name = "azure-aks-backup";
        if self.dry {
            self.show("extension", name, Did::Missing);
            return Ok(None);
        }
        let settings = BTreeMap::from([
            ("blobContainer".to_owned(), place.container.clone()),
            ("storageAccount".to_owned(), place.account.name().to_owned()),
            (
                "storageAccountResourceGroup".to_owned(),
                place.account.resource_group().unwrap_or_default().to_owned(),
            ),
            ("storageAccountSubscriptionId".to_owned(), place.account.subscription_id().to_owned()),
        ]);
        let extension = Extension {
            extension_type: extension::BACKUP.to_owned(),
            release_train: Some("stable".to_owned()),
            auto_upgrade: true,
            settings,
            ..Extension::default()
        };
        let body = extension.create(&around(self.session, &extension.settings).await?)?;
        let id = self.cluster.with(EXTENSIONS, name)?;
        let put = Request::put(id.as_str(), versions::EXTENSIONS, body);
        let made = self.session.follow("installing the extension", &put).await?;
        self.show("extension", name, Did::Made);
        Ok(assigned(&made))
    }

    /// The vault.
    pub async fn vault(&mut self, config: &Config, group: &ResourceId) -> Result<Found, Failure> {
        let known = match &config.vault {
            Some(id) => Some(id.clone()),
            None => self.known_vault().await?,
        };
        if let Some(id) = known {
            let found = self.session.client.get(id.as_str(), versions::DATA_PROTECTION).await?;
            self.show("vault", id.name(), Did::Found);
            return Ok(Found { principal: principal(&found), id });
        }
        let id = group.with(VAULTS, &names::vault(&self.location))?;
        if self.dry {
            self.show("vault", id.name(), Did::Missing);
            return Ok(Found { id, principal: None });
        }
        let vault = Vault {
            identity: Some("SystemAssigned".to_owned()),
            storage: vec![("VaultStore".to_owned(), "LocallyRedundant".to_owned())],
            soft_delete: Some("On".to_owned()),
            soft_delete_days: Some(14),
            cross_subscription_restore: Some("Enabled".to_owned()),
            tags: Some(config.region_tags(&self.location)),
            ..Vault::default()
        };
        let put = Request::put(id.as_str(), versions::DATA_PROTECTION, vault.create(&self.location));
        let made = self.session.follow("making the vault", &put).await?;
        self.show("vault", id.name(), Did::Made);
        Ok(Found { principal: principal(&made), id })
    }

    /// The vault of the region, if there is one.
    pub async fn known_vault(&self) -> Result<Option<ResourceId>, Failure> {
        let all = format!("/subscriptions/{}/providers/{VAULTS}", self.cluster.subscription_id());
        self.tagged(&all, versions::DATA_PROTECTION).await
    }

    /// The policy of the strategy.
    pub async fn policy(&mut self, config: &Config, vault: &ResourceId) -> Result<ResourceId, Failure> {
        let (id, body) = match (&config.policy, config.strategy.policy()?) {
            (Some(id), _) => (id.clone(), None),
            (None, body) => (vault.child("backupPolicies", &names::policy(config.strategy.name()))?, body),
        };
        let there = self.there(id.as_str(), versions::DATA_PROTECTION).await?;
        let did = match body {
            _ if there => Did::Found,
            None => {
                return Err(unmet(format!("there is no policy {id}"), "Correct backupPolicyId in the file."));
            }
            Some(body) => {
                if !self.dry {
                    let put = Request::put(id.as_str(), versions::DATA_PROTECTION, body);
                    self.session.follow("making the policy", &put).await?;
                }
                self.made()
            }
        };
        self.show("policy", id.name(), did);
        Ok(id)
    }

    /// The Backup Extension in the cluster. One that is broken or on its way is told, not replaced.
    async fn installed(&self) -> Result<Option<Value>, Failure> {
        let request = Request::get(format!("{}/providers/{EXTENSIONS}", self.cluster), versions::EXTENSIONS);
        let all = match self.session.client.list(&request).await {
            Err(error)
                if error.service().is_some_and(|error| error.code == "MissingSubscriptionRegistration") =>
            {
                Vec::new()
            }
            all => all?,
        };
        let is_backup = |one: &Value| {
            let kind = one.pointer("/properties/extensionType").and_then(Value::as_str);
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(extension::BACKUP))
        };
        let Some(found) = all.into_iter().find(is_backup) else { return Ok(None) };
        let name = found.get("name").and_then(Value::as_str).unwrap_or_default();
        let state =
            found.pointer("/properties/provisioningState").and_then(Value::as_str).unwrap_or_default();
        let (cluster, group) = (self.cluster.name(), self.cluster.resource_group().unwrap_or_default());
        match state {
            "Succeeded" => Ok(Some(found)),
            "Failed" => Err(unmet(
                format!("the extension {name} in the cluster has failed"),
                &format!(
                    "See why: `cofferdam extension show -n {name} -c {cluster} -g {group} -o json`; delete it, then run this again."
                ),
            )),
            other => Err(unmet(
                format!("the extension {name} in the cluster is {other}"),
                "Wait until that has ended, then run this again.",
            )),
        }
    }

    async fn there(&self, path: &str, version: &str) -> Result<bool, Failure> {
        Ok(self.session.client.find(path, version).await?.is_some())
    }

    /// The first member of a list that carries the tag of the region.
    async fn tagged(&self, path: &str, version: &str) -> Result<Option<ResourceId>, Failure> {
        let all = self.session.client.list(&Request::get(path, version)).await?;
        let ours = all.iter().find(|one| {
            let tag = one.pointer(&format!("/tags/{}", names::TAG)).and_then(Value::as_str);
            tag.is_some_and(|tag| tag.eq_ignore_ascii_case(&self.location))
        });
        let id = ours.and_then(|one| one.get("id")?.as_str());
        Ok(id.map(str::parse).transpose()?)
    }
}

/// The principal that the extension writes as.
pub fn assigned(extension: &Value) -> Option<String> {
    let id = extension.pointer("/properties/aksAssignedIdentity/principalId").and_then(Value::as_str);
    id.filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Where an extension writes to, by its settings.
pub fn place_of(extension: &Value, cluster: &ResourceId) -> Option<(ResourceId, String)> {
    let settings = extension.pointer("/properties/configurationSettings")?;
    let text = |name: &str| settings.get(format!("{LOCATION}.{name}"))?.as_str();
    let subscription = text("config.subscriptionId").unwrap_or_else(|| cluster.subscription_id());
    let group = ResourceId::group(subscription, text("config.resourceGroup")?).ok()?;
    Some((group.with(ACCOUNTS, text("config.storageAccount")?).ok()?, text("bucket")?.to_owned()))
}
