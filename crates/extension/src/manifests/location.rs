//! The ConfigMap and the Secrets of a storage location.

use super::INSTALLER;
use crate::locations::{LABEL, LocationRecord, REPOSITORY_KEY};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::ObjectMeta;
use serde_json::Value;
use std::collections::BTreeMap;

/// The ConfigMap of a location.
pub fn location_config_map(location: &LocationRecord, namespace: &str) -> Result<Value, serde_json::Error> {
    typed("v1", "ConfigMap", &location.encode(namespace))
}

/// The Secret with a repository's password, unless the vault grants it. Nobody can read a recovery point without it.
pub fn repository_secret(location: &LocationRecord, namespace: &str, password: &str) -> Option<Secret> {
    let name = location.repository_secret()?.to_owned();
    Some(Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            labels: Some(BTreeMap::from([
                ("app.kubernetes.io/managed-by".to_owned(), INSTALLER.to_owned()),
                (LABEL.to_owned(), location.role.to_string()),
            ])),
            ..ObjectMeta::default()
        },
        data: Some([(REPOSITORY_KEY.to_owned(), ByteString(password.as_bytes().to_vec()))].into()),
        ..Secret::default()
    })
}

/// A typed object as a document with `apiVersion` and `kind`.
pub(super) fn typed(
    api: &str,
    kind: &str,
    object: &impl serde::Serialize,
) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(object)?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("apiVersion".to_owned(), api.into());
        fields.insert("kind".to_owned(), kind.into());
    }
    Ok(document)
}
