//! The manifests of an installation, as pure functions of its settings.

mod deployment;
mod egress;
mod location;
mod namespaces;
mod package;
mod rbac;
mod settings;
mod vault;

pub use egress::{PROXY, PROXY_AUTHORITIES};
pub use location::{location_config_map, repository_secret};
pub use package::{DEFAULT_NAMESPACE, TYPE, package};
pub use rbac::{Explained, Scope, explained_rules, policy_rules};
pub use settings::{AUDIENCE, BadSettings, InstallSettings, ProxySettings, ResourceSettings, VaultLink};
pub use vault::AUTHORITIES;

use serde_json::Value;

/// Name of the Deployment, its ServiceAccount and its roles.
pub const NAME: &str = "cofferdam-extension";
/// `app.kubernetes.io/name` of the pods, as in the original.
pub const APP: &str = "dataprotection-microsoft-kubernetes";
/// Namespace of the mover Jobs unless the settings say otherwise.
pub const MOVERS_NAMESPACE: &str = "cofferdam-movers";
/// Field manager of everything that an installation applies.
pub const INSTALLER: &str = "cofferdam-install";
/// Port of `/healthz`, `/readyz` and `/metrics`.
pub const PORT: u16 = 8080;

/// Everything that an installation applies, in order, except Secrets. Each has `apiVersion`, `kind` and
/// `metadata`.
pub fn render(settings: &InstallSettings) -> Result<Vec<Value>, serde_json::Error> {
    let mut documents = namespaces::namespaces(settings);
    documents.extend(resources::printed_crds()?);
    documents.extend(rbac::render(settings)?);
    if let Some(location) = &settings.location {
        documents.push(location_config_map(location, &settings.namespace)?);
    }
    documents.extend(settings.vault.as_ref().map(|link| vault::authorities(settings, link)));
    documents.extend(egress::authorities(settings));
    documents.push(deployment::deployment(settings));
    Ok(documents)
}

/// Labels of everything that an installation creates.
fn labels() -> Value {
    serde_json::json!({
        "app.kubernetes.io/name": APP,
        "app.kubernetes.io/part-of": "cofferdam",
        "app.kubernetes.io/managed-by": INSTALLER,
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
