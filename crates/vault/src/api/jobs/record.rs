//! What is kept of a job: one backup, restore or deletion that the vault has a cluster carry out.

use crate::api::instances::InstanceRecord;
use arm::{
    ResourceId,
    instance::{BackupParameters, Datasource},
    restore::RestoreRequest,
};
use jiff::Timestamp;
use protection::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of a job.
pub const KIND: &str = "Microsoft.DataProtection/backupVaults/backupJobs";
/// Warnings and errors that a job keeps at most; the cluster's result file has them all.
pub const MOST_PROBLEMS: usize = 100;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobStatus {
    /// Under way.
    InProgress,
    /// Being stopped.
    Cancelling,
    /// Done.
    Completed,
    /// Done, and something was not protected or not restored.
    CompletedWithWarnings,
    /// Not done.
    Failed,
    /// Stopped on request.
    Cancelled,
}

/// What is done to an instance besides backups and restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are what clients read
pub enum Managed {
    ConfigureProtection,
    UpdateProtection,
    ChangePolicy,
    StopProtection,
    SuspendBackups,
    ResumeProtection,
    ResumeBackups,
    DeleteProtection,
    UndeleteProtection,
    SyncProtection,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
pub enum Task {
    /// Makes a recovery point.
    Backup {
        /// What is taken.
        parameters: BackupParameters,
        /// Where snapshots are made.
        snapshot_group: ResourceId,
        /// The instance's name in the cluster: a DNS label.
        label: String,
        /// Where the extension writes, without secrets.
        location: BTreeMap<String, String>,
        /// Id of that location's repository key.
        key: String,
    },
    /// Restores from one.
    Restore {
        /// As it was asked for.
        request: RestoreRequest,
        /// The location as the target's extension names it.
        location: String,
        /// The recovery point.
        point: ResourceId,
        /// It is only planned; nothing is written.
        #[serde(default)]
        plan: bool,
    },
    /// Changes an instance; the vault does it itself.
    Manage {
        /// What is done.
        operation: Managed,
    },
}

/// The recovery point that a job made or read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointOf {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub time: Timestamp,
}

/// What is kept of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRecord {
    /// What it does.
    pub task: Task,
    /// How it stands.
    pub status: JobStatus,
    /// Whether a person asked for it; else the schedule did.
    pub is_user_triggered: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Of which instance.
    pub instance: ResourceId,
    /// Its name for people.
    pub friendly_name: String,
    /// By which policy.
    pub policy: ResourceId,
    /// The cluster that is protected.
    pub source: Datasource,
    /// The cluster that carries it out.
    pub cluster: ResourceId,
    /// Namespace of its extension.
    pub namespace: String,
    /// The rule that it follows.
    #[serde(default)]
    pub rule: Option<String>,
    /// The retention tag that was asked for.
    #[serde(default)]
    pub tag: Option<String>,
    /// The time of the schedule that it serves.
    #[serde(default)]
    pub slot: Option<Timestamp>,
    /// The custom resource was asked for.
    #[serde(default)]
    pub requested: bool,
    /// The cluster may have been asked: this stands before the first request, of which no answer may come.
    #[serde(default)]
    pub asked: bool,
    /// When it was.
    #[serde(default)]
    pub requested_at: Option<Timestamp>,
    /// It is to be stopped.
    #[serde(default)]
    pub cancel: bool,
    /// The step that the cluster says is under way.
    #[serde(default)]
    pub stage: Option<String>,
    /// The last step that the cluster named, by its name alone; it stays when the job is over.
    #[serde(default)]
    pub reached: Option<String>,
    /// When the cluster last said something new.
    #[serde(default)]
    pub heard_at: Option<Timestamp>,
    /// The recovery point that was made or read.
    #[serde(default)]
    pub point: Option<PointOf>,
    /// Why it failed.
    #[serde(default)]
    pub errors: Vec<Problem>,
    /// What was not protected or not restored.
    #[serde(default)]
    pub warnings: Vec<Problem>,
    /// Bytes that were added to the store.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Counts and names for people.
    #[serde(default)]
    pub details: BTreeMap<String, String>,
}

impl JobRecord {
    /// A job of an instance that begins now, for the instance's own cluster, of which nobody has heard anything yet.
    pub fn begun(task: Task, instance: &ResourceId, record: &InstanceRecord, now: Timestamp) -> Self {
        let written = &record.instance;
        Self {
            task,
            status: JobStatus::InProgress,
            is_user_triggered: false,
            started_at: now,
            ended_at: None,
            instance: instance.clone(),
            friendly_name: written.friendly_name.clone(),
            policy: written.policy.clone(),
            source: written.source.clone(),
            cluster: written.source.resource.clone(),
            namespace: String::new(),
            rule: None,
            tag: None,
            slot: None,
            requested: false,
            asked: false,
            requested_at: None,
            cancel: false,
            stage: None,
            reached: None,
            heard_at: None,
            point: None,
            errors: Vec::new(),
            warnings: Vec::new(),
            bytes: None,
            details: BTreeMap::new(),
        }
    }
}

impl JobStatus {
    /// As clients read it.
    pub fn text(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Cancelling => "Cancelling",
            Self::Completed => "Completed",
            Self::CompletedWithWarnings => "CompletedWithWarnings",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::InProgress | Self::Cancelling)
    }
}

impl Task {
    /// The kind of the custom resource by which a cluster carries it out, and its plural. What the vault does itself has none.
    pub fn resource(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Backup { .. } => Some(("Backup", "backups")),
            Self::Restore { .. } => Some(("Restore", "restores")),
            Self::Manage { .. } => None,
        }
    }

    /// `Backup`, `Restore` or `Management`.
    pub fn category(&self) -> &'static str {
        self.resource().map_or("Management", |(kind, _)| kind)
    }

    /// What it does: its category, or `PlanRestore`, which is ours.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Restore { plan: true, .. } => "PlanRestore",
            Self::Manage { operation } => operation.text(),
            _ => self.category(),
        }
    }
}

impl Managed {
    /// As clients read it.
    pub fn text(self) -> &'static str {
        match self {
            Self::ConfigureProtection => "ConfigureProtection",
            Self::UpdateProtection => "UpdateProtection",
            Self::ChangePolicy => "ChangePolicy",
            Self::StopProtection => "StopProtection",
            Self::SuspendBackups => "SuspendBackups",
            Self::ResumeProtection => "ResumeProtection",
            Self::ResumeBackups => "ResumeBackups",
            Self::DeleteProtection => "DeleteProtection",
            Self::UndeleteProtection => "UndeleteProtection",
            Self::SyncProtection => "SyncProtection",
        }
    }
}
