//! Owner references with the UIDs of the target: set before the object is created, or at the end for what
//! could not wait for its owner.

use super::Walk;
use super::state::{Late, NewOwner};
use crate::api::ApiError;
use crate::item::{Item, OwnerRef, Place};
use crate::json;
use crate::order::is_linked_late;
use crate::row::Action;
use crate::stop::Stopped;
use crate::{codes, never};
use futures::{StreamExt, stream};
use protection::{Problem, code};
use resources::ConflictPolicy;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

impl Walk<'_> {
    /// If a built-in controller of the target will make the object, why nothing is written.
    pub(super) async fn left_to_controller(&self, item: &Item) -> Option<Action> {
        let (owner, rule) = never::derived_from(item)?;
        let owned = format!("{} are left to their controller.", rule.what);
        if self.by_uid.contains_key(&owner.uid) {
            return Some(Action::Leave { why: owned });
        }
        let reference = reference_of(owner);
        let namespace = item.namespace.as_deref().map(|name| self.facts.mapping.target(name));
        let lives = self.live_owner(&reference, namespace).await.is_some();
        lives.then_some(Action::Leave { why: owned })
    }

    /// Whether the object is created without owner references and linked at the end.
    pub(super) fn links_late(&self, index: usize, item: &Item) -> bool {
        is_linked_late(&item.kind) || self.circular.contains(&index)
    }

    /// The references to set on an object in this target namespace, and what to tell about the others.
    pub(super) async fn resolve_owners(
        &self,
        references: &[Value],
        namespace: Option<&str>,
    ) -> (Vec<Value>, Vec<Problem>) {
        let mut resolved = Vec::new();
        let mut notes = Vec::new();
        for reference in references {
            let source = json::text(reference, &["uid"]).unwrap_or("");
            let known = self.state.lock().owners.get(source).cloned();
            let uid = match known {
                Some(NewOwner::Planned) => continue,
                Some(NewOwner::Uid(uid)) => Some(uid),
                None if self.is_namesake(reference, source, namespace) => None,
                None => self.live_owner(reference, namespace).await,
            };
            match uid {
                Some(uid) => {
                    let mut reference = reference.clone();
                    json::set(&mut reference, &["uid"], Value::from(uid));
                    resolved.push(reference);
                }
                None => notes.push(absent(reference)),
            }
        }
        (resolved, notes)
    }

    /// Whether the owner in question is gone, and another object that this restore brings has its place: that one may
    /// yet be replaced, and what was linked to it would go with it.
    fn is_namesake(&self, reference: &Value, source: &str, namespace: Option<&str>) -> bool {
        if self.by_uid.contains_key(source) {
            return false;
        }
        let Some(place) = self.owner_place(reference, namespace) else { return false };
        let namesakes = self.by_name().get(&place.name).into_iter().flatten();
        namesakes.filter_map(|index| self.items.get(*index as usize)).any(|item| {
            item.kind.is(&place.kind.group, &place.kind.resource)
                && self.target_place(item).namespace == place.namespace
        })
    }

    fn by_name(&self) -> &HashMap<Arc<str>, Vec<u32>> {
        self.by_name.get_or_init(|| {
            let mut by_name: HashMap<Arc<str>, Vec<u32>> = HashMap::new();
            for (index, item) in (0..).zip(&self.items) {
                by_name.entry(item.name.clone()).or_default().push(index);
            }
            by_name
        })
    }

    /// UID of an owner that stands in the target without having been restored.
    async fn live_owner(&self, reference: &Value, namespace: Option<&str>) -> Option<String> {
        let place = self.owner_place(reference, namespace)?;
        if let Some(known) = self.state.lock().live_owners.get(&place) {
            return known.clone();
        }
        let uid = match self.api.get(&place).await {
            Ok(Some(owner)) => json::text(&owner, &["metadata", "uid"]).map(str::to_owned),
            // Taken for absent: the reference is then dropped, and reported.
            Ok(None) | Err(_) => None,
        };
        self.state.lock().live_owners.insert(place, uid.clone());
        uid
    }

    /// Remembers what became of an object that others refer to.
    pub(super) fn remember_owner(&self, item: &Item, uid: Option<&str>, action: &Action) {
        if !self.referenced.contains(&item.uid) {
            return;
        }
        let known = match (uid, action) {
            (Some(uid), _) if !uid.is_empty() => NewOwner::Uid(uid.to_owned()),
            (_, Action::Create | Action::Replace { .. }) => NewOwner::Planned,
            _ => return,
        };
        let mut state = self.state.lock();
        // An owner that is created under `Replace` may have been deleted for it by an attempt that was interrupted.
        if matches!(action, Action::Replace { .. } | Action::Create) {
            state.replaced.insert(item.uid.clone());
        }
        state.owners.insert(item.uid.clone(), known);
    }

    /// Links what was created before its owner.
    pub(super) async fn link_late(&self) -> Result<(), Stopped> {
        // An owner that was looked up before may have been created since.
        let late = {
            let mut state = self.state.lock();
            state.live_owners.retain(|_, uid| uid.is_some());
            let mut late = std::mem::take(&mut state.late);
            for one in late.iter_mut().filter(|one| one.existed) {
                one.references.retain(|reference| {
                    json::text(reference, &["uid"]).is_some_and(|uid| state.replaced.contains(uid))
                });
            }
            late
        };
        let mut links = stream::iter(late)
            .take_while(|_| std::future::ready(self.stop.check().is_ok()))
            .map(|late| self.link(late))
            .buffer_unordered(self.options.budget.requests.max(1));
        while links.next().await.is_some() {}
        self.stop.check()
    }

    async fn link(&self, late: Late) {
        let target = late.place.to_string();
        let (mut references, notes) =
            self.resolve_owners(&late.references, late.place.namespace.as_deref()).await;
        for note in notes {
            self.sink.problem(note.about(target.clone()));
        }
        if references.is_empty() || self.write.dry_run {
            return;
        }
        let mut write = self.write.clone();
        if late.existed {
            // A later attempt must not take it for an object that this restore changed.
            write.manager = format!("{}/linked", write.manager);
            let live = match self.api.get(&late.place).await {
                Ok(Some(live)) => live,
                Ok(None) if !late.seen => return,
                Ok(None) => return self.sink.problem(gone_with_its_owner().about(target)),
                Err(error) => return self.sink.problem(unlinked(&error).about(target)),
            };
            let mut all = json::items(&live, &["metadata", "ownerReferences"]).to_vec();
            references.retain(|new| !all.iter().any(|known| known["uid"] == new["uid"]));
            if references.is_empty() {
                return;
            }
            all.append(&mut references);
            references = all;
        }
        let patch = json!({"metadata": {"ownerReferences": references}});
        if let Err(error) = self.api.patch(&late.place, &patch, &write).await {
            self.sink.problem(unlinked(&error).about(target));
        }
    }

    /// Remembers an object to link at the end.
    pub(super) fn link_later(&self, place: &Place, references: &[Value]) {
        if !references.is_empty() {
            let late =
                Late { place: place.clone(), references: references.to_vec(), existed: false, seen: true };
            self.state.lock().late.push(late);
        }
    }

    /// Remembers an object that exists and loses an owner if that is replaced.
    pub(super) fn link_again_later(&self, place: &Place, references: &[Value], seen: bool) {
        if !references.is_empty() && self.options.conflict_policy == ConflictPolicy::Replace {
            let late = Late { place: place.clone(), references: references.to_vec(), existed: true, seen };
            self.state.lock().late.push(late);
        }
    }
}

fn unlinked(error: &ApiError) -> Problem {
    let what = format!("It could not be linked to its owner: {}.", error.explain(true));
    Problem::warning(codes::OWNER_ABSENT, what)
        .fix("Set metadata.ownerReferences by hand, if something should delete it with its owner.")
}

/// A built-in controller's object takes along all that it owns, not only what that controller makes.
fn gone_with_its_owner() -> Problem {
    Problem::error(code::OBJECT_NOT_RESTORED, "It was deleted with its owner, which was replaced.")
        .fix("Start the restore again: what is absent is created.")
}

fn absent(reference: &Value) -> Problem {
    let kind = json::text(reference, &["kind"]).unwrap_or("object");
    let name = json::text(reference, &["name"]).unwrap_or("");
    Problem::information(
        codes::OWNER_ABSENT,
        format!("Its owner, {kind} {name}, is not in the target; the reference to it was dropped."),
    )
}

fn reference_of(owner: &OwnerRef) -> Value {
    let api_version = if owner.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", owner.group) };
    json!({"apiVersion": api_version, "kind": &*owner.kind, "name": &*owner.name})
}
