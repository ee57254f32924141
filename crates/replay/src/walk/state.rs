//! What a restore has learnt on its way.

use crate::item::Place;
use crate::transform::ClaimPlan;
use protection::Problem;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What became of an object that others are owned by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NewOwner {
    /// It exists in the target with this UID.
    Uid(String),
    /// It will be created; only in plans.
    Planned,
}

/// A created object whose owner references are still to be set.
#[derive(Debug, Clone)]
pub(super) struct Late {
    pub(super) place: Place,
    pub(super) references: Vec<Value>,
    /// It was there before: only references to owners that were replaced are added to those that it has.
    pub(super) existed: bool,
    /// It is known to have been there when its turn came.
    pub(super) seen: bool,
}

/// Mutable part of a walk; held for moments only.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By UID in the source cluster. Only objects that something refers to.
    pub(super) owners: HashMap<Arc<str>, NewOwner>,
    /// UIDs in the source of owners that were deleted and created anew.
    pub(super) replaced: HashSet<Arc<str>>,
    /// UIDs of owners that were not restored, by place; absent ones too.
    pub(super) live_owners: HashMap<Place, Option<String>>,
    /// Namespaces that this restore makes.
    pub(super) fresh_namespaces: HashSet<String>,
    /// Objects that this restore makes and that others need by name.
    pub(super) made: HashSet<Need>,
    /// Indexes of the objects whose outcome is told.
    pub(super) reported: HashSet<usize>,
    /// Objects to link at the end.
    pub(super) late: Vec<Late>,
    /// Claims that were to get data and did not, as (target namespace, name).
    pub(super) failed_claims: HashSet<(String, String)>,
    /// UIDs in the source of owners of those claims.
    pub(super) owners_of_failed: HashSet<Arc<str>>,
    /// Claims that wait for their data.
    pub(super) pending_claims: Vec<super::claims::Pending>,
    /// Target places that are taken; filled only when a mapping joins namespaces.
    pub(super) taken: HashSet<Place>,
}

/// An object that another one needs by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Need {
    /// `<resource>[.<group>]`.
    pub(super) resource: String,
    /// Its namespace, if it has one.
    pub(super) namespace: Option<String>,
    /// Its name.
    pub(super) name: String,
}

impl Need {
    pub(super) fn of(place: &Place) -> Self {
        Self {
            resource: place.kind.group_resource(),
            namespace: place.namespace.as_deref().map(str::to_owned),
            name: place.name.to_string(),
        }
    }
}

/// Whether others can need objects of this type by name.
pub(super) fn is_needed_by_name(place: &Place) -> bool {
    matches!(
        (place.kind.group.as_str(), place.kind.resource.as_str()),
        ("", "serviceaccounts" | "services")
            | ("rbac.authorization.k8s.io", "roles" | "clusterroles")
            | ("scheduling.k8s.io", "priorityclasses")
            | ("storage.k8s.io", "storageclasses")
    )
}

/// What an object needs by name for the API server to accept it.
pub(super) fn needs(place: &Place, object: &Value) -> Vec<Need> {
    let text = |path: &[&str]| crate::json::text(object, path).map(str::to_owned);
    let namespace = place.namespace.as_deref().map(str::to_owned);
    let need = |resource: &str, namespace: Option<String>, name: Option<String>| {
        name.map(|name| Need { resource: resource.to_owned(), namespace, name })
    };
    match (place.kind.group.as_str(), place.kind.resource.as_str()) {
        ("", "pods") => [
            need("serviceaccounts", namespace, text(&["spec", "serviceAccountName"])),
            need("priorityclasses.scheduling.k8s.io", None, text(&["spec", "priorityClassName"])),
        ]
        .into_iter()
        .flatten()
        .collect(),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            let name = text(&["roleRef", "name"]);
            match text(&["roleRef", "kind"]).as_deref() {
                Some("ClusterRole") => need("clusterroles.rbac.authorization.k8s.io", None, name),
                _ => need("roles.rbac.authorization.k8s.io", namespace, name),
            }
            .into_iter()
            .collect()
        }
        _ => Vec::new(),
    }
}

/// An object on its way, transformed and placed.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Where it goes.
    pub(super) place: Place,
    /// What is sent.
    pub(super) object: Value,
    /// Its owner references as captured.
    pub(super) references: Vec<Value>,
    /// What to tell about it.
    pub(super) notes: Vec<Problem>,
    /// Why the server cannot check it yet.
    pub(super) not_checkable: Option<String>,
    /// How its volume comes back, if it is a claim.
    pub(super) claim: Option<ClaimPlan>,
}
