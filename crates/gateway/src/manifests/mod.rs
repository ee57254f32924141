//! The gateway's manifests, as pure functions of its settings.

mod deployment;
mod rbac;
pub mod shape;

pub use rbac::{Explained, Place, explained_rules, policy_rules};

use crate::{ACCESS_NAMESPACE, NAME, NAMESPACE, role};
use serde_json::{Value, json};

/// Field manager of who applies them.
pub const INSTALLER: &str = "cofferdam-install";
/// Port of `/healthz` and `/readyz`.
pub const PORT: u16 = 8081;

/// How the gateway is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// Its namespace.
    pub namespace: String,
    /// The product's image.
    pub image: String,
    /// URL of the vault.
    pub vault: String,
    /// Name of the ConfigMap whose key `ca.crt` holds the vault's authorities.
    pub authorities: String,
    /// Name of the Secret whose key `token` holds the enrolment token; it may go once the parts have enrolled.
    pub token: String,
    /// `HTTPS_PROXY` and `NO_PROXY`, where there is an egress proxy.
    pub proxy: Option<ProxySettings>,
    /// The id of the connection that the manifest is for; with another one the pod starts anew.
    pub connection: Option<String>,
    /// CPU and memory.
    pub resources: ResourceSettings,
}

/// An egress proxy. Its URL may hold a password, so it comes from a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySettings {
    /// Name of the Secret whose key `HTTPS_PROXY` holds the URL.
    pub secret: String,
    /// What is reached without it.
    pub no_proxy: String,
    /// Whether the ConfigMap of the authorities has the proxy's own beside the vault's, key `proxy-ca.crt`.
    pub has_authorities: bool,
}

/// What the pod may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSettings {
    /// CPU that is kept free for it.
    pub requests_cpu: String,
    /// Memory that is kept free for it.
    pub requests_memory: String,
    /// The most CPU.
    pub limits_cpu: String,
    /// The most memory.
    pub limits_memory: String,
}

impl Default for ResourceSettings {
    /// Idle it needs next to nothing. Bodies under way take at most 256 KiB for each of 72 requests, twice over TLS and
    /// both directions: 128 MiB is room enough, and no more is ever needed.
    fn default() -> Self {
        Self {
            requests_cpu: "5m".to_owned(),
            requests_memory: "32Mi".to_owned(),
            limits_cpu: "200m".to_owned(),
            limits_memory: "128Mi".to_owned(),
        }
    }
}

impl GatewaySettings {
    /// With the usual names and limits.
    pub fn new(image: &str, vault: &str) -> Self {
        Self {
            namespace: NAMESPACE.to_owned(),
            image: image.to_owned(),
            vault: vault.to_owned(),
            authorities: "cofferdam-vault-ca".to_owned(),
            token: "cofferdam-enrolment".to_owned(),
            proxy: None,
            connection: None,
            resources: ResourceSettings::default(),
        }
    }
}

/// Everything that the gateway needs, in order; the ConfigMap of the authorities and the Secret of the token are the
/// connection's.
pub fn render(settings: &GatewaySettings) -> Result<Vec<Value>, serde_json::Error> {
    let mut documents = vec![access_namespace(), service_account(settings), credential_secret(settings)];
    let mut role = serde_json::to_value(role::cluster_role())?;
    rbac::identify(&mut role, "ClusterRole");
    documents.push(rbac::labelled(role));
    documents.extend(rbac::render(settings)?);
    documents.push(deployment::deployment(settings));
    Ok(documents)
}

/// Holds ServiceAccounts and no pod; one that is put there all the same is confined.
fn access_namespace() -> Value {
    let mut labels = labels();
    if let Some(labels) = labels.as_object_mut() {
        for mode in ["enforce", "audit", "warn"] {
            labels.insert(format!("pod-security.kubernetes.io/{mode}"), "restricted".into());
        }
    }
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ACCESS_NAMESPACE, "labels": labels}})
}

fn service_account(settings: &GatewaySettings) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": NAME, "namespace": settings.namespace, "labels": labels()},
    })
}

/// Without `data`, so that applying the manifest again takes no credential away.
fn credential_secret(settings: &GatewaySettings) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": NAME, "namespace": settings.namespace, "labels": labels()},
    })
}

fn labels() -> Value {
    shape::labels(NAME)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
