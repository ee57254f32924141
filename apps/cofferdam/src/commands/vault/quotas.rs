//! Limits of a vault, as its operator chooses them. The defaults are the documented ones of the original.

use super::file::FileSettings;
use crate::exit::Failure;
use clap::Args;
use vault::protect::quotas::Quotas;

#[derive(Debug, Default, Args)]
pub struct QuotaArgs {
    /// Policies of a vault; 5000 when absent
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_POLICIES", value_name = "NUMBER")]
    quota_policies: Option<usize>,
    /// Backup instances of a vault; 5000 when absent
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_INSTANCES", value_name = "NUMBER")]
    quota_instances: Option<usize>,
    /// Backups on demand of an instance in 24 hours; 10 when absent
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_BACKUPS_A_DAY", value_name = "NUMBER")]
    quota_backups_a_day: Option<usize>,
    /// Restores of an instance in 24 hours; 10 when absent
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_RESTORES_A_DAY", value_name = "NUMBER")]
    quota_restores_a_day: Option<usize>,
    /// Namespaces that an instance names; 800 when absent
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_NAMESPACES", value_name = "NUMBER")]
    quota_namespaces: Option<usize>,
    /// Minutes between two scheduled backups of a policy, at least; 240 when absent. With less, periods that divide a day
    /// are taken too
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_SHORTEST_INTERVAL", value_name = "MINUTES")]
    quota_shortest_interval: Option<u32>,
    /// Days that a policy keeps recovery points in the operational tier, at most; 360 when absent
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_OPERATIONAL_DAYS", value_name = "DAYS")]
    quota_operational_days: Option<u32>,
    /// Jobs of one export; 10000 when absent
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_EXPORTED_JOBS", value_name = "NUMBER")]
    quota_exported_jobs: Option<usize>,
    /// Days that a job is kept after its end, and longer if its recovery point is there; 180 when absent
    #[arg(long, env = "COFFERDAM_VAULT_QUOTA_JOB_DAYS", value_name = "DAYS")]
    quota_job_days: Option<u32>,
}

impl QuotaArgs {
    /// The limits: flags and environment, then the file, then the defaults.
    pub fn resolve(self, file: &FileSettings) -> Result<Quotas, Failure> {
        let usual = Quotas::default();
        let chosen = Quotas {
            policies: self.quota_policies.or(file.quota_policies).unwrap_or(usual.policies),
            instances: self.quota_instances.or(file.quota_instances).unwrap_or(usual.instances),
            backups_a_day: self
                .quota_backups_a_day
                .or(file.quota_backups_a_day)
                .unwrap_or(usual.backups_a_day),
            restores_a_day: self
                .quota_restores_a_day
                .or(file.quota_restores_a_day)
                .unwrap_or(usual.restores_a_day),
            namespaces: self.quota_namespaces.or(file.quota_namespaces).unwrap_or(usual.namespaces),
            shortest_interval: self
                .quota_shortest_interval
                .or(file.quota_shortest_interval)
                .unwrap_or(usual.shortest_interval),
            operational_days: self
                .quota_operational_days
                .or(file.quota_operational_days)
                .unwrap_or(usual.operational_days),
            exported_jobs: self
                .quota_exported_jobs
                .or(file.quota_exported_jobs)
                .unwrap_or(usual.exported_jobs),
            job_days: self.quota_job_days.or(file.quota_job_days).unwrap_or(usual.job_days),
        };
        chosen.check().map_err(|reason| {
            Failure::usage(reason).next("Correct the flag, the variable or the file of --config.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_comes_before_the_file_and_that_before_the_documented_default() {
        let file =
            FileSettings { quota_instances: Some(7), quota_policies: Some(8), ..FileSettings::default() };
        let args = QuotaArgs { quota_policies: Some(9), ..QuotaArgs::default() };

        let quotas = args.resolve(&file).unwrap();

        assert_eq!((quotas.policies, quotas.instances, quotas.namespaces), (9, 7, 800));
        let wrong = QuotaArgs { quota_shortest_interval: Some(1), ..QuotaArgs::default() };
        let error = wrong.resolve(&file).unwrap_err();
        assert!(error.message().contains("quota-shortest-interval must be 5 to 1440"), "{error}");
    }
}
