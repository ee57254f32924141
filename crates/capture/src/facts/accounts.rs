//! The captured service accounts, and whether a binding binds one of them.

use super::workload;
use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The captured service accounts, as hashes: a collision merely brings a cluster role along.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    hashes: HashSet<u64>,
    namespaces: BTreeSet<String>,
}

impl Accounts {
    pub(super) fn add(&mut self, namespace: &str, name: &str) {
        self.hashes.insert(hash(namespace, name));
        if !self.namespaces.contains(namespace) {
            self.namespaces.insert(namespace.to_owned());
        }
    }

    pub(super) fn merge(&mut self, more: Self) {
        self.hashes.extend(more.hashes);
        self.namespaces.extend(more.namespaces);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether a ClusterRoleBinding binds one of them, or all of a namespace that has some.
    pub(crate) fn bound_by(&self, binding: &[u8]) -> Result<bool, serde_json::Error> {
        Ok(workload::subjects(binding)?.iter().any(|subject| match subject.kind.as_str() {
            "ServiceAccount" => {
                let namespace = subject.namespace.as_ref().map_or("", |text| text.as_str());
                self.hashes.contains(&hash(namespace, subject.name.as_str()))
            }
            "Group" => subject
                .name
                .as_str()
                .strip_prefix("system:serviceaccounts:")
                .is_some_and(|namespace| self.namespaces.contains(namespace)),
            _ => false,
        }))
    }
}

fn hash(namespace: &str, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (namespace, name).hash(&mut hasher);
    hasher.finish()
}
