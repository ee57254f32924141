//! The agent's Deployment: not root, nothing writable, no capabilities, one pod with the limits of the original's.

use super::{AUTHORITIES, ConnectSettings, NAMESPACE, PROXY, TOKEN};
use crate::start::NAME;
use gateway::manifests::shape;
use serde_json::{Value, json};

/// A step that was begun gets a few seconds; what is not done then is continued by the next pod.
const GRACE: u32 = 10;

pub(super) fn deployment(settings: &ConnectSettings) -> Value {
    shape::deployment(NAME, NAMESPACE, settings.connection(), &pod(settings))
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
    let proxy = settings.proxy.as_ref();
    if proxy.is_some_and(|proxy| proxy.authorities().is_some()) {
        args.push(shape::PROXY_AUTHORITIES.to_owned());
    }
    let env = proxy.map_or_else(|| json!([]), |proxy| shape::proxy(PROXY, proxy.except()));
    json!({
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": GRACE,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "securityContext": shape::pod_security(),
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
            "securityContext": shape::container_security(),
        }],
        "volumes": [
            {"name": "vault", "configMap": {"name": AUTHORITIES}},
            {"name": "enrolment", "secret": {"secretName": TOKEN, "optional": true}},
            {"name": "agent", "configMap": {"name": NAME}},
        ],
    })
}
