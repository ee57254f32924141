//! Orders selected objects into waves, so that nothing is created before what it needs: by stage, and within
//! a stage by ownership.

use crate::item::{Item, ResourceType};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The stages of a restore, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// CustomResourceDefinitions; the next stage waits until they are established.
    Definitions,
    /// Namespaces.
    Namespaces,
    /// Storage, priority, ingress and runtime classes, drivers, persistent volumes, admission-free basics.
    Basics,
    /// Service accounts and roles.
    Accounts,
    /// Role bindings.
    Bindings,
    /// Secrets and ConfigMaps.
    Configuration,
    /// Claims; the next stage waits until their data is there.
    Claims,
    /// Limit ranges and quotas.
    Limits,
    /// Services and what describes the network.
    Network,
    /// Pods and what makes pods.
    Workloads,
    /// Everything else, custom resources above all.
    Custom,
    /// Admission webhooks, admission policies and APIServices, once what serves them is ready.
    Extensions,
}

impl Stage {
    /// The stage in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Definitions => "custom resource definitions",
            Self::Namespaces => "namespaces",
            Self::Basics => "cluster basics",
            Self::Accounts => "accounts and roles",
            Self::Bindings => "role bindings",
            Self::Configuration => "secrets and configuration",
            Self::Claims => "claims and volume data",
            Self::Limits => "limits and quotas",
            Self::Network => "services and network",
            Self::Workloads => "workloads",
            Self::Custom => "custom resources and the rest",
            Self::Extensions => "admission webhooks and API services",
        }
    }
}

/// The stage of a resource type.
pub fn stage(kind: &ResourceType) -> Stage {
    match (kind.group.as_str(), kind.resource.as_str()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => Stage::Definitions,
        ("", "namespaces") => Stage::Namespaces,
        ("", "persistentvolumes")
        | ("scheduling.k8s.io", "priorityclasses")
        | ("node.k8s.io", _)
        | ("networking.k8s.io", "ingressclasses" | "servicecidrs")
        | ("resource.k8s.io", "deviceclasses")
        | ("flowcontrol.apiserver.k8s.io", _)
        | ("storage.k8s.io", _)
        | ("snapshot.storage.k8s.io" | "groupsnapshot.storage.k8s.io", _) => Stage::Basics,
        ("", "serviceaccounts") | ("rbac.authorization.k8s.io", "roles" | "clusterroles") => Stage::Accounts,
        ("rbac.authorization.k8s.io", _) => Stage::Bindings,
        ("", "secrets" | "configmaps") => Stage::Configuration,
        ("", "persistentvolumeclaims") => Stage::Claims,
        ("", "limitranges" | "resourcequotas") => Stage::Limits,
        ("", "services" | "endpoints")
        | ("discovery.k8s.io", _)
        | ("networking.k8s.io", "networkpolicies") => Stage::Network,
        ("", "pods" | "replicationcontrollers" | "podtemplates")
        | ("apps" | "batch" | "autoscaling" | "policy" | "networking.k8s.io" | "resource.k8s.io", _) => {
            Stage::Workloads
        }
        ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => Stage::Extensions,
        _ => Stage::Custom,
    }
}

/// Whether an object is created without its owner references and linked at the end: what data and
/// configuration depend on must not wait for an operator's object, and nothing can wait for what needs it.
pub fn is_linked_late(kind: &ResourceType) -> bool {
    matches!(
        (kind.group.as_str(), kind.resource.as_str()),
        ("", "persistentvolumeclaims" | "secrets" | "configmaps" | "namespaces" | "persistentvolumes")
            | ("apiextensions.k8s.io", "customresourcedefinitions")
    )
}

/// Objects that may be created side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// The stage that it is part of.
    pub stage: Stage,
    /// Zero for objects without an owner in this stage, one for what those own, and so on.
    pub level: u32,
    /// Positions of the objects, in the order of their bytes in the recovery point.
    pub items: Vec<usize>,
}

/// The waves of a restore, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waves {
    /// Every selected object is in exactly one.
    pub waves: Vec<Wave>,
    /// Objects whose owners own each other in a circle: they are linked late, like claims.
    pub circular: Vec<usize>,
}

/// Orders the items.
pub fn waves(items: &[Item]) -> Waves {
    let mut search = Search {
        items,
        by_uid: items.iter().enumerate().map(|(index, item)| (item.uid.clone(), index)).collect(),
        keys: vec![Mark::Open; items.len()],
        circular: Vec::new(),
    };
    let mut waves: BTreeMap<(Stage, u32), Vec<usize>> = BTreeMap::new();
    for index in 0..items.len() {
        waves.entry(search.key(index)).or_default().push(index);
    }
    let mut circular = search.circular;
    circular.sort_unstable();
    circular.dedup();
    let in_byte_order = |mut indices: Vec<usize>| {
        indices.sort_by_key(|index| {
            items.get(*index).map(|item| (item.kind.clone(), item.namespace.clone(), item.offset))
        });
        indices
    };
    Waves {
        waves: waves
            .into_iter()
            .map(|((stage, level), indices)| Wave { stage, level, items: in_byte_order(indices) })
            .collect(),
        circular,
    }
}

#[derive(Clone, Copy)]
enum Mark {
    Open,
    Busy,
    Done(Stage, u32),
}

struct Search<'a> {
    items: &'a [Item],
    by_uid: HashMap<Arc<str>, usize>,
    keys: Vec<Mark>,
    circular: Vec<usize>,
}

impl Search<'_> {
    /// Stage and level of an item. Owners first, without recursion: a chain of owners may be long.
    fn key(&mut self, start: usize) -> (Stage, u32) {
        let mut path = vec![start];
        while let Some(&index) = path.last() {
            let (mut key, owners) = match (self.items.get(index), self.keys.get(index)) {
                (Some(item), Some(Mark::Open | Mark::Busy)) => ((stage(&item.kind), 0), self.owners(item)),
                _ => {
                    path.pop();
                    continue;
                }
            };
            self.mark(index, Mark::Busy);
            let mut waiting = None;
            for owner in owners {
                match self.keys.get(owner) {
                    Some(Mark::Open) => waiting = Some(owner),
                    Some(Mark::Busy) => self.circular.push(index),
                    Some(Mark::Done(stage, level)) if (*stage, 0) >= (key.0, 0) => {
                        key = key.max((*stage, level.saturating_add(1)));
                    }
                    Some(Mark::Done(..)) | None => {}
                }
            }
            match waiting {
                Some(owner) => path.push(owner),
                None => {
                    self.mark(index, Mark::Done(key.0, key.1));
                    path.pop();
                }
            }
        }
        match self.keys.get(start) {
            Some(Mark::Done(stage, level)) => (*stage, *level),
            _ => (Stage::Custom, 0),
        }
    }

    /// The selected owners that must exist before the item does.
    fn owners(&self, item: &Item) -> Vec<usize> {
        if is_linked_late(&item.kind) {
            return Vec::new();
        }
        item.owners.iter().filter_map(|owner| self.by_uid.get(&owner.uid).copied()).collect()
    }

    fn mark(&mut self, index: usize, mark: Mark) {
        if let Some(slot) = self.keys.get_mut(index) {
            *slot = mark;
        }
    }
}

#[cfg(test)]
mod tests;
