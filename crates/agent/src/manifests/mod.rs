//! What connects a cluster to a vault, as pure functions of its settings: agent, gateway, one-time token, authorities.

mod deployment;
mod rbac;

pub use rbac::{Explained, Place, explained_rules, package_role};

use crate::{inventory, start::NAME};
use gateway::manifests::{GatewaySettings, ProxySettings, shape};
use packages::{Package, Trust};
use serde_json::{Value, json};
use tunnel::EgressProxy;

/// Namespace of agent and gateway.
pub const NAMESPACE: &str = "kube-system";
/// ConfigMap with the vault's authorities, key `ca.crt`, and those of an egress proxy, key `proxy-ca.crt`.
const AUTHORITIES: &str = "cofferdam-vault-ca";
/// Secret with the one-time token, key `token`.
const TOKEN: &str = "cofferdam-enrolment";
/// Secret with the address of the egress proxy, key `HTTPS_PROXY`.
pub const PROXY: &str = "cofferdam-proxy";

/// How a cluster is connected.
#[derive(Debug, Clone)]
pub struct ConnectSettings {
    /// The product's image.
    pub image: String,
    /// URL of the vault.
    pub vault: String,
    /// The vault's certificate authorities; PEM.
    pub authorities: String,
    /// The one-time token; none when the manifest is printed for people to read.
    pub token: Option<String>,
    /// The egress proxy, where there is one.
    pub proxy: Option<EgressProxy>,
    /// Whose packages are installed.
    pub trust: Trust,
    /// Addresses of the registries that packages may come from.
    pub registries: Vec<String>,
    /// Authorities of the registries; PEM.
    pub registry_authorities: Option<String>,
    /// The packages that the agent gets rights for, each with the namespace that it will live in.
    pub packages: Vec<(Package, String)>,
}

impl ConnectSettings {
    /// The id of the connection: what its token begins with.
    fn connection(&self) -> Option<&str> {
        let (connection, _) = self.token.as_deref()?.split_once('.')?;
        Some(connection)
    }
}

/// Everything that a person applies to connect a cluster, in order. Applied again it takes no credential and no
/// inventory away.
pub fn connect_manifests(settings: &ConnectSettings) -> Result<Vec<Value>, serde_json::Error> {
    let mut authorities = config_map(AUTHORITIES, "ca.crt", &settings.authorities);
    let of_proxy = settings.proxy.as_ref().and_then(EgressProxy::authorities);
    if let (Some(pem), Some(data)) =
        (of_proxy, authorities.pointer_mut("/data").and_then(Value::as_object_mut))
    {
        data.insert("proxy-ca.crt".to_owned(), pem.into());
    }
    let mut documents = vec![authorities];
    if let Some(token) = &settings.token {
        documents.push(secret(TOKEN, Some(("token", token))));
    }
    let mut gateway = GatewaySettings::new(&settings.image, &settings.vault);
    gateway.connection = settings.connection().map(str::to_owned);
    if let Some(proxy) = &settings.proxy {
        documents.push(secret(PROXY, Some(("HTTPS_PROXY", proxy.url()))));
        gateway.proxy = Some(ProxySettings {
            secret: PROXY.to_owned(),
            no_proxy: proxy.except().to_owned(),
            has_authorities: proxy.authorities().is_some(),
        });
    }
    documents.extend(agent_manifests(settings)?);
    documents.extend(gateway::manifests::render(&gateway)?);
    Ok(documents)
}

/// The agent's part of it.
pub fn agent_manifests(settings: &ConnectSettings) -> Result<Vec<Value>, serde_json::Error> {
    let mut config = config_map(NAME, "trust.json", &serde_json::to_string_pretty(&settings.trust)?);
    if let Some(data) = config.pointer_mut("/data").and_then(Value::as_object_mut) {
        let authorities = settings.registry_authorities.as_deref().unwrap_or_default();
        data.insert("registry-ca.crt".to_owned(), authorities.into());
    }
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels()},
    });
    let mut documents = vec![account, config, secret(NAME, None), secret(inventory::NAME, None)];
    documents.extend(rbac::render(&settings.packages)?);
    documents.push(deployment::deployment(settings));
    Ok(documents)
}

fn config_map(name: &str, key: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels()},
        "data": {key: value},
    })
}

/// Without data when the agent fills it: applying the manifest again then leaves it alone.
fn secret(name: &str, data: Option<(&str, &str)>) -> Value {
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels()},
    });
    if let (Some((key, value)), Some(fields)) = (data, secret.as_object_mut()) {
        fields.insert("stringData".to_owned(), json!({key: value}));
    }
    secret
}

fn labels() -> Value {
    shape::labels(NAME)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
