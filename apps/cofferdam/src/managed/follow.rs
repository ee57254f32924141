//! Follows a job of a vault to its end.

use super::{Kind, Session};
use crate::{
    exit::{Exit, Failure, Outcome},
    note, output, wait,
};
use management::{PATIENCE, ServiceError};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_secs(2);

/// Watches the job at `path` with a live line on terminals and one line for each change elsewhere; the exit code is that
/// of its end.
pub async fn job(session: &Session, path: &str) -> Outcome {
    let bar = wait::bar();
    let (mut shown, mut away) = (String::new(), None);
    let job = loop {
        match session.client.get(path, Kind::JOB.version).await {
            Ok(job) => {
                away = None;
                let line = line(&job);
                if line != shown {
                    if bar.is_hidden() {
                        note!("{line}");
                    } else {
                        bar.set_message(live(&job));
                    }
                    shown = line;
                }
                if exit_of(&job).is_some() {
                    break job;
                }
            }
            // The job goes on without us.
            Err(error)
                if error.is_temporary() && away.get_or_insert_with(Instant::now).elapsed() < PATIENCE =>
            {
                bar.set_message(format!("waiting for the vault: {error}"));
            }
            Err(error) => {
                bar.finish_and_clear();
                return Err(error.into());
            }
        }
        tokio::time::sleep(POLL).await;
    };
    bar.finish_and_clear();
    for problem in problems(&job) {
        note!("{problem}");
    }
    let plan = job.pointer("/properties/extendedInfo/additionalDetails/Plan").and_then(Value::as_str);
    if let Some(plan) = plan.filter(|_| !session.view.is_for_programs()) {
        output::line(plan.trim_end())?;
    }
    session.view.one(&Kind::JOB, &job)?;
    Ok(exit_of(&job).unwrap_or(Exit::Failed))
}

/// The job that an operation started, by the id in its result.
pub fn started(result: &Value) -> Result<String, Failure> {
    let id = result.get("jobId").and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| {
        Failure::failed("the server did not say which job it started")
            .next("Find it: `cofferdam job list --vault-name … -g …`.")
    })
}

/// Waits for the job that an operation started, or says how to look at it.
pub async fn follow(session: &Session, result: &Value, wait: bool) -> Outcome {
    let id = started(result)?;
    if wait {
        return job(session, &id).await;
    }
    if session.view.is_for_programs() {
        session.view.plain(result)?;
    } else {
        output::line(&format!("started job {}", id.rsplit('/').next().unwrap_or(&id)))?;
        note!("next: watch it with `cofferdam job watch --ids {id}`");
    }
    Ok(Exit::Done)
}

fn status(job: &Value) -> &str {
    job.pointer("/properties/status").and_then(Value::as_str).unwrap_or_default()
}

/// The code of a job that has ended.
pub fn exit_of(job: &Value) -> Option<Exit> {
    Some(match status(job).to_ascii_lowercase().as_str() {
        "completed" | "succeeded" => Exit::Done,
        "completedwithwarnings" => Exit::Warnings,
        "failed" => Exit::Failed,
        "cancelled" | "canceled" => Exit::Cancelled,
        _ => return None,
    })
}

/// `Backup InProgress: Trigger Backup (Completed), Take Snapshots await-cut`.
fn line(job: &Value) -> String {
    // What is still to come is no news.
    told(job, |status| status != "NotStarted")
}

/// `Backup InProgress: Take Snapshots await-cut (2 of 6 steps done)`: what is under way, within the width of a terminal.
fn live(job: &Value) -> String {
    let (all, done) =
        (tasks(job).count(), tasks(job).filter(|task| task_status(task) == "Completed").count());
    let now = told(job, |status| !["NotStarted", "Completed"].contains(&status));
    if all == 0 { now } else { format!("{now} ({done} of {all} steps done)") }
}

/// The job and those of its steps whose status is wanted.
fn told(job: &Value, wanted: impl Fn(&str) -> bool) -> String {
    let operation = output::cell(job.pointer("/properties/operation"));
    let tasks: Vec<String> = tasks(job)
        .filter(|task| wanted(task_status(task)))
        .map(|task| {
            let name = output::cell(task.get("taskName"));
            match task.get("taskProgress").and_then(Value::as_str).filter(|progress| !progress.is_empty()) {
                Some(progress) => format!("{name} {progress}"),
                None => format!("{name} ({})", output::cell(task.get("taskStatus"))),
            }
        })
        .collect();
    let tasks = if tasks.is_empty() { String::new() } else { format!(": {}", tasks.join(", ")) };
    format!("{operation} {}{tasks}", status(job))
}

fn tasks(job: &Value) -> impl Iterator<Item = &Value> {
    job.pointer("/properties/extendedInfo/subTasks").and_then(Value::as_array).into_iter().flatten()
}

fn task_status(task: &Value) -> &str {
    task.get("taskStatus").and_then(Value::as_str).unwrap_or_default()
}

/// Errors and warnings with their next steps.
fn problems(job: &Value) -> Vec<String> {
    let list = |at: &str| job.pointer(at).and_then(Value::as_array).into_iter().flatten();
    let errors = list("/properties/errorDetails").map(|error| ("error", None, error));
    let warnings = list("/properties/extendedInfo/warningDetails").filter_map(|warning| {
        Some(("warning", warning.get("resourceName").and_then(Value::as_str), warning.get("warning")?))
    });
    errors
        .chain(warnings)
        .map(|(gravity, about, problem)| {
            let problem = ServiceError::of(problem);
            let about = about.map(|about| format!("{about}: ")).unwrap_or_default();
            let mut text = format!("{gravity}: {about}{problem}");
            for step in problem.all_recommended() {
                text.push_str(&format!("\n  next: {step}"));
            }
            text
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_ends_with_the_code_of_its_status() {
        let table = [
            ("InProgress", None),
            ("Cancelling", None),
            ("Completed", Some(0)),
            ("CompletedWithWarnings", Some(3)),
            ("Failed", Some(1)),
            ("Cancelled", Some(4)),
        ];

        for (status, code) in table {
            let job = json!({"properties": {"status": status}});
            assert_eq!(exit_of(&job).map(Exit::code), code, "{status}");
        }
    }

    #[test]
    fn a_job_is_told_in_one_line_and_its_problems_with_next_steps() {
        let job = json!({"properties": {"operation": "Backup", "status": "InProgress",
            "errorDetails": [{"code": "E", "message": "no", "recommendedAction": ["fix"]}],
            "extendedInfo": {
                "subTasks": [{"taskName": "Trigger Backup", "taskStatus": "Completed", "taskProgress": null},
                    {"taskName": "Take Snapshots", "taskStatus": "InProgress", "taskProgress": "await-cut"},
                    {"taskName": "Capture Resources", "taskStatus": "NotStarted", "taskProgress": null}],
                "warningDetails": [{"resourceName": "pvc/a", "warning": {"code": "W", "message": "m"}}]}}});

        assert_eq!(line(&job), "Backup InProgress: Trigger Backup (Completed), Take Snapshots await-cut");
        assert_eq!(live(&job), "Backup InProgress: Take Snapshots await-cut (1 of 3 steps done)");
        assert_eq!(problems(&job), ["error: E: no\n  next: fix", "warning: pvc/a: W: m"]);
    }
}
