//! What comes along with selected objects whatever the filters say (`docs/formats/recovery-point.md`). Pure.

use crate::item::Item;
use crate::json;
use protection::selection::ResourceType;
use serde_json::Value;
use std::collections::HashSet;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Whether objects of this type can come along with others.
pub(super) fn may_be(kind: ResourceType<'_>) -> bool {
    reference_kind(kind.group, kind.resource).is_some()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum To {
    Namespace,
    Definition,
    Volume,
    StorageClass,
    PriorityClass,
    ClusterRoleBinding,
    ClusterRole,
}

fn reference_kind(group: &str, resource: &str) -> Option<To> {
    Some(match (group, resource) {
        ("", "namespaces") => To::Namespace,
        ("apiextensions.k8s.io", "customresourcedefinitions") => To::Definition,
        ("", "persistentvolumes") => To::Volume,
        ("storage.k8s.io", "storageclasses") => To::StorageClass,
        ("scheduling.k8s.io", "priorityclasses") => To::PriorityClass,
        (RBAC, "clusterrolebindings") => To::ClusterRoleBinding,
        (RBAC, "clusterroles") => To::ClusterRole,
        _ => return None,
    })
}

/// Collects references until nothing new is found.
#[derive(Debug)]
pub(super) struct Related {
    /// Kinds of reference for which there are candidates.
    possible: HashSet<To>,
    /// What is referred to.
    wanted: HashSet<(To, String)>,
    /// Selected service accounts, as (namespace, name), and their namespaces.
    accounts: HashSet<(String, String)>,
    account_namespaces: HashSet<String>,
    /// UIDs of objects whose bodies were searched, and of candidates that were taken.
    seen: HashSet<String>,
    taken: HashSet<String>,
    /// UIDs of candidate bindings whose bodies were searched.
    bindings: HashSet<String>,
}

impl Related {
    pub(super) fn new(candidates: &[Item]) -> Self {
        let possible =
            candidates.iter().filter_map(|item| reference_kind(&item.kind.group, &item.kind.resource));
        Self {
            possible: possible.collect(),
            wanted: HashSet::new(),
            accounts: HashSet::new(),
            account_namespaces: HashSet::new(),
            seen: HashSet::new(),
            taken: HashSet::new(),
            bindings: HashSet::new(),
        }
    }

    /// References that follow from where an object stands.
    pub(super) fn see_place(&mut self, item: &Item) {
        if let Some(namespace) = &item.namespace {
            self.want(To::Namespace, namespace);
        }
        if !item.kind.group.is_empty() {
            self.want(To::Definition, &format!("{}.{}", item.kind.resource, item.kind.group));
        }
        if let (true, Some(namespace)) = (item.kind.is("", "serviceaccounts"), &item.namespace) {
            self.accounts.insert((namespace.to_string(), item.name.to_string()));
            self.account_namespaces.insert(namespace.to_string());
        }
    }

    /// Whether the object's body can hold references that matter, and was not searched yet.
    pub(super) fn needs_body(&self, item: &Item) -> bool {
        let any = |kinds: &[To]| kinds.iter().any(|kind| self.possible.contains(kind));
        let matters = match (item.kind.group.as_str(), item.kind.resource.as_str()) {
            ("", "persistentvolumeclaims") => any(&[To::Volume, To::StorageClass]),
            ("", "persistentvolumes") => any(&[To::StorageClass]),
            ("", "pods" | "replicationcontrollers" | "podtemplates") | ("apps" | "batch", _) => {
                any(&[To::PriorityClass])
            }
            (RBAC, "rolebindings" | "clusterrolebindings") => any(&[To::ClusterRole]),
            _ => false,
        };
        matters && !self.seen.contains(&*item.uid)
    }

    /// References in an object's body.
    pub(super) fn see_body(&mut self, item: &Item, body: &Value) {
        self.seen.insert(item.uid.to_string());
        match (item.kind.group.as_str(), item.kind.resource.as_str()) {
            ("", "persistentvolumeclaims" | "persistentvolumes") => {
                self.want_text(To::StorageClass, body, &["spec", "storageClassName"]);
                self.want_text(To::Volume, body, &["spec", "volumeName"]);
            }
            (RBAC, _) => {
                if json::text(body, &["roleRef", "kind"]) == Some("ClusterRole") {
                    self.want_text(To::ClusterRole, body, &["roleRef", "name"]);
                }
            }
            _ => {
                for pod in [
                    &["spec", "priorityClassName"][..],
                    &["spec", "template", "spec", "priorityClassName"],
                    &["template", "spec", "priorityClassName"],
                    &["spec", "jobTemplate", "spec", "template", "spec", "priorityClassName"],
                ] {
                    self.want_text(To::PriorityClass, body, pod);
                }
            }
        }
    }

    /// Candidate bindings that were not searched yet.
    pub(super) fn open_bindings(&self, candidates: &[Item]) -> Vec<usize> {
        let open = candidates.iter().enumerate().filter(|(_, item)| {
            item.kind.is(RBAC, "clusterrolebindings") && !self.bindings.contains(&*item.uid)
        });
        open.map(|(index, _)| index).collect()
    }

    /// A candidate binding is taken when it binds a selected account.
    pub(super) fn see_binding(&mut self, item: &Item, body: &Value) {
        self.bindings.insert(item.uid.to_string());
        let binds = json::items(body, &["subjects"]).iter().any(|subject| self.is_account(subject));
        if binds {
            self.want(To::ClusterRoleBinding, &item.name);
        }
    }

    /// The candidates that are referred to and were not returned before.
    pub(super) fn take_found(&mut self, candidates: &[Item]) -> Vec<Item> {
        let found: Vec<Item> = candidates
            .iter()
            .filter(|item| {
                reference_kind(&item.kind.group, &item.kind.resource)
                    .is_some_and(|to| self.wanted.contains(&(to, item.name.to_string())))
            })
            .filter(|item| !self.taken.contains(&*item.uid))
            .cloned()
            .collect();
        for item in &found {
            self.taken.insert(item.uid.to_string());
            self.see_place(item);
        }
        found
    }

    fn is_account(&self, subject: &Value) -> bool {
        let name = json::text(subject, &["name"]).unwrap_or("");
        let namespace = json::text(subject, &["namespace"]).unwrap_or("");
        match json::text(subject, &["kind"]) {
            Some("ServiceAccount") => self.accounts.contains(&(namespace.to_owned(), name.to_owned())),
            Some("Group") => name
                .strip_prefix("system:serviceaccounts:")
                .is_some_and(|namespace| self.account_namespaces.contains(namespace)),
            _ => false,
        }
    }

    fn want_text(&mut self, to: To, body: &Value, path: &[&str]) {
        if let Some(name) = json::text(body, path) {
            self.want(to, name);
        }
    }

    fn want(&mut self, to: To, name: &str) {
        if self.possible.contains(&to) && !name.is_empty() {
            self.wanted.insert((to, name.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests;
