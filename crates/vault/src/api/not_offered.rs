//! Operations of Backup vaults that this vault does not have: each is refused with the reason.

use super::{At, Needs, Operation, operations::absent};
use http::Method;

const CROSS_REGION: &str = "a vault lives in one place, and recovery points have no second region; restore from the vault \
                            that holds them";
const ARCHIVE: &str = "there is no archive tier from which a recovery point would have to be brought back";

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    absent(
        "BackupInstances_TriggerCrossRegionRestore",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/locations/{location}/crossRegionRestore",
        Needs::Action("Microsoft.DataProtection/locations/crossRegionRestore/action"),
        At::Group,
        CROSS_REGION,
    ),
    absent(
        "BackupInstances_ValidateCrossRegionRestore",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/locations/{location}/validateCrossRegionRestore",
        Needs::Action("Microsoft.DataProtection/locations/validateCrossRegionRestore/action"),
        At::Group,
        CROSS_REGION,
    ),
    absent(
        "FetchCrossRegionRestoreJob_Get",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/locations/{location}/fetchCrossRegionRestoreJob",
        Needs::Action("Microsoft.DataProtection/locations/fetchCrossRegionRestoreJob/action"),
        At::Group,
        CROSS_REGION,
    ),
    absent(
        "FetchCrossRegionRestoreJobs_List",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/locations/{location}/fetchCrossRegionRestoreJobs",
        Needs::Action("Microsoft.DataProtection/locations/fetchCrossRegionRestoreJobs/action"),
        At::Group,
        CROSS_REGION,
    ),
    absent(
        "FetchSecondaryRecoveryPoints_List",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/locations/{location}/fetchSecondaryRecoveryPoints",
        Needs::Action("Microsoft.DataProtection/locations/fetchSecondaryRecoveryPoints/action"),
        At::Group,
        CROSS_REGION,
    ),
    absent(
        "BackupInstances_TriggerRehydrate",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupInstances/{instance}/rehydrate",
        Needs::Action("Microsoft.DataProtection/backupVaults/backupInstances/rehydrate/action"),
        At::Above,
        ARCHIVE,
    ),
];
