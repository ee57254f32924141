//! What an agent must be allowed to do for a package: these objects, by name, and nothing else.

use crate::{names, object::ObjectKey, package::Package, pods};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Some verbs on some objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Right {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural.
    pub resource: String,
    /// Names of the objects.
    pub names: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
}

/// The rights that installing, changing and removing `package` in `namespace` takes.
pub fn rights(package: &Package, namespace: &str) -> Vec<Right> {
    let mut all: BTreeMap<(String, String), BTreeMap<String, BTreeSet<&'static str>>> = BTreeMap::new();
    let mut add = |group: &str, resource: &str, name: &str, verbs: &[&'static str]| {
        let names = all.entry((group.to_owned(), resource.to_owned())).or_default();
        names.entry(name.to_owned()).or_default().extend(verbs);
    };
    for entry in &package.objects {
        let group = names::group_and_version(entry.text("/apiVersion")).map_or("", |(group, _)| group);
        let name = if entry.name().is_empty() { namespace } else { entry.name() };
        add(group, &entry.resource, name, &["get", "create", "patch", "delete"]);
        if package.gate.asks_about_pods() && pods::has_pods(&entry.object) {
            // Only ever as a dry run. Whoever may write the workload can have such pods anyway.
            add("", "pods", &pods::name(name), &["create", "patch"]);
        }
        if group != ObjectKey::RBAC {
            continue;
        }
        match entry.resource.as_str() {
            // The API server lets nobody write a role with more rights than they have, unless by this verb.
            "roles" | "clusterroles" => add(group, &entry.resource, name, &["escalate"]),
            // Nor bind a role whose rights they do not have.
            "rolebindings" | "clusterrolebindings" => {
                let text =
                    |pointer: &str| entry.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let resource = if text("/roleRef/kind") == "ClusterRole" { "clusterroles" } else { "roles" };
                add(group, resource, text("/roleRef/name"), &["bind"]);
            }
            _ => {}
        }
    }
    let mut rights = Vec::new();
    for ((group, resource), names) in all {
        // One rule for all names with the same verbs.
        let mut by_verbs: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        for (name, verbs) in names {
            let verbs = verbs.into_iter().map(str::to_owned).collect();
            by_verbs.entry(verbs).or_default().push(name);
        }
        for (verbs, names) in by_verbs {
            rights.push(Right { group: group.clone(), resource: resource.clone(), names, verbs });
        }
    }
    rights
}

impl ObjectKey {
    /// The group of roles and bindings.
    pub const RBAC: &'static str = "rbac.authorization.k8s.io";
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rights_name_each_object_and_roles_only_by_name() {
        let package: Package = serde_json::from_value(json!({
            "formatVersion": 1, "type": "example.greeter", "version": "1.0.0", "releaseTrain": "stable",
            "namespace": "greeter", "gate": {"cluster": ["P20"]},
            "objects": [
                {"resource": "namespaces", "object": {"apiVersion": "v1", "kind": "Namespace",
                    "metadata": {"name": {"$agent": "namespace"}}}},
                {"resource": "clusterroles", "object": {"apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRole", "metadata": {"name": "greeter"}}},
                {"resource": "rolebindings", "object": {"apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "RoleBinding", "metadata": {"name": "greeter", "namespace": {"$agent": "namespace"}},
                    "roleRef": {"kind": "ClusterRole", "name": "view"}}},
                {"resource": "deployments", "object": {"apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": {"name": "greeter", "namespace": {"$agent": "namespace"}},
                    "spec": {"template": {"spec": {}}}}},
            ],
        }))
        .unwrap();

        let rights = rights(&package, "hello");

        let lines: Vec<String> = rights
            .iter()
            .map(|right| format!("{} {} {}", right.resource, right.names.join(","), right.verbs.join(",")))
            .collect();
        assert_eq!(
            lines,
            [
                "namespaces hello create,delete,get,patch",
                "pods greeter-gate create,patch",
                "deployments greeter create,delete,get,patch",
                "clusterroles view bind",
                "clusterroles greeter create,delete,escalate,get,patch",
                "rolebindings greeter create,delete,get,patch",
            ]
        );
    }
}
