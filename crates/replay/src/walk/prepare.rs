//! From a captured body to what would be sent to the target, or the reason why nothing is. No I/O.

use super::Walk;
use super::state::Prepared;
use crate::api::Resolved;
use crate::item::{Item, Place, ResourceType};
use crate::json;
use crate::row::Action;
use crate::transform::{self, VolumeFate};
use crate::{codes, never};
use protection::{Problem, code};
use serde_json::Value;
use std::sync::Arc;

/// Why an object is not sent.
pub(super) enum NotSent {
    /// For a reason of its own, with what is to be told about it.
    Settled(Action),
    /// Another object of this restore has its place.
    Taken(Problem),
}

impl Walk<'_> {
    /// Where an object of the source goes, before modifiers had a word.
    pub(super) fn target_place(&self, item: &Item) -> Place {
        self.facts.mapping.place(item)
    }

    /// Transforms and places an object.
    pub(super) fn prepare(&self, item: &Item, mut body: Value) -> Result<Prepared, NotSent> {
        if let Some(rule) = never::by_body(&item.kind, &body) {
            return Err(leave(rule.reason()));
        }
        if item.kind.is("", "persistentvolumes") {
            self.volume_fate(item)?;
        }
        let rules = self.options.modifiers.matching(&item.kind, &body);
        let references = match json::take(&mut body, &["metadata", "ownerReferences"]) {
            Some(Value::Array(references)) => references,
            _ => Vec::new(),
        };
        let mut draft = transform::apply(&item.kind, body, &self.facts);
        let schema = self
            .schemas
            .get(&item.kind.api_version())
            .and_then(|schemas| schemas.kind(&item.kind.group, &item.kind.version, &item.kind.kind));
        for rule in rules {
            rule.apply(&mut draft.object, schema.as_ref()).map_err(|error| {
                blocked(
                    Problem::error(code::MODIFIER_INVALID, format!("{error}."))
                        .fix("Correct the rule, or let its conditions leave this object out."),
                )
            })?;
        }
        let (kind, not_checkable) = self.target_kind(item, &draft.object)?;
        let namespace = item.namespace.as_deref().map(|name| Arc::from(self.facts.mapping.target(name)));
        transform::place(&mut draft.object, namespace.as_deref());
        let name: Arc<str> = Arc::from(json::text(&draft.object, &["metadata", "name"]).unwrap_or(""));
        let claim = match (&item.namespace, item.kind.is("", "persistentvolumeclaims")) {
            (Some(namespace), true) => self.facts.volumes.claim(namespace, &item.name).cloned(),
            _ => None,
        };
        let place = Place { kind, namespace, name };
        if !self.take_place(&place, item) {
            return Err(NotSent::Taken(
                Problem::error(
                    code::OBJECT_NOT_RESTORED,
                    format!("The namespace mapping puts another object in the place of {place}, too."),
                )
                .fix("Map the namespaces to different targets, or restore them one after the other."),
            ));
        }
        Ok(Prepared { place, object: draft.object, references, notes: draft.notes, not_checkable, claim })
    }

    fn volume_fate(&self, item: &Item) -> Result<(), NotSent> {
        match self.facts.volumes.volumes.get(&*item.name) {
            Some(VolumeFate::Reprovisioned) => Err(leave(VolumeFate::REPROVISIONED.to_owned())),
            Some(VolumeFate::InUse { by }) => {
                Err(leave(format!("It exists in the target and serves claim {by}.")))
            }
            Some(VolumeFate::Restored) | None => Ok(()),
        }
    }

    /// The type in the target; with a reason why the server cannot check it yet, if it is only promised.
    fn target_kind(
        &self,
        item: &Item,
        object: &Value,
    ) -> Result<(Arc<ResourceType>, Option<String>), NotSent> {
        let api_version = json::text(object, &["apiVersion"]).unwrap_or("");
        let (group, version) = crate::item::group_version(api_version);
        let kind = json::text(object, &["kind"]).unwrap_or("");
        let resolve = |discovery: &parking_lot::RwLock<crate::api::Discovery>| {
            discovery.read().resolve(group, version, kind)
        };
        let served = resolve(&self.discovery);
        let promised = match &served {
            Resolved::Served(_) => Resolved::Missing,
            _ => resolve(&self.promised),
        };
        let (found, reason) = match (served, promised) {
            (Resolved::Served(found), _) => (found, None),
            (_, Resolved::Served(found)) => {
                (found, Some("its definition is created by this restore".to_owned()))
            }
            (Resolved::OtherVersions(versions), _) | (_, Resolved::OtherVersions(versions)) => {
                return Err(blocked(
                    Problem::error(
                        code::CRD_VERSION_MISMATCH,
                        format!(
                            "The target serves {kind} of {group} in version {}, not in {version}.",
                            versions.join(", ")
                        ),
                    )
                    .fix("Let the target serve this version, or choose another with a resource modifier on /apiVersion."),
                ));
            }
            (Resolved::GroupUnavailable, _) => {
                return Err(blocked(
                    Problem::error(
                        codes::GROUP_UNAVAILABLE,
                        format!("The server of group {group} does not answer."),
                    )
                    .fix("Look at the APIService of this group, then restore these objects again."),
                ));
            }
            (Resolved::Missing, _) => {
                return Err(blocked(
                    Problem::error(
                        codes::KIND_MISSING,
                        format!("The target does not serve {kind} of {api_version}."),
                    )
                    .fix("Install what defines this kind in the target, or include its definition in the restore."),
                ));
            }
        };
        if found.namespaced != item.namespace.is_some() {
            let scope = if found.namespaced { "in a namespace" } else { "in the cluster" };
            return Err(blocked(Problem::error(
                codes::KIND_MISSING,
                format!(
                    "In the target, {kind} of {api_version} stands {scope}; the captured object does not."
                ),
            )));
        }
        Ok((found, reason))
    }

    /// False if another object of this restore goes there. Where a mapping joins namespaces, the namespace
    /// itself is everyone's.
    fn take_place(&self, place: &Place, item: &Item) -> bool {
        let joined = self.joins_namespaces && !item.kind.is("", "namespaces");
        !joined || self.state.lock().taken.insert(place.clone())
    }
}

fn leave(why: String) -> NotSent {
    NotSent::Settled(Action::Leave { why })
}

fn blocked(problem: Problem) -> NotSent {
    NotSent::Settled(Action::blocked(problem))
}
