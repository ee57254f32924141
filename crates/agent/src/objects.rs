//! Objects of any kind: reached without asking for kinds, applied, and known as ours or not.

use crate::{MANAGER, OWNER, error::ActError, fault::FaultPoints};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy},
    core::{ApiResource, PartialObjectMeta},
};
use packages::ObjectKey;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// There is none.
    Nobody,
    /// This extension's.
    Ours,
    /// Installed in a way that the package takes over.
    Adoptable,
    /// Somebody else's.
    Foreign,
}

/// The API for the kind and namespace of `key`.
pub(crate) fn api(client: &Client, key: &ObjectKey) -> Api<DynamicObject> {
    let api_version =
        if key.group.is_empty() { key.version.clone() } else { format!("{}/{}", key.group, key.version) };
    let resource = ApiResource {
        group: key.group.clone(),
        version: key.version.clone(),
        api_version,
        kind: key.kind.clone(),
        plural: key.resource.clone(),
    };
    match &key.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// What is known of an object without its contents; `None` when it is not there, or its kind is not.
pub(crate) async fn metadata(
    client: &Client,
    key: &ObjectKey,
) -> Result<Option<PartialObjectMeta<DynamicObject>>, ActError> {
    let found = api(client, key).get_metadata_opt(&key.name).await;
    found.map_err(|error| ActError::api(&format!("read {key}"), &error))
}

/// Whose the object is.
pub(crate) async fn owner(
    client: &Client,
    key: &ObjectKey,
    extension: &str,
    adopts: &[String],
) -> Result<Owner, ActError> {
    let Some(found) = metadata(client, key).await? else { return Ok(Owner::Nobody) };
    Ok(judge_owner(found.annotations(), &managers(&found), extension, adopts))
}

/// Who has written fields of the object.
fn managers(found: &PartialObjectMeta<DynamicObject>) -> Vec<&str> {
    let entries = found.metadata.managed_fields.iter().flatten();
    entries.filter_map(|entry| entry.manager.as_deref()).collect()
}

fn judge_owner(
    annotations: &BTreeMap<String, String>,
    managers: &[&str],
    extension: &str,
    adopts: &[String],
) -> Owner {
    match annotations.get(OWNER) {
        Some(name) if name == extension => Owner::Ours,
        Some(_) => Owner::Foreign,
        None if adopts.iter().any(|manager| managers.contains(&manager.as_str())) => Owner::Adoptable,
        None => Owner::Foreign,
    }
}

/// Applies an object as the extension's.
pub(crate) async fn apply(
    client: &Client,
    key: &ObjectKey,
    object: &Value,
    extension: &str,
    points: &FaultPoints,
) -> Result<(), ActError> {
    points.pass(&format!("apply {key}/before"))?;
    let object = marked(object.clone(), extension);
    api(client, key)
        .patch(&key.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&object))
        .await
        .map_err(|error| ActError::api(&format!("apply {key}"), &error))?;
    points.pass(&format!("apply {key}/after"))
}

fn marked(mut object: Value, extension: &str) -> Value {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(OWNER.to_owned(), extension.into());
        }
    }
    object
}

/// Removes an object if it is the extension's. Answers whether it is gone or not ours to remove.
pub(crate) async fn remove(
    client: &Client,
    key: &ObjectKey,
    extension: &str,
    points: &FaultPoints,
) -> Result<bool, ActError> {
    let Some(found) = metadata(client, key).await? else { return Ok(true) };
    if judge_owner(found.annotations(), &[], extension, &[]) != Owner::Ours {
        return Ok(true);
    }
    if found.metadata.deletion_timestamp.is_some() {
        return Ok(false);
    }
    points.pass(&format!("remove {key}/before"))?;
    let params = DeleteParams {
        propagation_policy: Some(if key.is_workload() {
            // It counts as gone when its pods are.
            PropagationPolicy::Foreground
        } else {
            PropagationPolicy::Background
        }),
        preconditions: Some(Preconditions { uid: found.uid(), resource_version: None }),
        ..DeleteParams::default()
    };
    match api(client, key).delete(&key.name, &params).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
        Err(error) => return Err(ActError::api(&format!("remove {key}"), &error)),
    }
    points.pass(&format!("remove {key}/after"))?;
    Ok(metadata(client, key).await?.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mark_or_a_manager_that_the_package_names_makes_an_object_ours() {
        let marked = |name: &str| BTreeMap::from([(OWNER.to_owned(), name.to_owned())]);
        let plain = BTreeMap::new();
        let adopts = ["install".to_owned()];

        assert_eq!(judge_owner(&marked("backup"), &[], "backup", &[]), Owner::Ours);
        assert_eq!(judge_owner(&marked("other"), &["install"], "backup", &adopts), Owner::Foreign);
        assert_eq!(judge_owner(&plain, &["install"], "backup", &adopts), Owner::Adoptable);
        assert_eq!(judge_owner(&plain, &["kubectl"], "backup", &adopts), Owner::Foreign);
        assert_eq!(judge_owner(&plain, &[], "backup", &[]), Owner::Foreign);
    }
}
