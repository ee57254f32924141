//! Goes through the waves of a restore. A plan and a restore are the same walk: in a plan every write is a dry
//! run, and where the server cannot be asked the row says so.

mod admission;
mod claims;
mod definitions;
mod extensions;
mod gone;
mod hazards;
mod namespaces;
mod owners;
mod prepare;
mod replace;
mod settle;
mod start;
mod state;
mod world;

use crate::SourceError;
use crate::api::{ClusterApi, Discovery, Write};
use crate::codes;
use crate::decide::Class;
use crate::item::{Item, Place};
use crate::modifiers::Schemas;
use crate::options::RestoreOptions;
use crate::order::{Stage, Wave, stage};
use crate::row::{Action, Checked, Row};
use crate::source::{PointSource, bodies};
use crate::stop::{Stop, Stopped};
use crate::transform::Facts;
use crate::volumes::VolumeRestorer;
use futures::StreamExt;
use parking_lot::{Mutex, RwLock};
use prepare::NotSent;
use protection::{Problem, code};
use serde_json::Value;
use settle::{Settled, Subject};
use state::{Need, Prepared, State};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use world::World;

#[cfg(test)]
pub(crate) use definitions::promised_kinds;
pub(crate) use start::Start;

/// Takes what a walk finds out.
pub(crate) trait Sink: Send + Sync {
    /// A stage begins, with this many objects in its next wave.
    fn stage(&self, stage: Stage, objects: usize);
    /// An object is done.
    fn row(&self, row: Row);
    /// Something that is not about one row.
    fn problem(&self, problem: Problem);
    /// Something of this name holds the walk up, and why.
    fn waits(&self, _name: &str, _why: &Problem) {}
    /// It is not waited for any longer.
    fn waited(&self, _name: &str) {}
}

/// One pass over a recovery point.
pub(crate) struct Walk<'a> {
    api: &'a dyn ClusterApi,
    source: &'a dyn PointSource,
    options: &'a RestoreOptions,
    restorer: &'a dyn VolumeRestorer,
    sink: &'a dyn Sink,
    stop: Stop,
    write: Write,
    facts: Facts,
    world: World,
    items: Vec<Item>,
    by_uid: HashMap<Arc<str>, u32>,
    /// Indexes by name, made when first needed.
    by_name: OnceLock<HashMap<Arc<str>, Vec<u32>>>,
    /// UIDs in the source of objects that others are owned by.
    referenced: HashSet<Arc<str>>,
    waves: Vec<Wave>,
    circular: HashSet<usize>,
    /// Whether a mapping leads from two namespaces into one.
    joins_namespaces: bool,
    discovery: RwLock<Discovery>,
    promised: RwLock<Discovery>,
    /// Merge rules for strategic patches, by `apiVersion`.
    schemas: HashMap<String, Schemas>,
    state: Mutex<State>,
}

impl Walk<'_> {
    /// Goes through all waves and links what was created before its owner. What a stop kept from its turn is named.
    pub(crate) async fn run(&self) -> Result<(), Stopped> {
        let ended = self.run_waves().await;
        if ended.is_err() {
            self.report_unreached();
        }
        ended
    }

    async fn run_waves(&self) -> Result<(), Stopped> {
        let mut named = false;
        for wave in &self.waves {
            if wave.stage > Stage::Namespaces && !named {
                self.make_bare_namespaces().await?;
                named = true;
            }
            self.stop.check()?;
            self.sink.stage(wave.stage, wave.items.len());
            self.run_wave(wave).await?;
            match wave.stage {
                Stage::Definitions => self.wait_for_definitions().await?,
                Stage::Claims => self.fill_claims().await?,
                _ => {}
            }
        }
        self.link_late().await
    }

    async fn run_wave(&self, wave: &Wave) -> Result<(), Stopped> {
        let mut wanted = Vec::with_capacity(wave.items.len());
        for &index in &wave.items {
            let Some(item) = self.items.get(index) else { continue };
            match self.left_to_controller(item).await {
                Some(action) => self.report_unsent(index, item, self.target_place(item), action, Vec::new()),
                None => wanted.push(index),
            }
        }
        let mut done = std::pin::pin!(
            bodies(self.source, &self.items, &wanted, &self.options.budget)
                .take_while(|_| std::future::ready(self.stop.check().is_ok()))
                .map(|(index, body)| self.restore(index, body))
                .buffer_unordered(self.options.budget.requests.max(1))
        );
        // What was begun is finished, so that its outcome is known; what was not is not begun.
        let mut stopped = None;
        while let Some(result) = done.next().await {
            if let Err(reason) = result {
                stopped = Some(reason);
            }
        }
        stopped.map_or_else(|| self.stop.check(), Err)
    }

    async fn restore(&self, index: usize, body: Result<Value, SourceError>) -> Result<(), Stopped> {
        let Some(item) = self.items.get(index) else { return Ok(()) };
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                let action = Action::blocked(unreadable(&error));
                let place = self.target_place(item);
                self.note_failed_claim(item, &place);
                self.report_unsent(index, item, place, action, Vec::new());
                return Ok(());
            }
        };
        let mut prepared = match self.prepare(item, body) {
            Ok(prepared) => prepared,
            Err(NotSent::Settled(action)) => {
                let place = self.target_place(item);
                self.note_failed_claim(item, &place);
                self.report_unsent(index, item, place, action, Vec::new());
                return Ok(());
            }
            Err(NotSent::Taken(problem)) => {
                let place = self.target_place(item);
                self.report_unsent(index, item, place, Action::blocked(problem), Vec::new());
                return Ok(());
            }
        };
        if let Some(problem) = self.starts_empty(item, &prepared.place, &prepared.object) {
            self.report_unsent(index, item, prepared.place, Action::blocked(problem), Vec::new());
            return Ok(());
        }
        if !prepared.references.is_empty() && !self.links_late(index, item) {
            let namespace = prepared.place.namespace.clone();
            let (references, notes) = self.resolve_owners(&prepared.references, namespace.as_deref()).await;
            prepared.notes.extend(notes);
            if !references.is_empty() {
                let path = &["metadata", "ownerReferences"];
                crate::json::set(&mut prepared.object, path, Value::Array(references));
            }
        }
        if prepared.claim.is_some() || item.kind.is("", "persistentvolumeclaims") {
            if let Some((prepared, settled)) = self.restore_claim(index, item, prepared).await? {
                self.report(index, item, prepared, settled, false);
            }
            return Ok(());
        }
        let class = Class::of(&prepared.place.kind, false);
        let settled = self.settle_plain(item, &prepared, class).await?;
        self.report(index, item, prepared, settled, false);
        Ok(())
    }

    /// Anything but a claim with data.
    async fn settle_plain(&self, item: &Item, prepared: &Prepared, class: Class) -> Result<Settled, Stopped> {
        let Prepared { place, object, .. } = prepared;
        let subject = Subject { item, place, desired: object, class };
        let uncheckable = match self.write.dry_run {
            true => prepared.not_checkable.clone().or_else(|| self.absent_namespace(place)),
            false => None,
        };
        if self.is_fresh_default_account(place) {
            return self.settle_default_account(subject, uncheckable).await;
        }
        if let Some(reason) = uncheckable {
            return Ok(Settled::unchecked(Action::Create, reason));
        }
        if extensions::has_backends(place) {
            return self.settle_extension(subject).await;
        }
        self.settle(subject).await
    }

    /// An object met the target: later ones may depend on how.
    fn report(&self, index: usize, item: &Item, prepared: Prepared, settled: Settled, with_data: bool) {
        let Prepared { place, object, references, mut notes, .. } = prepared;
        let Settled { action, checked, uid, created, notes: more } = settled;
        self.state.lock().reported.insert(index);
        self.remember_owner(item, uid.as_deref(), &action);
        self.promise(&place, &object, &action);
        if created {
            if self.links_late(index, item) {
                self.link_later(&place, &references);
            }
            if state::is_needed_by_name(&place) {
                self.state.lock().made.insert(Need::of(&place));
            }
            if place.kind.is("", "namespaces") {
                self.state.lock().fresh_namespaces.insert(place.name.to_string());
            }
        } else {
            let seen = !matches!(action, Action::Blocked(_));
            self.link_again_later(&place, &references, seen);
        }
        let written = matches!(action, Action::Create | Action::Patch { .. } | Action::Replace { .. });
        notes.extend(more);
        self.sink.row(Row {
            original_namespace: item.namespace.clone(),
            stage: stage(&place.kind),
            place,
            action,
            checked,
            with_data,
            notes: if written { notes } else { Vec::new() },
        });
    }

    fn report_unreached(&self) {
        let reported = std::mem::take(&mut self.state.lock().reported);
        for (index, item) in self.items.iter().enumerate().filter(|(index, _)| !reported.contains(index)) {
            self.report_unsent(
                index,
                item,
                self.target_place(item),
                Action::blocked(unreached()),
                Vec::new(),
            );
        }
    }

    /// An object never gets as far as the target.
    fn report_unsent(&self, index: usize, item: &Item, place: Place, action: Action, notes: Vec<Problem>) {
        self.state.lock().reported.insert(index);
        self.sink.row(Row {
            original_namespace: item.namespace.clone(),
            stage: stage(&item.kind),
            place,
            action,
            checked: Checked::NothingToCheck,
            with_data: false,
            notes,
        });
    }
}

/// A cancellation or the deadline came first.
fn unreached() -> Problem {
    Problem::error(code::OBJECT_NOT_RESTORED, "The restore ended before its turn.")
        .fix("Restore again: what exists already is not created twice.")
}

fn unreadable(error: &SourceError) -> Problem {
    let problem = Problem::error(
        if error.damaged { code::REPOSITORY_DAMAGED } else { codes::REFUSED },
        format!("{error}."),
    );
    match error.damaged {
        true => problem.fix("Restore it from another recovery point, and check the repository."),
        false => problem.fix("Start the restore again."),
    }
}

/// What an object needs by name, as the keys of a fake cluster.
#[cfg(test)]
pub(crate) fn needs_by_name(place: &Place, object: &Value) -> Vec<(String, Option<String>, String)> {
    let needs = state::needs(place, object).into_iter();
    needs.map(|need| (need.resource, need.namespace, need.name)).collect()
}
