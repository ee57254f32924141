//! What a person is told when something was not protected, not restored or not checked.

use serde::{Deserialize, Serialize};

/// How much a problem weighs in the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Worth knowing; changes nothing about the outcome.
    Information,
    /// Something is not protected or not restored: the outcome is `CompletedWithWarnings`.
    Warning,
    /// The operation failed.
    Error,
}

/// One finding: a documented code, what was wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// How much it weighs.
    pub severity: Severity,
    /// One of [`code`], the names that clients of the original know.
    pub code: String,
    /// What was wrong, as a sentence; never the content of a Secret or ConfigMap.
    pub message: String,
    /// The object concerned, as `<resource>[.<group>]/[<namespace>/]<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the person can do next, one step per entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended_action: Vec<String>,
}

impl Problem {
    /// A warning.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// A failure.
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A remark.
    pub fn information(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Information, code, message)
    }

    /// The same problem, about this object.
    pub fn about(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The same problem, with a next step.
    pub fn fix(mut self, step: impl Into<String>) -> Self {
        self.recommended_action.push(step.into());
        self
    }

    fn new(severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            message: message.into(),
            target: None,
            recommended_action: Vec::new(),
        }
    }
}

/// The documented codes (original: troubleshooting page; the last group is ours).
pub mod code {
    #![allow(missing_docs)]
    pub const PVC_NOT_BOUND: &str = "UserErrorPVCNotBoundToVolume";
    pub const PVC_HAS_NO_VOLUME: &str = "UserErrorPVCHasNoVolume";
    pub const PV_NOT_FOUND: &str = "UserErrorPVNotFound";
    pub const STORAGE_CLASS_MISSING: &str = "UserErrorStorageClassMissingForPVC";
    pub const HOOK_FAILED: &str = "UserErrorHookExecutionFailed";
    pub const NAMESPACE_NOT_FOUND: &str = "UserErrorNamespaceNotFound";
    pub const SNAPSHOT_TIMED_OUT: &str = "CSISnapshottingTimedOut";
    pub const SNAPSHOT_LIMIT_REACHED: &str = "UserErrorPVSnapshotLimitReached";
    pub const SNAPSHOT_DISALLOWED: &str = "UserErrorPVSnapshotDisallowedByPolicy";
    pub const CRD_VERSION_MISMATCH: &str = "UserErrorSourceandTargetClusterCRDVersionMismatch";
    pub const GENERIC_WARNING: &str = "KubernetesBackupGenericWarning";
    pub const DATA_ON_FIRST_USE: &str = "VolumeFilledOnFirstUse";
    pub const RESULT_NOT_KEPT: &str = "FullResultNotKept";
    pub const LOCATION_NOT_FOUND: &str = "UserErrorNoDefaultBackupStorageLocationFound";
    pub const LOCATION_NOT_READY: &str = "UserErrorBackupStorageLocationNotReady";
    pub const LOCATION_READ_ONLY: &str = "UserErrorBackupFailedBackupStorageLocationReadOnly";
    pub const LOCATION_MISSING_PERMISSIONS: &str =
        "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation";
    pub const DELETE_LOCATION_READ_ONLY: &str = "UserErrorDeleteBackupFailedBackupStorageLocationReadOnly";
    pub const DELETE_FAILED: &str = "BackupPluginDeleteBackupOperationFailed";
    pub const RESTARTED_DURING_BACKUP: &str = "UserErrorBackupPluginPodRestartedDuringBackup";
    pub const RESTARTED_DURING_RESTORE: &str = "UserErrorBackupPluginPodRestartedDuringRestore";
    // Ours: the original has no code for these.
    pub const LOCATION_OWNED_BY_OTHER_CLUSTER: &str = "UserErrorBackupStorageLocationOwnedByAnotherCluster";
    pub const LOCATION_NOT_EMPTY: &str = "UserErrorBackupStorageLocationNotEmpty";
    pub const GRANT_DENIED: &str = "UserErrorRepositoryGrantDenied";
    pub const GRANT_UNKNOWN_JOB: &str = "UserErrorRepositoryGrantUnknownJob";
    pub const WRONG_REPOSITORY_KEY: &str = "UserErrorRepositoryKeyRejected";
    pub const REPOSITORY_DAMAGED: &str = "RepositoryDamaged";
    pub const STORE_FULL: &str = "UserErrorBackupStorageLocationFull";
    pub const CLOCK_SKEW: &str = "ClockSkewDetected";
    pub const TOO_MANY_NAMESPACES: &str = "UserErrorTooManyNamespaces";
    pub const PREREQUISITE_NOT_MET: &str = "UserErrorPrerequisiteNotMet";
    pub const RECOVERY_POINT_NOT_FOUND: &str = "UserErrorRecoveryPointNotFound";
    pub const VOLUME_NOT_PROTECTED: &str = "VolumeNotProtected";
    pub const RESOURCE_NOT_LISTED: &str = "ResourceNotListed";
    pub const OBJECT_NOT_CAPTURED: &str = "ObjectNotCaptured";
    pub const OBJECTS_LEFT_OUT: &str = "ObjectsLeftOut";
    pub const OBJECT_NOT_RESTORED: &str = "ObjectNotRestored";
    pub const DATA_NOT_RESTORED: &str = "VolumeDataNotRestored";
    pub const FILES_LEFT_OUT: &str = "VolumeFilesNotWhole";
    pub const SHARED_LEFT_ALONE: &str = "SharedObjectLeftAlone";
    pub const SNAPSHOT_NOT_REACHABLE: &str = "SnapshotNotReachableFromThisCluster";
    pub const SNAPSHOT_FAILED: &str = "CSISnapshottingFailed";
    pub const SNAPSHOT_ORPHANED: &str = "SnapshotLeftBehind";
    pub const GROUP_FELL_BACK: &str = "VolumeGroupSnapshotFellBackToSingle";
    pub const VELERO_ANNOTATION: &str = "VeleroAnnotationIgnored";
    pub const MODIFIER_INVALID: &str = "UserErrorResourceModifierInvalid";
    pub const HOOK_NOT_FOUND: &str = "UserErrorHookNotFound";
    pub const SELECTION_INVALID: &str = "UserErrorSelectionInvalid";
    pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
    pub const CANCELLED: &str = "Cancelled";
}
