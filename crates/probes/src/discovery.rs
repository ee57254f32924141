//! Which resources an API server serves, each in its preferred version.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use kube::api::ApiResource;
use std::collections::BTreeSet;

/// Groups that say nothing of what a target can take.
const NOT_COMPARED: [&str; 2] = ["velero.io", "clusterbackup.dataprotection.microsoft.com"];

/// Resources that understand `verb`. Groups whose server does not answer are left out: they hold nothing that can be
/// read now.
pub(crate) async fn resources(client: &Client, verb: &str) -> Result<Vec<ApiResource>, kube::Error> {
    let mut all = Vec::new();
    let core = client.list_core_api_resources("v1").await?;
    all.extend(of_list("", "v1", &core, verb));
    let groups = client.list_api_groups().await?.groups;
    let lists = futures::future::join_all(groups.iter().map(|group| async move {
        let preferred = group.preferred_version.as_ref().or(group.versions.first())?;
        let list = client.list_api_group_resources(&preferred.group_version).await.ok()?;
        Some((group.name.as_str(), preferred.version.as_str(), list))
    }));
    for (group, version, list) in lists.await.into_iter().flatten() {
        all.extend(of_list(group, version, &list, verb));
    }
    Ok(all)
}

/// Every resource that a backup could hold, in the version that it would hold: the first of its group's order of preference
/// that serves it. What cannot be created has no place in a target, Velero's kinds are in no backup, and ours come with the
/// extension. Groups whose server does not answer are left out. As `<group>/<version>/<plural>`.
pub(crate) async fn backed_up(client: &Client) -> Result<Vec<String>, kube::Error> {
    let core = client.list_core_api_resources("v1").await?;
    let mut groups = client.list_api_groups().await?.groups;
    groups.retain(|group| !NOT_COMPARED.contains(&group.name.as_str()));
    let of_groups = futures::future::join_all(groups.iter().map(|group| async move {
        let versions = group.versions.iter().map(|version| version.group_version.as_str());
        let lists = versions.map(|version| async move {
            Some((version, client.list_api_group_resources(version).await.ok()?))
        });
        let lists: Option<Vec<_>> = futures::future::join_all(lists).await.into_iter().collect();
        first_of_each(&lists.unwrap_or_default())
    }));
    let mut all = first_of_each(&[("v1", core)]);
    all.extend(of_groups.await.into_iter().flatten());
    Ok(all)
}

/// Each resource in the first of these versions, as `<group>/<version>/<plural>`.
fn first_of_each(versions: &[(&str, APIResourceList)]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for (version, list) in versions {
        for resource in &list.resources {
            let can = |verb: &str| resource.verbs.iter().any(|one| one == verb);
            let is_kept = !resource.name.contains('/') && can("list") && can("create");
            if is_kept && seen.insert(resource.name.clone()) {
                all.push(format!("{version}/{}", resource.name));
            }
        }
    }
    all
}

/// Every resource in every version that is served, as `<group>/<version>/<plural>`.
pub(crate) async fn names(client: &Client) -> Result<Vec<String>, kube::Error> {
    let core = client.list_core_api_resources("v1").await?;
    let mut all: Vec<String> = named("v1", &core);
    let groups = client.list_api_groups().await?.groups;
    let versions = groups.iter().flat_map(|group| &group.versions);
    let lists = futures::future::join_all(versions.map(|version| async move {
        let list = client.list_api_group_resources(&version.group_version).await.ok()?;
        Some(named(&version.group_version, &list))
    }));
    all.extend(lists.await.into_iter().flatten().flatten());
    Ok(all)
}

fn named(group_version: &str, list: &APIResourceList) -> Vec<String> {
    let whole = list.resources.iter().filter(|resource| !resource.name.contains('/'));
    whole.map(|resource| format!("{group_version}/{}", resource.name)).collect()
}

fn of_list(group: &str, version: &str, list: &APIResourceList, verb: &str) -> Vec<ApiResource> {
    let usable = list
        .resources
        .iter()
        .filter(|resource| !resource.name.contains('/') && resource.verbs.iter().any(|one| one == verb));
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    usable
        .map(|resource| ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: api_version.clone(),
            kind: resource.kind.clone(),
            plural: resource.name.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeServer;
    use serde_json::{Value, json};

    fn list(version: &str, resources: &[(&str, &[&str])]) -> Value {
        let resources: Vec<Value> = resources
            .iter()
            .map(|(name, verbs)| {
                json!({"name": name, "singularName": "", "namespaced": true, "kind": "K", "verbs": verbs})
            })
            .collect();
        json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources})
    }

    #[tokio::test]
    async fn a_resource_counts_in_the_version_that_a_backup_holds_and_only_where_it_can_be_created() {
        let kept: &[&str] = &["create", "list"];
        let version = |name: &str| json!({"groupVersion": format!("shop.example/{name}"), "version": name});
        let of_velero = json!({"groupVersion": "velero.io/v1", "version": "v1"});
        let groups = json!({"kind": "APIGroupList", "groups": [
            {"name": "shop.example", "versions": [version("v1"), version("v1beta1")], "preferredVersion": version("v1")},
            {"name": "velero.io", "versions": [of_velero], "preferredVersion": of_velero}]});
        let server = FakeServer::default()
            .with(
                "/api/v1",
                list("v1", &[("pods", kept), ("pods/log", &["get"]), ("componentstatuses", &["list"])]),
            )
            .with("/apis", groups)
            .with("/apis/velero.io/v1", list("velero.io/v1", &[("backups", kept)]))
            .with("/apis/shop.example/v1", list("shop.example/v1", &[("carts", kept)]))
            .with(
                "/apis/shop.example/v1beta1",
                list("shop.example/v1beta1", &[("carts", kept), ("tills", kept)]),
            );

        let found = backed_up(&server.client()).await.unwrap();

        assert_eq!(found, ["v1/pods", "shop.example/v1/carts", "shop.example/v1beta1/tills"]);
        let all = names(&server.client()).await.unwrap();
        assert!(all.contains(&"shop.example/v1beta1/carts".to_owned()), "a target may serve any: {all:?}");
    }
}
