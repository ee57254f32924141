//! Settings of an installation by the names of the original, its short forms, and a few of ours.

use super::egress;
use crate::grants::is_address;
use crate::locations::{
    ALLOW_UNRELATED, CREDENTIAL_SECRET, DEFAULT, LocationRecord, REPOSITORY_KEY_SOURCE, REPOSITORY_SECRET,
    Role,
};
use protection::settings::SHORT;
use std::collections::BTreeMap;
use storage::location::SETTINGS_PREFIX;

/// How an installation shall look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallSettings {
    /// Namespace of the extension.
    pub namespace: String,
    /// The product's image.
    pub image: String,
    /// Pods of the extension; one works, the others stand by.
    pub replicas: u32,
    /// CPU and memory.
    pub resources: ResourceSettings,
    /// The default location, when the settings describe one.
    pub location: Option<LocationRecord>,
    /// Whether the extension gets the rights that a restore needs.
    pub restore: bool,
    /// Client id of the workload identity.
    pub client_id: Option<String>,
    /// Tenant of the workload identity.
    pub tenant_id: Option<String>,
    /// The vault that the extension belongs to.
    pub vault: Option<VaultLink>,
    /// How pods of ours reach what lies outside the cluster.
    pub proxy: ProxySettings,
}

/// The vault of an extension: where it is, whom it trusts, and who the extension is to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultLink {
    /// Its address, `https://host[:port]`.
    pub url: String,
    /// Tenant of the extension's identity.
    pub tenant_id: String,
    /// Client id of the extension's identity.
    pub client_id: String,
    /// The vault's certificate authorities, as PEM.
    pub authorities: String,
    /// Audience of the projected ServiceAccount token.
    pub audience: String,
}

/// The audience that federated credentials expect unless they say otherwise.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The variables that HTTP clients look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// `HTTPS_PROXY`.
    pub https: Option<String>,
    /// `NO_PROXY`, beside what is inside the cluster.
    pub except: Option<String>,
    /// The authorities of a proxy that is itself reached over TLS, PEM; they count for the proxy alone.
    pub authorities: Option<String>,
}

/// CPU and memory, as Kubernetes quantities.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the settings
pub struct ResourceSettings {
    pub requests_cpu: String,
    pub requests_memory: String,
    pub limits_cpu: String,
    pub limits_memory: String,
}

impl Default for ResourceSettings {
    /// The original's defaults.
    fn default() -> Self {
        Self {
            requests_cpu: "500m".to_owned(),
            requests_memory: "256Mi".to_owned(),
            limits_cpu: "1000m".to_owned(),
            limits_memory: "1280Mi".to_owned(),
        }
    }
}

/// Settings that cannot be used; every problem is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadSettings(pub Vec<String>);

impl InstallSettings {
    /// An installation without a location, with every default.
    pub fn new(namespace: &str, image: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            image: image.to_owned(),
            replicas: 1,
            resources: ResourceSettings::default(),
            location: None,
            restore: true,
            client_id: None,
            tenant_id: None,
            vault: None,
            proxy: ProxySettings::default(),
        }
    }

    /// Takes over `settings`; returns a warning for every key that nobody knows. As in the original such keys
    /// are dropped.
    pub fn apply(&mut self, settings: &BTreeMap<String, String>) -> Result<Vec<String>, BadSettings> {
        let (mut location, mut warnings, mut problems) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut vault = BTreeMap::new();
        for (given, value) in settings {
            let key =
                SHORT.iter().find(|(short, _)| short == given).map_or(given.as_str(), |(_, full)| *full);
            match key {
                "resources.requests.cpu" => self.resources.requests_cpu.clone_from(value),
                "resources.requests.memory" => self.resources.requests_memory.clone_from(value),
                "resources.limits.cpu" => self.resources.limits_cpu.clone_from(value),
                "resources.limits.memory" => self.resources.limits_memory.clone_from(value),
                "credentials.tenantId" => self.tenant_id = Some(value.clone()),
                "credentials.clientId" => self.client_id = Some(value.clone()),
                "restore.enabled" => match value.parse() {
                    Ok(enabled) => self.restore = enabled,
                    Err(_) => problems.push(format!("setting {key}: {value:?} is neither true nor false")),
                },
                "replicas" => match value.parse() {
                    Ok(replicas) if (1..=10).contains(&replicas) => self.replicas = replicas,
                    _ => problems.push(format!("setting {key}: {value:?} is not a number from 1 to 10")),
                },
                egress::HTTPS_SETTING => self.proxy.https = Some(value.clone()),
                egress::EXCEPT_SETTING => self.proxy.except = Some(value.clone()),
                egress::AUTHORITIES_SETTING if !value.contains("-----BEGIN CERTIFICATE-----") => {
                    problems.push(format!("setting {key} holds no certificate (PEM)"));
                }
                egress::AUTHORITIES_SETTING => self.proxy.authorities = Some(value.clone()),
                "vault.url" | "vault.tenantId" | "vault.clientId" | "vault.authorities"
                | "vault.audience" => drop(vault.insert(key.to_owned(), value.trim().to_owned())),
                CREDENTIAL_SECRET | REPOSITORY_SECRET | REPOSITORY_KEY_SOURCE | ALLOW_UNRELATED => {
                    location.insert(key.to_owned(), value.clone());
                }
                _ if key.starts_with(SETTINGS_PREFIX) => drop(location.insert(key.to_owned(), value.clone())),
                _ => warnings.push(format!("setting {given} is not known and was dropped")),
            }
        }
        if !location.is_empty() {
            match LocationRecord::from_settings(DEFAULT, Role::Own, &location) {
                Ok(record) => self.location = Some(record),
                Err(bad) => problems.extend(bad.problems),
            }
        }
        if !vault.is_empty() {
            match VaultLink::from_settings(&vault, self) {
                Ok(link) => self.vault = Some(link),
                Err(bad) => problems.extend(bad),
            }
        }
        if problems.is_empty() { Ok(warnings) } else { Err(BadSettings(problems)) }
    }
}

impl VaultLink {
    /// Reads the settings `vault.*`; identity and tenant may also be those of the workload identity.
    fn from_settings(
        given: &BTreeMap<String, String>,
        install: &InstallSettings,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut need = |key: &str, otherwise: Option<&String>| {
            let found = given.get(key).or(otherwise).filter(|text| !text.is_empty()).cloned();
            if found.is_none() {
                problems.push(format!("setting {key} is missing: an extension with a vault needs it"));
            }
            found.unwrap_or_default()
        };
        let link = Self {
            url: need("vault.url", None).trim_end_matches('/').to_owned(),
            tenant_id: need("vault.tenantId", install.tenant_id.as_ref()),
            client_id: need("vault.clientId", install.client_id.as_ref()),
            authorities: need("vault.authorities", None),
            audience: given.get("vault.audience").map_or(AUDIENCE, String::as_str).to_owned(),
        };
        if !link.url.is_empty() && !is_address(&link.url) {
            problems
                .push(format!("setting vault.url: {:?} is not of the form https://host[:port]", link.url));
        }
        if !link.authorities.is_empty() && !link.authorities.contains("-----BEGIN CERTIFICATE-----") {
            problems.push("setting vault.authorities holds no certificate (PEM)".to_owned());
        }
        if problems.is_empty() { Ok(link) } else { Err(problems) }
    }
}
