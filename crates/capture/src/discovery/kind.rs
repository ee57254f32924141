//! One resource of the API server, in the version in which it is captured.

use protection::point::resource_folder;
use protection::selection::ResourceType;

/// One resource of the API server, in the version in which it is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// API group, empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Object kind.
    pub kind: String,
    /// Plural resource name.
    pub resource: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// A resource of the core group.
    pub(crate) fn core(kind: &str, resource: &str, namespaced: bool) -> Self {
        Self {
            group: String::new(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            resource: resource.to_owned(),
            namespaced,
        }
    }

    /// `<resource>[.<group>]`.
    pub(crate) fn name(&self) -> String {
        resource_folder(&self.resource, &self.group)
    }

    /// `apiVersion`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// How a selection names it.
    pub(crate) fn named(&self) -> ResourceType<'_> {
        ResourceType { group: &self.group, kind: &self.kind, resource: &self.resource }
    }

    /// Path of the list, in one namespace or in all.
    pub(crate) fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let (version, resource) = (self.api_version(), &self.resource);
        match namespace {
            Some(namespace) => format!("{root}/{version}/namespaces/{namespace}/{resource}"),
            None => format!("{root}/{version}/{resource}"),
        }
    }

    /// Whether the API server itself serves it, so that a failure is the API server's.
    pub(crate) fn is_built_in(&self) -> bool {
        is_built_in(&self.group)
    }
}

/// Whether the API server itself serves this group.
pub(super) fn is_built_in(group: &str) -> bool {
    const GROUPS: [&str; 19] = [
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
    ];
    GROUPS.contains(&group)
}
