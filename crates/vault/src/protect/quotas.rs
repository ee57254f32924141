//! What a vault and an instance may have and do: the documented limits, which an operator can change.

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Policies of a vault.
    pub policies: usize,
    /// Instances of a vault.
    pub instances: usize,
    /// Backups on demand of an instance in 24 hours.
    pub backups_a_day: usize,
    /// Restores of an instance in 24 hours.
    pub restores_a_day: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { policies: 5_000, instances: 5_000, backups_a_day: 10, restores_a_day: 10 }
    }
}
