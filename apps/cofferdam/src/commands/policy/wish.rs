//! A policy in arguments.

use clap::Args;
use jiff::Timestamp;
use management::build::policy::{First, Policy, Retention, usual_start};

/// The arguments, for those that exclude them.
pub const ALL: [&str; 12] = [
    "schedule",
    "start",
    "time_zone",
    "retention",
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "vault_daily",
    "vault_weekly",
    "vault_monthly",
    "vault_yearly",
];

/// Schedule and retention. Durations are ISO 8601's: PT4H, P7D, P3M, P1Y.
#[derive(Debug, Default, Args)]
pub struct Wish {
    /// How often: PT4H, PT6H, PT8H, PT12H or P1D [default: PT4H]
    #[arg(long, value_name = "INTERVAL")]
    schedule: Option<String>,
    /// When the first backup is due, such as 2026-05-05T08:00:00+00:00; may be repeated for several times of day
    /// [default: the next full hour]
    #[arg(long, num_args = 1.., value_name = "TIME")]
    start: Vec<String>,
    /// Zone of the schedule [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// How long recovery points live that no rule below takes [default: P7D]
    #[arg(long, value_name = "DURATION")]
    retention: Option<String>,
    /// How long the first one of a day lives
    #[arg(long, value_name = "DURATION")]
    daily: Option<String>,
    /// How long the first one of a week lives
    #[arg(long, value_name = "DURATION")]
    weekly: Option<String>,
    /// How long the first one of a month lives
    #[arg(long, value_name = "DURATION")]
    monthly: Option<String>,
    /// How long the first one of a year lives
    #[arg(long, value_name = "DURATION")]
    yearly: Option<String>,
    /// Copy the first one of a day to the vault tier, and how long it lives there; a vault without that tier refuses it
    #[arg(long, value_name = "DURATION")]
    vault_daily: Option<String>,
    /// Copy the first one of a week to the vault tier
    #[arg(long, value_name = "DURATION")]
    vault_weekly: Option<String>,
    /// Copy the first one of a month to the vault tier
    #[arg(long, value_name = "DURATION")]
    vault_monthly: Option<String>,
    /// Copy the first one of a year to the vault tier
    #[arg(long, value_name = "DURATION")]
    vault_yearly: Option<String>,
}

impl Wish {
    /// The policy.
    pub fn policy(&self, now: Timestamp) -> Policy {
        let rules = [
            (First::Year, &self.yearly, &self.vault_yearly),
            (First::Month, &self.monthly, &self.vault_monthly),
            (First::Week, &self.weekly, &self.vault_weekly),
            (First::Day, &self.daily, &self.vault_daily),
        ];
        let tagged = rules.into_iter().filter(|(_, here, there)| here.is_some() || there.is_some());
        let starts = if self.start.is_empty() { vec![usual_start(now)] } else { self.start.clone() };
        let or = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
        Policy {
            interval: or(&self.schedule, "PT4H"),
            starts,
            time_zone: or(&self.time_zone, "UTC"),
            retention: or(&self.retention, "P7D"),
            tagged: tagged
                .map(|(first, here, there)| {
                    (first, Retention { operational: here.clone(), vault: there.clone() })
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_argument_has_its_place_in_the_policy() {
        let given = |text: &str| Some(text.to_owned());
        let wish = Wish {
            schedule: given("P1D"),
            monthly: given("P1Y"),
            vault_daily: given("P84D"),
            ..Wish::default()
        };

        let policy = wish.policy(Timestamp::UNIX_EPOCH);

        let kept = |operational: Option<&str>, vault: Option<&str>| Retention {
            operational: operational.map(str::to_owned),
            vault: vault.map(str::to_owned),
        };
        assert_eq!(
            policy.tagged,
            [(First::Month, kept(Some("P1Y"), None)), (First::Day, kept(None, Some("P84D")))]
        );
        assert_eq!(
            (policy.retention.as_str(), policy.starts.join("")),
            ("P7D", "1970-01-01T01:00:00+00:00".to_owned())
        );
        assert!(policy.interval == "P1D");
    }
}
