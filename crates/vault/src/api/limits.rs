//! Limits of what a vault holds, in one place. They are the documented ones of the original; an operator can change those
//! that `protect::quotas` takes over.

/// Policies per vault.
pub const POLICIES: usize = 5_000;
/// Instances per vault.
pub const INSTANCES: usize = 5_000;
/// Backups on demand per instance and day.
pub const BACKUPS_ON_DEMAND: usize = 10;
/// Restores per instance and day.
pub const RESTORES: usize = 10;
/// Namespaces that an instance names.
pub const NAMESPACES: usize = 800;
/// The shortest distance of scheduled backups, in minutes.
pub const SHORTEST_INTERVAL_MINUTES: u32 = 4 * 60;
/// The distances of scheduled backups, in hours.
pub const INTERVAL_HOURS: [u32; 5] = [4, 6, 8, 12, 24];
/// Days that a recovery point lives in the operational tier, at most.
pub const OPERATIONAL_DAYS: u32 = protection::policy::retention::LONGEST_OPERATIONAL_DAYS;
/// Jobs of one export: as much as fits into one document.
pub const EXPORTED_JOBS: usize = 10_000;
/// Days that a job stays after its end; the original says nothing of it.
pub const JOB_DAYS: u32 = 180;
/// Days that deleted data stays, at least.
pub const SOFT_DELETE_DAYS_LEAST: i64 = 14;
/// Days that deleted data stays, at most.
pub const SOFT_DELETE_DAYS_MOST: i64 = 180;
