//! Restore requests on the wire: which recovery point, where to, and what of it.
//! Source: `AzureBackupRestoreRequest` of the Microsoft.DataProtection API.

use crate::{
    ArmError, Fields, ResourceId,
    instance::{Datasource, NamespacedName, Selection},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What happens to objects that exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictPolicy {
    /// They stay as they are.
    #[default]
    Skip,
    /// They are patched.
    Patch,
}

/// A restore as a caller asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRequest {
    /// Which recovery point.
    pub recovery_point: String,
    /// The cluster that was backed up, where the caller names it.
    #[serde(default)]
    pub source: Option<ResourceId>,
    /// Where to.
    pub target: Datasource,
    /// Of what.
    #[serde(flatten)]
    pub selection: Selection,
    /// Volumes are filled; else they are made empty.
    pub with_volume_data: bool,
    /// What happens to what exists.
    pub conflict_policy: ConflictPolicy,
    /// Original namespace → new one.
    #[serde(default)]
    pub namespace_mappings: BTreeMap<String, String>,
    /// Run after it.
    #[serde(default)]
    pub restore_hook_references: Vec<NamespacedName>,
    /// A ConfigMap with rules that change objects.
    #[serde(default)]
    pub resource_modifier: Option<NamespacedName>,
}

const MOST_MAPPINGS: usize = 800;
const LONGEST_POINT: usize = crate::id::LONGEST_PART;

impl RestoreRequest {
    /// Reads a request. Every wrong field is named, as far as they do not hide each other.
    pub fn read(fields: &Fields<'_>) -> Result<Self, ArmError> {
        let kind = fields.required_text("objectType")?;
        if !kind.eq_ignore_ascii_case("AzureBackupRecoveryPointBasedRestoreRequest") {
            let reason = format!("is '{kind}'; only AzureBackupRecoveryPointBasedRestoreRequest is offered");
            return Err(fields.wrong("objectType", reason));
        }
        let store = fields.text("sourceDataStoreType")?.unwrap_or("OperationalStore");
        if !store.eq_ignore_ascii_case("OperationalStore") {
            let reason = format!("is '{store}'; recovery points are in the OperationalStore here");
            return Err(fields.wrong("sourceDataStoreType", reason));
        }
        let target = fields.required_object("restoreTargetInfo")?;
        let criteria = target.object_list("restoreCriteria")?;
        let criterion = match criteria.as_slice() {
            [one] => one,
            [] => {
                return Err(target
                    .wrong("restoreCriteria", "is required; write one KubernetesClusterRestoreCriteria"));
            }
            _ => return Err(target.wrong("restoreCriteria", "has several entries; one is taken")),
        };
        let kind = criterion.text("objectType")?.unwrap_or("KubernetesClusterRestoreCriteria");
        if !kind.eq_ignore_ascii_case("KubernetesClusterRestoreCriteria") {
            let reason = format!("is '{kind}'; only KubernetesClusterRestoreCriteria is offered");
            return Err(criterion.wrong("objectType", reason));
        }
        let mut wrong = Vec::new();
        let mut note = |error: ArmError| wrong.push(error);
        let point = fields.required_short_text("recoveryPointId", LONGEST_POINT).map_err(&mut note).ok();
        let source = optional_id(fields, "sourceResourceId").map_err(&mut note).ok().flatten();
        let datasource = target
            .required_object("datasourceInfo")
            .and_then(|info| Datasource::read(&info))
            .map_err(&mut note)
            .ok();
        let selection = Selection::read(criterion).map_err(&mut note).unwrap_or_default();
        let mode = word(
            criterion,
            "persistentVolumeRestoreMode",
            &[("RestoreWithVolumeData", true), ("RestoreWithoutVolumeData", false)],
        );
        let with_volume_data = mode.map_err(&mut note).unwrap_or(true);
        let policies = [("Skip", ConflictPolicy::Skip), ("Patch", ConflictPolicy::Patch)];
        let conflict_policy =
            word(criterion, "conflictPolicy", &policies).map_err(&mut note).unwrap_or_default();
        let mappings = mappings(criterion).map_err(&mut note).unwrap_or_default();
        let hooks = NamespacedName::read_list(criterion, "restoreHookReferences")
            .map_err(&mut note)
            .unwrap_or_default();
        let modifier = criterion
            .object("resourceModifierReference")
            .and_then(|one| one.as_ref().map(NamespacedName::read).transpose())
            .map_err(&mut note)
            .ok()
            .flatten();
        match (point, datasource) {
            (Some(point), Some(target)) if wrong.is_empty() => Ok(Self {
                recovery_point: point.to_owned(),
                source,
                target,
                selection,
                with_volume_data,
                conflict_policy,
                namespace_mappings: mappings,
                restore_hook_references: hooks,
                resource_modifier: modifier,
            }),
            _ => Err(ArmError::invalid_fields(wrong)),
        }
    }
}

fn optional_id(fields: &Fields<'_>, name: &str) -> Result<Option<ResourceId>, ArmError> {
    match fields.text(name)? {
        None | Some("") => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|error| fields.wrong(name, format!("is no resource id: {error}")))
        }
    }
}

fn word<T: Copy>(fields: &Fields<'_>, name: &str, known: &[(&str, T)]) -> Result<T, ArmError> {
    let given = fields.text(name)?;
    let found = match given {
        None | Some("") => known.first(),
        Some(text) => known.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)),
    };
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words = known.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" and ");
        fields.wrong(name, format!("is '{}'; known are {words}", given.unwrap_or_default()))
    })
}

fn mappings(fields: &Fields<'_>) -> Result<BTreeMap<String, String>, ArmError> {
    let mappings = fields.texts("namespaceMappings")?.unwrap_or_default();
    if mappings.len() > MOST_MAPPINGS {
        let reason = format!("has {} entries; at most {MOST_MAPPINGS} are taken", mappings.len());
        return Err(fields.wrong("namespaceMappings", reason));
    }
    let label = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    match mappings.iter().find(|(from, to)| !label(from) || !label(to)) {
        Some((from, to)) => {
            let [from, to] = [from, to].map(|name| name.chars().take(100).collect::<String>());
            let reason = format!("maps '{from}' to '{to}'; both must be names of namespaces");
            Err(fields.wrong("namespaceMappings", reason))
        }
        None => Ok(mappings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn body() -> Value {
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c2";
        json!({
            "objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": "r", "stagingResourceGroupId": null,
            "sourceDataStoreType": "OperationalStore",
            "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
                "datasourceInfo": {"resourceId": cluster},
                "restoreCriteria": [{"objectType": "KubernetesClusterRestoreCriteria", "includeClusterScopeResources": true,
                    "includedNamespaces": ["app"], "conflictPolicy": "Patch", "namespaceMappings": {"app": "app-2"},
                    "persistentVolumeRestoreMode": null, "resourceModifierReference": {"name": "m", "namespace": "d"}}]},
        })
    }

    fn read(body: &Value) -> Result<RestoreRequest, ArmError> {
        RestoreRequest::read(&Fields::of(body).unwrap())
    }

    #[test]
    fn a_documented_request_is_read() {
        let request = read(&body()).unwrap();

        assert_eq!((request.conflict_policy, request.with_volume_data), (ConflictPolicy::Patch, true));
        assert_eq!(request.namespace_mappings["app"], "app-2");
        assert_eq!(request.target.name, "c2");
        assert_eq!(request.resource_modifier.unwrap().name, "m");
    }

    #[test]
    fn wrong_fields_are_named_together() {
        let mut body = body();
        body["recoveryPointId"] = Value::Null;
        body["restoreTargetInfo"]["restoreCriteria"][0]["conflictPolicy"] = json!("Replace");
        body["restoreTargetInfo"]["restoreCriteria"][0]["namespaceMappings"] = json!({"app": "../x"});

        let error = read(&body).unwrap_err();

        let targets: Vec<_> = error.details.iter().filter_map(|one| one.target.clone()).collect();
        let at = "restoreTargetInfo.restoreCriteria[0]";
        assert_eq!(
            targets,
            ["recoveryPointId".to_owned(), format!("{at}.conflictPolicy"), format!("{at}.namespaceMappings")]
        );
    }
}
