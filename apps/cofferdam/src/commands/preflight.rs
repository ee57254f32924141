//! `cofferdam preflight`: every prerequisite with its evidence and its fix, before or after an installation.

mod show;
mod subject;

pub use show::{blocking_of, summary};
pub use subject::{Wanted, look};

use super::install::{Wish, wished};
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Outcome},
    output::{self, Format},
};
use clap::{Args, ValueEnum};
use prerequisites::{Outcome as Judged, Profile, Report};
use show::View;

#[derive(Debug, Args)]
pub struct PreflightArgs {
    #[command(flatten)]
    wish: Wish,
    /// Location to look at when no settings are given
    #[arg(long, default_value = extension::locations::DEFAULT, value_name = "NAME")]
    location: String,
    /// Whose rules apply
    #[arg(long, value_enum, default_value = "generic")]
    profile: ProfileArg,
}

/// Whose rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// What Cofferdam needs, on any Kubernetes
    Generic,
    /// What AKS backup demands
    Aks,
}

impl From<ProfileArg> for Profile {
    fn from(argument: ProfileArg) -> Self {
        match argument {
            ProfileArg::Generic => Self::Generic,
            ProfileArg::Aks => Self::Aks,
        }
    }
}

pub async fn run(args: PreflightArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let (install, _) = wished(&args.wish, cluster)?;
    let wanted = Wanted { install: &install, wish: &args.wish, location: &args.location, installing: false };
    let report = look(cluster, &wanted, args.profile.into()).await?;
    output::print(format, &View::of(&report, args.profile.into()), show::text)?;
    Ok(exit(&report))
}

/// The worst finding decides. What nobody could see is never done.
fn exit(report: &Report) -> Exit {
    if report.blocking().next().is_some() {
        return Exit::Precondition;
    }
    match report.findings.iter().all(|finding| finding.outcome == Judged::Passed) {
        true => Exit::Done,
        false => Exit::Warnings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prerequisites::{Finding, Severity};

    #[test]
    fn the_exit_code_is_that_of_the_worst_finding() {
        let report = |outcomes: &[Judged]| Report {
            findings: outcomes
                .iter()
                .map(|outcome| Finding {
                    id: "P1".into(),
                    title: String::new(),
                    reason: String::new(),
                    severity: Severity::Block,
                    outcome: outcome.clone(),
                    evidence: String::new(),
                    fix: None,
                })
                .collect(),
        };
        let (passed, unseen) = (Judged::Passed, Judged::NotObservable { why: String::new() });
        let (warns, blocks) =
            (Judged::Failed { severity: Severity::Warn }, Judged::Failed { severity: Severity::Block });

        assert_eq!(exit(&report(&[passed.clone(), passed.clone()])), Exit::Done);
        assert_eq!(exit(&report(&[passed.clone(), unseen.clone()])), Exit::Warnings);
        assert_eq!(exit(&report(&[passed, warns.clone()])), Exit::Warnings);
        assert_eq!(exit(&report(&[unseen, warns, blocks])), Exit::Precondition);
    }
}
