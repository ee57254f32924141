//! The gateway's Deployment: not root, nothing writable, no capabilities, one pod.

use super::{GatewaySettings, PORT, labels};
use crate::NAME;
use serde_json::{Value, json};

/// Answers under way get a few seconds.
const GRACE: u32 = 15;

pub(super) fn deployment(settings: &GatewaySettings) -> Value {
    let selector = json!({"app.kubernetes.io/name": NAME});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": settings.namespace, "labels": labels()},
        "spec": {
            // A second one would take the first one's place at the vault, and the first one the second's again.
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {
                    "labels": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "cofferdam"},
                },
                "spec": pod(settings),
            },
        },
    })
}

fn pod(settings: &GatewaySettings) -> Value {
    let resources = &settings.resources;
    json!({
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": GRACE,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": "gateway",
            "image": settings.image,
            "imagePullPolicy": "IfNotPresent",
            "args": [
                "gateway",
                format!("--vault={}", settings.vault),
                "--vault-ca=/etc/cofferdam/vault/ca.crt",
                format!("--namespace={}", settings.namespace),
                "--token-file=/etc/cofferdam/enrolment/token",
                format!("--listen=0.0.0.0:{PORT}"),
            ],
            "env": environment(settings),
            "ports": [{"name": "health", "containerPort": PORT}],
            "volumeMounts": [
                {"name": "vault", "mountPath": "/etc/cofferdam/vault", "readOnly": true},
                {"name": "enrolment", "mountPath": "/etc/cofferdam/enrolment", "readOnly": true},
            ],
            "resources": {
                "requests": {"cpu": resources.requests_cpu, "memory": resources.requests_memory},
                "limits": {"cpu": resources.limits_cpu, "memory": resources.limits_memory},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "livenessProbe": {
                "httpGet": {"path": "/healthz", "port": "health"}, "periodSeconds": 20, "timeoutSeconds": 5,
            },
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 5},
        }],
        "volumes": [
            {"name": "vault", "configMap": {"name": settings.authorities}},
            {"name": "enrolment", "secret": {"secretName": settings.token, "optional": true}},
        ],
    })
}

fn environment(settings: &GatewaySettings) -> Value {
    match &settings.proxy {
        None => json!([]),
        Some(proxy) => json!([
            {
                "name": "HTTPS_PROXY",
                "valueFrom": {"secretKeyRef": {"name": proxy.secret, "key": "HTTPS_PROXY"}},
            },
            {"name": "NO_PROXY", "value": proxy.no_proxy},
        ]),
    }
}
