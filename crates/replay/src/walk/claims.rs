//! Claims: those with data wait until the whole wave is known, then all are filled at once. What would start
//! on an empty volume instead of a lost one is not restored.

use super::Walk;
use super::replace::Asked;
use super::settle::{SIDE_EFFECTS, Settled, Subject};
use super::state::{Need, Prepared};
use super::world::is_terminating;
use crate::codes;
use crate::decide::{self, Class};
use crate::item::{Item, Place};
use crate::json;
use crate::row::{Action, Checked};
use crate::stop::Stopped;
use crate::transform::ClaimPlan;
use crate::volumes::{ClaimToRestore, Reach};
use futures::{StreamExt, stream};
use protection::point::VolumeRecord;
use protection::{Problem, code};
use serde_json::Value;

/// A claim that waits for its data.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) index: usize,
    pub(super) prepared: Prepared,
    pub(super) record: VolumeRecord,
    /// It replaces one that was deleted.
    pub(super) replaces: bool,
    /// What a dry run said about it.
    pub(super) checked: Checked,
}

impl Walk<'_> {
    /// A claim. `None`: it waits for its data.
    pub(super) async fn restore_claim(
        &self,
        index: usize,
        item: &Item,
        mut prepared: Prepared,
    ) -> Result<Option<(Prepared, Settled)>, Stopped> {
        let with_data = match &prepared.claim {
            Some(ClaimPlan::WithData(record)) => Some((**record).clone()),
            _ => None,
        };
        match (self.storage_class(&prepared), with_data.is_some()) {
            (Err(problem), true) => {
                let settled = match self.claim_in_the_way(item, &prepared).await? {
                    Some(settled) => return Ok(Some((prepared, settled))),
                    None => Settled::blocked(problem),
                };
                return Ok(Some(self.claim_failed(item, prepared, settled)));
            }
            (Err(problem), false) => {
                let warning = Problem { severity: protection::Severity::Warning, ..problem };
                prepared.notes.push(warning);
            }
            (Ok(()), _) => {}
        }
        let Some(record) = with_data else {
            let settled = self.settle_plain(item, &prepared, Class::Claim { with_data: false }).await?;
            return Ok(Some((prepared, settled)));
        };
        let (replaces, checked) = match self.meet_claim(item, &prepared, &record).await? {
            Meeting::Absent(checked) => (false, checked),
            Meeting::Replaced => (true, Checked::ByServer),
            Meeting::Settled(settled) if matches!(settled.action, Action::Blocked(_)) => {
                return Ok(Some(self.claim_failed(item, prepared, *settled)));
            }
            Meeting::Settled(settled) => return Ok(Some((prepared, *settled))),
        };
        self.state.lock().pending_claims.push(Pending { index, prepared, record, replaces, checked });
        Ok(None)
    }

    /// A claim that exists and keeps what it has, whatever else is missing for the one to restore.
    async fn claim_in_the_way(&self, item: &Item, prepared: &Prepared) -> Result<Option<Settled>, Stopped> {
        use crate::decide::Decision;
        let Prepared { place, object: desired, .. } = prepared;
        let subject = Subject { item, place, desired, class: Class::Claim { with_data: true } };
        match self.api.get(place).await {
            Ok(Some(live))
                if !is_terminating(&live)
                    && self.decision_about(&subject, &live) == Decision::DataNotRestored =>
            {
                self.meet(&subject, &live).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Looks before anything is created: data onto an existing claim is not restored.
    async fn meet_claim(
        &self,
        item: &Item,
        prepared: &Prepared,
        record: &VolumeRecord,
    ) -> Result<Meeting, Stopped> {
        let subject = Subject {
            item,
            place: &prepared.place,
            desired: &prepared.object,
            class: Class::Claim { with_data: true },
        };
        if let Some(reason) = self.absent_namespace(&prepared.place) {
            return Ok(Meeting::Absent(Checked::NotCheckable { reason }));
        }
        let live = match self.api.get(&prepared.place).await {
            Ok(live) => live,
            Err(error) => {
                let what = format!("The target could not be asked for the claim: {}.", error.explain(true));
                let settled = Settled::blocked(Problem::error(codes::REFUSED, what));
                return Ok(Meeting::Settled(Box::new(settled)));
            }
        };
        match live {
            None => Ok(Meeting::Absent(Checked::ByServer)),
            Some(live) if is_terminating(&live) && self.write.dry_run => {
                let reason = "a claim of this name is being deleted; the restore waits for its end";
                Ok(Meeting::Absent(Checked::NotCheckable { reason: reason.to_owned() }))
            }
            Some(live) if is_terminating(&live) => {
                Ok(match self.wait_until_gone(&prepared.place, &live).await? {
                    Ok(()) => Meeting::Absent(Checked::ByServer),
                    Err(problem) => Meeting::Settled(Box::new(Settled::blocked(problem))),
                })
            }
            Some(live) => self.existing_claim(subject, record, &live).await,
        }
    }

    async fn existing_claim(
        &self,
        subject: Subject<'_>,
        record: &VolumeRecord,
        live: &Value,
    ) -> Result<Meeting, Stopped> {
        use crate::decide::Decision;
        match self.decision_about(&subject, live) {
            // Its data may not be there yet: it is handed on, to be taken up where it was left.
            Decision::CreatedBefore => Ok(Meeting::Absent(Checked::ByServer)),
            Decision::ReplacedBefore => Ok(Meeting::Replaced),
            Decision::Replace(_) => {
                let mut kept = self.must_not_be_replaced(&subject, live).await;
                if kept.is_none() {
                    kept = self.data_out_of_reach(&subject, record).await;
                }
                if let Some(problem) = kept {
                    return Ok(Meeting::Settled(Box::new(Settled::blocked(problem))));
                }
                Ok(match self.delete_for_replace(&subject, live).await? {
                    Ok(()) => Meeting::Replaced,
                    Err(problem) => Meeting::Settled(Box::new(Settled::blocked(problem))),
                })
            }
            _ => Ok(Meeting::Settled(Box::new(self.meet(&subject, live).await?))),
        }
    }

    /// Why the data of a claim could not take the place of what is there. Nothing is deleted before this is known.
    async fn data_out_of_reach(&self, subject: &Subject<'_>, record: &VolumeRecord) -> Option<Problem> {
        let wanted = self.claim_with_data(subject.desired, record, true);
        match self.restorer.check(&[wanted]).await.into_iter().next() {
            Some(Reach::Reachable) => None,
            Some(Reach::NotReachable(problem)) => Some(problem),
            Some(Reach::Unknown { .. }) if self.write.dry_run => None,
            Some(Reach::Unknown { reason }) => Some(
                Problem::error(
                    codes::REPLACE_REFUSED,
                    format!("Whether its data can be restored could not be found out ({reason})."),
                )
                .fix("Restore the claim under another name or into another namespace."),
            ),
            None => Some(unanswered()),
        }
    }

    /// Fills the claims that wait. In a plan and in a restore alike, first the storage is asked whether it has the
    /// data, then the API server whether it takes the claim.
    pub(super) async fn fill_claims(&self) -> Result<(), Stopped> {
        let pending = std::mem::take(&mut self.state.lock().pending_claims);
        if pending.is_empty() {
            return Ok(());
        }
        let wanted: Vec<ClaimToRestore> = pending.iter().map(|pending| self.to_restore(pending)).collect();
        let mut reached = Vec::new();
        let mut reaches = self.restorer.check(&wanted).await.into_iter();
        for (pending, wanted) in pending.into_iter().zip(wanted) {
            match reaches.next() {
                Some(Reach::NotReachable(problem)) => self.finish_claim(pending, Err(problem), None),
                Some(Reach::Unknown { reason }) => reached.push((pending, wanted, Some(reason))),
                Some(Reach::Reachable) => reached.push((pending, wanted, None)),
                None => self.finish_claim(pending, Err(unanswered()), None),
            }
        }
        let mut asked = stream::iter(reached)
            .map(|(pending, wanted, unknown)| async move {
                let taken = self.would_be_taken(&pending).await;
                (pending, wanted, unknown, taken)
            })
            .buffered(self.options.budget.requests.max(1));
        let mut taken = Vec::new();
        while let Some((mut pending, wanted, unknown, answer)) = asked.next().await {
            match answer {
                Ok(checked) => {
                    pending.checked = checked;
                    taken.push((pending, wanted, unknown));
                }
                Err(problem) => self.finish_claim(pending, Err(problem), None),
            }
        }
        if self.write.dry_run {
            for (pending, _, unknown) in taken {
                self.finish_claim(pending, Ok(None), unknown);
            }
            return Ok(());
        }
        let (pending, wanted): (Vec<Pending>, Vec<ClaimToRestore>) =
            taken.into_iter().map(|(pending, wanted, _)| (pending, wanted)).unzip();
        if !wanted.is_empty() {
            let mut answers = self.restorer.restore(wanted, &self.stop.cancel).await.into_iter();
            for pending in pending {
                let answer = answers.next().unwrap_or_else(|| Err(unanswered()));
                self.finish_claim(pending, answer.map(Some), None);
            }
        }
        self.stop.check()
    }

    /// Asks the server whether it takes the claim: quotas and admission rules have their say. What it could not be
    /// asked before, it cannot be asked now; about one that replaces another it was asked before the deletion.
    async fn would_be_taken(&self, pending: &Pending) -> Result<Checked, Problem> {
        let Pending { index, prepared, checked, replaces, .. } = pending;
        let Some(item) = self.items.get(*index) else { return Ok(checked.clone()) };
        if *replaces || matches!(checked, Checked::NotCheckable { .. }) {
            return Ok(checked.clone());
        }
        let class = Class::Claim { with_data: true };
        let subject = Subject { item, place: &prepared.place, desired: &prepared.object, class };
        match self.asked(&subject).await {
            Asked::Takes | Asked::Exists => Ok(Checked::ByServer),
            Asked::CannotSay => Ok(Checked::NotCheckable { reason: SIDE_EFFECTS.to_owned() }),
            Asked::NotYet(reason) => Ok(Checked::NotCheckable { reason }),
            Asked::Refuses(problem) => Err(problem),
        }
    }

    fn to_restore(&self, pending: &Pending) -> ClaimToRestore {
        self.claim_with_data(&pending.prepared.object, &pending.record, pending.replaces)
    }

    fn claim_with_data(&self, claim: &Value, record: &VolumeRecord, replaces: bool) -> ClaimToRestore {
        ClaimToRestore {
            claim: claim.clone(),
            record: record.clone(),
            field_manager: match replaces {
                true => decide::replacing(&self.write.manager),
                false => self.write.manager.clone(),
            },
            restore_uid: self.options.uid.clone(),
        }
    }

    /// Reports a claim that waited for its data.
    fn finish_claim(
        &self,
        pending: Pending,
        answer: Result<Option<String>, Problem>,
        unknown: Option<String>,
    ) {
        let Pending { index, prepared, checked, replaces, .. } = pending;
        let Some(item) = self.items.get(index) else { return };
        let (prepared, settled) = match answer {
            Err(problem) => {
                let problem = Problem { severity: protection::Severity::Error, ..problem };
                self.claim_failed(item, prepared, Settled::blocked(problem))
            }
            Ok(uid) => {
                let action = match replaces {
                    true => Action::Replace { fields: Vec::new() },
                    false => Action::Create,
                };
                let checked = match (checked, unknown) {
                    (Checked::ByServer, Some(reason)) => Checked::NotCheckable { reason },
                    (checked, _) => checked,
                };
                (prepared, Settled { action, checked, uid, created: true, notes: Vec::new() })
            }
        };
        let with_data = settled.created;
        self.report(index, item, prepared, settled, with_data);
    }

    /// The claim will not be there with its data.
    fn claim_failed(&self, item: &Item, prepared: Prepared, settled: Settled) -> (Prepared, Settled) {
        self.note_failed_claim(item, &prepared.place);
        (prepared, settled)
    }

    /// Remembers that whatever owns the claim, or makes claims of this name, must not start without it. Anything but
    /// a claim is not remembered.
    pub(super) fn note_failed_claim(&self, item: &Item, place: &Place) {
        if !item.kind.is("", "persistentvolumeclaims") {
            return;
        }
        let mut owners = Vec::new();
        let mut open: Vec<_> = item.owners.iter().map(|owner| owner.uid.clone()).collect();
        while let Some(uid) = open.pop() {
            if owners.contains(&uid) {
                continue;
            }
            if let Some(owner) = self.by_uid.get(&uid).and_then(|index| self.items.get(*index as usize)) {
                open.extend(owner.owners.iter().map(|owner| owner.uid.clone()));
            }
            owners.push(uid);
        }
        let namespace = place.namespace.as_deref().unwrap_or("").to_owned();
        let mut state = self.state.lock();
        state.failed_claims.insert((namespace, place.name.to_string()));
        state.owners_of_failed.extend(owners);
    }

    /// Why an object must not be restored while data that it would look for is missing.
    pub(super) fn starts_empty(&self, item: &Item, place: &Place, object: &Value) -> Option<Problem> {
        let state = self.state.lock();
        if state.failed_claims.is_empty() {
            return None;
        }
        let claim = match state.owners_of_failed.contains(&item.uid) {
            true => Some("a claim that it owns".to_owned()),
            false => state
                .failed_claims
                .iter()
                .find(|(namespace, claim)| {
                    place.namespace.as_deref() == Some(namespace.as_str())
                        && place.kind.is("apps", "statefulsets")
                        && makes_claim(object, &place.name, claim)
                })
                .map(|(_, claim)| format!("claim {claim}")),
        }?;
        Some(
            Problem::error(
                codes::DEPENDENCY_FAILED,
                format!("{claim} was not restored; its controller would start on an empty volume instead."),
            )
            .fix("Restore the claim, then restore this object."),
        )
    }

    /// A claim with a class that does not exist would wait for ever.
    fn storage_class(&self, prepared: &Prepared) -> Result<(), Problem> {
        let claim = &prepared.object;
        let class = json::text(claim, &["spec", "storageClassName"]);
        let known = match class {
            _ if json::text(claim, &["spec", "volumeName"]).is_some() => true,
            None => self.world.has_default_class,
            Some("") => false,
            Some(class) => {
                let need = Need {
                    resource: "storageclasses.storage.k8s.io".to_owned(),
                    namespace: None,
                    name: class.to_owned(),
                };
                self.world.storage_classes.contains(class) || self.state.lock().made.contains(&need)
            }
        };
        if known {
            return Ok(());
        }
        let what = match class {
            None => "The target has no default storage class, and the claim names none.".to_owned(),
            Some("") => "The claim wants a volume that exists, and its volume is not restored.".to_owned(),
            Some(class) => format!("The target has no storage class {class}."),
        };
        Err(Problem::error(codes::STORAGE_CLASS_MISSING, what)
            .fix("Create the storage class in the target.")
            .fix("Or choose another one: a resource modifier that replaces /spec/storageClassName of the claim."))
    }
}

enum Meeting {
    /// No claim stands in the way.
    Absent(Checked),
    /// One did, and was deleted, or will be.
    Replaced,
    /// Nothing will be filled.
    Settled(Box<Settled>),
}

/// Whether a StatefulSet of this name makes claims of that name: `<template>-<set>-<number>`.
fn makes_claim(set: &Value, name: &str, claim: &str) -> bool {
    json::items(set, &["spec", "volumeClaimTemplates"]).iter().any(|template| {
        json::text(template, &["metadata", "name"])
            .and_then(|template| claim.strip_prefix(template)?.strip_prefix('-'))
            .and_then(|rest| rest.strip_prefix(name)?.strip_prefix('-'))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn unanswered() -> Problem {
    Problem::error(code::DATA_NOT_RESTORED, "Nothing was said about the data of the claim.")
}
