//! Backup instances on the wire: which cluster is protected, by which policy, and what of it.
//! Source: `BackupInstance` of the Microsoft.DataProtection API.

use crate::{ArmError, Fields, ResourceId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The one kind of data source.
pub const CLUSTERS: &str = "Microsoft.ContainerService/managedClusters";
/// More namespaces an instance cannot name.
pub const MOST_NAMESPACES: usize = 10_000;
const MOST_ENTRIES: usize = 1_000;
const LONGEST_ENTRY: usize = 512;
const LONGEST_NAME: usize = 260;
/// A region; also as people write it.
const LONGEST_LOCATION: usize = 90;

/// A resource that is protected, or that data is restored to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Datasource {
    /// The cluster.
    pub resource: ResourceId,
    /// Where it is.
    pub location: String,
    /// Its name.
    pub name: String,
}

/// A hook, or another object of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespacedName {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// What is selected from a cluster or from a recovery point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selection {
    /// Cluster-scoped resources too.
    pub include_cluster_scope_resources: bool,
    /// Empty is all.
    pub included_namespaces: Vec<String>,
    /// Never these.
    pub excluded_namespaces: Vec<String>,
    /// Empty is all.
    pub included_resource_types: Vec<String>,
    /// Never these.
    pub excluded_resource_types: Vec<String>,
    /// All of these must hold.
    pub label_selectors: Vec<String>,
}

/// What a backup takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupParameters {
    /// Which objects.
    #[serde(flatten)]
    pub selection: Selection,
    /// Volumes too.
    pub snapshot_volumes: bool,
    /// Only volumes of these kinds; empty is all.
    pub included_volume_types: Vec<String>,
    /// Run around the snapshots, in this order.
    pub backup_hook_references: Vec<NamespacedName>,
}

/// A backup instance as its owner writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupInstance {
    /// Its name for people.
    pub friendly_name: String,
    /// What is protected.
    pub source: Datasource,
    /// By which policy.
    #[serde(rename = "policyId")]
    pub policy: ResourceId,
    /// Where snapshots are made.
    pub snapshot_group: ResourceId,
    /// What is taken.
    pub parameters: BackupParameters,
    /// A user-assigned identity of the vault by which it acts; else its system-assigned one.
    #[serde(default)]
    pub identity: Option<ResourceId>,
    /// `ShallowValidation` or `DeepValidation`.
    #[serde(default)]
    pub validation_type: Option<String>,
}

impl Datasource {
    /// Reads `dataSourceInfo`, `datasourceInfo` or a set of them.
    pub fn read(fields: &Fields<'_>) -> Result<Self, ArmError> {
        let text = fields.required_text("resourceID")?;
        let resource: ResourceId = text
            .parse()
            .map_err(|error| fields.wrong("resourceID", format!("is no resource id: {error}")))?;
        let kind = fields.text("datasourceType")?.unwrap_or(CLUSTERS);
        if !kind.eq_ignore_ascii_case(CLUSTERS) || !resource.kind().is(CLUSTERS) {
            let reason = format!("is of type '{}'; only {CLUSTERS} can be protected here", resource.kind());
            return Err(fields.wrong("resourceID", reason));
        }
        Ok(Self {
            name: fields
                .short_text("resourceName", LONGEST_NAME)?
                .filter(|name| !name.is_empty())
                .unwrap_or(resource.name())
                .to_owned(),
            location: fields.short_text("resourceLocation", LONGEST_LOCATION)?.unwrap_or_default().to_owned(),
            resource,
        })
    }

    /// As clients read it; `object_type` is `Datasource` or `DatasourceSet`.
    pub fn shown(&self, object_type: &str) -> Value {
        json!({
            "objectType": object_type,
            "datasourceType": CLUSTERS,
            "resourceID": self.resource,
            "resourceLocation": self.location,
            "resourceName": self.name,
            "resourceType": CLUSTERS,
            "resourceUri": self.resource,
            "resourceProperties": null,
        })
    }
}

impl Selection {
    /// Reads the filters of a backup or a restore.
    pub fn read(fields: &Fields<'_>) -> Result<Self, ArmError> {
        let list = |name: &str, most: usize| {
            let list = fields.listed_within(name, most)?.unwrap_or_default();
            if let Some(bad) = list.iter().find(|one| one.is_empty() || one.len() > LONGEST_ENTRY) {
                let shown: String = bad.chars().take(60).collect();
                return Err(
                    fields.wrong(name, format!("has the entry '{shown}', which is empty or too long"))
                );
            }
            Ok(list.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        Ok(Self {
            include_cluster_scope_resources: fields.flag("includeClusterScopeResources")?.unwrap_or(true),
            included_namespaces: list("includedNamespaces", MOST_NAMESPACES)?,
            excluded_namespaces: list("excludedNamespaces", MOST_NAMESPACES)?,
            included_resource_types: list("includedResourceTypes", MOST_ENTRIES)?,
            excluded_resource_types: list("excludedResourceTypes", MOST_ENTRIES)?,
            label_selectors: list("labelSelectors", MOST_ENTRIES)?,
        })
    }
}

impl NamespacedName {
    /// Reads a list of references.
    pub fn read_list(fields: &Fields<'_>, name: &str) -> Result<Vec<Self>, ArmError> {
        let list = fields.items_within(name, MOST_ENTRIES)?.unwrap_or_default();
        list.iter().map(Self::read).collect()
    }

    /// Reads one reference.
    pub fn read(fields: &Fields<'_>) -> Result<Self, ArmError> {
        let text = |name: &str| match fields.required_text(name)? {
            text if text.len() > LONGEST_NAME => Err(fields.wrong(name, "is longer than any name")),
            text => Ok(text.to_owned()),
        };
        Ok(Self { name: text("name")?, namespace: text("namespace")? })
    }
}

impl BackupParameters {
    /// Reads `backupDatasourceParametersList`. A client that changes an instance may send `[{}]`: defaults.
    fn read(fields: &Fields<'_>) -> Result<Self, ArmError> {
        let list = fields.object_list("backupDatasourceParametersList")?;
        match list.as_slice() {
            [] => Err(fields.wrong("backupDatasourceParametersList", "is required")),
            [one] => Ok(Self {
                selection: Selection::read(one)?,
                snapshot_volumes: one.flag("snapshotVolumes")?.unwrap_or(true),
                included_volume_types: volume_types(one)?,
                backup_hook_references: NamespacedName::read_list(one, "backupHookReferences")?,
            }),
            _ => Err(fields.wrong("backupDatasourceParametersList", "has several entries; one is taken")),
        }
    }

    /// As clients read it.
    fn shown(&self) -> Value {
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = shown.as_object_mut() {
            object.insert("objectType".to_owned(), json!("KubernetesClusterBackupDatasourceParameters"));
        }
        shown
    }
}

/// Of two that there are.
const MOST_VOLUME_TYPES: usize = 10;

fn volume_types(fields: &Fields<'_>) -> Result<Vec<String>, ArmError> {
    let list = fields.listed_within("includedVolumeTypes", MOST_VOLUME_TYPES)?.unwrap_or_default();
    match list.iter().find(|one| !["AzureDisk", "AzureFileShareSMB"].contains(one)) {
        Some(other) => Err(fields.wrong(
            "includedVolumeTypes",
            format!("has '{other}'; known are AzureDisk and AzureFileShareSMB"),
        )),
        None => Ok(list.into_iter().map(str::to_owned).collect()),
    }
}

/// Characters of a name for people; it is shown in tables and alerts.
const LONGEST_FRIENDLY_NAME: usize = 500;

impl BackupInstance {
    /// Reads the `properties` of an instance. Every wrong field is named.
    pub fn read(fields: &Fields<'_>) -> Result<Self, ArmError> {
        let mut wrong = Vec::new();
        let mut note = |error: ArmError| wrong.push(error);
        let source = fields
            .required_object("dataSourceInfo")
            .and_then(|info| Datasource::read(&info))
            .map_err(&mut note)
            .ok();
        let set = fields.object("dataSourceSetInfo").map_err(&mut note).ok().flatten();
        if set.is_none() {
            note(ArmError {
                code: "ScenarioPluginInvalidWorkflowDataRequest".to_owned(),
                ..fields.wrong("dataSourceSetInfo", "is required; write the same values as in dataSourceInfo")
            });
        }
        let policy = fields.required_object("policyInfo");
        let parts = policy.and_then(|policy| Policy::read(&policy)).map_err(&mut note).ok();
        let identity = identity(fields).map_err(&mut note).ok().flatten();
        let friendly = fields.text("friendlyName").map_err(&mut note).ok().flatten().unwrap_or_default();
        if friendly.chars().any(char::is_control) || friendly.chars().count() > LONGEST_FRIENDLY_NAME {
            let reason = format!(
                "is no name for people: at most {LONGEST_FRIENDLY_NAME} characters, none a control character"
            );
            note(fields.wrong("friendlyName", reason));
        }
        let validation = fields.text("validationType").map_err(&mut note).ok().flatten();
        if let Some(other) = validation
            && !["ShallowValidation", "DeepValidation"].iter().any(|known| known.eq_ignore_ascii_case(other))
        {
            let reason = format!("is '{other}'; known are ShallowValidation and DeepValidation");
            note(fields.wrong("validationType", reason));
        }
        match (source, parts) {
            (Some(source), Some(policy)) if wrong.is_empty() => Ok(Self {
                friendly_name: if friendly.is_empty() { source.name.clone() } else { friendly.to_owned() },
                source,
                policy: policy.id,
                snapshot_group: policy.snapshot_group,
                parameters: policy.parameters,
                identity,
                validation_type: validation.map(str::to_owned),
            }),
            _ => Err(ArmError::invalid_fields(wrong)),
        }
    }

    /// Whether its owner wants only that validated which is known outside the cluster.
    pub fn is_shallow(&self) -> bool {
        self.validation_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("ShallowValidation"))
    }

    /// The `properties` that its owner may write, as clients read them.
    pub fn shown(&self) -> Value {
        json!({
            "objectType": "BackupInstance",
            "friendlyName": self.friendly_name,
            "dataSourceInfo": self.source.shown("Datasource"),
            "dataSourceSetInfo": self.source.shown("DatasourceSet"),
            "policyInfo": {
                "policyId": self.policy,
                "policyVersion": null,
                "policyParameters": {
                    "dataStoreParametersList": [{
                        "objectType": "AzureOperationalStoreParameters",
                        "dataStoreType": "OperationalStore",
                        "resourceGroupId": self.snapshot_group,
                    }],
                    "backupDatasourceParametersList": [self.parameters.shown()],
                },
            },
            "resourceGuardOperationRequests": null,
            "datasourceAuthCredentials": null,
            "validationType": self.validation_type,
            "identityDetails": {
                "useSystemAssignedIdentity": self.identity.is_none(),
                "userAssignedIdentityArmUrl": self.identity,
            },
        })
    }
}

struct Policy {
    id: ResourceId,
    snapshot_group: ResourceId,
    parameters: BackupParameters,
}

impl Policy {
    fn read(fields: &Fields<'_>) -> Result<Self, ArmError> {
        let id = resource_id(fields, "policyId")?;
        let parameters = fields.required_object("policyParameters")?;
        let stores = parameters.object_list("dataStoreParametersList")?;
        let operational = stores.iter().find(|store| {
            store
                .text("dataStoreType")
                .ok()
                .flatten()
                .is_none_or(|kind| kind.eq_ignore_ascii_case("OperationalStore"))
        });
        let Some(store) = operational else {
            let reason = "names no OperationalStore with the resourceGroupId in which snapshots are made";
            return Err(parameters.wrong("dataStoreParametersList", reason));
        };
        Ok(Self {
            id,
            snapshot_group: resource_id(store, "resourceGroupId")?,
            parameters: BackupParameters::read(&parameters)?,
        })
    }
}

fn identity(fields: &Fields<'_>) -> Result<Option<ResourceId>, ArmError> {
    let Some(details) = fields.object("identityDetails")? else { return Ok(None) };
    match details.text("userAssignedIdentityArmUrl")? {
        None | Some("") => Ok(None),
        Some(_) if details.flag("useSystemAssignedIdentity")? == Some(true) => Ok(None),
        Some(_) => resource_id(&details, "userAssignedIdentityArmUrl").map(Some),
    }
}

/// A field that must hold a resource id.
pub fn resource_id(fields: &Fields<'_>, name: &str) -> Result<ResourceId, ArmError> {
    let text = fields.required_text(name)?;
    text.parse().map_err(|error| fields.wrong(name, format!("is no resource id: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";

    fn body() -> Value {
        let source = json!({"objectType": "Datasource", "datasourceType": CLUSTERS, "resourceID": CLUSTER,
            "resourceName": "c", "resourceLocation": "eastus"});
        json!({
            "objectType": "BackupInstance", "friendlyName": "c/one", "dataSourceInfo": source, "dataSourceSetInfo": source,
            "policyInfo": {"policyId": format!("{CLUSTER}/p/p"), "policyParameters": {
                "dataStoreParametersList": [{"objectType": "AzureOperationalStoreParameters",
                    "dataStoreType": "OperationalStore", "resourceGroupId": "/subscriptions/s/resourceGroups/snapshots"}],
                "backupDatasourceParametersList": [{"objectType": "KubernetesClusterBackupDatasourceParameters",
                    "snapshotVolumes": true, "includeClusterScopeResources": false, "includedNamespaces": ["shop"],
                    "backupHookReferences": [{"name": "h", "namespace": "shop"}]}]}},
        })
    }

    fn read(body: &Value) -> Result<BackupInstance, ArmError> {
        BackupInstance::read(&Fields::of(body).unwrap())
    }

    #[test]
    fn what_is_shown_can_be_written_back() {
        let first = read(&body()).unwrap();

        let again = read(&first.shown()).unwrap();

        assert_eq!(first, again);
        assert_eq!(first.parameters.selection.included_namespaces, ["shop"]);
        assert_eq!(first.parameters.backup_hook_references[0].name, "h");
    }

    #[test]
    fn the_other_spelling_of_the_command_line_and_its_nulls_are_taken() {
        let mut body = body();
        let source =
            json!({"resourceId": CLUSTER, "resourceType": "Microsoft.ContainerService/managedclusters"});
        body["dataSourceInfo"] = source.clone();
        body["dataSourceSetInfo"] = source;
        body["datasourceAuthCredentials"] = Value::Null;
        body["policyInfo"]["policyParameters"]["backupDatasourceParametersList"][0]["backupHookReferences"] =
            Value::Null;

        let read = read(&body).unwrap();

        assert_eq!(read.source.resource.as_str(), CLUSTER);
        assert_eq!(read.parameters.backup_hook_references, []);
    }

    #[test]
    fn names_and_places_of_a_data_source_are_bounded() {
        let with = |name: &str, length: usize| {
            let mut body = body();
            body["dataSourceInfo"][name] = json!("x".repeat(length));
            read(&body)
        };

        let errors = [("resourceName", 261), ("resourceLocation", 91)]
            .map(|(name, length)| with(name, length).unwrap_err().message);

        assert_eq!(
            errors,
            [
                "dataSourceInfo.resourceName: has 261 characters; at most 260 are taken",
                "dataSourceInfo.resourceLocation: has 91 characters; at most 90 are taken",
            ]
        );
        assert!(with("resourceName", 260).is_ok() && with("resourceLocation", 90).is_ok());
    }

    #[test]
    fn all_wrong_fields_are_named_at_once() {
        let mut body = body();
        body["dataSourceInfo"]["resourceID"] = json!("c");
        body["dataSourceSetInfo"] = Value::Null;
        body["policyInfo"]["policyId"] = json!(5);

        let error = read(&body).unwrap_err();

        let targets: Vec<_> = error.details.iter().filter_map(|one| one.target.clone()).collect();
        assert_eq!(targets, ["dataSourceInfo.resourceID", "dataSourceSetInfo", "policyInfo.policyId"]);
        assert_eq!(error.details[1].code, "ScenarioPluginInvalidWorkflowDataRequest");
    }
}
