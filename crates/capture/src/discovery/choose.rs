//! From what the API server serves to what is captured. Pure.

use super::documents::{Group, Resource};
use super::kind::Kind;
use super::never::never;

/// Every resource that can be listed, each once, in the first version of its group's order of preference that
/// serves it; sorted by `<resource>[.<group>]`.
pub(super) fn choose(groups: &[Group]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = groups.iter().flat_map(of_group).collect();
    let moved: Vec<Kind> = kinds.iter().filter(|kind| has_successor(kind, &kinds)).cloned().collect();
    kinds.retain(|kind| !moved.contains(kind));
    kinds.sort_by_cached_key(Kind::name);
    kinds
}

fn of_group(group: &Group) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for version in &group.versions {
        for resource in &version.resources {
            let known = kinds.iter().any(|kind| kind.resource == resource.name);
            if !known && listable(resource) && !never(&group.name, &resource.name) {
                kinds.push(Kind {
                    group: group.name.clone(),
                    version: version.name.clone(),
                    kind: resource.kind.clone(),
                    resource: resource.name.clone(),
                    namespaced: resource.namespaced,
                });
            }
        }
    }
    kinds
}

fn listable(resource: &Resource) -> bool {
    resource.verbs.iter().any(|verb| verb == "list")
        && !resource.kind.is_empty()
        && !resource.name.contains('/')
}

/// Whether it is served by the old group `extensions` and by the group that took it over: the same objects.
fn has_successor(kind: &Kind, kinds: &[Kind]) -> bool {
    kind.group == "extensions"
        && kinds.iter().any(|other| {
            other.resource == kind.resource
                && matches!(other.group.as_str(), "apps" | "networking.k8s.io" | "policy")
        })
}
