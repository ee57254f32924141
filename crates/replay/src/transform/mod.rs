//! Turns a captured object into one that the target accepts. Pure: one file per rule, each a function from
//! the object and the facts about the target to the changed object.
//! The rules are told in `docs/restore-rules.md`.

mod accounts;
mod bindings;
mod claims;
mod definitions;
mod extensions;
mod finalizers;
mod jobs;
mod metadata;
mod namespaces;
mod pods;
mod policies;
mod secrets;
mod services;
mod volumes;
mod workloads;

pub use claims::{ClaimPlan, VolumeFacts, VolumeFate};
pub(crate) use metadata::CONTROLLER_ANNOTATIONS;
pub(crate) use services::without_node_ports;

use crate::item::ResourceType;
use crate::json;
use crate::mapping::Mapping;
use protection::Problem;
use serde_json::Value;
use std::collections::HashSet;

/// What the rules know about the target and the restore.
#[derive(Debug)]
pub struct Facts {
    /// The namespace mapping.
    pub mapping: Mapping,
    /// What becomes of each claim and volume.
    pub volumes: VolumeFacts,
    /// Cluster role bindings of the target that this restore did not make. Filled under a mapping only.
    pub foreign_bindings: HashSet<String>,
}

/// An object on its way to the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The object.
    pub object: Value,
    /// What the person should know about how it was changed.
    pub notes: Vec<Problem>,
}

impl Draft {
    fn note(&mut self, problem: Problem) {
        self.notes.push(problem);
    }
}

/// Applies every rule for this type, except the target namespace: see [`place`].
pub fn apply(kind: &ResourceType, object: Value, facts: &Facts) -> Draft {
    let mut draft = Draft { object, notes: Vec::new() };
    let original_namespace = json::text(&draft.object, &["metadata", "namespace"]).map(str::to_owned);
    let namespace = original_namespace.as_deref().unwrap_or("");
    match (kind.group.as_str(), kind.resource.as_str()) {
        ("", "namespaces") => namespaces::apply(&mut draft, &facts.mapping),
        ("", "pods") => pods::apply(&mut draft),
        ("", "services") => services::apply(&mut draft, facts.mapping.is_living(namespace)),
        ("", "secrets") => secrets::apply(&mut draft),
        ("", "serviceaccounts") => accounts::apply(&mut draft),
        ("", "persistentvolumeclaims") => claims::apply(&mut draft, &facts.volumes),
        ("", "persistentvolumes") => volumes::apply(&mut draft, &facts.mapping),
        ("", "endpoints") => workloads::endpoints(&mut draft, &facts.mapping),
        ("batch", "jobs") => jobs::apply(&mut draft),
        ("apps" | "batch", _) | ("", "replicationcontrollers") => workloads::apply(&mut draft),
        ("networking.k8s.io", "networkpolicies") => policies::apply(&mut draft, &facts.mapping),
        ("rbac.authorization.k8s.io", "rolebindings") => bindings::role(&mut draft, &facts.mapping),
        ("rbac.authorization.k8s.io", "clusterrolebindings") => {
            bindings::cluster_role(&mut draft, &facts.mapping, &facts.foreign_bindings);
        }
        ("admissionregistration.k8s.io", _) => extensions::webhooks(&mut draft, &facts.mapping),
        ("apiregistration.k8s.io", "apiservices") => extensions::api_service(&mut draft, &facts.mapping),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            definitions::apply(&mut draft, &facts.mapping);
        }
        _ => {}
    }
    finalizers::apply(&mut draft.object, kind);
    metadata::reset(&mut draft.object);
    draft
}

/// Brings a live object into the shape in which [`apply`] leaves captured ones, so that the two compare.
pub fn normalise(kind: &ResourceType, live: Value) -> Value {
    let mut draft = Draft { object: live, notes: Vec::new() };
    match (kind.group.as_str(), kind.resource.as_str()) {
        ("", "namespaces") => namespaces::apply(&mut draft, &Mapping::default()),
        ("", "pods") => pods::apply(&mut draft),
        ("", "services") => services::apply(&mut draft, false),
        ("batch", "jobs") => jobs::apply(&mut draft),
        _ => {}
    }
    draft.object
}

/// Puts the object into its target namespace; done last, whatever a modifier said.
pub fn place(object: &mut Value, namespace: Option<&str>) {
    match namespace {
        Some(namespace) => json::set(object, &["metadata", "namespace"], Value::from(namespace)),
        None => {
            json::take(object, &["metadata", "namespace"]);
        }
    }
}
