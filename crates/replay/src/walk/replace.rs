//! Deletes an object and creates it anew, unless that would cost data.

use super::Walk;
use super::settle::{SIDE_EFFECTS, Settled, Subject, refusal};
use crate::api::{ApiError, Owned, Refusal, Shape, Write};
use crate::decide::{self, Class, Decision};
use crate::item::Place;
use crate::json;
use crate::row::Action;
use crate::stop::Stopped;
use crate::target::core;
use crate::transform;
use crate::{codes, never};
use protection::Problem;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Owners of owners are followed this far.
const DEPTH: usize = 6;

/// What the server says about an object that it is to take.
pub(super) enum Asked {
    /// It would take it.
    Takes,
    /// One of that name is there.
    Exists,
    /// It cannot be asked, because a webhook takes no part in dry runs.
    CannotSay,
    /// It cannot say yet, because of this; only in plans.
    NotYet(String),
    /// It would not take it.
    Refuses(Problem),
}

impl Walk<'_> {
    /// Deletes with a UID precondition, waits, creates.
    pub(super) async fn replace(
        &self,
        subject: &Subject<'_>,
        live: &Value,
        fields: Vec<String>,
    ) -> Result<Settled, Stopped> {
        if let Some(problem) = self.must_not_be_replaced(subject, live).await {
            return Ok(Settled::blocked(problem));
        }
        match self.delete_for_replace(subject, live).await? {
            Err(problem) => Ok(Settled::blocked(problem)),
            Ok(()) if self.write.dry_run => {
                let reason = "it exists until it is replaced";
                Ok(Settled::unchecked(Action::Replace { fields }, reason))
            }
            Ok(()) => {
                Ok(match self.api.create(subject.place, subject.desired, &self.replacement(subject)).await {
                    Ok(written) => {
                        let notes = self.notes_of(subject, &written);
                        Settled { notes, ..Settled::replaced(fields, written.uid) }
                    }
                    Err(error) => match self.made_all_the_same(subject, &error).await {
                        Some(uid) => Settled::replaced(fields, uid),
                        None => Settled::blocked(
                            Problem::error(
                                codes::REFUSED,
                                format!(
                                    "It was deleted to be replaced, and creating it failed: {}.",
                                    error.explain(true)
                                ),
                            )
                            .fix("Start the restore again: the object is in the recovery point."),
                        ),
                    },
                })
            }
        }
    }

    /// The UID of the new object when it was created before and only the answer was lost.
    async fn made_all_the_same(&self, subject: &Subject<'_>, error: &ApiError) -> Option<String> {
        if error.refusal != Refusal::AlreadyExists {
            return None;
        }
        let live = self.api.get(subject.place).await.ok()??;
        let made = self.decision_about(subject, &live) == Decision::ReplacedBefore;
        made.then(|| json::text(&live, &["metadata", "uid"]).map(str::to_owned))?
    }

    /// How an object is written that takes the place of another.
    fn replacement(&self, subject: &Subject<'_>) -> Write {
        let write = self.write_of(subject);
        Write { manager: decide::replacing(&write.manager), ..write }
    }

    /// Why nothing may be deleted: data would be lost, or the server would not take the new object.
    pub(super) async fn must_not_be_replaced(&self, subject: &Subject<'_>, live: &Value) -> Option<Problem> {
        match self.guard(subject, live).await {
            Err(error) => Some(failed(&error)),
            Ok(Some(problem)) => Some(problem),
            Ok(None) => match self.asked(subject).await {
                Asked::Refuses(problem) => Some(problem),
                Asked::CannotSay => Some(
                    Problem::error(
                        codes::REPLACE_REFUSED,
                        format!("Whether the server takes the new object could not be found out: {SIDE_EFFECTS}."),
                    )
                    .fix("Use the conflict policy Patch, or delete the object by hand and start the restore again."),
                ),
                Asked::Takes | Asked::Exists | Asked::NotYet(_) => None,
            },
        }
    }

    /// The first half. In a plan, everything but the deletion itself.
    pub(super) async fn delete_for_replace(
        &self,
        subject: &Subject<'_>,
        live: &Value,
    ) -> Result<Result<(), Problem>, Stopped> {
        let uid = json::text(live, &["metadata", "uid"]).unwrap_or("");
        // Orphaning waits for the garbage collector, which learns of a new kind only after half a minute.
        let owned = match self.referenced.contains(&subject.item.uid) {
            true => owned(subject.place),
            false => Owned::Goes,
        };
        match self.api.delete(subject.place, uid, owned, &self.write).await {
            Ok(()) => {}
            Err(error) if error.refusal == Refusal::NotFound => {}
            Err(error) if error.refusal == Refusal::DryRunNotSupported => {}
            Err(error) => return Ok(Err(failed(&error))),
        }
        if self.write.dry_run {
            return Ok(Ok(()));
        }
        self.wait_until_gone(subject.place, live).await
    }

    /// Asks the server whether it would take the object, before anything is deleted or made for it. A server judges
    /// an object before it looks whether one of that name exists.
    pub(super) async fn asked(&self, subject: &Subject<'_>) -> Asked {
        let mut asked = subject.desired.clone();
        if subject.place.kind.is("", "services") {
            transform::without_node_ports(&mut asked);
        }
        let write = Write { dry_run: true, ..self.write_of(subject) };
        match self.api.create(subject.place, &asked, &write).await {
            Ok(_) => Asked::Takes,
            Err(error) => match error.refusal {
                Refusal::AlreadyExists => Asked::Exists,
                Refusal::DryRunNotSupported => Asked::CannotSay,
                _ => match self.waits_for(subject, &error) {
                    Some(reason) => Asked::NotYet(reason),
                    None => Asked::Refuses(refusal(subject, &error)),
                },
            },
        }
    }

    /// What would be lost.
    async fn guard(&self, subject: &Subject<'_>, live: &Value) -> Result<Option<Problem>, ApiError> {
        if let Class::Claim { .. } = subject.class {
            return Ok(self.user_of_claim(subject.place).await?.map(|pod| {
                Problem::error(codes::REPLACE_REFUSED, format!("Pod {pod} uses the claim."))
                    .fix("Scale down what uses it, then start the restore again.")
            }));
        }
        let deletes_claims =
            json::text(live, &["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"])
                == Some("Delete");
        if deletes_claims && subject.place.kind.is("apps", "statefulsets") {
            return Ok(Some(
                Problem::error(
                    codes::REPLACE_REFUSED,
                    "Deleting it would delete its claims: their retention policy says so.",
                )
                .fix("Set persistentVolumeClaimRetentionPolicy.whenDeleted to Retain first."),
            ));
        }
        let Some(uid) = json::text(live, &["metadata", "uid"]) else { return Ok(None) };
        // Also where what it owns stays: an operator may clean up behind its object.
        Ok(self.claim_owned_by(subject.place, uid).await?.map(|claim| {
            Problem::error(
                codes::REPLACE_REFUSED,
                format!("Deleting it would delete claim {claim}, which it owns."),
            )
            .fix("Remove the owner reference from the claim first, or keep the live object.")
        }))
    }

    async fn user_of_claim(&self, claim: &Place) -> Result<Option<String>, ApiError> {
        let pods = self.api.list(&core("Pod", "pods", true), claim.namespace.as_deref(), Shape::Full).await?;
        let user = pods.iter().find(|pod| {
            let ended = matches!(json::text(pod, &["status", "phase"]), Some("Succeeded" | "Failed"));
            !ended
                && json::items(pod, &["spec", "volumes"]).iter().any(|volume| {
                    json::text(volume, &["persistentVolumeClaim", "claimName"]) == Some(&*claim.name)
                })
        });
        Ok(user.and_then(|pod| json::text(pod, &["metadata", "name"]).map(str::to_owned)))
    }

    /// A claim that goes when the object with this UID goes.
    async fn claim_owned_by(&self, place: &Place, uid: &str) -> Result<Option<String>, ApiError> {
        let kind = core("PersistentVolumeClaim", "persistentvolumeclaims", true);
        let claims = self.api.list(&kind, place.namespace.as_deref(), Shape::Metadata).await?;
        for claim in &claims {
            if self.descends_from(claim, uid).await? {
                return Ok(json::text(claim, &["metadata", "name"]).map(str::to_owned));
            }
        }
        Ok(None)
    }

    async fn descends_from(&self, object: &Value, uid: &str) -> Result<bool, ApiError> {
        let namespace = json::text(object, &["metadata", "namespace"]);
        let mut open: Vec<Value> = json::items(object, &["metadata", "ownerReferences"]).to_vec();
        let mut seen = HashSet::new();
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for reference in open {
                let owner = json::text(&reference, &["uid"]).unwrap_or("");
                if owner == uid {
                    return Ok(true);
                }
                if seen.insert(owner.to_owned())
                    && let Some(place) = self.owner_place(&reference, namespace)
                    && let Some(found) = self.api.get(&place).await?
                {
                    next.extend(json::items(&found, &["metadata", "ownerReferences"]).iter().cloned());
                }
            }
            open = next;
        }
        Ok(false)
    }

    /// Where an owner stands in the target, given the target namespace of what it owns.
    pub(super) fn owner_place(&self, reference: &Value, namespace: Option<&str>) -> Option<Place> {
        let (group, _) = crate::item::group_version(json::text(reference, &["apiVersion"])?);
        let kind = self.discovery.read().any_version(group, json::text(reference, &["kind"])?)?;
        Some(Place {
            namespace: if kind.namespaced { Some(Arc::from(namespace?)) } else { None },
            name: Arc::from(json::text(reference, &["name"])?),
            kind,
        })
    }
}

/// What a built-in controller makes, it makes again. Everything else that the old object owns stays: nobody said that
/// it should go, and the restore may just have found it as it must be.
fn owned(place: &Place) -> Owned {
    let controls = |derived: &never::Derived| {
        derived.owners.iter().any(|(group, kind)| place.kind.group == *group && place.kind.kind == *kind)
    };
    match never::DERIVED.iter().any(controls) {
        true => Owned::Goes,
        false => Owned::Stays,
    }
}

fn failed(error: &ApiError) -> Problem {
    Problem::error(codes::REFUSED, format!("It cannot be replaced: {}.", error.explain(true)))
        .fix("Replace it by hand, or keep the live object.")
}
