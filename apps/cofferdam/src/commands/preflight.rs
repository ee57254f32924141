//! `cofferdam preflight`: every prerequisite with its evidence and its fix, before or after an installation.

mod active;
mod arm;
mod egress;
mod fix;
mod html;
mod installed;
mod junit;
mod reach;
mod show;
mod subject;
mod tools;

pub use show::{blocking_of, summary};
pub use subject::{ADMISSION, Wanted, admission, look};

use super::install::{Wish, check_id, wished};
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use active::ActiveArgs;
use arm::ArmArgs;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use prerequisites::{Judged, Outcome as Ending, Profile, Severity, mends};
use show::View;
use std::path::PathBuf;
use subject::Seen;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, group(ArgGroup::new("makes").multiple(true)))]
pub struct PreflightArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    wish: Wish,
    /// Location to look at when no settings are given
    #[arg(long, default_value = extension::locations::DEFAULT, value_name = "NAME")]
    location: String,
    /// Whose rules apply
    #[arg(long, value_enum, default_value = "cofferdam")]
    profile: ProfileArg,
    /// Checks to show, by id; all when absent
    #[arg(long, value_delimiter = ',', value_parser = check_id, value_name = "ID")]
    only: Vec<String>,
    /// Namespaces that the backup will name
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    include_namespaces: Vec<String>,
    /// Hooks that the backup will name
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACE/NAME")]
    backup_hook: Vec<String>,
    /// Kubeconfig of the cluster that is restored into
    #[arg(long, value_name = "FILE")]
    target_kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    arm: ArmArgs,
    #[command(flatten)]
    fix: fix::FixArgs,
    #[command(flatten)]
    active: ActiveArgs,
    /// Do not ask before something is made or changed (with --fix, --active, --deep)
    #[arg(short = 'y', long, requires = "makes")]
    yes: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the rules that this installation needs of a firewall on its way out
    Egress(egress::EgressArgs),
}

impl PreflightArgs {
    /// Whether a check is asked for.
    fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| one == id || one == "all")
    }
}

/// Whose rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// What Cofferdam needs, on any Kubernetes
    #[value(alias = "generic")]
    Cofferdam,
    /// What AKS backup demands
    Aks,
}

impl From<ProfileArg> for Profile {
    fn from(argument: ProfileArg) -> Self {
        match argument {
            ProfileArg::Cofferdam => Self::Cofferdam,
            ProfileArg::Aks => Self::Aks,
        }
    }
}

pub async fn run(args: PreflightArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    if let Some(Verb::Egress(args)) = &args.verb {
        return Box::pin(egress::run(args, cluster)).await;
    }
    let (install, _) = wished(&args.wish, cluster)?;
    let wanted = Wanted { install: &install, wish: &args.wish, location: &args.location, installing: false };
    let profile = args.profile.into();
    args.active.consent(&cluster.namespace, args.yes).await?;
    if args.fix.fix {
        return Box::pin(fix::run(cluster, &wanted, &args, profile, format)).await;
    }
    let (view, ended) =
        shown(Box::pin(subject::survey(cluster, &wanted, &args, profile)).await?, &args, profile);
    print(&view, format)?;
    Ok(ended)
}

/// The checks that were asked for, and what they end with.
fn shown(seen: Seen, args: &PreflightArgs, profile: Profile) -> (View, Exit) {
    // Also of what is only told: there `--only` has to name it, as the line says that is shown for it.
    let every: Vec<String> = seen.judged.iter().map(|one| one.check.id.to_owned()).collect();
    let fixable: Vec<&str> =
        mends(&seen.judged, &seen.facts, profile, &every).iter().map(|change| change.check).collect();
    let mut judged = seen.judged;
    judged.retain(|one| args.wants(one.check.id));
    (View::of(&judged, profile).fixable(&fixable).noting(seen.notes), exit(&judged))
}

fn print(view: &View, format: Format) -> Result<(), Failure> {
    match format {
        Format::Junit => output::line(&junit::document(view)),
        Format::Html => output::line(&html::page(view)),
        format => output::print(format, view, show::text),
    }
}

/// The worst finding decides. What nobody could see is never done.
fn exit(judged: &[Judged]) -> Exit {
    let is = |ending: fn(&Ending) -> bool| judged.iter().any(|one| ending(&one.finding.outcome));
    if is(|ending| matches!(ending, Ending::Failed { severity: Severity::Block })) {
        return Exit::Precondition;
    }
    match is(|ending| !matches!(ending, Ending::Passed | Ending::NotApplicable { .. })) {
        true => Exit::Warnings,
        false => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prerequisites::{Facts, Purpose, judge};

    #[test]
    fn the_exit_code_is_that_of_the_worst_finding() {
        let code = |endings: &[Ending]| {
            let mut judged = judge(&Facts::unseen("nobody looked"), Profile::Cofferdam, Purpose::Preflight);
            judged.truncate(endings.len());
            for (one, ending) in judged.iter_mut().zip(endings) {
                one.finding.outcome = ending.clone();
            }
            exit(&judged)
        };
        let (passed, unseen) = (Ending::Passed, Ending::NotObservable { why: String::new() });
        let elsewhere = Ending::NotApplicable { why: String::new() };
        let (warns, blocks) =
            (Ending::Failed { severity: Severity::Warn }, Ending::Failed { severity: Severity::Block });

        assert_eq!(code(&[passed.clone(), elsewhere]), Exit::Done);
        assert_eq!(code(&[passed.clone(), unseen.clone()]), Exit::Warnings);
        assert_eq!(code(&[passed, warns.clone()]), Exit::Warnings);
        assert_eq!(code(&[unseen, warns, blocks]), Exit::Precondition);
    }
}
