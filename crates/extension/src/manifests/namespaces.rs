//! The two namespaces and how strictly each is confined.

use super::{InstallSettings, labels};
use serde_json::{Value, json};

/// The extension's namespace is `restricted`. Movers read files of any owner, for which they run as root with
/// the container runtime's default capabilities: `baseline`.
pub(super) fn namespaces(settings: &InstallSettings) -> Vec<Value> {
    vec![namespace(&settings.namespace, "restricted"), namespace(super::MOVERS_NAMESPACE, "baseline")]
}

fn namespace(name: &str, level: &str) -> Value {
    let mut all = labels();
    if let Some(all) = all.as_object_mut() {
        for mode in ["enforce", "audit", "warn"] {
            all.insert(format!("pod-security.kubernetes.io/{mode}"), level.into());
        }
    }
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": all}})
}
