//! The way out of the extension's pods. In `install` it comes from settings alone; in a package from settings, and where
//! they say nothing from the agent, which hands on the proxy that the cluster was connected with.

use super::{InstallSettings, ProxySettings, labels};
use serde_json::{Value, json};
use storage::PROXY_AUTHORITIES_VARIABLE;

/// ConfigMap with the proxy's own authorities.
pub const PROXY_AUTHORITIES: &str = "cofferdam-proxy-authorities";
/// Its key.
const KEY: &str = "ca.crt";
const PATH: &str = "/etc/cofferdam/proxy";
/// Secret with the address that the agent hands on, which may hold a password; its key is the variable's name.
pub const PROXY: &str = "cofferdam-extension-proxy";
const HTTPS: &str = "HTTPS_PROXY";
const EXCEPT: &str = "NO_PROXY";
/// Annotation of the pods: they start anew with another proxy, though it stands in a Secret.
const SINCE: &str = "cofferdam.io/proxy-since";
/// What is never reached through a proxy: Services of the cluster, and its API server. The kubelet fills in the address.
const INSIDE: &str = ".svc,.cluster.local,$(KUBERNETES_SERVICE_HOST)";

/// The settings.
pub(super) const HTTPS_SETTING: &str = "proxy.https";
pub(super) const EXCEPT_SETTING: &str = "proxy.except";
pub(super) const AUTHORITIES_SETTING: &str = "proxy.authorities";

pub(super) fn authorities(settings: &InstallSettings) -> Option<Value> {
    let pem = settings.proxy.authorities.as_deref()?;
    Some(authorities_map(settings.namespace.clone().into(), format!("{}\n", pem.trim_end()).into()))
}

fn authorities_map(namespace: Value, pem: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": PROXY_AUTHORITIES, "namespace": namespace, "labels": labels()},
        "data": {KEY: pem},
    })
}

pub(super) fn environment(proxy: &ProxySettings) -> Vec<Value> {
    let mut all = Vec::new();
    all.extend(proxy.https.as_ref().map(|url| variable(HTTPS, url)));
    match &proxy.except {
        Some(except) => all.push(variable(EXCEPT, &format!("{except},{INSIDE}"))),
        None => all.extend(proxy.https.as_ref().map(|_| variable(EXCEPT, INSIDE))),
    }
    all.extend(proxy.authorities.as_ref().map(|_| authorities_variable()));
    all
}

pub(super) fn mount(proxy: &ProxySettings) -> Option<Value> {
    proxy.authorities.as_ref().map(|_| authorities_mount())
}

pub(super) fn volume(proxy: &ProxySettings) -> Option<Value> {
    proxy.authorities.as_ref().map(|_| authorities_volume())
}

fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn authorities_variable() -> Value {
    variable(PROXY_AUTHORITIES_VARIABLE, &format!("{PATH}/{KEY}"))
}

fn authorities_mount() -> Value {
    json!({"name": "proxy-authorities", "mountPath": PATH, "readOnly": true})
}

fn authorities_volume() -> Value {
    json!({"name": "proxy-authorities", "configMap": {"name": PROXY_AUTHORITIES}})
}

// In a package: the same with places.

/// What a package has beside what `install` renders without a proxy.
pub(super) fn packaged() -> [Value; 2] {
    let has_authorities = has_authorities();
    let pem = json!({
        "$if": {"set": AUTHORITIES_SETTING},
        "then": {"$concat": [{"$setting": AUTHORITIES_SETTING}, "\n"]},
        "else": {"$concat": [{"$agent": "proxyAuthorities"}, "\n"]},
    });
    [
        json!({
            "resource": "secrets",
            "when": {"known": "httpsProxy"},
            "object": {
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": PROXY, "namespace": {"$agent": "namespace"}, "labels": labels()},
                "stringData": {HTTPS: {"$agent": "httpsProxy"}},
            },
        }),
        json!({
            "resource": "configmaps",
            "when": has_authorities,
            "object": authorities_map(json!({"$agent": "namespace"}), pem),
        }),
    ]
}

/// Puts the way out into the Deployment of a package.
pub(super) fn into_package(deployment: &mut Value) {
    let mut push = |pointer: &str, more: Vec<Value>| {
        if let Some(list) = deployment.pointer_mut(pointer).and_then(Value::as_array_mut) {
            list.extend(more);
        }
    };
    push("/spec/template/spec/containers/0/env", places());
    push("/spec/template/spec/containers/0/volumeMounts", vec![with_authorities(&authorities_mount())]);
    push("/spec/template/spec/volumes", vec![with_authorities(&authorities_volume())]);
    let annotations = deployment.pointer_mut("/spec/template/metadata/annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.insert(SINCE.to_owned(), json!({"$agent": "proxySince"}));
    }
}

fn places() -> Vec<Value> {
    let from_secret = json!({"name": HTTPS, "valueFrom": {"secretKeyRef": {"name": PROXY, "key": HTTPS}}});
    let https = json!({
        "$if": {"set": HTTPS_SETTING},
        "then": {"name": HTTPS, "value": {"$setting": HTTPS_SETTING}},
        "else": {"$if": {"known": "httpsProxy"}, "then": from_secret},
    });
    let own = json!({"$concat": [{"$setting": EXCEPT_SETTING}, ",", INSIDE]});
    let except = json!({
        "$if": {"set": EXCEPT_SETTING},
        "then": {"name": EXCEPT, "value": own},
        // What the agent hands on holds the inside already.
        "else": {
            "$if": {"known": "noProxy"},
            "then": {"name": EXCEPT, "value": {"$agent": "noProxy"}},
            "else": {"$if": {"set": HTTPS_SETTING}, "then": variable(EXCEPT, INSIDE)},
        },
    });
    vec![https, except, with_authorities(&authorities_variable())]
}

fn with_authorities(node: &Value) -> Value {
    json!({"$if": has_authorities(), "then": node})
}

fn has_authorities() -> Value {
    json!({"any": [{"set": AUTHORITIES_SETTING}, {"known": "proxyAuthorities"}]})
}
