//! What a Resource Guard can guard, under the names of the original.

/// A guarded operation of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Critical {
    /// The mapping to the guard goes. Always guarded.
    RemoveGuard,
    /// An instance is deleted.
    DeleteInstance,
    /// An instance's backups stop, its recovery points stay.
    StopProtection,
    /// An instance's backups are suspended.
    SuspendBackups,
    /// An instance gets a policy with shorter retention.
    UpdateInstance,
    /// A policy's retention becomes shorter.
    UpdatePolicy,
    /// A recovery point is restored.
    Restore,
    /// Soft delete ends or becomes shorter. Always guarded.
    ReduceSoftDelete,
    /// Immutability is taken back.
    ReduceImmutability,
    /// The vault encrypts with another key of the customer, or reaches it as somebody else.
    ModifyEncryption,
}

/// All, with their names and the types of the requests that approve them.
const ALL: [(Critical, &str, &str); 10] = [
    (
        Critical::RemoveGuard,
        "Microsoft.DataProtection/backupVaults/backupResourceGuardProxies/delete",
        "deleteResourceGuardProxyRequests",
    ),
    (
        Critical::DeleteInstance,
        "Microsoft.DataProtection/backupVaults/backupInstances/delete",
        "deleteBackupInstanceRequests",
    ),
    (
        Critical::StopProtection,
        "Microsoft.DataProtection/backupVaults/backupInstances/stopProtection/action",
        "stopProtectionRequests",
    ),
    (
        Critical::SuspendBackups,
        "Microsoft.DataProtection/backupVaults/backupInstances/suspendBackups/action",
        "suspendBackupsRequests",
    ),
    (
        Critical::UpdateInstance,
        "Microsoft.DataProtection/backupVaults/backupInstances/write",
        "updateProtectedItemRequests",
    ),
    (
        Critical::UpdatePolicy,
        "Microsoft.DataProtection/backupVaults/backupPolicies/write",
        "updateProtectionPolicyRequests",
    ),
    (
        Critical::Restore,
        "Microsoft.DataProtection/backupVaults/backupInstances/restore/action",
        "triggerRestoreRequests",
    ),
    (
        Critical::ReduceSoftDelete,
        "Microsoft.DataProtection/backupVaults/write#reduceSoftDeleteSecurity",
        "disableSoftDeleteRequests",
    ),
    (
        Critical::ReduceImmutability,
        "Microsoft.DataProtection/backupVaults/write#reduceImmutabilityState",
        "disableImmutabilityRequests",
    ),
    (
        Critical::ModifyEncryption,
        "Microsoft.DataProtection/backupVaults/write#modifyEncryptionSettings",
        "dppModifyEncryptionSettingsRequests",
    ),
];

/// The same of Recovery Services vaults, which the original does not let a guard leave out either.
const ALWAYS_GUARDED_ELSEWHERE: [&str; 2] = [
    "Microsoft.RecoveryServices/vaults/backupconfig/write",
    "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies/delete",
];

/// Whether no guard can leave out an operation of this name.
pub fn is_always_guarded(name: &str) -> bool {
    Critical::of(name).is_some_and(|one| !one.can_be_excluded())
        || ALWAYS_GUARDED_ELSEWHERE.iter().any(|one| one.eq_ignore_ascii_case(name))
}

impl Critical {
    /// All.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(one, ..)| *one)
    }

    /// `vaultCriticalOperation`
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(one, ..)| *one == self).map_or("", |(_, name, _)| name)
    }

    /// The type of the requests that approve it, below the guard.
    pub fn requests(self) -> &'static str {
        ALL.iter().find(|(one, ..)| *one == self).map_or("", |(.., requests)| requests)
    }

    /// By its name, in any case.
    pub fn of(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)).map(|(one, ..)| *one)
    }

    /// Whether a guard can leave it out. The two that would disarm the guard itself cannot be.
    pub fn can_be_excluded(self) -> bool {
        !matches!(self, Self::RemoveGuard | Self::ReduceSoftDelete)
    }

    /// The action that whoever approves it must have on the request.
    pub fn approval(self) -> String {
        format!("{}/{}/approve/action", super::KIND, self.requests())
    }
}
