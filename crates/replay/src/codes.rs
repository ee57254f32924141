//! Codes of problems that only a restore has, besides those of [`protection::code`].

/// An object was changed on its way in a manner that the person should know.
pub const CHANGED: &str = "ObjectChangedOnRestore";
/// A reference to an owner was dropped, because the owner is not there.
pub const OWNER_ABSENT: &str = "OwnerReferenceDropped";
/// The target does not serve this kind of object.
pub const KIND_MISSING: &str = "UserErrorKindNotServedByTargetCluster";
/// The target does not accept the object.
pub const REFUSED: &str = "ObjectRefusedByTargetCluster";
/// The live object differs in a field that cannot be changed.
pub const IMMUTABLE: &str = "UserErrorImmutableFieldDiffers";
/// An admission webhook of the target has nothing behind it and rejects what it is asked about.
pub const WEBHOOK_WITHOUT_BACKEND: &str = "AdmissionWebhookWithoutBackend";
/// A namespace mapping leads into a namespace that exists.
pub const TARGET_NAMESPACE_EXISTS: &str = "TargetNamespaceExists";
/// A claim's storage class does not exist in the target.
pub const STORAGE_CLASS_MISSING: &str = protection::code::STORAGE_CLASS_MISSING;
/// What an object needs was not restored.
pub const DEPENDENCY_FAILED: &str = "DependencyNotRestored";
/// The target's server dropped a field that it does not know.
pub const FIELD_DROPPED: &str = "UnknownFieldDropped";
/// A reference by name could not follow a namespace mapping.
pub const REFERENCE_NOT_MAPPED: &str = "ReferenceNotMapped";
/// A live object cannot be replaced without losing something.
pub const REPLACE_REFUSED: &str = "UserErrorReplaceWouldLoseData";
/// A served group did not answer.
pub const GROUP_UNAVAILABLE: &str = "ApiGroupUnavailable";
/// The target cluster could not be observed.
pub const TARGET_UNREACHABLE: &str = "TargetClusterNotObserved";
/// Admission in the target took an object otherwise than it was sent.
pub const CHANGED_BY_ADMISSION: &str = "ObjectChangedByAdmission";
/// An object counts as created, and may have been deleted by an earlier attempt to be replaced.
pub const MAY_HAVE_BEEN_REPLACED: &str = "MayHaveBeenReplaced";
/// Objects exist, differ, and stay as they are because the conflict policy says so.
pub const SKIPPED: &str = "ObjectsSkipped";
