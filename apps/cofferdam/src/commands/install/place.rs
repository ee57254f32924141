//! Whether a namespace can be the installation's: it is confined to `restricted`, and a cluster has one installation.

use crate::exit::Failure;
use extension::manifests::NAME;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod},
    rbac::v1::ClusterRoleBinding,
};
use kube::{Api, Client, ResourceExt, api::ListParams};

const OF_THE_CLUSTER: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Refuses what can be refused without a look at the cluster.
pub fn check_name(namespace: &str) -> Result<(), Failure> {
    if OF_THE_CLUSTER.contains(&namespace) {
        return Err(Failure::usage(format!(
            "namespace {namespace} belongs to the cluster; the installation would confine it"
        ))
        .next("Leave `-n` out, or name a namespace of its own."));
    }
    Ok(())
}

/// Refuses a namespace in which others run something, and a second installation.
pub async fn check(client: &Client, namespace: &str) -> Result<(), Failure> {
    if let Some(other) = installed_elsewhere(client, namespace).await? {
        return Err(Failure::precondition(format!(
            "Cofferdam is installed in namespace {other} already; one installation serves the whole cluster"
        ))
        .next(format!("Use it with `-n {other}`, or remove it: `kubectl delete namespace {other}`.")));
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces.get_opt(namespace).await;
    let found = found.map_err(|error| Failure::api(format!("read namespace {namespace}"), &error))?;
    let Some(there) = found.filter(|there| !there.labels().contains_key(MANAGED_BY)) else { return Ok(()) };
    let pods: Api<Pod> = Api::namespaced(client.clone(), &there.name_any());
    let pods = pods.list_metadata(&ListParams::default().limit(1)).await;
    let pods =
        pods.map_err(|error| Failure::api(format!("list the pods of namespace {namespace}"), &error))?;
    match pods.items.is_empty() {
        true => Ok(()),
        false => Err(Failure::precondition(format!(
            "pods of others run in namespace {namespace}; the installation would confine them"
        ))
        .next("Name a namespace that is empty or does not exist yet.")),
    }
}

async fn installed_elsewhere(client: &Client, namespace: &str) -> Result<Option<String>, Failure> {
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let binding = bindings.get_opt(&format!("{NAME}-backup")).await;
    let binding = binding.map_err(|error| Failure::api("look for another installation", &error))?;
    let subjects = binding.and_then(|binding| binding.subjects).unwrap_or_default();
    let others =
        subjects.into_iter().filter_map(|subject| subject.namespace).filter(|other| other != namespace);
    for other in others {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), &other);
        let runs = deployments.get_opt(NAME).await;
        if runs.map_err(|error| Failure::api("look for another installation", &error))?.is_some() {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_of_the_cluster_are_refused() {
        for name in OF_THE_CLUSTER {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("backup-system").is_ok());
    }
}
