//! A backup instance: what of a cluster is protected, by which policy.

use super::{Datasource, Identity, Reference, Selection, invalid};
use crate::Error;
use arm::ResourceId;
use serde_json::{Map, Value, json};

/// An instance as a person asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The cluster.
    pub datasource: Datasource,
    /// The policy, in the vault of the instance.
    pub policy: ResourceId,
    /// Where snapshots go.
    pub snapshot_group: ResourceId,
    /// A name for people, without the cluster's.
    pub friendly_name: String,
    /// Which identity of the vault works; it is not said when absent.
    pub identity: Option<Identity>,
    /// What is protected.
    pub configuration: Configuration,
}

/// What of a cluster is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Which objects.
    pub selection: Selection,
    /// Whether volumes are.
    pub snapshot_volumes: bool,
    /// Which volumes; not said when empty.
    pub volume_types: Vec<String>,
    /// Hooks in the cluster.
    pub hooks: Vec<Reference>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            snapshot_volumes: true,
            volume_types: Vec::new(),
            hooks: Vec::new(),
        }
    }
}

impl Configuration {
    /// The data source's parameters.
    pub fn json(&self) -> Value {
        let mut members = Map::new();
        members.insert("objectType".into(), "KubernetesClusterBackupDatasourceParameters".into());
        members.insert("snapshotVolumes".into(), self.snapshot_volumes.into());
        self.selection.write(&mut members);
        if !self.volume_types.is_empty() {
            members.insert("includedVolumeTypes".into(), self.volume_types.clone().into());
        }
        let hooks: Vec<Value> = self.hooks.iter().map(Reference::json).collect();
        members.insert("backupHookReferences".into(), hooks.into());
        Value::Object(members)
    }
}

impl Instance {
    /// The body of the request. A configuration that was read from a file takes the place of our own.
    pub fn json(&self, configuration: Option<Value>) -> Result<Value, Error> {
        if !self.policy.kind().is("Microsoft.DataProtection/backupVaults/backupPolicies") {
            return Err(invalid(format!("{} is no policy of a vault", self.policy)));
        }
        if !self.snapshot_group.kind().is("Microsoft.Resources/resourceGroups") {
            return Err(invalid(format!("{} is no resource group", self.snapshot_group)));
        }
        let friendly = format!("{}/{}", self.datasource.cluster.name(), self.friendly_name);
        let mut properties = json!({
            "objectType": "BackupInstance",
            "friendlyName": friendly,
            "dataSourceInfo": self.datasource.json("Datasource"),
            "dataSourceSetInfo": self.datasource.json("DatasourceSet"),
            "policyInfo": {
                "policyId": self.policy.as_str(),
                "policyParameters": {
                    "dataStoreParametersList": [{
                        "objectType": "AzureOperationalStoreParameters",
                        "dataStoreType": "OperationalStore",
                        "resourceGroupId": self.snapshot_group.as_str(),
                    }],
                    "backupDatasourceParametersList": [
                        configuration.unwrap_or_else(|| self.configuration.json()),
                    ],
                },
            },
        });
        if let (Some(identity), Some(members)) = (&self.identity, properties.as_object_mut()) {
            members.insert("identityDetails".to_owned(), identity.json());
        }
        Ok(json!({"properties": properties}))
    }
}

/// An instance that was read, with what a client may write only; what else it holds is the service's.
pub fn writable(instance: &Value) -> Value {
    const READ_ONLY: [&str; 5] = [
        "currentProtectionState",
        "protectionStatus",
        "provisioningState",
        "protectionErrorDetails",
        "resourceGuardOperationRequests",
    ];
    let mut properties = instance.get("properties").cloned().unwrap_or_default();
    if let Some(members) = properties.as_object_mut() {
        members.retain(|name, value| !READ_ONLY.contains(&name.as_str()) && !value.is_null());
        if let Some(policy) = members.get_mut("policyInfo").and_then(Value::as_object_mut) {
            policy.remove("policyVersion");
        }
    }
    let mut body = json!({"properties": properties});
    if let (Some(tags), Some(members)) =
        (instance.get("tags").filter(|tags| tags.is_object()), body.as_object_mut())
    {
        members.insert("tags".to_owned(), tags.clone());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_written_as_documented() {
        let documented: Value =
            serde_json::from_str(include_str!("../../tests/documented/instance.json")).unwrap();
        let id = |text: &str| text.parse::<ResourceId>().unwrap();
        let cluster = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/akscluster";
        let policy = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DataProtection/backupVaults/v/backupPolicies/akspolicy";
        let configuration = Configuration {
            selection: Selection {
                included_namespaces: vec!["test".into()],
                excluded_resource_types: vec!["v1/Secret".into()],
                ..Selection::default()
            },
            volume_types: vec!["AzureDisk".into()],
            hooks: vec![Reference { name: "bkphookname0".into(), namespace: "default".into() }],
            ..Configuration::default()
        };
        let mut instance = Instance {
            datasource: Datasource { cluster: id(cluster), location: "eastus".into() },
            policy: id(policy),
            snapshot_group: id("/subscriptions/s/resourceGroups/snapshotRG"),
            friendly_name: "bi1".into(),
            identity: Some(Identity::System),
            configuration,
        };

        assert_eq!(instance.json(None).unwrap(), documented);
        instance.policy = id(cluster);
        assert!(instance.json(None).unwrap_err().to_string().contains("no policy"));
    }

    #[test]
    fn what_is_written_back_is_what_a_client_may_write() {
        let read = json!({"id": "/x", "tags": {"a": "b"}, "properties": {
            "friendlyName": "f", "currentProtectionState": "ProtectionConfigured", "validationType": null,
            "protectionStatus": {}, "policyInfo": {"policyId": "/p", "policyVersion": "1"}}});

        let written = writable(&read);

        assert_eq!(
            written,
            json!({"tags": {"a": "b"}, "properties": {"friendlyName": "f", "policyInfo": {"policyId": "/p"}}})
        );
    }
}
