//! In which order resources are listed, and how. Pure.

use crate::discovery::Kind;
use crate::facts::Facts;
use crate::fetch::Task;
use crate::filter::{Filter, Related};
use crate::problems;
use crate::survey::Namespaces;
use protection::selection::NamespaceRule;
use protection::{Problem, Selection};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Namespaces that are listed one by one at most; more, and one list of all is cheaper.
const ONE_BY_ONE: usize = 16;

/// What is listed when. Related objects come after the objects that bring them along.
#[derive(Debug)]
pub(crate) struct Plan {
    selection: Arc<Selection>,
    closing: Arc<BTreeSet<String>>,
    kinds: Vec<Kind>,
    /// Included resource types that nothing matches.
    pub problems: Vec<Problem>,
    one_by_one: Option<Vec<String>>,
    any_namespace: bool,
}

/// When a resource is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wave {
    /// Objects that are selected by themselves.
    Selected,
    /// Cluster-scoped objects that those bring along.
    Related,
    /// Cluster-scoped objects that the related ones bring along.
    RelatedToRelated,
}

impl Plan {
    pub(crate) fn new(kinds: Vec<Kind>, selection: &Selection, namespaces: &Namespaces) -> Self {
        let unknown = selection
            .types
            .included()
            .iter()
            .filter(|entry| !kinds.iter().any(|kind| entry.matches(kind.named())));
        Self {
            problems: unknown.map(problems::no_type).collect(),
            one_by_one: one_by_one(&selection.namespaces, namespaces),
            any_namespace: namespaces.any_selected(&selection.namespaces),
            selection: Arc::new(selection.clone()),
            closing: Arc::new(namespaces.closing()),
            kinds,
        }
    }

    /// What is listed in this wave, given what the earlier waves found.
    pub(crate) fn tasks(&self, wave: Wave, facts: &Facts) -> Vec<Task> {
        let kinds = self
            .kinds
            .iter()
            .filter(|kind| wave_of(kind) == wave && !self.selection.types.excludes(kind.named()));
        kinds.flat_map(|kind| self.of_kind(kind, facts)).collect()
    }

    fn of_kind(&self, kind: &Kind, facts: &Facts) -> Vec<Task> {
        let related = related(kind, facts);
        let filter = Filter { selection: self.selection.clone(), closing: self.closing.clone(), related };
        if !filter.can_take(kind) || (kind.namespaced && !self.any_namespace) {
            return Vec::new();
        }
        let task = |namespace| Task { kind: kind.clone(), namespace, filter: filter.clone() };
        match &self.one_by_one {
            Some(names) if kind.namespaced => names.iter().cloned().map(Some).map(task).collect(),
            _ => vec![task(None)],
        }
    }
}

/// Whether a few namespaces of many are selected by name: then only they are listed.
fn one_by_one(rule: &NamespaceRule, namespaces: &Namespaces) -> Option<Vec<String>> {
    let named = rule.named()?;
    let there: Vec<String> =
        named.into_iter().filter(|name| namespaces.contains(name)).map(str::to_owned).collect();
    (there.len() <= ONE_BY_ONE && there.len() * 4 <= namespaces.len()).then_some(there)
}

fn wave_of(kind: &Kind) -> Wave {
    if kind.namespaced {
        return Wave::Selected;
    }
    match (kind.group.as_str(), kind.resource.as_str()) {
        ("", "namespaces" | "persistentvolumes")
        | ("apiextensions.k8s.io", "customresourcedefinitions")
        | ("scheduling.k8s.io", "priorityclasses")
        | ("rbac.authorization.k8s.io", "clusterrolebindings") => Wave::Related,
        ("storage.k8s.io", "storageclasses") | ("rbac.authorization.k8s.io", "clusterroles") => {
            Wave::RelatedToRelated
        }
        _ => Wave::Selected,
    }
}

/// What captured objects bring along of this resource.
fn related(kind: &Kind, facts: &Facts) -> Related {
    match (kind.group.as_str(), kind.resource.as_str()) {
        ("", "namespaces") => Related::Holding(facts.namespaces.clone()),
        ("", "persistentvolumes") => Related::Names(facts.volume_names()),
        ("apiextensions.k8s.io", "customresourcedefinitions") => Related::Names(facts.resources.clone()),
        ("scheduling.k8s.io", "priorityclasses") => Related::Names(facts.priority_classes.clone()),
        ("storage.k8s.io", "storageclasses") => Related::Names(facts.storage_classes()),
        ("rbac.authorization.k8s.io", "clusterroles") => Related::Names(facts.cluster_roles.clone()),
        ("rbac.authorization.k8s.io", "clusterrolebindings") => {
            Related::Binding(Arc::new(facts.accounts.clone()))
        }
        _ => Related::No,
    }
}

#[cfg(test)]
mod tests;
