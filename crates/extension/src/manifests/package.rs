//! The extension as a package for the agent: what `install` renders, with places where settings go.
//!
//! The manifests are rendered once with marks instead of settings, and the marks become places: there is one
//! description of an installation, and not two. Reference: `docs/formats/extension-package.md`.

use super::{INSTALLER, InstallSettings, NAME, ResourceSettings, VaultLink, egress, labels, render};
use crate::locations::{
    ALLOW_UNRELATED, CREDENTIAL_SECRET, DEFAULT, LABEL, LocationRecord, REPOSITORY_KEY_SOURCE,
    REPOSITORY_SECRET, Role,
};
use protection::settings::SHORT;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use storage::location::{Provider, SETTINGS_PREFIX, config_keys};

/// The type of the extension, the original's.
pub const TYPE: &str = "microsoft.dataprotection.kubernetes";
/// Where it lives unless somebody says otherwise, as in the original.
pub const DEFAULT_NAMESPACE: &str = "dataprotection-microsoft";
/// Seconds in which the extension must become ready; images are fetched meanwhile.
const READY: u32 = 300;
/// Stands on both sides of what a mark means; no manifest holds it.
const MARK: char = '\u{1}';
/// Stands for the number of replicas.
const REPLICAS: u32 = 4_000_000_001;

/// The package of this version, whose pods run `image`.
pub fn package(version: &str, image: &str) -> Result<Value, serde_json::Error> {
    let mut objects = Vec::new();
    for document in render(&marked(image))? {
        let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let restores = name == format!("{NAME}-restore");
        let resource = plural(document.get("kind").and_then(Value::as_str).unwrap_or_default());
        let mut object = lifted(document);
        if resource == "deployments" {
            egress::into_package(&mut object);
        }
        let mut entry = json!({"resource": resource, "object": object});
        if let (true, Some(entry)) = (restores, entry.as_object_mut()) {
            entry.insert("when".to_owned(), json!({"equals": {"setting": "restore.enabled", "value": true}}));
        }
        objects.push(entry);
    }
    // Before the Deployment: the extension shall find its location and its way out complete.
    let deployment = objects.pop();
    objects.push(location());
    objects.extend(egress::packaged());
    objects.extend(deployment);
    Ok(json!({
        "formatVersion": 1,
        "type": TYPE,
        "version": version,
        "releaseTrain": "stable",
        "namespace": DEFAULT_NAMESPACE,
        "settings": settings(),
        "gate": {
            "cluster": ["P11", "P12", "P17", "P20"],
            "vault": ["P5", "P6", "P7", "P14"],
            "place": {
                "bucket": format!("{SETTINGS_PREFIX}bucket"),
                "prefix": format!("{SETTINGS_PREFIX}prefix"),
            },
        },
        "adopts": [INSTALLER],
        "objects": objects,
        "health": [{"kind": "Deployment", "name": NAME, "withinSeconds": READY}],
    }))
}

fn setting(key: &str) -> String {
    format!("{MARK}$setting {key}{MARK}")
}

fn agent(key: &str) -> String {
    format!("{MARK}$agent {key}{MARK}")
}

/// An installation whose every setting is a mark.
fn marked(image: &str) -> InstallSettings {
    InstallSettings {
        replicas: REPLICAS,
        resources: ResourceSettings {
            requests_cpu: setting("resources.requests.cpu"),
            requests_memory: setting("resources.requests.memory"),
            limits_cpu: setting("resources.limits.cpu"),
            limits_memory: setting("resources.limits.memory"),
        },
        vault: Some(VaultLink {
            url: agent("vaultUrl"),
            tenant_id: agent("tenantId"),
            client_id: agent("clientId"),
            authorities: agent("vaultAuthorities"),
            audience: agent("audience"),
        }),
        ..InstallSettings::new(&agent("namespace"), image)
    }
}

/// A rendered node with places instead of marks.
fn lifted(node: Value) -> Value {
    match node {
        Value::String(text) if text.contains(MARK) => place(&text),
        Value::Number(number) if number.as_u64() == Some(REPLICAS.into()) => json!({"$setting": "replicas"}),
        Value::Array(items) => Value::Array(items.into_iter().map(lifted).collect()),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, lifted(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// A text with marks: a place, or texts and places joined.
fn place(text: &str) -> Value {
    let mut parts: Vec<Value> = text
        .split(MARK)
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(|(at, part)| match part.split_once(' ').filter(|_| at % 2 == 1) {
            Some((kind, key)) => Value::Object(Map::from_iter([(kind.to_owned(), key.into())])),
            None => part.into(),
        })
        .collect();
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            json!({"$concat": parts})
        }
    }
}

fn plural(kind: &str) -> String {
    format!("{}s", kind.to_lowercase())
}

/// Keys that describe a location, as they stand in its ConfigMap.
fn location_keys() -> Vec<String> {
    let providers = [Provider::Azure, Provider::Aws, Provider::Gcp, Provider::Local];
    let config: BTreeSet<&str> = providers.into_iter().flat_map(config_keys).copied().collect();
    let mut keys: Vec<String> =
        ["provider", "bucket", "prefix"].iter().map(|key| format!("{SETTINGS_PREFIX}{key}")).collect();
    keys.extend(config.iter().map(|key| format!("{SETTINGS_PREFIX}config.{key}")));
    keys.extend([CREDENTIAL_SECRET, REPOSITORY_SECRET, ALLOW_UNRELATED].map(str::to_owned));
    keys
}

/// The default location, when the settings describe one. Its key comes from the vault unless a Secret is named.
fn location() -> Value {
    let mut data: Map<String, Value> =
        location_keys().into_iter().map(|key| (key.clone(), json!({"$setting": key}))).collect();
    let from_vault = json!({
        "$if": {"set": REPOSITORY_SECRET}, "then": {"$setting": REPOSITORY_KEY_SOURCE}, "else": "vault",
    });
    data.insert(REPOSITORY_KEY_SOURCE.to_owned(), from_vault);
    let mut labels = labels();
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(LABEL.to_owned(), Role::Own.to_string().into());
    }
    json!({
        "resource": "configmaps",
        "when": {"set": format!("{SETTINGS_PREFIX}bucket")},
        "object": {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": LocationRecord::config_map_name(DEFAULT),
                "namespace": {"$agent": "namespace"},
                "labels": labels,
            },
            "data": data,
        },
    })
}

fn settings() -> Value {
    let defaults = ResourceSettings::default();
    let mut all = json!({
        "resources.requests.cpu": {"type": "quantity", "default": defaults.requests_cpu},
        "resources.requests.memory": {"type": "quantity", "default": defaults.requests_memory},
        "resources.limits.cpu": {"type": "quantity", "default": defaults.limits_cpu},
        "resources.limits.memory": {"type": "quantity", "default": defaults.limits_memory},
        "replicas": {"type": "integer", "default": 1, "minimum": 1, "maximum": 10},
        "restore.enabled": {"type": "boolean", "default": true},
        (egress::HTTPS_SETTING): {"type": "string", "maxLength": 2048},
        (egress::EXCEPT_SETTING): {"type": "string", "maxLength": 4096},
        (egress::AUTHORITIES_SETTING): {"type": "string"},
        // The clients of the original send these two; the vault knows both by itself.
        "credentials.tenantId": {"type": "string", "maxLength": 64},
        "credentials.clientId": {"type": "string", "maxLength": 64},
    });
    let Some(fields) = all.as_object_mut() else { return all };
    fields.insert(REPOSITORY_KEY_SOURCE.to_owned(), json!({"type": "string", "choices": ["vault"]}));
    for key in location_keys() {
        let rule = match key.as_str() {
            CREDENTIAL_SECRET | REPOSITORY_SECRET => json!({"type": "name"}),
            ALLOW_UNRELATED => json!({"type": "string", "choices": ["true", "false"]}),
            key if key.ends_with(".provider") => {
                json!({"type": "string", "choices": ["azure", "aws", "gcp", "local"]})
            }
            _ => json!({"type": "string"}),
        };
        fields.insert(key, rule);
    }
    for (short, full) in SHORT {
        if let Some(rule) = fields.get_mut(full).and_then(Value::as_object_mut) {
            rule.insert("aliases".to_owned(), json!([short]));
        }
    }
    all
}

#[cfg(test)]
#[path = "package_tests.rs"]
mod tests;
