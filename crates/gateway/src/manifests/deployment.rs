//! The gateway's Deployment: not root, nothing writable, no capabilities, one pod.

use super::{GatewaySettings, PORT, shape};
use crate::NAME;
use serde_json::{Value, json};

/// Answers under way get a few seconds.
const GRACE: u32 = 15;

pub(super) fn deployment(settings: &GatewaySettings) -> Value {
    shape::deployment(NAME, &settings.namespace, settings.connection.as_deref(), &pod(settings))
}

fn pod(settings: &GatewaySettings) -> Value {
    let resources = &settings.resources;
    let proxy = settings.proxy.as_ref();
    let env = proxy.map_or_else(|| json!([]), |proxy| shape::proxy(&proxy.secret, &proxy.no_proxy));
    let mut args = vec![
        "gateway".to_owned(),
        format!("--vault={}", settings.vault),
        "--vault-ca=/etc/cofferdam/vault/ca.crt".to_owned(),
        format!("--namespace={}", settings.namespace),
        "--token-file=/etc/cofferdam/enrolment/token".to_owned(),
        format!("--listen=0.0.0.0:{PORT}"),
    ];
    if proxy.is_some_and(|proxy| proxy.has_authorities) {
        args.push(shape::PROXY_AUTHORITIES.to_owned());
    }
    json!({
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": GRACE,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "securityContext": shape::pod_security(),
        "containers": [{
            "name": "gateway",
            "image": settings.image,
            "imagePullPolicy": "IfNotPresent",
            "args": args,
            "env": env,
            "ports": [{"name": "health", "containerPort": PORT}],
            "volumeMounts": [
                {"name": "vault", "mountPath": "/etc/cofferdam/vault", "readOnly": true},
                {"name": "enrolment", "mountPath": "/etc/cofferdam/enrolment", "readOnly": true},
            ],
            "resources": {
                "requests": {"cpu": resources.requests_cpu, "memory": resources.requests_memory},
                "limits": {"cpu": resources.limits_cpu, "memory": resources.limits_memory},
            },
            "securityContext": shape::container_security(),
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
