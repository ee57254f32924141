//! The steps of a job as clients read them: what its cluster does, by the step that the custom resource's status names.
//! The names of the steps are those of `docs/formats/custom-resources.md`.

use super::record::{JobRecord, JobStatus, Task};
use serde_json::{Map, Value, json};

/// A group of steps that people see as one.
struct Part {
    name: &'static str,
    stages: &'static [&'static str],
    /// The job's counts that belong to it.
    counts: &'static [&'static str],
}

const BACKUP: &[Part] = &[
    Part {
        name: "Prepare Backup",
        stages: &["begin", "find-commit", "drop-snapshots", "prepare", "await-turn"],
        counts: &[],
    },
    Part {
        name: "Take Snapshots",
        stages: &[
            "record-intent",
            "pre-hook",
            "request-snapshots",
            "start-capture",
            "await-cut",
            "thaw",
            "anchor",
        ],
        counts: &["Snapshots", "VolumesNotProtected"],
    },
    Part { name: "Capture Resources", stages: &["await-capture"], counts: &["Objects"] },
    Part {
        name: "Secure Volume Data",
        stages: &["await-ready", "stop-capture", "copy-files"],
        counts: &["FileCopies"],
    },
    Part {
        name: "Write Recovery Point",
        stages: &["commit", "detach", "write-result", "finish", "release", "leave"],
        counts: &[],
    },
];

const READ: Part = Part { name: "Read Recovery Point", stages: &["begin", "open"], counts: &[] };
const PLAN: Part = Part { name: "Plan Restore", stages: &["plan"], counts: &[] };
const END: Part =
    Part { name: "Write Result", stages: &["tidy", "write-result", "finish", "leave"], counts: &[] };
const ONLY_PLAN: &[Part] = &[READ, PLAN, END];
const RESTORE: &[Part] = &[
    READ,
    PLAN,
    Part {
        name: "Restore Resources",
        stages: &["execute"],
        counts: &["ObjectsCreated", "ObjectsUpdated", "ObjectsSkipped", "ObjectsUnchanged", "ObjectsFailed"],
    },
    Part { name: "Run Hooks", stages: &["hooks"], counts: &[] },
    END,
];

/// The sub-tasks of a job.
pub fn sub_tasks(job: &JobRecord) -> Value {
    let parts = match &job.task {
        Task::Backup { .. } => BACKUP,
        Task::Restore { plan: true, .. } => ONLY_PLAN,
        Task::Restore { .. } => RESTORE,
        Task::Manage { operation } => {
            return json!([one(1, operation.text(), job.status.text(), job.stage.as_deref(), Map::new())]);
        }
    };
    // The request comes first; what the cluster was asked for begins with its first part.
    let at = if job.requested { 1 + part_of(parts, job.reached.as_deref()) } else { 0 };
    let trigger = format!("Trigger {}", job.task.operation());
    let names = std::iter::once((trigger.as_str(), &[][..]));
    let names = names.chain(parts.iter().map(|part| (part.name, part.counts)));
    let all = names.enumerate().map(|(number, (name, counts))| {
        let is_now = number == at && !job.status.is_over();
        let progress = job.stage.as_deref().filter(|_| is_now);
        let told = job.details.iter().filter(|(key, _)| counts.contains(&key.as_str()));
        let told = told.map(|(key, value)| (key.clone(), json!(value))).collect();
        one(number + 1, name, status(job, number, at, parts.len()), progress, told)
    });
    all.collect()
}

/// What is not known here, a phase for example, counts as the beginning.
fn part_of(parts: &[Part], stage: Option<&str>) -> usize {
    stage.and_then(|stage| parts.iter().position(|part| part.stages.contains(&stage))).unwrap_or(0)
}

fn status(job: &JobRecord, number: usize, at: usize, last: usize) -> &'static str {
    let has_worked = matches!(job.status, JobStatus::Completed | JobStatus::CompletedWithWarnings);
    match number {
        _ if has_worked && number == last => job.status.text(),
        _ if has_worked || number < at => "Completed",
        _ if number == at => job.status.text(),
        _ => "NotStarted",
    }
}

fn one(id: usize, name: &str, status: &str, progress: Option<&str>, details: Map<String, Value>) -> Value {
    let details = if details.is_empty() { Value::Null } else { Value::Object(details) };
    json!({"taskId": id, "taskName": name, "taskStatus": status, "taskProgress": progress,
        "additionalDetails": details})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protect::job_of_a_test as job;

    fn statuses(job: &JobRecord) -> Vec<(String, String)> {
        let all = sub_tasks(job);
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        all.as_array().unwrap().iter().map(|one| (text(one, "taskName"), text(one, "taskStatus"))).collect()
    }

    fn at(reached: &str, status: JobStatus) -> Vec<String> {
        let job = JobRecord { requested: true, reached: Some(reached.into()), status, ..job() };
        statuses(&job).into_iter().map(|(_, status)| status).collect()
    }

    #[test]
    fn sub_tasks_follow_the_step_that_the_cluster_names() {
        let asked = JobRecord { requested: false, ..job() };

        let names: Vec<String> = statuses(&asked).into_iter().map(|(name, _)| name).collect();

        assert_eq!(
            names,
            [
                "Trigger Backup",
                "Prepare Backup",
                "Take Snapshots",
                "Capture Resources",
                "Secure Volume Data",
                "Write Recovery Point"
            ]
        );
        assert_eq!(statuses(&asked)[0].1, "InProgress");
        let (done, now, not) = ("Completed", "InProgress", "NotStarted");
        assert_eq!(at("Accepted", JobStatus::InProgress), [done, now, not, not, not, not]);
        assert_eq!(at("await-cut", JobStatus::InProgress), [done, done, now, not, not, not]);
        assert_eq!(at("commit", JobStatus::InProgress), [done, done, done, done, done, now]);
        assert_eq!(at("await-capture", JobStatus::Failed), [done, done, done, "Failed", not, not]);
        assert_eq!(at("prepare", JobStatus::Cancelled), [done, "Cancelled", not, not, not, not]);
        assert_eq!(at("await-ready", JobStatus::Completed), [done; 6]);
        let warned = at("finish", JobStatus::CompletedWithWarnings);
        assert_eq!((warned[0].as_str(), warned[5].as_str()), (done, "CompletedWithWarnings"));
    }

    #[test]
    fn progress_and_counts_stand_with_the_step_that_they_belong_to() {
        let mut job = JobRecord { requested: true, reached: Some("await-cut".into()), ..job() };
        job.stage = Some("await-cut, trying again: slow".into());
        job.details.insert("Objects".into(), "12".into());

        let all = sub_tasks(&job);

        assert_eq!(all[2]["taskProgress"], "await-cut, trying again: slow");
        assert_eq!(all[3]["additionalDetails"], json!({"Objects": "12"}));
        assert_eq!((&all[1]["taskProgress"], &all[1]["additionalDetails"]), (&Value::Null, &Value::Null));
    }
}
