//! Which resources an API server serves, each in its preferred version.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use kube::api::ApiResource;

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
