//! The agent's Deployment: not root, nothing writable, no capabilities, one pod with the limits of the original's.

use super::{AUTHORITIES, ConnectSettings, NAMESPACE, PROXY, TOKEN, labels};
use crate::start::NAME;
use serde_json::{Value, json};

/// A step that was begun gets a few seconds; what is not done then is continued by the next pod.
const GRACE: u32 = 10;

pub(super) fn deployment(settings: &ConnectSettings) -> Value {
    let selector = json!({"app.kubernetes.io/name": NAME});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels()},
        "spec": {
            // Two would only refuse each other's writes.
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

fn pod(settings: &ConnectSettings) -> Value {
    let mut args = vec![
        "agent".to_owned(),
        format!("--vault={}", settings.vault),
        "--vault-ca=/etc/cofferdam/vault/ca.crt".to_owned(),
        format!("--namespace={NAMESPACE}"),
        "--token-file=/etc/cofferdam/enrolment/token".to_owned(),
        "--trust=/etc/cofferdam/agent/trust.json".to_owned(),
        "--registry-ca=/etc/cofferdam/agent/registry-ca.crt".to_owned(),
    ];
    args.extend(settings.registries.iter().map(|address| format!("--registry={address}")));
    let env = match &settings.proxy {
        None => json!([]),
        Some((_, except)) => json!([
            {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": PROXY, "key": "HTTPS_PROXY"}}},
            {"name": "NO_PROXY", "value": except},
        ]),
    };
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
            "name": "agent",
            "image": settings.image,
            "imagePullPolicy": "IfNotPresent",
            "args": args,
            "env": env,
            "volumeMounts": [
                {"name": "vault", "mountPath": "/etc/cofferdam/vault", "readOnly": true},
                {"name": "enrolment", "mountPath": "/etc/cofferdam/enrolment", "readOnly": true},
                {"name": "agent", "mountPath": "/etc/cofferdam/agent", "readOnly": true},
            ],
            "resources": {
                "requests": {"cpu": "5m", "memory": "32Mi"},
                "limits": {"cpu": "5m", "memory": "64Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
        }],
        "volumes": [
            {"name": "vault", "configMap": {"name": AUTHORITIES}},
            {"name": "enrolment", "secret": {"secretName": TOKEN, "optional": true}},
            {"name": "agent", "configMap": {"name": NAME}},
        ],
    })
}
