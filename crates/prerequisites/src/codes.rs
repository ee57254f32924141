//! Documented codes that several checks or causes share. The names are those of `protection`, which says which are the
//! original's and which are ours.

pub(crate) const EXTENSION_NOT_FOUND: &str = "UserErrorKubernetesBackupExtensionNotFoundError";
pub(crate) const EXTENSION_HAS_ERRORS: &str = "UserErrorKubernetesBackupExtensionHasErrors";
pub(crate) const EXTENSION_UNHEALTHY: &str = "UserErrorKubernetesBackupExtensionUnhealthy";
pub(crate) const LOCATION_NOT_FOUND: &str = "UserErrorNoDefaultBackupStorageLocationFound";
pub(crate) const LOCATION_NOT_READY: &str = "UserErrorBackupStorageLocationNotReady";
pub(crate) const LOCATION_READ_ONLY: &str = "UserErrorBackupFailedBackupStorageLocationReadOnly";
pub(crate) const LOCATION_MISSING_PERMISSIONS: &str =
    "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation";
pub(crate) const LOCATION_OWNED_BY_OTHER: &str = "UserErrorBackupStorageLocationOwnedByAnotherCluster";
pub(crate) const LOCATION_NOT_EMPTY: &str = "UserErrorBackupStorageLocationNotEmpty";
pub(crate) const STORE_FULL: &str = "UserErrorBackupStorageLocationFull";
pub(crate) const CLOCK_SKEW: &str = "ClockSkewDetected";
pub(crate) const REPOSITORY_DAMAGED: &str = "RepositoryDamaged";
const GRANT_DENIED: &str = "UserErrorRepositoryGrantDenied";
const GRANT_UNKNOWN_JOB: &str = "UserErrorRepositoryGrantUnknownJob";
const WRONG_REPOSITORY_KEY: &str = "UserErrorRepositoryKeyRejected";

/// What an extension notes at a location that it cannot use, and what a grant that ended says.
const NOTED: [&str; 12] = [
    LOCATION_NOT_FOUND,
    LOCATION_NOT_READY,
    LOCATION_READ_ONLY,
    LOCATION_MISSING_PERMISSIONS,
    LOCATION_OWNED_BY_OTHER,
    LOCATION_NOT_EMPTY,
    STORE_FULL,
    CLOCK_SKEW,
    REPOSITORY_DAMAGED,
    GRANT_DENIED,
    GRANT_UNKNOWN_JOB,
    WRONG_REPOSITORY_KEY,
];

/// The code that a note begins with: `CODE: sentence`.
pub(crate) fn of_note(note: &str) -> Option<&'static str> {
    let (code, _) = note.split_once(':').unwrap_or((note, ""));
    NOTED.into_iter().find(|known| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_tells_its_code_and_words_that_only_look_like_one_do_not() {
        assert_eq!(of_note("RepositoryDamaged: the repository is gone"), Some(REPOSITORY_DAMAGED));
        assert_eq!(of_note("UserErrorBackupStorageLocationFull"), Some(STORE_FULL));
        for note in ["", "Ready", ": nothing", "RepositoryDamagedBadly: no", "403 RepositoryDamaged: no"] {
            assert_eq!(of_note(note), None, "{note}");
        }
    }
}
