//! What is kept of a backup instance.

use crate::api::Each;
use crate::{
    api::resource::Loaded,
    store::{Change, Store, StoreError},
};
use arm::{ResourceId, instance::BackupInstance};
use jiff::Timestamp;
use protection::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of a backup instance.
pub const KIND: &str = "Microsoft.DataProtection/backupVaults/backupInstances";

/// How an instance stands. Source: `CurrentProtectionState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtectionState {
    /// It is being looked at for the first time.
    ConfiguringProtection,
    /// It is being looked at after a change.
    UpdatingProtection,
    /// It is backed up on schedule.
    ProtectionConfigured,
    /// It could not be protected.
    ConfiguringProtectionFailed,
    /// It was protected, and a change of it failed.
    ProtectionError,
    /// No further backups; retention goes on.
    BackupSchedulesSuspended,
    /// No further backups, and nothing expires.
    ProtectionStopped,
    /// It is being deleted.
    SoftDeleting,
    /// It is deleted, and can be brought back for a while.
    SoftDeleted,
}

/// When an instance was deleted, and when that becomes final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// When its recovery points go.
    pub purge_at: Timestamp,
    /// The operation.
    pub activity: String,
}

/// What is kept of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRecord {
    /// As its owner wrote it.
    pub instance: BackupInstance,
    /// Labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Its name in the cluster and in the store: a DNS label.
    pub label: String,
    /// How it stands.
    pub state: ProtectionState,
    /// To which state it goes once it was looked at.
    pub next: ProtectionState,
    /// Why it could not be protected.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// Its deletion.
    #[serde(default)]
    pub deletion: Option<Deletion>,
    /// It was found in a repository after the catalogue had been lost: its vault, its policy and its cluster are stand-ins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

impl ProtectionState {
    /// Whether backups are made on schedule. Also after a change that was found wrong: the slots go on, each with a job
    /// that says why it failed, until what is wrong is mended.
    pub fn is_scheduled(self) -> bool {
        matches!(self, Self::ProtectionConfigured | Self::UpdatingProtection | Self::ProtectionError)
    }

    /// Whether it is deleted, for good or not yet.
    pub fn is_deleted(self) -> bool {
        matches!(self, Self::SoftDeleting | Self::SoftDeleted)
    }

    /// Whether backups on demand are taken.
    pub fn can_back_up(self) -> bool {
        matches!(
            self,
            Self::ProtectionConfigured
                | Self::UpdatingProtection
                | Self::BackupSchedulesSuspended
                | Self::ProtectionError
        )
    }

    /// As clients read it.
    pub fn text(self) -> &'static str {
        match self {
            Self::ConfiguringProtection => "ConfiguringProtection",
            Self::UpdatingProtection => "UpdatingProtection",
            Self::ProtectionConfigured => "ProtectionConfigured",
            Self::ConfiguringProtectionFailed => "ConfiguringProtectionFailed",
            Self::ProtectionError => "ProtectionError",
            Self::BackupSchedulesSuspended => "BackupSchedulesSuspended",
            Self::ProtectionStopped => "ProtectionStopped",
            Self::SoftDeleting => "SoftDeleting",
            Self::SoftDeleted => "SoftDeleted",
        }
    }

    /// `protectionStatus.status`, which has fewer words.
    pub fn status_text(self) -> &'static str {
        match self {
            Self::UpdatingProtection | Self::BackupSchedulesSuspended => "ProtectionConfigured",
            Self::ProtectionError => "ConfiguringProtectionFailed",
            other => other.text(),
        }
    }
}

impl InstanceRecord {
    /// One that nobody has looked at yet.
    pub fn new(instance: BackupInstance, tags: BTreeMap<String, String>, label: String) -> Self {
        Self {
            instance,
            tags,
            label,
            state: ProtectionState::ConfiguringProtection,
            next: ProtectionState::ProtectionConfigured,
            problems: Vec::new(),
            deletion: None,
            adopted: false,
        }
    }

    /// Whether backups are made on schedule: also while a change is looked at, unless it is the change of one that rests.
    pub fn is_scheduled(&self) -> bool {
        match self.state {
            ProtectionState::UpdatingProtection => self.next.is_scheduled(),
            state => state.is_scheduled(),
        }
    }
}

/// All instances of a vault.
pub async fn all(store: &dyn Store, vault: &ResourceId) -> Result<Vec<Loaded<InstanceRecord>>, StoreError> {
    let mut all = Vec::new();
    let mut each = Each::of(store, KIND, vault);
    while let Some(stored) = each.next().await? {
        all.push(crate::api::read(stored)?);
    }
    Ok(all)
}

/// The changes that put an instance into another state.
pub fn moved(
    instance: &Loaded<InstanceRecord>,
    state: ProtectionState,
) -> Result<(Loaded<InstanceRecord>, Change), StoreError> {
    let mut moved = instance.clone();
    moved.document.state = state;
    let change = moved.write()?;
    Ok((moved, change))
}
