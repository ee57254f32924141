//! Which resource types a cluster serves, read from aggregated discovery documents or from the older ones.

use crate::item::ResourceType;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every resource type that a cluster serves.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    kinds: BTreeMap<(String, String), Vec<Arc<ResourceType>>>,
    unavailable: BTreeSet<String>,
}

/// Whether a kind can be restored to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Served in this very version.
    Served(Arc<ResourceType>),
    /// Served, but only in these other versions.
    OtherVersions(Vec<String>),
    /// Its group did not answer when it was asked.
    GroupUnavailable,
    /// Not served.
    Missing,
}

impl Discovery {
    /// Adds a type, unless it is known.
    pub fn add(&mut self, kind: ResourceType) {
        let versions = self.kinds.entry((kind.group.clone(), kind.kind.clone())).or_default();
        if !versions.iter().any(|known| known.version == kind.version && known.resource == kind.resource) {
            versions.push(Arc::new(kind));
        }
    }

    /// Notes a group whose server does not answer.
    pub fn add_unavailable(&mut self, group: &str) {
        self.unavailable.insert(group.to_owned());
    }

    /// Whether nothing is known to be served.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Every served type, in every version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ResourceType>> {
        self.kinds.values().flatten()
    }

    /// Groups whose server does not answer.
    pub fn unavailable(&self) -> impl Iterator<Item = &str> {
        self.unavailable.iter().map(String::as_str)
    }

    /// The type of a captured object, as this cluster serves it.
    pub fn resolve(&self, group: &str, version: &str, kind: &str) -> Resolved {
        let Some(versions) = self.kinds.get(&(group.to_owned(), kind.to_owned())) else {
            let unavailable = self.unavailable.contains(group);
            return if unavailable { Resolved::GroupUnavailable } else { Resolved::Missing };
        };
        match versions.iter().find(|served| served.version == version) {
            Some(served) => Resolved::Served(served.clone()),
            None => Resolved::OtherVersions(versions.iter().map(|served| served.version.clone()).collect()),
        }
    }

    /// The type of this group and kind, in whichever version comes first.
    pub fn any_version(&self, group: &str, kind: &str) -> Option<Arc<ResourceType>> {
        self.kinds.get(&(group.to_owned(), kind.to_owned()))?.first().cloned()
    }

    /// Reads an `APIGroupDiscoveryList`, as `/api` and `/apis` return it on request.
    pub(crate) fn read_aggregated(&mut self, document: &Value) {
        for group in crate::json::items(document, &["items"]) {
            let name = crate::json::text(group, &["metadata", "name"]).unwrap_or("");
            for version in crate::json::items(group, &["versions"]) {
                let Some(version_name) = crate::json::text(version, &["version"]) else { continue };
                if crate::json::text(version, &["freshness"]) == Some("Stale") {
                    self.add_unavailable(name);
                }
                for resource in crate::json::items(version, &["resources"]) {
                    let kind = crate::json::text(resource, &["responseKind", "kind"]).unwrap_or("");
                    let namespaced = crate::json::text(resource, &["scope"]) == Some("Namespaced");
                    let plural = crate::json::text(resource, &["resource"]).unwrap_or("");
                    self.read_resource(name, version_name, kind, plural, namespaced, resource);
                }
            }
        }
    }

    /// Reads an `APIResourceList`, as each group and version returns it.
    pub(crate) fn read_list(&mut self, group: &str, version: &str, document: &Value) {
        for resource in crate::json::items(document, &["resources"]) {
            let kind = crate::json::text(resource, &["kind"]).unwrap_or("");
            let plural = crate::json::text(resource, &["name"]).unwrap_or("");
            let namespaced = crate::json::is_true(resource, &["namespaced"]);
            self.read_resource(group, version, kind, plural, namespaced, resource);
        }
    }

    fn read_resource(
        &mut self,
        group: &str,
        version: &str,
        kind: &str,
        resource: &str,
        namespaced: bool,
        described: &Value,
    ) {
        let creatable =
            crate::json::items(described, &["verbs"]).iter().any(|verb| verb.as_str() == Some("create"));
        if creatable && !kind.is_empty() && !resource.is_empty() && !resource.contains('/') {
            self.add(ResourceType {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                resource: resource.to_owned(),
                namespaced,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn aggregated() -> Discovery {
        let mut discovery = Discovery::default();
        discovery.read_aggregated(&json!({"items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                {"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced",
                 "verbs": ["create", "get"]},
            ]}]},
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [
                {"version": "v1beta1", "freshness": "Stale", "resources": []},
            ]},
        ]}));
        discovery
    }

    #[test]
    fn a_kind_is_found_in_its_version_only() {
        let discovery = aggregated();

        let served = discovery.resolve("apps", "v1", "Deployment");
        let other = discovery.resolve("apps", "v2", "Deployment");
        let missing = discovery.resolve("example.com", "v1", "Widget");

        assert!(
            matches!(served, Resolved::Served(kind) if kind.resource == "deployments" && kind.namespaced)
        );
        assert_eq!(other, Resolved::OtherVersions(vec!["v1".to_owned()]));
        assert_eq!(missing, Resolved::Missing);
    }

    #[test]
    fn a_group_that_does_not_answer_is_not_taken_for_missing() {
        let discovery = aggregated();

        let resolved = discovery.resolve("metrics.k8s.io", "v1beta1", "PodMetrics");

        assert_eq!(resolved, Resolved::GroupUnavailable);
        assert_eq!(discovery.unavailable().collect::<Vec<_>>(), ["metrics.k8s.io"]);
    }

    #[test]
    fn the_older_document_says_the_same() {
        let mut discovery = Discovery::default();

        discovery.read_list(
            "apps",
            "v1",
            &json!({"resources": [
                {"name": "deployments", "kind": "Deployment", "namespaced": true, "verbs": ["create"]},
                {"name": "deployments/scale", "kind": "Scale", "namespaced": true, "verbs": ["create"]},
            ]}),
        );

        assert_eq!(
            discovery.resolve("apps", "v1", "Deployment"),
            aggregated().resolve("apps", "v1", "Deployment")
        );
        assert_eq!(discovery.any_version("apps", "Scale"), None);
    }
}
