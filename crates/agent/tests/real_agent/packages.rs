//! A third party's extension, small enough to be read: a namespace, an account with a role, a greeting, a Deployment.

use packages::{Digest, SigningKey, seal};
use serde_json::{Value, json};

/// A package as a registry holds it.
#[derive(Debug, Clone)]
pub struct Published {
    pub manifest: Vec<u8>,
    pub package: Vec<u8>,
    pub digest: Digest,
}

/// Version `version` of the greeter `name`; `shape` may change it.
pub fn greeter(name: &str, version: &str, shape: impl FnOnce(&mut Value)) -> Value {
    let metadata = || json!({"name": name, "namespace": {"$agent": "namespace"}});
    let mut package = json!({
        "formatVersion": 1, "type": format!("example.{name}"), "version": version, "releaseTrain": "stable",
        "namespace": name,
        "settings": {
            "greeting": {"type": "string", "default": "hello", "maxLength": 40},
            "replicas": {"type": "integer", "default": 0, "minimum": 0, "maximum": 3},
            "password": {"type": "string", "protected": true},
        },
        "gate": {"cluster": ["P11"]},
        "objects": [
            {"resource": "namespaces", "object": {"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": {"$agent": "namespace"}}}},
            {"resource": "customresourcedefinitions", "object": {
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": format!("{name}s.example.com")},
                "spec": {"group": "example.com", "scope": "Namespaced",
                    "names": {"kind": format!("{}{}", name[..1].to_uppercase(), &name[1..]), "plural": format!("{name}s"), "singular": name},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                        "openAPIV3Schema": {"type": "object"}}}]}}},
            {"resource": "serviceaccounts", "object": {"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": metadata()}},
            {"resource": "clusterroles", "object": {"apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole", "metadata": {"name": name},
                "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]}},
            {"resource": "clusterrolebindings", "object": {"apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding", "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": {"$agent": "namespace"}}]}},
            {"resource": "configmaps", "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(),
                "data": {"greeting": {"$setting": "greeting"}, "version": version}}},
            {"resource": "secrets", "when": {"set": "password"}, "object": {"apiVersion": "v1", "kind": "Secret",
                "metadata": metadata(), "stringData": {"password": {"$setting": "password"}}}},
            {"resource": "deployments", "object": {"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": metadata(),
                "spec": {
                    "replicas": {"$setting": "replicas"},
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": {"app": name}},
                        "spec": {"containers": [{"name": "main", "image": "greeter.invalid/none:1",
                            "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}]}}}}},
        ],
        "health": [{"kind": "Deployment", "name": name, "withinSeconds": 60}],
    });
    shape(&mut package);
    package
}

/// An object that some versions have beside.
pub fn extra(name: &str, suffix: &str) -> Value {
    json!({"resource": "configmaps", "object": {"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("{name}-{suffix}"), "namespace": {"$agent": "namespace"}}}})
}

/// Signs and seals a package.
pub fn publish(package: &Value, key: &SigningKey) -> Published {
    let package = package.to_string().into_bytes();
    let manifest = seal(&package, std::slice::from_ref(key)).unwrap();
    Published { digest: Digest::of(&manifest), manifest, package }
}
