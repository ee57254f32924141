//! A restore: which recovery point, what of it, to which cluster, and what happens to what is there.

use super::{Datasource, Identity, Reference, Selection, invalid};
use crate::Error;
use arm::ResourceId;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A restore as a person asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The recovery point.
    pub recovery_point: String,
    /// The cluster that it is of.
    pub source: ResourceId,
    /// The cluster to restore to.
    pub target: Datasource,
    /// From where, and what that needs.
    pub tier: Tier,
    /// Which identity of the vault works; it is not said when absent.
    pub identity: Option<Identity>,
    /// What is restored, and how.
    pub criteria: Criteria,
}

/// The tier that a restore reads from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tier {
    /// Snapshots and the cluster's own location.
    Operational,
    /// The vault's copy, by way of a staging location of the target.
    Vault {
        /// Where disks are made.
        staging_group: ResourceId,
        /// Where objects are put meanwhile.
        staging_account: ResourceId,
    },
}

/// What is restored, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Criteria {
    /// Which objects.
    pub selection: Selection,
    /// `RestoreWithVolumeData` or `RestoreWithoutVolumeData`; the service's default when absent.
    pub volume_mode: Option<String>,
    /// `Skip` or `Patch`; the service's default when absent.
    pub conflict_policy: Option<String>,
    /// Namespaces that get another name.
    pub namespace_mappings: BTreeMap<String, String>,
    /// Hooks in the target.
    pub hooks: Vec<Reference>,
    /// A ConfigMap with modifiers in the target.
    pub modifier: Option<Reference>,
}

impl Restore {
    /// The body of the request. Criteria that were read from a file take the place of our own.
    pub fn json(&self, criteria: Option<Value>) -> Result<Value, Error> {
        if self.recovery_point.is_empty() || self.recovery_point.contains('/') {
            return Err(invalid(format!(
                "{:?} is no recovery point; write its name, not its id",
                self.recovery_point
            )));
        }
        let criteria = criteria.map_or_else(|| self.criteria(), Ok)?;
        let mut request = json!({
            "objectType": "AzureBackupRecoveryPointBasedRestoreRequest",
            "recoveryPointId": self.recovery_point,
            "sourceDataStoreType": match self.tier {
                Tier::Operational => "OperationalStore",
                Tier::Vault { .. } => "VaultStore",
            },
            "sourceResourceId": self.source.as_str(),
            "restoreTargetInfo": {
                "objectType": "ItemLevelRestoreTargetInfo",
                "recoveryOption": "FailIfExists",
                "restoreLocation": self.target.location,
                "datasourceInfo": self.target.json("Datasource"),
                "datasourceSetInfo": self.target.json("DatasourceSet"),
                "restoreCriteria": [criteria],
            },
        });
        if let (Some(identity), Some(members)) = (&self.identity, request.as_object_mut()) {
            members.insert("identityDetails".to_owned(), identity.json());
        }
        Ok(request)
    }

    fn criteria(&self) -> Result<Value, Error> {
        let given = &self.criteria;
        if let Some(mode) = &given.volume_mode {
            one_of("a way to restore volumes", mode, &["RestoreWithVolumeData", "RestoreWithoutVolumeData"])?;
        }
        if let Some(policy) = &given.conflict_policy {
            one_of("a conflict policy", policy, &["Skip", "Patch"])?;
        }
        let mut members = Map::new();
        let object_type = match &self.tier {
            Tier::Operational => "KubernetesClusterRestoreCriteria",
            Tier::Vault { .. } => "KubernetesClusterVaultTierRestoreCriteria",
        };
        members.insert("objectType".into(), object_type.into());
        given.selection.write(&mut members);
        let texts =
            [("persistentVolumeRestoreMode", &given.volume_mode), ("conflictPolicy", &given.conflict_policy)];
        for (name, text) in texts {
            if let Some(text) = text {
                members.insert(name.into(), text.clone().into());
            }
        }
        members.insert("namespaceMappings".into(), json!(given.namespace_mappings));
        let hooks: Vec<Value> = given.hooks.iter().map(Reference::json).collect();
        members.insert("restoreHookReferences".into(), hooks.into());
        if let Some(modifier) = &given.modifier {
            members.insert("resourceModifierReference".into(), modifier.json());
        }
        if let Tier::Vault { staging_group, staging_account } = &self.tier {
            members.insert("stagingResourceGroupId".into(), staging_group.as_str().into());
            members.insert("stagingStorageAccountId".into(), staging_account.as_str().into());
        }
        Ok(Value::Object(members))
    }
}

fn one_of(what: &str, given: &str, known: &[&str]) -> Result<(), Error> {
    match known.contains(&given) {
        true => Ok(()),
        false => Err(invalid(format!("{given:?} is not {what}; there are {}", known.join(" and ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restore() -> Restore {
        let cluster =
            "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters";
        Restore {
            recovery_point: "7fb2cddd".into(),
            source: format!("{cluster}/akscluster").parse().unwrap(),
            target: Datasource {
                cluster: format!("{cluster}/target").parse().unwrap(),
                location: "eastus".into(),
            },
            tier: Tier::Operational,
            identity: None,
            criteria: Criteria {
                selection: Selection { included_namespaces: vec!["app".into()], ..Selection::default() },
                volume_mode: Some("RestoreWithVolumeData".into()),
                conflict_policy: Some("Skip".into()),
                namespace_mappings: [("app".into(), "app-restored".into())].into(),
                hooks: vec![Reference { name: "restorehookname0".into(), namespace: "default".into() }],
                modifier: Some(Reference { name: "modifiers".into(), namespace: "default".into() }),
            },
        }
    }

    #[test]
    fn a_restore_is_written_as_documented() {
        let documented: Value =
            serde_json::from_str(include_str!("../../tests/documented/restore.json")).unwrap();

        assert_eq!(restore().json(None).unwrap(), documented);
    }

    #[test]
    fn the_vault_tier_has_criteria_of_its_own() {
        let mut restore = restore();
        restore.tier = Tier::Vault {
            staging_group: "/subscriptions/s/resourceGroups/staging".parse().unwrap(),
            staging_account:
                "/subscriptions/s/resourceGroups/staging/providers/Microsoft.Storage/storageAccounts/a"
                    .parse()
                    .unwrap(),
        };

        let request = restore.json(None).unwrap();

        let criteria = &request["restoreTargetInfo"]["restoreCriteria"][0];
        assert_eq!(request["sourceDataStoreType"], "VaultStore");
        assert_eq!(criteria["objectType"], "KubernetesClusterVaultTierRestoreCriteria");
        assert_eq!(criteria["stagingResourceGroupId"], "/subscriptions/s/resourceGroups/staging");
    }

    #[test]
    fn what_the_service_does_not_know_is_refused() {
        let wrong: [fn(&mut Restore); 3] = [
            |restore| restore.criteria.conflict_policy = Some("Replace".into()),
            |restore| restore.criteria.volume_mode = Some("All".into()),
            |restore| restore.recovery_point = "/a/b".into(),
        ];

        for spoil in wrong {
            let mut restore = restore();
            spoil(&mut restore);
            assert!(matches!(restore.json(None), Err(Error::Invalid(_))));
        }
    }
}
