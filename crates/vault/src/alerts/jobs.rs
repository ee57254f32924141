//! Alerts about jobs: a failure fires, unless the vault's owner switched that off; the next success resolves.

use super::{Event, Rule, fire, resolve};
use crate::{
    api::{
        Loaded,
        instances::InstanceRecord,
        jobs::{JobRecord, JobStatus, Task},
        load,
        vaults::VaultRecord,
    },
    app::App,
    store::{Change, StoreError},
};
use arm::{ResourceId, dataprotection::AlertsState};
use std::collections::BTreeMap;

/// What the end of a job changes besides the job.
pub async fn ended(app: &App, id: &ResourceId, job: &JobRecord) -> Result<Vec<Change>, StoreError> {
    let now = app.clock.now();
    let rule = match job.task {
        Task::Backup { .. } => Rule::BackupFailure,
        // Whoever asked for a plan reads it; nothing was lost when there is none, and nothing is restored when there is.
        Task::Restore { plan: true, .. } => return Ok(Vec::new()),
        // Its owner is told by the alerts of what was done, and by its own state.
        Task::Manage { .. } => return Ok(Vec::new()),
        Task::Restore { .. } => Rule::RestoreFailure,
    };
    match job.status {
        JobStatus::Completed | JobStatus::CompletedWithWarnings => {
            resolve(app, rule, &job.instance, &format!("job {} succeeded", id.name()), now).await
        }
        JobStatus::Failed if is_wanted(app, id, job).await? => {
            let Some(vault) = id.parent() else { return Ok(Vec::new()) };
            fire(app, event(rule, vault, id, job), now).await
        }
        _ => Ok(Vec::new()),
    }
}

/// Whether the owner of the vault wants to know. That a backup ends when its instance is deleted is no news.
async fn is_wanted(app: &App, id: &ResourceId, job: &JobRecord) -> Result<bool, StoreError> {
    let Some(vault) = id.parent() else { return Ok(false) };
    let vault: Option<Loaded<VaultRecord>> = load(app.store.as_ref(), &vault).await?;
    let is_on = vault.is_some_and(|vault| {
        let settings = &vault.document.settings.monitoring_settings.azure_monitor_alert_settings;
        settings.alerts_for_all_job_failures == AlertsState::Enabled
    });
    let instance: Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &job.instance).await?;
    let is_there = instance.is_some_and(|instance| !instance.document.state.is_deleted());
    Ok(is_on && (is_there || matches!(job.task, Task::Restore { .. })))
}

fn event(rule: Rule, vault: ResourceId, id: &ResourceId, job: &JobRecord) -> Event {
    let category = job.task.category();
    let mut context = BTreeMap::from([
        ("jobId".to_owned(), id.to_string()),
        ("jobOperation".to_owned(), category.to_owned()),
        ("backupInstanceId".to_owned(), job.instance.to_string()),
        ("backupInstanceFriendlyName".to_owned(), job.friendly_name.clone()),
        ("dataSourceId".to_owned(), job.source.resource.to_string()),
        ("startTime".to_owned(), job.started_at.to_string()),
    ]);
    let mut why = String::new();
    if let Some(problem) = job.errors.first() {
        why = format!(": {}", problem.message);
        context.insert("errorCode".to_owned(), problem.code.clone());
        context.insert("errorMessage".to_owned(), problem.message.clone());
        if !problem.recommended_action.is_empty() {
            context.insert("recommendedAction".to_owned(), problem.recommended_action.join("\n"));
        }
    }
    let description = format!("{category} of '{}' failed{why}", job.friendly_name);
    Event { rule, vault, about: job.instance.clone(), description, context }
}
