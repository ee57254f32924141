//! Which namespace becomes which, and which original namespaces still live in the target.

use crate::item::{Item, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A namespace mapping, seen from the target cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    targets: BTreeMap<String, String>,
    living: BTreeSet<String>,
}

impl Mapping {
    /// The mapping of a restore. `existing` are the namespaces of the target that are not being deleted.
    pub fn new(targets: &BTreeMap<String, String>, existing: &BTreeSet<String>) -> Self {
        let moved = targets.iter().filter(|(from, to)| from != to);
        let targets: BTreeMap<_, _> = moved.map(|(from, to)| (from.clone(), to.clone())).collect();
        let living = targets.keys().filter(|from| existing.contains(*from)).cloned().collect();
        Self { targets, living }
    }

    /// The target of an original namespace.
    pub fn target<'a>(&'a self, namespace: &'a str) -> &'a str {
        self.targets.get(namespace).map_or(namespace, String::as_str)
    }

    /// Where an object of the source goes.
    pub fn place(&self, item: &Item) -> Place {
        let namespace = item.namespace.as_deref().map(|name| Arc::from(self.target(name)));
        let name = match item.kind.is("", "namespaces") {
            true => Arc::from(self.target(&item.name)),
            false => item.name.clone(),
        };
        Place { kind: item.kind.clone(), namespace, name }
    }

    /// Whether objects of this namespace go elsewhere.
    pub fn moves(&self, namespace: &str) -> bool {
        self.targets.contains_key(namespace)
    }

    /// Whether objects of this namespace go elsewhere while the originals may still be there.
    pub fn is_living(&self, namespace: &str) -> bool {
        self.living.contains(namespace)
    }

    /// Whether cluster-scoped objects are shared with originals that still live.
    pub fn shares(&self) -> bool {
        !self.living.is_empty()
    }

    /// The original namespaces that go elsewhere, with their targets.
    pub fn moved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.targets.iter().map(|(from, to)| (from.as_str(), to.as_str()))
    }
}
