//! What an extension with a vault gets beside the rest: the vault's authorities, a projected token, variables. It gets
//! no right for it.

use super::{InstallSettings, VaultLink, labels};
use crate::grants::{AUTHORITIES_VARIABLE, TOKEN_FILE_VARIABLE, URL_VARIABLE};
use serde_json::{Value, json};

/// The ConfigMap with the vault's certificate authorities.
pub const AUTHORITIES: &str = "cofferdam-vault-authorities";
/// Its key.
const AUTHORITIES_KEY: &str = "ca.crt";
const AUTHORITIES_PATH: &str = "/etc/cofferdam/vault";
const TOKEN_PATH: &str = "/var/run/secrets/azure/tokens";
const TOKEN_FILE: &str = "azure-identity-token";
/// Seconds for which a projected token is good; the kubelet renews it in time.
const TOKEN_LIFE: u32 = 3600;

pub(super) fn authorities(settings: &InstallSettings, vault: &VaultLink) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": AUTHORITIES, "namespace": settings.namespace, "labels": labels()},
        "data": {AUTHORITIES_KEY: format!("{}\n", vault.authorities.trim_end())},
    })
}

pub(super) fn environment(vault: &VaultLink) -> Vec<Value> {
    let values = [
        ("AZURE_AUTHORITY_HOST", format!("{}/", vault.url)),
        ("AZURE_TENANT_ID", vault.tenant_id.clone()),
        ("AZURE_CLIENT_ID", vault.client_id.clone()),
        (TOKEN_FILE_VARIABLE, format!("{TOKEN_PATH}/{TOKEN_FILE}")),
        (URL_VARIABLE, vault.url.clone()),
        (AUTHORITIES_VARIABLE, format!("{AUTHORITIES_PATH}/{AUTHORITIES_KEY}")),
    ];
    values.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

pub(super) fn mounts() -> [Value; 2] {
    [
        json!({"name": "vault-authorities", "mountPath": AUTHORITIES_PATH, "readOnly": true}),
        json!({"name": "identity-token", "mountPath": TOKEN_PATH, "readOnly": true}),
    ]
}

pub(super) fn volumes(vault: &VaultLink) -> [Value; 2] {
    [
        json!({"name": "vault-authorities", "configMap": {"name": AUTHORITIES}}),
        json!({"name": "identity-token", "projected": {"defaultMode": 0o440, "sources": [{"serviceAccountToken": {
            "path": TOKEN_FILE, "audience": vault.audience, "expirationSeconds": TOKEN_LIFE,
        }}]}}),
    ]
}
