//! What agent and gateway have in common: one pod each, not root, nothing writable, no capabilities.

use super::INSTALLER;
use serde_json::{Value, json};

/// The labels of what a part is made of.
pub fn labels(part: &str) -> Value {
    json!({
        "app.kubernetes.io/name": part,
        "app.kubernetes.io/part-of": "cofferdam",
        "app.kubernetes.io/managed-by": INSTALLER,
    })
}

/// Annotation of pods: the connection whose manifest they were made from. With a new one they start anew, and read what
/// stands in Secrets again, such as another proxy.
pub const CONNECTION: &str = "cofferdam.io/connection";

/// The Deployment of a part. A second pod would take the first one's place at the vault, and the first one the second's
/// again.
pub fn deployment(part: &str, namespace: &str, connection: Option<&str>, pod: &Value) -> Value {
    let selector = json!({"app.kubernetes.io/name": part});
    let annotations = connection.map_or_else(|| json!({}), |connection| json!({CONNECTION: connection}));
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": part, "namespace": namespace, "labels": labels(part)},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {
                    "labels": {"app.kubernetes.io/name": part, "app.kubernetes.io/part-of": "cofferdam"},
                    "annotations": annotations,
                },
                "spec": pod,
            },
        },
    })
}

/// The pod's `securityContext`.
pub fn pod_security() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// The container's `securityContext`.
pub fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// The argument that names the proxy's own authorities, where the ConfigMap of the vault's has them.
pub const PROXY_AUTHORITIES: &str = "--proxy-ca=/etc/cofferdam/vault/proxy-ca.crt";

/// What is never reached through a proxy: Services of the cluster, and its API server. The kubelet fills in the address.
pub const INSIDE: &str = ".svc,.cluster.local,$(KUBERNETES_SERVICE_HOST)";

/// The environment of an egress proxy: its address from the key `HTTPS_PROXY` of this Secret, and what is reached
/// without it.
pub fn proxy(secret: &str, except: &str) -> Value {
    let except = if except.is_empty() { INSIDE.to_owned() } else { format!("{except},{INSIDE}") };
    json!([
        {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": secret, "key": "HTTPS_PROXY"}}},
        {"name": "NO_PROXY", "value": except},
    ])
}
