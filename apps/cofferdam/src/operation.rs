//! What backups, restores and deletions have in common when a person looks at them.

use crate::output::bytes;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use resources::{Backup, DeleteBackup, Phase, Restore, StatusProblem};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// The stages of a backup as a person reads them.
const STAGES: [(&str, &str); 12] = [
    ("begin", "beginning"),
    ("find-commit", "opening the location"),
    ("prepare", "finding out what to back up"),
    ("await-turn", "waiting for another backup of the same pods"),
    ("record-intent", "running pre-hooks"),
    ("start-capture", "requesting snapshots"),
    ("await-cut", "waiting for snapshots"),
    ("await-capture", "reading API objects"),
    ("await-ready", "waiting until the snapshots are usable"),
    ("copy-files", "copying files of volumes"),
    ("commit", "committing"),
    ("starting over", "starting over"),
];

/// An operation with a phase.
pub trait Operation:
    Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + Clone
    + Serialize
    + DeserializeOwned
    + Debug
    + Send
    + 'static
{
    /// Singular, for messages.
    const NOUN: &'static str;

    /// Where it stands.
    fn phase(&self) -> Phase;
    /// The step under way.
    fn stage(&self) -> &str;
    /// What has been done, in a few words.
    fn progress(&self) -> String;
    /// The problems in the status, and how many there are in all.
    fn problems(&self) -> (&[StatusProblem], u64);
    /// Its conditions.
    fn conditions(&self) -> &[Condition];
    /// Why its step is tried again, if it is.
    fn waits_for(&self) -> Option<&str> {
        let again = self.conditions().iter().find(|condition| condition.reason == "TryingAgain");
        again.map(|condition| condition.message.as_str())
    }
    /// When it began.
    fn started(&self) -> Option<Timestamp>;
    /// When it ended.
    fn ended(&self) -> Option<Timestamp>;
    /// When the object was created.
    fn created(&self) -> Option<Timestamp> {
        self.meta().creation_timestamp.as_ref().map(|time| time.0)
    }
}

impl Operation for Backup {
    const NOUN: &'static str = "backup";

    fn phase(&self) -> Phase {
        self.status.as_ref().map(|status| status.phase).unwrap_or_default()
    }

    fn stage(&self) -> &str {
        let stage = self.status.as_ref().map(|status| status.stage.as_str()).unwrap_or_default();
        STAGES.iter().find(|(name, _)| *name == stage).map_or(stage, |(_, said)| *said)
    }

    fn progress(&self) -> String {
        let Some(status) = &self.status else { return String::new() };
        let volumes = &status.volumes;
        let mut parts = vec![count(status.objects, "object"), bytes(status.bytes_read)];
        let others = [
            (volumes.snapshots, "snapshot"),
            (volumes.file_copies, "file copy"),
            (volumes.not_protected, "volume not protected"),
        ];
        parts.extend(
            others.iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(*number, what)),
        );
        parts.join(", ")
    }

    fn problems(&self) -> (&[StatusProblem], u64) {
        self.status
            .as_ref()
            .map(|status| (status.problems.as_slice(), status.problem_count))
            .unwrap_or_default()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
    }

    fn started(&self) -> Option<Timestamp> {
        self.status.as_ref()?.start_time.as_ref().map(|time| time.0)
    }

    fn ended(&self) -> Option<Timestamp> {
        self.status.as_ref()?.completion_time.as_ref().map(|time| time.0)
    }
}

impl Operation for Restore {
    const NOUN: &'static str = "restore";

    fn phase(&self) -> Phase {
        self.status.as_ref().map(|status| status.phase).unwrap_or_default()
    }

    fn stage(&self) -> &str {
        self.status.as_ref().map(|status| status.stage.as_str()).unwrap_or_default()
    }

    fn progress(&self) -> String {
        let Some(status) = &self.status else { return String::new() };
        let counts = &status.outcomes;
        format!(
            "{} created, {} updated, {} unchanged, {} skipped, {} failed",
            counts.created, counts.updated, counts.unchanged, counts.skipped, counts.failed
        )
    }

    fn problems(&self) -> (&[StatusProblem], u64) {
        self.status
            .as_ref()
            .map(|status| (status.problems.as_slice(), status.problem_count))
            .unwrap_or_default()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
    }

    fn started(&self) -> Option<Timestamp> {
        self.status.as_ref()?.start_time.as_ref().map(|time| time.0)
    }

    fn ended(&self) -> Option<Timestamp> {
        self.status.as_ref()?.completion_time.as_ref().map(|time| time.0)
    }
}

impl Operation for DeleteBackup {
    const NOUN: &'static str = "deletion";

    fn phase(&self) -> Phase {
        self.status.as_ref().map(|status| status.phase).unwrap_or_default()
    }

    fn stage(&self) -> &str {
        let retained = self.status.iter().flat_map(|status| &status.conditions).any(|condition| {
            condition.type_ == extension::delete_backup::RETAINED && condition.status == "True"
        });
        if retained { "retained by the store" } else { "" }
    }

    fn progress(&self) -> String {
        let deleted = self.status.as_ref().map(|status| status.snapshots_deleted).unwrap_or_default();
        format!("{deleted} snapshots deleted")
    }

    fn problems(&self) -> (&[StatusProblem], u64) {
        self.status
            .as_ref()
            .map(|status| (status.problems.as_slice(), status.problem_count))
            .unwrap_or_default()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
    }

    fn started(&self) -> Option<Timestamp> {
        self.status.as_ref()?.start_time.as_ref().map(|time| time.0)
    }

    fn ended(&self) -> Option<Timestamp> {
        self.status.as_ref()?.completion_time.as_ref().map(|time| time.0)
    }
}

/// `1 snapshot`, `3 snapshots`, `2 file copies`, `2 volumes not protected`.
fn count(number: u64, what: &str) -> String {
    if number == 1 {
        return format!("1 {what}");
    }
    match what.split_once(' ') {
        Some((noun, rest)) if noun == "volume" => format!("{number} {noun}s {rest}"),
        _ if what.ends_with("copy") => format!("{number} {}ies", what.trim_end_matches('y')),
        _ => format!("{number} {what}s"),
    }
}

/// One problem per paragraph: gravity, code, sentence, then the next steps.
pub fn problems_text(operation: &impl Operation) -> String {
    let (problems, total) = operation.problems();
    let mut text = String::new();
    for problem in problems {
        let target = problem.target.as_deref().map(|target| format!(" {target}:")).unwrap_or_default();
        text.push_str(&format!(
            "{} {}:{target} {}\n",
            problem.severity.to_lowercase(),
            problem.code,
            problem.message
        ));
        for step in &problem.recommended_action {
            text.push_str(&format!("  next: {step}\n"));
        }
    }
    if total > problems.len() as u64 {
        text.push_str(&format!("… and {} more in the result file\n", total - problems.len() as u64));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nouns_agree() {
        let said = [(1, "object"), (12, "object"), (2, "file copy"), (3, "volume not protected")]
            .map(|(number, what)| count(number, what));

        assert_eq!(said, ["1 object", "12 objects", "2 file copies", "3 volumes not protected"]);
    }
}
