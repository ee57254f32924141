//! The strategies that a backup can be enabled with in one step, by the names of the original.

use super::{
    invalid,
    policy::{backup_rule, lifecycle, retention_rule, tagging_criteria, whole},
};
use crate::Error;
use serde_json::{Value, json};

/// How a cluster shall be protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Daily, for a week.
    Week,
    /// Daily, for a month.
    Month,
    /// Daily for a week, and the first of each day for 90 days in the vault tier.
    DisasterRecovery,
    /// The same in a vault whose recovery points cannot be deleted before their time.
    Immutable,
    /// A vault and a policy that are there already.
    Custom,
}

impl Strategy {
    /// Its name on the wire and in names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Week => "Week",
            Self::Month => "Month",
            Self::DisasterRecovery => "DisasterRecovery",
            Self::Immutable => "Immutable",
            Self::Custom => "Custom",
        }
    }

    /// Whether it is made of copies in the vault tier.
    pub fn needs_vault_tier(self) -> bool {
        matches!(self, Self::DisasterRecovery | Self::Immutable)
    }

    /// The policy; none for one that is there already. A strategy that is made of copies in the vault tier is refused, not
    /// reduced: who chose it would believe in copies that nobody makes.
    pub fn policy(self) -> Result<Option<Value>, Error> {
        let operational = match self {
            Self::Custom => return Ok(None),
            Self::Week => "P7D",
            Self::Month => "P30D",
            Self::DisasterRecovery | Self::Immutable => return Err(invalid(self.refusal())),
        };
        let life = lifecycle("OperationalStore", operational, json!([]))?;
        let tagging = [tagging_criteria("Default", None, 99)];
        let intervals = ["R/2024-01-01T00:00:00+00:00/P1D".to_owned()];
        Ok(Some(whole(&[
            retention_rule("Default", true, vec![life]),
            backup_rule("BackupDaily", &intervals, "Coordinated Universal Time", &tagging),
        ])))
    }

    /// Why a strategy that needs the vault tier cannot be had.
    pub fn refusal(self) -> String {
        format!(
            "the strategy {} keeps the first backup of each day in the vault tier for 90 days, and the vault has no vault tier \
             yet; Week and Month keep their backups in the operational tier, for 7 and 30 days",
            self.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_keeps_as_long_as_it_says() {
        for (strategy, operational) in [(Strategy::Week, "P7D"), (Strategy::Month, "P30D")] {
            let policy = strategy.policy().unwrap().unwrap();

            let life = policy.pointer("/properties/policyRules/0/lifecycles/0/deleteAfter/duration");
            assert_eq!(life, Some(&json!(operational)), "{strategy:?}");
            assert!(!policy.to_string().contains("VaultStore"));
        }
        assert_eq!(Strategy::Custom.policy().unwrap(), None);
    }

    #[test]
    fn a_strategy_that_is_made_of_the_vault_tier_is_refused_and_not_reduced() {
        for strategy in [Strategy::DisasterRecovery, Strategy::Immutable] {
            let error = strategy.policy().unwrap_err().to_string();

            assert!(error.contains(strategy.name()) && error.contains("no vault tier"), "{error}");
            assert!(strategy.needs_vault_tier());
        }
        assert!(!Strategy::Month.needs_vault_tier());
    }
}
