//! The extension of a cluster, with the short names of settings that the original's command line takes.

use super::invalid;
use crate::Error;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The type of the Backup Extension.
pub const BACKUP: &str = "microsoft.dataprotection.kubernetes";
const LOCATION: &str = "configuration.backupStorageLocation";

/// An extension as a person asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extension {
    /// Its type; in small letters on the wire.
    pub extension_type: String,
    /// The namespace it goes to; its own default when absent.
    pub namespace: Option<String>,
    /// `stable`, for example.
    pub release_train: Option<String>,
    /// A version to stay at.
    pub version: Option<String>,
    /// Whether minor versions come by themselves.
    pub auto_upgrade: bool,
    /// Which versions come by themselves: `none`, `patch` or `compatible`; what `auto_upgrade` says when absent.
    pub upgrade_mode: Option<String>,
    /// Settings, under their short or their own names.
    pub settings: BTreeMap<String, String>,
    /// Settings that nobody reads again.
    pub protected: BTreeMap<String, String>,
}

/// What the short names do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// Where the account's blobs are.
    pub blob_endpoint: Option<String>,
    /// The tenant.
    pub tenant: String,
}

/// The account that the settings name: name, resource group, subscription.
pub fn account(settings: &BTreeMap<String, String>) -> Option<(&str, &str, Option<&str>)> {
    let named = |short: &str, long: &str| {
        settings
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(short) || **key == format!("{LOCATION}.config.{long}"))
            .map(|(_, value)| value.as_str())
    };
    let account = named("storageAccount", "storageAccount")?;
    let group = named("storageAccountResourceGroup", "resourceGroup")?;
    Some((account, group, named("storageAccountSubscriptionId", "subscriptionId")))
}

/// Short names become the extension's own.
pub fn settings(given: &BTreeMap<String, String>, around: &Around) -> BTreeMap<String, String> {
    let mut own = BTreeMap::new();
    for (key, value) in given {
        own.insert(long(key), value.clone());
    }
    let config = |name: &str| format!("{LOCATION}.config.{name}");
    if own.contains_key(&config("storageAccount")) {
        own.entry(config("useAAD")).or_insert_with(|| "true".to_owned());
        own.entry("credentials.tenantId".to_owned()).or_insert_with(|| around.tenant.clone());
        if let Some(endpoint) = &around.blob_endpoint {
            own.entry(config("storageAccountURI")).or_insert_with(|| endpoint.clone());
        }
    }
    own
}

fn long(key: &str) -> String {
    let config = |name: &str| format!("{LOCATION}.config.{name}");
    match key.to_ascii_lowercase().as_str() {
        "blobcontainer" => format!("{LOCATION}.bucket"),
        "storageaccount" => config("storageAccount"),
        "storageaccountresourcegroup" => config("resourceGroup"),
        "storageaccountsubscriptionid" => config("subscriptionId"),
        "cpulimit" => "resources.limits.cpu".to_owned(),
        "memorylimit" => "resources.limits.memory".to_owned(),
        "cpurequest" => "resources.requests.cpu".to_owned(),
        "memoryrequest" => "resources.requests.memory".to_owned(),
        _ => key.to_owned(),
    }
}

impl Extension {
    /// The body of the request that installs it.
    pub fn create(&self, around: &Around) -> Result<Value, Error> {
        let settings = settings(&self.settings, around);
        let is_backup = self.extension_type.eq_ignore_ascii_case(BACKUP);
        if is_backup && !settings.contains_key(&format!("{LOCATION}.bucket")) {
            return Err(invalid(
                "the Backup Extension needs a place for its backups: blobContainer=…, storageAccount=…, \
                 storageAccountResourceGroup=…, storageAccountSubscriptionId=…",
            ));
        }
        let scope = match &self.namespace {
            Some(namespace) => json!({"cluster": {"releaseNamespace": namespace}}),
            None => json!({"cluster": {}}),
        };
        let mut properties = Map::new();
        properties.insert("extensionType".to_owned(), self.extension_type.to_lowercase().into());
        properties.insert("autoUpgradeMinorVersion".to_owned(), self.auto_upgrade.into());
        properties.insert("scope".to_owned(), scope);
        properties.insert("configurationSettings".to_owned(), json!(settings));
        if !self.protected.is_empty() {
            properties.insert("configurationProtectedSettings".to_owned(), json!(self.protected));
        }
        self.release(&mut properties);
        Ok(json!({"properties": properties}))
    }

    /// The body of the request that changes it: what is not said stays.
    pub fn update(&self, auto_upgrade: Option<bool>, around: &Around) -> Value {
        let mut properties = Map::new();
        if let Some(auto) = auto_upgrade {
            properties.insert("autoUpgradeMinorVersion".to_owned(), auto.into());
        }
        if !self.settings.is_empty() {
            let settings = settings(&self.settings, around);
            properties.insert("configurationSettings".to_owned(), json!(settings));
        }
        if !self.protected.is_empty() {
            properties.insert("configurationProtectedSettings".to_owned(), json!(self.protected));
        }
        self.release(&mut properties);
        json!({"properties": properties})
    }

    fn release(&self, properties: &mut Map<String, Value>) {
        for (name, value) in [
            ("releaseTrain", &self.release_train),
            ("version", &self.version),
            ("autoUpgradeMode", &self.upgrade_mode),
        ] {
            if let Some(value) = value {
                properties.insert(name.to_owned(), value.clone().into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_backup_extension_is_written_as_the_official_client_writes_it() {
        let extension = Extension {
            extension_type: "Microsoft.DataProtection.Kubernetes".into(),
            release_train: Some("stable".into()),
            auto_upgrade: true,
            settings: map(&[
                ("blobContainer", "c"),
                ("storageAccount", "a"),
                ("storageAccountResourceGroup", "g"),
                ("storageAccountSubscriptionId", "s"),
            ]),
            ..Extension::default()
        };
        let around = Around { blob_endpoint: Some("https://a.blob.x/".into()), tenant: "t".into() };

        let body = extension.create(&around).unwrap();

        assert_eq!(
            body,
            json!({"properties": {
                "extensionType": "microsoft.dataprotection.kubernetes", "autoUpgradeMinorVersion": true,
                "releaseTrain": "stable", "scope": {"cluster": {}}, "configurationSettings": {
                    "configuration.backupStorageLocation.bucket": "c",
                    "configuration.backupStorageLocation.config.storageAccount": "a",
                    "configuration.backupStorageLocation.config.resourceGroup": "g",
                    "configuration.backupStorageLocation.config.subscriptionId": "s",
                    "configuration.backupStorageLocation.config.useAAD": "true",
                    "configuration.backupStorageLocation.config.storageAccountURI": "https://a.blob.x/",
                    "credentials.tenantId": "t"}}})
        );
        assert_eq!(account(&extension.settings), Some(("a", "g", Some("s"))));
    }

    #[test]
    fn a_change_sends_only_what_changes() {
        let extension = Extension { settings: map(&[("memoryLimit", "2Gi")]), ..Extension::default() };

        let body = extension.update(None, &Around::default());

        assert_eq!(
            body,
            json!({"properties": {"configurationSettings": {"resources.limits.memory": "2Gi"}}})
        );
    }

    #[test]
    fn which_versions_come_by_themselves_is_said_in_the_words_of_the_api() {
        let extension = Extension { upgrade_mode: Some("patch".into()), ..Extension::default() };

        let body = extension.update(Some(false), &Around::default());

        assert_eq!(
            body,
            json!({"properties": {"autoUpgradeMinorVersion": false, "autoUpgradeMode": "patch"}})
        );
    }

    #[test]
    fn backups_need_a_place() {
        let extension = Extension { extension_type: BACKUP.into(), ..Extension::default() };

        assert!(extension.create(&Around::default()).is_err());
    }
}
