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

/// Refuses a namespace in which others run something, and a second installation. Who installs without the right to look
/// at these is not kept from it.
pub async fn check(client: &Client, namespace: &str) -> Result<(), Failure> {
    if let Some(other) = installed_elsewhere(client, namespace).await? {
        return Err(Failure::precondition(format!(
            "Cofferdam is installed in namespace {other} already; one installation serves the whole cluster"
        ))
        .next(format!("Use it with `-n {other}`, or remove it: `kubectl delete namespace {other}`.")));
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let there = seen(namespaces.get_opt(namespace).await, "read the namespace")?.flatten();
    if there.is_none_or(|there| there.labels().contains_key(MANAGED_BY)) {
        return Ok(());
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let first = ListParams::default().limit(1);
    let pods = seen(pods.list_metadata(&first).await, "list the pods of the namespace")?;
    match pods.is_none_or(|pods| pods.items.is_empty()) {
        true => Ok(()),
        false => Err(Failure::precondition(format!(
            "pods of others run in namespace {namespace}; the installation would confine them"
        ))
        .next("Name a namespace that is empty or does not exist yet.")),
    }
}

async fn installed_elsewhere(client: &Client, namespace: &str) -> Result<Option<String>, Failure> {
    let tried = "look for another installation";
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let binding = seen(bindings.get_opt(&format!("{NAME}-backup")).await, tried)?.flatten();
    let subjects = binding.and_then(|binding| binding.subjects).unwrap_or_default();
    let others =
        subjects.into_iter().filter_map(|subject| subject.namespace).filter(|other| other != namespace);
    for other in others {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), &other);
        if seen(deployments.get_opt(NAME).await, tried)?.flatten().is_some() {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// What was found; `None` when looking is forbidden.
fn seen<T>(found: Result<T, kube::Error>, tried: &str) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(Failure::api(tried, &error)),
    }
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
