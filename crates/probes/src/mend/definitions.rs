//! Definitions that Velero left behind: which of them have objects, and the deletion of those that have none.

use super::Trouble;
use crate::{is_absent, seen};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use prerequisites::{Definition, Observed};

const GROUP: &str = "velero.io";
/// Of them Velero has a dozen; more are somebody else's in its name.
const MOST: usize = 100;

/// What Velero's group defines, and whether each has an object.
pub async fn definitions(client: &Client) -> Observed<Vec<Definition>> {
    seen("listing CustomResourceDefinitions of velero.io", look(client).await)
}

async fn look(client: &Client) -> Result<Vec<Definition>, kube::Error> {
    // A cluster has hundreds of definitions, and their schemas are long: without the group they are not listed.
    match client.list_api_group_resources("velero.io/v1").await {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let named = api.list_metadata(&ListParams::default()).await?.items;
    let names = named.iter().map(ResourceExt::name_any).filter(|name| is_veleros(name)).take(MOST);
    let each = names.map(|name| async {
        let used = match api.get_opt(&name).await? {
            Some(definition) => is_used(client, &definition).await.unwrap_or(true),
            None => return Ok(None),
        };
        Ok(Some(Definition { name, used }))
    });
    let found: Result<Vec<Option<Definition>>, kube::Error> =
        futures::future::join_all(each).await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

/// `backups.velero.io`, and not `x.backups.velero.io.example.com`.
fn is_veleros(name: &str) -> bool {
    name.split_once('.').is_some_and(|(_, group)| group == GROUP)
}

/// Whether there is an object, or nobody may look.
async fn is_used(client: &Client, definition: &CustomResourceDefinition) -> Result<bool, kube::Error> {
    let spec = &definition.spec;
    let Some(version) = spec.versions.iter().find(|version| version.served) else { return Ok(true) };
    let resource = ApiResource {
        group: spec.group.clone(),
        version: version.name.clone(),
        api_version: format!("{}/{}", spec.group, version.name),
        kind: spec.names.kind.clone(),
        plural: spec.names.plural.clone(),
    };
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    Ok(!api.list_metadata(&ListParams::default().limit(1)).await?.items.is_empty())
}

/// Whether a Velero has come back since it was looked at: what it left is its own again.
pub(super) async fn is_velero_back(client: &Client) -> Result<bool, kube::Error> {
    let deployments: Api<Deployment> = Api::all(client.clone());
    for velero in [
        ListParams::default().fields("metadata.name=velero"),
        ListParams::default().labels("component=velero"),
    ] {
        if !deployments.list_metadata(&velero.limit(1)).await?.items.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes them, each after another look. A Velero that has come back keeps them all.
pub(super) async fn delete(client: &Client, names: &[String], dry: bool) -> Result<Vec<String>, Trouble> {
    if is_velero_back(client).await? {
        return Err(Trouble::Otherwise("a Deployment of Velero is there again; nothing was deleted".into()));
    }
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut lines = Vec::new();
    for name in names.iter().filter(|name| is_veleros(name)) {
        match one(client, &api, name, dry).await {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => {}
            Err(error) if lines.is_empty() => return Err(error.into()),
            Err(error) => return Err(Trouble::Partly(lines, crate::short(&error))),
        }
    }
    Ok(lines)
}

async fn one(
    client: &Client,
    api: &Api<CustomResourceDefinition>,
    name: &str,
    dry: bool,
) -> Result<Option<String>, kube::Error> {
    let Some(definition) = api.get_opt(name).await? else { return Ok(None) };
    if definition.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    if is_used(client, &definition).await? {
        return Ok(Some(format!("customresourcedefinition/{name} kept: it has objects by now")));
    }
    let params = DeleteParams {
        dry_run: dry,
        preconditions: Some(Preconditions {
            uid: definition.uid(),
            resource_version: definition.resource_version(),
        }),
        ..DeleteParams::default()
    };
    match api.delete(name, &params).await {
        Ok(_) => Ok(Some(format!("customresourcedefinition/{name} deleted"))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_definitions_of_veleros_own_group_are_its() {
        assert!(is_veleros("backups.velero.io"));
        for other in ["backups.velero.io.example.com", "a.backups.velero.io", "velero.io", "x.notvelero.io"] {
            assert!(!is_veleros(other), "{other}");
        }
    }
}
