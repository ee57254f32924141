//! What the vault does in the background at a time: claimed from the store, so that of several replicas one does it, and
//! done in steps, each of which ends in one commit together with what it changed.

mod run;

pub use run::run;

use crate::{
    app::App,
    store::{AuditEntry, AuditOutcome, Change, StoreError, Work},
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
}

/// One step of a kind of work. It can be repeated at any time: the process may end before its changes are committed.
pub type StepOf =
    for<'c> fn(&'c Arc<App>, &'c Work) -> Pin<Box<dyn Future<Output = Result<Step, StoreError>> + Send + 'c>>;

/// Kinds of work and their steps.
pub type Kinds = &'static [(&'static str, StepOf)];

/// The kinds of work; each module adds its own.
const KINDS: Kinds = &[];

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
