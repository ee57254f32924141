//! The extension's Deployment: not root, nothing writable, no capabilities.

use super::{APP, InstallSettings, NAME, PORT, egress, labels, vault};
use serde_json::{Value, json};

/// Seconds that a pod gets to thaw applications and put down its work.
const GRACE: u32 = 90;

pub(super) fn deployment(settings: &InstallSettings) -> Value {
    let selector = json!({"app.kubernetes.io/name": APP});
    let mut pod_labels = json!({"app.kubernetes.io/name": APP, "app.kubernetes.io/part-of": "cofferdam"});
    // With a vault of its own the token is mounted by us, and Azure's webhook must not mount another one.
    if settings.client_id.is_some()
        && settings.vault.is_none()
        && let Some(labels) = pod_labels.as_object_mut()
    {
        labels.insert("azure.workload.identity/use".to_owned(), "true".into());
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": settings.namespace, "labels": labels()},
        "spec": {
            "replicas": settings.replicas,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {
                    "labels": pod_labels,
                    "annotations": {
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": PORT.to_string(),
                    },
                },
                "spec": pod(settings),
            },
        },
    })
}

fn pod(settings: &InstallSettings) -> Value {
    let mut environment = vec![
        json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        json!({"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}),
    ];
    environment.extend(settings.vault.iter().flat_map(vault::environment));
    environment.extend(egress::environment(&settings.proxy));
    let mut mounts: Vec<Value> = settings.vault.iter().flat_map(|_| vault::mounts()).collect();
    mounts.extend(egress::mount(&settings.proxy));
    let mut volumes: Vec<Value> = settings.vault.iter().flat_map(vault::volumes).collect();
    volumes.extend(egress::volume(&settings.proxy));
    json!({
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": GRACE,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": volumes,
        "containers": [{
            "name": "extension",
            "image": settings.image,
            "imagePullPolicy": "IfNotPresent",
            "args": [
                "extension",
                format!("--namespace={}", settings.namespace),
                format!("--image={}", settings.image),
                format!("--listen=0.0.0.0:{PORT}"),
            ],
            "env": environment,
            "volumeMounts": mounts,
            "ports": [{"name": "health", "containerPort": PORT}],
            "resources": {
                "requests": {"cpu": settings.resources.requests_cpu, "memory": settings.resources.requests_memory},
                "limits": {"cpu": settings.resources.limits_cpu, "memory": settings.resources.limits_memory},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "health"}, "periodSeconds": 20, "timeoutSeconds": 5},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 3},
        }],
    })
}
