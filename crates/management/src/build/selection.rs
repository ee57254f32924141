//! What a backup or a restore takes: the same fields in both.

use serde_json::{Map, Value, json};

/// A hook or a resource modifier in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Reference {
    pub(super) fn json(&self) -> Value {
        json!({"name": self.name, "namespace": self.namespace})
    }
}

/// Namespaces, types, labels, and whether cluster-scoped objects come along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Namespaces; all when empty.
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out.
    pub excluded_namespaces: Vec<String>,
    /// Resource types; all when empty.
    pub included_resource_types: Vec<String>,
    /// Resource types to leave out.
    pub excluded_resource_types: Vec<String>,
    /// Label requirements, all of which must hold.
    pub label_selectors: Vec<String>,
    /// Cluster-scoped objects: all, or only related ones.
    pub include_cluster_scope_resources: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            included_namespaces: Vec::new(),
            excluded_namespaces: Vec::new(),
            included_resource_types: Vec::new(),
            excluded_resource_types: Vec::new(),
            label_selectors: Vec::new(),
            include_cluster_scope_resources: true,
        }
    }
}

impl Selection {
    pub(super) fn write(&self, into: &mut Map<String, Value>) {
        into.insert("includeClusterScopeResources".into(), self.include_cluster_scope_resources.into());
        let lists = [
            ("includedNamespaces", &self.included_namespaces),
            ("excludedNamespaces", &self.excluded_namespaces),
            ("includedResourceTypes", &self.included_resource_types),
            ("excludedResourceTypes", &self.excluded_resource_types),
            ("labelSelectors", &self.label_selectors),
        ];
        for (name, list) in lists {
            into.insert(name.into(), list.clone().into());
        }
    }
}
