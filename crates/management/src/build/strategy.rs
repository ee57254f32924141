//! The strategies that a backup can be enabled with in one step, by the names of the original.

use super::policy::{backup_rule, lifecycle, retention_rule, tagging_criteria, whole};
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

    /// Whether recovery points go to the vault tier.
    pub fn copies_to_vault(self) -> bool {
        matches!(self, Self::DisasterRecovery | Self::Immutable)
    }

    /// The policy; none for a policy that is there already.
    pub fn policy(self) -> Result<Option<Value>, Error> {
        let operational = match self {
            Self::Custom => return Ok(None),
            Self::Month => "P30D",
            Self::Week | Self::DisasterRecovery | Self::Immutable => "P7D",
        };
        let life = lifecycle("OperationalStore", operational, json!([]))?;
        let mut rules = vec![retention_rule("Default", true, vec![life])];
        let mut tagging = vec![tagging_criteria("Default", None, 99)];
        if self.copies_to_vault() {
            let life = lifecycle("VaultStore", "P90D", json!([]))?;
            rules.push(retention_rule("Vault", false, vec![life]));
            tagging.push(tagging_criteria("Vault", Some("FirstOfDay"), 50));
        }
        let intervals = ["R/2024-01-01T00:00:00+00:00/P1D".to_owned()];
        rules.push(backup_rule("BackupDaily", &intervals, "Coordinated Universal Time", &tagging));
        Ok(Some(whole(&rules)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_keeps_as_long_as_it_says() {
        let table = [
            (Strategy::Week, "P7D", None),
            (Strategy::Month, "P30D", None),
            (Strategy::DisasterRecovery, "P7D", Some("P90D")),
            (Strategy::Immutable, "P7D", Some("P90D")),
        ];

        for (strategy, operational, vault) in table {
            let policy = strategy.policy().unwrap().unwrap();
            let rules = policy["properties"]["policyRules"].as_array().unwrap();
            let life = |rule: &str| {
                let rule = rules.iter().find(|found| found["name"] == rule)?;
                rule["lifecycles"][0]["deleteAfter"]["duration"].as_str()
            };
            assert_eq!((life("Default"), life("Vault")), (Some(operational), vault), "{strategy:?}");
        }
        assert_eq!(Strategy::Custom.policy().unwrap(), None);
    }
}
