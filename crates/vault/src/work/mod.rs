//! What the vault does in the background at a time: claimed from the store, so that of several replicas one does it, and
//! done in steps, each of which ends in one commit together with what it changed.

mod needs;
mod run;

pub use needs::needs;
pub use run::run;

use crate::{
    app::App,
    data_plane, protect, self_backup,
    store::{AuditEntry, AuditOutcome, Change, StoreError, Work},
    webhooks,
};
use jiff::Timestamp;
use serde_json::Value;
use std::{future::Future, pin::Pin, sync::Arc};

/// How a step ends.
#[derive(Debug)]
pub enum Step {
    /// The work is done, with these changes.
    Done(Vec<Change>),
    /// It goes on at a time, with these changes.
    Later {
        /// When.
        due_at: Timestamp,
        /// Whether it got on; else its attempts add up.
        advanced: bool,
        /// What is kept of it.
        document: Value,
        /// What changed.
        changes: Vec<Change>,
    },
    /// One of these, of which the audit log says more than the kind of the work.
    Told(String, Box<Self>),
}

/// What a step gives back.
pub type Answered<'c> = Pin<Box<dyn Future<Output = Result<Step, StoreError>> + Send + 'c>>;
/// One step of a kind of work. It can be repeated at any time: the process may end before its changes are committed.
pub type StepOf = for<'c> fn(&'c Arc<App>, &'c Work) -> Answered<'c>;

/// The vault's own; each module adds its own.
const KINDS: Kinds = &[
    (protect::job::KIND, protect::job::step),
    (protect::late::KIND, protect::late::step),
    (protect::schedule::KIND, protect::schedule::step),
    (protect::expire::KIND, protect::expire::step),
    (protect::forget::KIND, protect::forget::step),
    (protect::gone::prune::KIND, protect::gone::prune::step),
    (protect::rekey::KIND, protect::rekey::step),
    (protect::validate::KIND, protect::validate::step),
    (protect::purge::KIND, protect::purge::step),
    (protect::prerequisites::KIND, protect::prerequisites::step),
    (protect::sync::KIND, protect::sync::step),
    (data_plane::remove::KIND, data_plane::remove::step),
    (self_backup::work::KIND, self_backup::work::step),
    (webhooks::KIND, webhooks::step),
    (crate::api::vaults::PURGE, crate::api::vaults::purge),
];
/// Kinds of work and their steps.
pub type Kinds = &'static [(&'static str, StepOf)];

fn step_of(app: &App, kind: &str) -> Option<StepOf> {
    KINDS.iter().chain(app.kinds).find(|(name, _)| *name == kind).map(|(_, step)| *step)
}

/// The audit record of what the vault does by itself.
pub fn audit(action: &str, work: &Work, now: Timestamp) -> AuditEntry {
    AuditEntry {
        at: now,
        principal: "vault".to_owned(),
        action: action.to_owned(),
        scope: work.target.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: work.id.clone(),
    }
}
