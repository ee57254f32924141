//! Which objects of a recovery point are restored: the filters of the restore, by original namespaces and
//! labels, and what comes along with what they select.

mod related;

use crate::SourceError;
use crate::item::{Interner, Item};
use crate::never::{self, Never};
use crate::options::Budget;
use crate::source::{PointSource, bodies};
use futures::{StreamExt, TryStreamExt};
use protection::point::IndexEntry;
use protection::selection::{ResourceType, Selection};
use related::Related;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// What a restore is about.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// The objects.
    pub(crate) items: Vec<Item>,
    /// Selected objects that are never restored.
    pub(crate) never: Vec<(Item, &'static Never)>,
    /// Names of all CustomResourceDefinitions in the recovery point, selected or not.
    pub(crate) definitions: HashSet<String>,
    /// All namespaces of the recovery point, selected or not.
    pub(crate) namespaces: BTreeSet<Arc<str>>,
}

/// Reads the index and selects.
pub(crate) async fn select(
    source: &dyn PointSource,
    selection: &Selection,
    budget: &Budget,
) -> Result<Selected, SourceError> {
    let mut selected = Selected::default();
    let mut candidates = Vec::new();
    let mut interner = Interner::default();
    let mut index = source.index().await?;
    while let Some(entry) = index.try_next().await? {
        if is_definition(&entry) {
            selected.definitions.insert(entry.name.clone());
        }
        let namespace = match is_namespace(&entry) {
            true => Some(&entry.name),
            false => entry.namespace.as_ref(),
        };
        if let Some(namespace) = namespace
            && !selected.namespaces.contains(namespace.as_str())
        {
            selected.namespaces.insert(Arc::from(namespace.as_str()));
        }
        match verdict(selection, &entry) {
            Verdict::Out => {}
            Verdict::Candidate => candidates.push(interner.item(&entry)),
            Verdict::In => {
                let item = interner.item(&entry);
                match never::by_name(&item.kind, item.namespace.as_deref(), &item.name) {
                    Some(rule) => selected.never.push((item, rule)),
                    None => selected.items.push(item),
                }
            }
        }
    }
    drop(index);
    add_related(source, &mut selected, candidates, budget).await;
    Ok(selected)
}

enum Verdict {
    In,
    /// Out, unless something that is in refers to it.
    Candidate,
    Out,
}

fn verdict(selection: &Selection, entry: &IndexEntry) -> Verdict {
    let kind = ResourceType { group: &entry.group, kind: &entry.kind, resource: &entry.resource };
    let labels = || selection.labels.matches(|key| entry.labels.get(key).map(String::as_str));
    let place = match &entry.namespace {
        Some(namespace) => selection.namespaces.selects(namespace),
        None if is_namespace(entry) => selection.namespaces.selects(&entry.name),
        None => selection.cluster_scope,
    };
    if place && selection.types.selects(kind) && labels() {
        Verdict::In
    } else if entry.namespace.is_none() && related::may_be(kind) && !selection.types.excludes(kind) {
        Verdict::Candidate
    } else {
        Verdict::Out
    }
}

fn is_namespace(entry: &IndexEntry) -> bool {
    entry.group.is_empty() && entry.resource == "namespaces"
}

fn is_definition(entry: &IndexEntry) -> bool {
    entry.group == "apiextensions.k8s.io" && entry.resource == "customresourcedefinitions"
}

/// Bodies are read only for the kinds of reference for which there is a candidate at all. One that cannot be
/// read is not searched for references here; it fails by name when its turn comes.
async fn add_related(
    source: &dyn PointSource,
    selected: &mut Selected,
    candidates: Vec<Item>,
    budget: &Budget,
) {
    if candidates.is_empty() {
        return;
    }
    let mut related = Related::new(&candidates);
    for item in &selected.items {
        related.see_place(item);
    }
    loop {
        search(source, &selected.items, &candidates, &mut related, budget).await;
        let added = related.take_found(&candidates);
        if added.is_empty() {
            return;
        }
        let wanted = added
            .into_iter()
            .filter(|item| never::by_name(&item.kind, item.namespace.as_deref(), &item.name).is_none());
        selected.items.extend(wanted.map(|item| Item { only_if_absent: true, ..item }));
    }
}

/// One pass over bodies that were not searched yet.
async fn search(
    source: &dyn PointSource,
    items: &[Item],
    candidates: &[Item],
    related: &mut Related,
    budget: &Budget,
) {
    let wanted: Vec<usize> = (0..items.len())
        .filter(|index| items.get(*index).is_some_and(|item| related.needs_body(item)))
        .collect();
    let mut found = std::pin::pin!(bodies(source, items, &wanted, budget));
    while let Some((index, body)) = found.next().await {
        match (items.get(index), body) {
            (Some(item), Ok(body)) => related.see_body(item, &body),
            (Some(item), Err(_)) => related.see_body(item, &serde_json::Value::Null),
            (None, _) => {}
        }
    }
    let bindings = related.open_bindings(candidates);
    let mut found = std::pin::pin!(bodies(source, candidates, &bindings, budget));
    while let Some((index, body)) = found.next().await {
        if let Some(item) = candidates.get(index) {
            related.see_binding(item, &body.unwrap_or_default());
        }
    }
}
