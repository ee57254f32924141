//! The custom resource types and their schemas: the contract between the vault, the command line and the
//! extension. Reference: `docs/formats/custom-resources.md`.

mod backup;
mod crds;
mod delete;
mod hooks;
mod restore;
mod status;
mod validate;

pub use backup::{Backup, BackupSpec, BackupStatus, FrozenContainer, VolumeCounts, VolumeType};
pub use crds::{all_crds, printed_crds};
pub use delete::{DeleteBackup, DeleteBackupSpec, DeleteBackupStatus, UnanchoredSnapshot};
pub use hooks::{
    BackupHook, BackupHookEntry, BackupHookSpec, ExecHook, HookExec, OnError, RestoreExecHook, RestoreHook,
    RestoreHookEntry, RestoreHookExec, RestoreHookSpec,
};
pub use restore::{
    ConflictPolicy, OutcomeCounts, PersistentVolumeRestoreMode, Restore, RestoreOperation, RestoreSpec,
    RestoreStatus,
};
pub use status::{NamespacedName, Phase, RecoveryPointRef, StatusProblem};
pub use validate::{
    CheckReport, CheckResult, ValidateForBackup, ValidateForBackupSpec, ValidateForRestore,
    ValidateForRestoreSpec, ValidateStatus,
};

/// API group of all our custom resources.
pub const GROUP: &str = "clusterbackup.dataprotection.microsoft.com";
/// API version of all our custom resources.
pub const VERSION: &str = "v1alpha1";
/// Namespace of the extension unless the installation says otherwise.
pub const DEFAULT_NAMESPACE: &str = "dataprotection-microsoft";
/// Problems kept in a status; the result file holds all.
pub const MAX_STATUS_PROBLEMS: usize = 100;
