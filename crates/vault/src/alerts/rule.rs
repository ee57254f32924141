//! What alerts there are. Source of names and severities: the built-in alerts of Azure Backup; what a Resource Guard guards
//! and the original has no alert for has one here too.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How grave an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Critical: data or its protection is at stake.
    Sev0,
    /// Error: something was not done.
    Sev1,
    /// Warning.
    Sev2,
    /// Informational.
    Sev3,
    /// Verbose.
    Sev4,
}

/// Why an alert is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rule {
    /// A backup failed.
    BackupFailure,
    /// A restore failed.
    RestoreFailure,
    /// An instance was deleted.
    DeleteBackupData,
    /// Deleted data goes for good soon.
    UpcomingPurge,
    /// Deleted data went for good.
    PurgeComplete,
    /// Soft delete was switched off.
    SoftDeleteDisabled,
    /// Deleted data stays for a shorter time.
    SoftDeleteReduced,
    /// Immutability was taken back.
    ImmutabilityReduced,
    /// A vault is not under its Resource Guard any more.
    GuardRemoved,
    /// A policy keeps for a shorter time.
    PolicyShortened,
    /// An instance got a policy that keeps for a shorter time.
    ProtectionShortened,
    /// An instance is not backed up on schedule any more.
    BackupsStopped,
    /// What backups of an instance need does not hold any more.
    PrerequisiteFailure,
}

const ALL: [(Rule, &str); 13] = [
    (Rule::BackupFailure, "Backup Failure"),
    (Rule::RestoreFailure, "Restore Failure"),
    (Rule::DeleteBackupData, "Delete Backup Data"),
    (Rule::UpcomingPurge, "Upcoming Purge"),
    (Rule::PurgeComplete, "Purge Complete"),
    (Rule::SoftDeleteDisabled, "Soft Delete Disabled for Vault"),
    (Rule::SoftDeleteReduced, "Soft Delete Retention Reduced"),
    (Rule::ImmutabilityReduced, "Immutability Reduced"),
    (Rule::GuardRemoved, "MUA Disabled"),
    (Rule::PolicyShortened, "Modify Policy with Shorter Retention"),
    (Rule::ProtectionShortened, "Modify Protection with Shorter Retention"),
    (Rule::BackupsStopped, "Scheduled Backups Stopped"),
    (Rule::PrerequisiteFailure, "Prerequisite Failure"),
];

impl Rule {
    /// As clients read it.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(rule, _)| *rule == self).map_or("", |(_, name)| name)
    }

    /// Whether it is about a job: only these can be switched off for a vault.
    pub fn is_of_job(self) -> bool {
        matches!(self, Self::BackupFailure | Self::RestoreFailure)
    }

    /// Whether something fails or will, and nobody took protection away.
    fn is_failure(self) -> bool {
        self.is_of_job() || self == Self::PrerequisiteFailure
    }

    /// How grave it is.
    pub fn severity(self) -> Severity {
        if self.is_failure() { Severity::Sev1 } else { Severity::Sev0 }
    }

    /// How long nobody is told again that the same thing happened again.
    pub fn silence(self) -> SignedDuration {
        SignedDuration::from_hours(if self.is_failure() { 24 } else { 1 })
    }
}

impl Severity {
    /// All.
    pub const ALL: [Self; 5] = [Self::Sev0, Self::Sev1, Self::Sev2, Self::Sev3, Self::Sev4];

    /// As clients read it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Sev0 => "Sev0",
            Self::Sev1 => "Sev1",
            Self::Sev2 => "Sev2",
            Self::Sev3 => "Sev3",
            Self::Sev4 => "Sev4",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_only_failures_are_less_than_critical() {
        let names: BTreeSet<&str> = ALL.iter().map(|(rule, _)| rule.name()).collect();

        assert_eq!(names.len(), ALL.len());
        for (rule, name) in ALL {
            assert_eq!(rule.severity() == Severity::Sev1, name.ends_with("Failure"), "{name}");
        }
    }
}
