//! Parts that are there already, as the file names them.

use crate::{exit::Failure, managed::json_file};
use arm::ResourceId;
use management::build::{names, strategy::Strategy};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// The file, read and judged.
#[derive(Debug, Clone)]
pub struct Config {
    pub strategy: Strategy,
    pub account: Option<ResourceId>,
    pub container: Option<String>,
    pub group: Option<ResourceId>,
    pub vault: Option<ResourceId>,
    pub policy: Option<ResourceId>,
    pub tags: BTreeMap<String, String>,
}

const KNOWN: [&str; 6] = [
    "storageAccountResourceId",
    "blobContainerName",
    "backupResourceGroupId",
    "backupVaultId",
    "backupPolicyId",
    "tags",
];

/// Reads the file; without one all is made.
pub fn read(file: Option<&Path>, strategy: Strategy) -> Result<Config, Failure> {
    let document = file.map(json_file).transpose()?.unwrap_or_else(|| Value::Object(Default::default()));
    of(&document, strategy).map_err(|reason| {
        Failure::usage(reason)
            .next("Choose another `--backup-strategy`, or correct the file of `--backup-configuration-file`.")
    })
}

fn of(document: &Value, strategy: Strategy) -> Result<Config, String> {
    let members = document.as_object().ok_or("the configuration is no JSON object")?;
    if let Some(unknown) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("{unknown:?} is no part of the configuration; there are {}", KNOWN.join(", ")));
    }
    let id = |name: &str, kind: &str| -> Result<Option<ResourceId>, String> {
        let Some(text) = document.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let id: ResourceId = text
            .as_str()
            .ok_or_else(|| format!("{name} is no text"))?
            .parse()
            .map_err(|error| format!("{name}: {error}"))?;
        if id.kind().is(kind) { Ok(Some(id)) } else { Err(format!("{name}: {id} is no {kind}")) }
    };
    let tags = match document.get("tags") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(tags) => serde_json::from_value(tags.clone()).map_err(|_| "tags are no object of texts")?,
    };
    let config = Config {
        strategy,
        account: id("storageAccountResourceId", "Microsoft.Storage/storageAccounts")?,
        container: document.get("blobContainerName").and_then(Value::as_str).map(str::to_owned),
        group: id("backupResourceGroupId", "Microsoft.Resources/resourceGroups")?,
        vault: id("backupVaultId", "Microsoft.DataProtection/backupVaults")?,
        policy: id("backupPolicyId", "Microsoft.DataProtection/backupVaults/backupPolicies")?,
        tags,
    };
    if strategy.needs_vault_tier() {
        return Err(strategy.refusal());
    }
    match (strategy, &config.vault, &config.policy) {
        (Strategy::Custom, Some(_), Some(_)) => Ok(config),
        (Strategy::Custom, ..) => {
            Err("the strategy Custom needs backupVaultId and backupPolicyId".to_owned())
        }
        (_, None, None) => Ok(config),
        _ => Err("backupVaultId and backupPolicyId go with the strategy Custom alone".to_owned()),
    }
}

impl Config {
    /// Tags of what is made for the backups of a region: by them it is found again.
    pub fn region_tags(&self, location: &str) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        tags.insert(names::TAG.to_owned(), location.to_owned());
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_custom_strategy_needs_its_vault_and_policy_and_no_other_takes_them() {
        let vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";
        let both = json!({"backupVaultId": vault, "backupPolicyId": format!("{vault}/backupPolicies/p")});

        assert!(of(&both, Strategy::Custom).is_ok() && of(&json!({}), Strategy::Week).is_ok());
        for (document, strategy, said) in [
            (json!({}), Strategy::Custom, "needs"),
            (both, Strategy::Week, "Custom alone"),
            (json!({"vaultId": "x"}), Strategy::Week, "no part"),
            (json!({"backupResourceGroupId": vault}), Strategy::Week, "is no Microsoft.Resources"),
            (json!({"storageAccountResourceId": 1}), Strategy::Week, "no text"),
            (json!([]), Strategy::Week, "no JSON object"),
            (json!({}), Strategy::DisasterRecovery, "no vault tier"),
            (json!({}), Strategy::Immutable, "no vault tier"),
        ] {
            let reason = of(&document, strategy).unwrap_err();
            assert!(reason.contains(said), "{said}: {reason}");
        }
    }
}
