//! A job as clients read it. Source: `AzureBackupJob` of the Microsoft.DataProtection API.

use super::{
    manage::STATE,
    record::{JobRecord, JobStatus, Task},
    sub_tasks::sub_tasks,
};
use arm::{ResourceId, instance::CLUSTERS};
use jiff::{SignedDuration, Timestamp};
use protection::Problem;
use serde_json::{Map, Value, json};

/// The document of a job.
pub fn shown(id: &ResourceId, job: &JobRecord, etag: &str, now: Timestamp) -> Value {
    let vault = id.parent().map(|vault| vault.name().to_owned()).unwrap_or_default();
    let duration = job.ended_at.unwrap_or(now).duration_since(job.started_at);
    let actions: &[&str] = if job.status == JobStatus::InProgress && job.task.resource().is_some() {
        &["Cancel"]
    } else {
        &[""]
    };
    let errors = (!job.errors.is_empty()).then(|| job.errors.iter().map(error).collect::<Vec<_>>());
    let restore_type = matches!(job.task, Task::Restore { .. }).then_some("RecoveryPointBased");
    json!({
        "id": id,
        "name": id.name(),
        "type": super::KIND,
        "properties": {
            "activityID": id.name(),
            "subscriptionId": id.subscription_id(),
            "vaultName": vault,
            "backupInstanceId": job.instance,
            "backupInstanceFriendlyName": job.friendly_name,
            "policyId": job.policy,
            "policyName": job.policy.name(),
            "dataSourceId": job.source.resource,
            "dataSourceName": job.source.name,
            "dataSourceSetName": job.source.name,
            "dataSourceLocation": job.source.location,
            "dataSourceType": CLUSTERS,
            "sourceResourceGroup": job.source.resource.resource_group().unwrap_or_default(),
            "sourceSubscriptionID": job.source.resource.subscription_id(),
            "operation": job.task.operation(),
            "operationCategory": job.task.category(),
            "status": job.status.text(),
            "isUserTriggered": job.is_user_triggered,
            "isCrossRegionRestore": false,
            "progressEnabled": false,
            "progressUrl": null,
            "startTime": job.started_at,
            "endTime": job.ended_at,
            "duration": iso(duration),
            "etag": etag,
            "supportedActions": actions,
            "sourceDataStoreName": null,
            "destinationDataStoreName": null,
            "restoreType": restore_type,
            "rehydrationPriority": null,
            "errorDetails": errors,
            "extendedInfo": extended(job),
        },
    })
}

fn extended(job: &JobRecord) -> Value {
    let destination = match &job.task {
        Task::Restore { request, .. } => Some(request.target.resource.as_str()),
        Task::Backup { .. } | Task::Manage { .. } => None,
    };
    let is_restore = destination.is_some();
    json!({
        "backupInstanceState": job.details.get(STATE),
        "dataTransferredInBytes": job.bytes,
        "recoveryDestination": destination,
        "sourceRecoverPoint": point(job, is_restore),
        "targetRecoverPoint": point(job, !is_restore),
        "subTasks": sub_tasks(job),
        "additionalDetails": details(job),
        "warningDetails": job.warnings.iter().map(warning).collect::<Vec<_>>(),
    })
}

fn point(job: &JobRecord, wanted: bool) -> Value {
    match job.point.as_ref().filter(|_| wanted) {
        Some(point) => json!({"recoveryPointID": point.id, "recoveryPointTime": point.time}),
        None => Value::Null,
    }
}

fn details(job: &JobRecord) -> Value {
    let mut details: Map<String, Value> =
        job.details.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let mut add = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            details.insert(key.to_owned(), json!(value));
        }
    };
    add("RetentionTag", job.tag.as_deref());
    add("PolicyRuleName", job.rule.as_deref());
    Value::Object(details)
}

/// An error as `UserFacingError`.
pub fn error(problem: &Problem) -> Value {
    json!({
        "code": problem.code,
        "message": problem.message,
        "target": problem.target,
        "recommendedAction": problem.recommended_action,
        "isRetryable": !problem.code.starts_with("UserError"),
        "isUserError": problem.code.starts_with("UserError"),
        "details": null,
        "innerError": null,
        "properties": null,
    })
}

/// A warning as `UserFacingWarningDetail`.
pub fn warning(problem: &Problem) -> Value {
    json!({"resourceName": problem.target, "warning": error(problem)})
}

/// `PT3M36.21S`
fn iso(duration: SignedDuration) -> String {
    let total = duration.as_millis().max(0);
    let (hours, minutes) = (total / 3_600_000, total / 60_000 % 60);
    let seconds = format!("{}.{:02}", total / 1_000 % 60, total % 1_000 / 10);
    let seconds = seconds.strip_suffix(".00").unwrap_or(&seconds).to_owned();
    let part = |number: i128, unit: &str| if number > 0 { format!("{number}{unit}") } else { String::new() };
    format!("PT{}{}{seconds}S", part(hours, "H"), part(minutes, "M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_the_original_writes_them() {
        let text = |milliseconds| iso(SignedDuration::from_millis(milliseconds));

        assert_eq!(text(216_214), "PT3M36.21S");
        assert_eq!(text(0), "PT0S");
        assert_eq!(text(3_600_000), "PT1H0S");
        assert_eq!(text(-5), "PT0S", "a clock that was put back");
    }
}
