//! What comes next for one extension: a pure function of what should be there, what is known and what was seen.

use crate::{
    error::{Failure, code},
    health::Health,
    record::{Failed, Record, Release, Work},
};
use jiff::{SignedDuration, Timestamp};
use packages::wire::{DesiredExtension, Wanted};

/// How often pods are looked at while they start.
pub const POLL: SignedDuration = SignedDuration::from_secs(5);
/// How often it is looked whether objects are gone.
pub const REMOVAL_POLL: SignedDuration = SignedDuration::from_secs(2);
/// How long applying may meet nothing but errors that could pass.
pub const APPLY_PATIENCE: SignedDuration = SignedDuration::from_mins(15);
/// How long a package may be out of reach.
pub const FETCH_PATIENCE: SignedDuration = SignedDuration::from_mins(15);
/// When the gate is tried once more that stopped an installation. Nothing of it was written, and what is missing can come
/// without a word to the vault.
pub const GATE_AGAIN: SignedDuration = SignedDuration::from_mins(2);
/// The same where the gate could judge only after namespaces and accounts were made, and they were removed again: less often,
/// since each attempt makes and removes them. Also when another egress proxy is tried once more that could not be put into
/// what is installed: each attempt starts its pods anew.
pub const GATE_AGAIN_IN_PLACE: SignedDuration = SignedDuration::from_mins(10);
/// When a removal that does not end is reported as failed; it goes on all the same.
pub const REMOVAL_PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Errors that could pass, since when, and when to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The code of the last one.
    pub code: &'static str,
    /// Its message.
    pub message: String,
    /// When the first one was seen.
    pub since: Timestamp,
    /// When the next attempt is due.
    pub next: Timestamp,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Look whether it may be installed, get the package, render it, write down what will be applied.
    Begin,
    /// Apply what was written down.
    Apply,
    /// It is healthy: remove what the release before it had beside, and write down that it is installed.
    Finish,
    /// Some of what is installed is gone: write down that it is applied once more.
    Repair,
    /// It failed: write down that the cluster goes back to what it was.
    GiveUp(Failure),
    /// Go back to what the cluster was.
    Return,
    /// Write down that everything will be removed.
    BeginRemoval,
    /// Remove what can be removed now.
    Remove,
    /// Write down that a generation failed before anything was touched.
    Refuse(Failure),
    /// Nothing, until then or until something changes.
    Rest(Option<Timestamp>),
}

/// Decides. `egress` tells the egress proxy of now from another one; `health` is what was seen of a release that was
/// applied, or is installed.
pub fn decide(
    desired: Option<&DesiredExtension>,
    record: &Record,
    egress: Option<&str>,
    health: Option<&Health>,
    trouble: Option<&Trouble>,
    now: Timestamp,
) -> Step {
    if let Some(trouble) = trouble {
        if let Some(step) = out_of_patience(desired, record, egress, trouble, now) {
            return step;
        }
        if now < trouble.next {
            return Step::Rest(Some(trouble.next));
        }
    }
    match &record.work {
        None => at_rest(desired, record, egress, health, now),
        Some(Work::Apply { .. }) => Step::Apply,
        Some(Work::Return { .. }) => Step::Return,
        Some(Work::Remove { .. }) => Step::Remove,
        Some(Work::Wait { release, since, .. }) => {
            if let Some(newer) = desired.filter(|desired| desired.generation > release.generation) {
                match newer.wanted {
                    Wanted::Absent => return Step::BeginRemoval,
                    Wanted::Present if !has_failed(record, newer) => return Step::Begin,
                    Wanted::Present => {}
                }
            }
            waiting(health, *since, now)
        }
    }
}

fn at_rest(
    desired: Option<&DesiredExtension>,
    record: &Record,
    egress: Option<&str>,
    health: Option<&Health>,
    now: Timestamp,
) -> Step {
    // What a vault does not mention is left as it is: only a word takes something away.
    let Some(desired) = desired else { return Step::Rest(None) };
    match desired.wanted {
        Wanted::Absent if *record == Record::default() => Step::Rest(None),
        Wanted::Absent => Step::BeginRemoval,
        Wanted::Present if has_failed(record, desired) => {
            match record.failed.as_ref().and_then(|failed| failed.again) {
                Some(again) if again <= now => Step::Begin,
                // What was in its way may have been the proxy.
                _ if record.failed.as_ref().is_some_and(|failed| failed.is_of_another_proxy(egress)) => {
                    Step::Begin
                }
                again => Step::Rest(again),
            }
        }
        Wanted::Present => match &record.installed {
            // The cluster was connected with another proxy meanwhile: the same release, with that one in it.
            Some(release) if release.egress_digest() != egress => Step::Begin,
            Some(release) if release.generation == desired.generation => match health {
                Some(health) if health.has_lost_something() => Step::Repair,
                _ => Step::Rest(None),
            },
            _ => Step::Begin,
        },
    }
}

/// What is written down of the failure of `generation`, with this egress proxy, now that the cluster is as it was.
pub fn failed_back(
    installed: Option<&Release>,
    generation: i64,
    failure: &Failure,
    proxy: Option<&str>,
    now: Timestamp,
) -> Option<Failed> {
    let after = now.saturating_add(GATE_AGAIN_IN_PLACE).unwrap_or(Timestamp::MAX);
    let again = match installed {
        Some(release) if release.generation == generation => {
            let is_same = proxy.is_none_or(|proxy| proxy == release.egress_digest().unwrap_or_default());
            // What was installed before is no failed release because a repair of it took too long: it may still become
            // ready, and is looked at again. With another proxy it is nothing that was ready before.
            if is_same {
                return None;
            }
            Some(after)
        }
        // What failed after more was written is not written again by itself.
        Some(_) => None,
        None => is_of_gate(failure).then_some(after),
    };
    Some(Failed { generation, failure: failure.clone(), again, proxy: proxy.map(str::to_owned) })
}

/// Whether it was the gate that stopped it.
pub fn is_of_gate(failure: &Failure) -> bool {
    [code::PREREQUISITES, code::NOT_SEEN].contains(&failure.error.code.as_str())
}

fn has_failed(record: &Record, desired: &DesiredExtension) -> bool {
    record.failed.as_ref().is_some_and(|failed| failed.generation == desired.generation)
}

fn waiting(health: Option<&Health>, since: Timestamp, now: Timestamp) -> Step {
    let Some(health) = health else { return Step::Rest(Some(now)) };
    let waited = now.duration_since(since);
    match health.overdue(waited) {
        None if health.is_ready() => Step::Finish,
        None => Step::Rest(Some(now.saturating_add(POLL).unwrap_or(Timestamp::MAX))),
        Some(failure) => Step::GiveUp(failure),
    }
}

/// The step when errors that could pass have lasted too long.
fn out_of_patience(
    desired: Option<&DesiredExtension>,
    record: &Record,
    egress: Option<&str>,
    trouble: &Trouble,
    now: Timestamp,
) -> Option<Step> {
    let lasted = now.duration_since(trouble.since);
    let failure = || Failure::new(trouble.code, trouble.message.clone());
    match &record.work {
        Some(Work::Apply { .. }) if lasted > APPLY_PATIENCE => Some(Step::GiveUp(failure())),
        None if lasted > FETCH_PATIENCE => {
            // One that has failed is tried once more, and its failure stands until it gets on.
            let is_new = !desired.is_some_and(|desired| has_failed(record, desired));
            let beginning = is_new && at_rest(desired, record, egress, None, now) == Step::Begin;
            beginning.then(|| Step::Refuse(failure()))
        }
        _ => None,
    }
}

/// What a removal that does not end is reported as.
pub fn blocked_removal(since: Timestamp, left: &str, now: Timestamp) -> Option<Failure> {
    (now.duration_since(since) > REMOVAL_PATIENCE).then(|| {
        Failure::new(
            code::REMOVAL,
            format!("Not everything of the extension goes away. {left} See what holds it with `kubectl get -o yaml`: a finalizer, for example. The removal goes on."),
        )
    })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
