//! Which object of a cluster is meant: enough to reach it without asking the API server for its kinds.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An object's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectKey {
    /// API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Version of the group.
    pub version: String,
    /// Plural, as in URLs.
    pub resource: String,
    /// Kind.
    pub kind: String,
    /// Namespace; absent for objects of the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// Whether both mean the same object, in whichever version of its group.
    pub fn is_same(&self, other: &Self) -> bool {
        self.group == other.group
            && self.resource == other.resource
            && self.namespace == other.namespace
            && self.name == other.name
    }

    /// Whether it is a namespace.
    pub fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.resource == "namespaces"
    }

    /// Whether it is an account of pods.
    pub fn is_service_account(&self) -> bool {
        self.group.is_empty() && self.resource == "serviceaccounts"
    }

    /// Whether it has pods.
    pub fn is_workload(&self) -> bool {
        ["apps", "batch"].contains(&self.group.as_str())
    }

    /// Whether it defines a custom resource.
    pub fn is_definition(&self) -> bool {
        self.group == "apiextensions.k8s.io" && self.resource == "customresourcedefinitions"
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}
