//! What comes next for a job, from what is kept of it and what its cluster says.

use super::custom_resource::Status;
use crate::api::jobs::{JobRecord, JobStatus};
use jiff::{SignedDuration, Timestamp};
use protection::Problem;

/// How long an extension may take to accept what it was given.
const ACCEPTED_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// A little longer than the longest that an extension itself allows an operation to take.
const DONE_WITHIN: SignedDuration = SignedDuration::from_mins(4 * 60 + 30);
/// How long a cluster may be out of reach while a job is under way.
const REACHED_WITHIN: SignedDuration = SignedDuration::from_mins(60);
/// How long a cluster that was never reached for this job is waited for, when somebody waits for the job.
const FIRST_REACHED_WITHIN: SignedDuration = SignedDuration::from_mins(15);
/// The same for a scheduled backup: a cluster that was off at its slot is backed up once when it is back.
const CAUGHT_UP_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// How often a cluster out of reach is tried at first.
const KNOCK: SignedDuration = SignedDuration::from_secs(5);
/// And after that for so long.
const KNOCK_LATER: SignedDuration = SignedDuration::from_secs(60);

/// What was seen of a job's custom resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// The vault may not look: no binding, no extension, no cluster.
    NotLetIn(Problem),
    /// Nothing can be seen for now.
    Unreachable(String),
    /// The API server refuses what the vault asked for.
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// It does not exist.
    Absent,
    /// It exists.
    There(Status),
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The custom resource is made.
    Request,
    /// The custom resource is asked to stop.
    Cancel,
    /// Nothing for so long.
    Wait(SignedDuration),
    /// The job is over.
    Finish(JobStatus, Vec<Problem>),
}

/// Decides.
pub fn decide(job: &JobRecord, seen: &Seen, now: Timestamp) -> Next {
    // What waited for its cluster for a while has its whole time from when the cluster was asked.
    let age = now.duration_since(job.requested_at.unwrap_or(job.started_at));
    let silent = now.duration_since(job.heard_at.unwrap_or(job.started_at));
    match seen {
        Seen::NotLetIn(problem) => Next::Finish(JobStatus::Failed, vec![problem.clone()]),
        Seen::Unreachable(_) if job.cancel && !job.requested && !job.asked => {
            Next::Finish(JobStatus::Cancelled, Vec::new())
        }
        Seen::Unreachable(why) => unreachable(job, why, silent),
        Seen::Refused { status, message } => refused(*status, message),
        Seen::Absent if job.cancel && !job.requested => Next::Finish(JobStatus::Cancelled, Vec::new()),
        // Asking again makes nothing twice: the name is the job's.
        Seen::Absent if !job.requested => Next::Request,
        Seen::Absent => Next::Finish(JobStatus::Failed, vec![vanished(job)]),
        Seen::There(status) => there(job, status, age),
    }
}

fn there(job: &JobRecord, status: &Status, age: SignedDuration) -> Next {
    match status.phase.as_str() {
        "Completed" => Next::Finish(JobStatus::Completed, Vec::new()),
        "CompletedWithWarnings" => Next::Finish(JobStatus::CompletedWithWarnings, Vec::new()),
        "Failed" => Next::Finish(JobStatus::Failed, failure(job, status)),
        "Cancelled" => Next::Finish(JobStatus::Cancelled, Vec::new()),
        _ if job.cancel && !status.cancel => Next::Cancel,
        "" if age >= ACCEPTED_WITHIN => Next::Finish(JobStatus::Failed, vec![ignored(job)]),
        _ if age >= DONE_WITHIN => Next::Finish(JobStatus::Failed, vec![overdue(status)]),
        _ => Next::Wait(pause(age)),
    }
}

/// Soon at first, when most end; later every ten seconds.
fn pause(age: SignedDuration) -> SignedDuration {
    match age.as_secs() {
        ..30 => SignedDuration::from_millis(500),
        30..300 => SignedDuration::from_secs(2),
        _ => SignedDuration::from_secs(10),
    }
}

fn unreachable(job: &JobRecord, why: &str, silent: SignedDuration) -> Next {
    let patience = match (job.requested, job.slot) {
        (true, _) => REACHED_WITHIN,
        (false, Some(_)) => CAUGHT_UP_WITHIN,
        (false, None) => FIRST_REACHED_WITHIN,
    };
    if silent < patience {
        return Next::Wait(if silent < FIRST_REACHED_WITHIN { KNOCK } else { KNOCK_LATER });
    }
    let message = format!("The cluster was out of reach for {} minutes: {why}.", silent.as_mins());
    let mut problem = Problem::error("KubernetesBackupCustomResourcesTrackingTimeOutError", message)
        .fix("See whether the cluster's gateway runs and reaches the vault, and start the job again.");
    if job.requested {
        problem = problem.fix(
            "What the cluster does meanwhile ends by itself; see the custom resource of this job there.",
        );
    }
    Next::Finish(JobStatus::Failed, vec![problem])
}

fn refused(status: u16, message: &str) -> Next {
    let problem = match status {
        403 => Problem::error(
            "UserErrorTrustedAccessGatewayReturnedForbidden",
            format!("The cluster does not let the vault in: {message}"),
        )
        .fix("Create the Trusted Access binding again: az aks trustedaccess rolebinding create."),
        404 => Problem::error(
            "UserErrorKubernetesBackupExtensionNotFoundError",
            format!("The cluster does not know the extension's resources: {message}"),
        )
        .fix("Delete the extension and install it again."),
        _ => Problem::error(
            "UserErrorKubernetesBackupExtensionHasErrors",
            format!("The cluster refused the job ({status}): {message}"),
        )
        .fix("Correct what the message names, and start the job again."),
    };
    Next::Finish(JobStatus::Failed, vec![problem])
}

fn failure(job: &JobRecord, status: &Status) -> Vec<Problem> {
    if !status.errors.is_empty() {
        return status.errors.clone();
    }
    let message =
        format!("The {} failed in the cluster without a reason.", job.task.category().to_lowercase());
    vec![
        Problem::error("UserErrorKubernetesBackupExtensionHasErrors", message)
            .fix("Look at the log of the extension: kubectl logs deployment/cofferdam-extension."),
    ]
}

fn vanished(job: &JobRecord) -> Problem {
    let kind = job.task.category();
    let message = format!("Someone deleted the {kind} of this job in the cluster before it had ended.");
    Problem::error("KubernetesBackupCustomResourcesTrackingTimeOutError", message).fix("Start the job again.")
}

fn ignored(job: &JobRecord) -> Problem {
    let kind = job.task.category();
    let message =
        format!("The extension did not accept the {kind} within {} minutes.", ACCEPTED_WITHIN.as_mins());
    Problem::error("KubernetesBackupCustomResourcesTrackingTimeOutError", message)
        .fix("See whether the extension's pods run; add a node or raise their limits, or install it again.")
}

fn overdue(status: &Status) -> Problem {
    let stage = status.stage.as_deref().unwrap_or("an unknown step");
    let message = format!("The extension was still at {stage} after {} minutes.", DONE_WITHIN.as_mins());
    Problem::error("KubernetesBackupCustomResourcesTrackingTimeOutError", message)
        .fix("Look at the custom resource of this job in the cluster.")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::api::{instances::InstanceRecord, jobs::Task};
    use arm::instance::{BackupInstance, BackupParameters, Datasource};

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    pub fn job() -> JobRecord {
        let id: arm::ResourceId = "/subscriptions/s/resourceGroups/g".parse().unwrap();
        let parameters = BackupParameters::default();
        let instance = BackupInstance {
            friendly_name: "f".into(),
            source: Datasource { resource: id.clone(), location: "l".into(), name: "c".into() },
            policy: id.clone(),
            snapshot_group: id.clone(),
            parameters: parameters.clone(),
            identity: None,
            validation_type: None,
        };
        let instance = InstanceRecord::new(instance, Default::default(), "i".into());
        let task = Task::Backup {
            parameters,
            snapshot_group: id.clone(),
            label: "i".into(),
            location: Default::default(),
            key: "k".into(),
        };
        let begun = JobRecord::begun(task, &id, &instance, at(0));
        JobRecord { is_user_triggered: true, namespace: "n".into(), ..begun }
    }

    fn there(phase: &str) -> Seen {
        Seen::There(Status { phase: phase.into(), ..Status::default() })
    }

    fn ended(next: Next) -> (JobStatus, String) {
        match next {
            Next::Finish(status, problems) => {
                (status, problems.first().map(|one| one.code.clone()).unwrap_or_default())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_job_is_asked_for_once_and_followed_to_its_end() {
        let asked = JobRecord { requested: true, ..job() };

        assert_eq!(decide(&job(), &Seen::Absent, at(0)), Next::Request);
        assert!(matches!(decide(&asked, &there("InProgress"), at(0)), Next::Wait(_)));
        assert_eq!(ended(decide(&asked, &there("Completed"), at(1))).0, JobStatus::Completed);
        assert_eq!(
            ended(decide(&asked, &there("CompletedWithWarnings"), at(1))).0,
            JobStatus::CompletedWithWarnings
        );
        assert_eq!(ended(decide(&asked, &there("Failed"), at(1))).0, JobStatus::Failed);
    }

    #[test]
    fn what_never_moves_ends_with_the_documented_code() {
        let asked = JobRecord { requested: true, heard_at: Some(at(100)), ..job() };
        let timeout = "KubernetesBackupCustomResourcesTrackingTimeOutError";
        let gone = Seen::Unreachable("no route".into());

        assert_eq!(ended(decide(&asked, &there(""), at(10))), (JobStatus::Failed, timeout.into()));
        assert_eq!(ended(decide(&asked, &Seen::Absent, at(1))), (JobStatus::Failed, timeout.into()));
        assert!(
            matches!(decide(&asked, &gone, at(159)), Next::Wait(_)),
            "an hour from when it was last heard of"
        );
        assert_eq!(ended(decide(&asked, &gone, at(160))), (JobStatus::Failed, timeout.into()));
        assert_eq!(ended(decide(&job(), &gone, at(15))), (JobStatus::Failed, timeout.into()));
        assert_eq!(
            ended(decide(&asked, &there("InProgress"), at(270))).1,
            "KubernetesBackupCustomResourcesTrackingTimeOutError"
        );
    }

    #[test]
    fn a_scheduled_job_waits_a_day_for_a_cluster_that_is_off_and_asks_less_often_after_a_while() {
        let scheduled = JobRecord { slot: Some(at(0)), ..job() };
        let gone = Seen::Unreachable("no route".into());
        let wait = |minutes| decide(&scheduled, &gone, at(minutes));

        assert_eq!(wait(14), Next::Wait(SignedDuration::from_secs(5)));
        assert_eq!(wait(16), Next::Wait(SignedDuration::from_secs(60)));
        assert_eq!(wait(24 * 60 - 1), Next::Wait(SignedDuration::from_secs(60)));
        let timeout = "KubernetesBackupCustomResourcesTrackingTimeOutError";
        assert_eq!(ended(wait(24 * 60)), (JobStatus::Failed, timeout.into()));
    }

    #[test]
    fn what_waited_for_its_cluster_has_its_whole_time_from_when_it_was_asked_for() {
        let late = 20 * 60;
        let asked = JobRecord {
            slot: Some(at(0)),
            requested: true,
            requested_at: Some(at(late)),
            heard_at: Some(at(late)),
            ..job()
        };

        assert!(matches!(decide(&asked, &there(""), at(late + 9)), Next::Wait(_)));
        assert!(matches!(decide(&asked, &there("InProgress"), at(late + 269)), Next::Wait(_)));
        assert_eq!(
            ended(decide(&asked, &there("InProgress"), at(late + 270))).1,
            "KubernetesBackupCustomResourcesTrackingTimeOutError"
        );
    }

    #[test]
    fn a_cancelled_job_stops_in_the_cluster_or_before_it_began() {
        let cancelled = JobRecord { cancel: true, ..job() };
        let running = JobRecord { requested: true, ..cancelled.clone() };

        assert_eq!(ended(decide(&cancelled, &Seen::Absent, at(0))).0, JobStatus::Cancelled);
        assert_eq!(decide(&running, &there("InProgress"), at(0)), Next::Cancel);
        let told = Seen::There(Status { phase: "Cancelling".into(), cancel: true, ..Status::default() });
        assert!(matches!(decide(&running, &told, at(0)), Next::Wait(_)));
        assert_eq!(ended(decide(&running, &there("Completed"), at(1))).0, JobStatus::Completed, "too late");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let code = |status| ended(decide(&job(), &Seen::Refused { status, message: "m".into() }, at(0))).1;

        assert_eq!(code(403), "UserErrorTrustedAccessGatewayReturnedForbidden");
        assert_eq!(code(404), "UserErrorKubernetesBackupExtensionNotFoundError");
        assert_eq!(code(422), "UserErrorKubernetesBackupExtensionHasErrors");
    }
}
