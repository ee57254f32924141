//! What the probes look at: the rights that the extension needs, its pod, its place in a store.

use crate::manifests::{MOVERS_NAMESPACE, NAME, Scope, policy_rules};
use k8s_openapi::api::{apps::v1::Deployment, rbac::v1::PolicyRule};
use kube::{Api, Client};
use prerequisites::StoreName;
use probes::{Account, Needed};
use serde_json::{Value, json};
use storage::location::{LocationSettings, Provider};

/// What `cofferdam install` itself does in a cluster, as (API group, resources).
pub const INSTALLER_RULES: [(&str, &[&str]); 4] = [
    ("", &["namespaces", "serviceaccounts", "configmaps", "secrets"]),
    ("apps", &["deployments"]),
    ("rbac.authorization.k8s.io", &["clusterroles", "clusterrolebindings", "roles", "rolebindings"]),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
];

/// The user name of the extension's account.
pub fn account(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:{NAME}")
}

/// The rights that the extension needs; somebody who installs it needs those of the installation too.
pub fn needed(account: Account, namespace: &str, restore: bool) -> Needed {
    let mut rules = policy_rules(Scope::Backup);
    if restore {
        rules.extend(policy_rules(Scope::Restore));
    }
    if account == Account::Asker {
        rules.extend(INSTALLER_RULES.map(|(group, resources)| PolicyRule {
            api_groups: Some(vec![group.to_owned()]),
            resources: Some(resources.iter().map(|&resource| resource.to_owned()).collect()),
            verbs: ["create", "patch"].map(str::to_owned).into(),
            ..PolicyRule::default()
        }));
    }
    let in_namespaces = [(namespace, Scope::Own), (MOVERS_NAMESPACE, Scope::Movers)]
        .map(|(namespace, scope)| (namespace.to_owned(), policy_rules(scope)))
        .into();
    Needed { account, rules, in_namespaces }
}

/// The pod that a rendered or read Deployment of the extension makes.
pub fn pod_of(deployment: &Value) -> Option<Value> {
    let template = deployment.pointer("/spec/template")?;
    let mut metadata = template.get("metadata").cloned().unwrap_or_else(|| json!({}));
    let fields = metadata.as_object_mut()?;
    fields.remove("creationTimestamp");
    fields.insert("generateName".to_owned(), format!("{NAME}-").into());
    fields.insert("namespace".to_owned(), deployment.pointer("/metadata/namespace")?.clone());
    Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec")?}))
}

/// The pod of the Deployment that runs this process; `None` when it runs otherwise or cannot be read.
pub(super) async fn own_pod(client: &Client, namespace: &str) -> Option<Value> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployment = api.get_opt(NAME).await.ok().flatten()?;
    pod_of(&serde_json::to_value(deployment).ok()?)
}

/// `<bucket>/<prefix>`: the place that no other product may write to.
pub fn bucket_path(settings: &LocationSettings) -> String {
    format!("{}/{}", settings.bucket, settings.prefix.as_str())
}

/// The store that the bucket is in, as far as the settings name it: buckets of one name in two stores are two places.
pub fn store_name(settings: &LocationSettings) -> Option<StoreName> {
    let config = |key: &str| settings.config.get(key).map(String::as_str);
    match settings.provider {
        Provider::Azure => config("storageAccount").map(StoreName::azure),
        Provider::Aws => Some(StoreName::s3(config("s3Url"))),
        Provider::Gcp => Some(StoreName::Other("gcp".to_owned())),
        Provider::Local => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::{InstallSettings, render};

    #[test]
    fn the_pod_of_the_rendered_deployment_is_complete() {
        let documents = render(&InstallSettings::new("backups", "cofferdam:1")).unwrap();
        let deployment = documents.iter().find(|d| d["kind"] == "Deployment").unwrap();

        let pod = pod_of(deployment).unwrap();

        assert_eq!(pod["metadata"]["namespace"], "backups");
        assert_eq!(pod["spec"]["containers"][0]["image"], "cofferdam:1");
        serde_json::from_value::<k8s_openapi::api::core::v1::Pod>(pod).unwrap();
    }

    #[test]
    fn whoever_installs_needs_more_than_the_extension() {
        let asker = needed(Account::Asker, "a", true);
        let own = needed(Account::ThisExtension(account("a")), "a", true);

        assert_eq!(asker.rules.len(), own.rules.len() + INSTALLER_RULES.len());
        assert_eq!(
            own.in_namespaces.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(),
            ["a", MOVERS_NAMESPACE]
        );
    }
}
