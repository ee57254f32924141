//! `cofferdam enable-backup`: protects a cluster in one step. Every part is looked for first and made only if it is missing,
//! so that an interrupted run is taken up by the next one.

mod config;
mod parts;
mod protect;
mod steps;

pub use parts::{assigned, place_of};
pub use steps::principal;

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    managed::{Session, SessionArgs, resource_id},
    note,
    output::Format,
};
use arm::ResourceId;
use clap::{Args, ValueEnum};
use management::build::strategy::Strategy;
use serde_json::json;
use std::path::PathBuf;
use steps::Steps;

#[derive(Debug, Args)]
pub struct EnableArgs {
    #[command(flatten)]
    session: SessionArgs,
    /// Id of the cluster
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    datasource_id: ResourceId,
    #[arg(long, default_value = "AzureKubernetesService", value_parser = ["AzureKubernetesService"], hide = true)]
    datasource_type: String,
    /// How long recovery points live, and where
    #[arg(long, value_enum, default_value = "Week", value_name = "STRATEGY")]
    backup_strategy: StrategyArg,
    /// File with parts that are there already: storageAccountResourceId, blobContainerName, backupResourceGroupId,
    /// backupVaultId, backupPolicyId, tags
    #[arg(long, visible_alias = "configuration", value_name = "FILE")]
    backup_configuration_file: Option<PathBuf>,
    /// Let the vault into the cluster if it is not yet
    #[arg(long)]
    enable_trusted_access: bool,
    /// Show what is there and what would be made
    #[arg(long)]
    dry_run: bool,
}

/// The strategies by the names of `az`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum StrategyArg {
    /// Daily, for a week
    Week,
    /// Daily, for a month
    Month,
    /// The first of each day for 90 days in the vault tier: refused as long as the vault has none
    DisasterRecovery,
    /// The same, in a vault whose recovery points cannot be deleted before their time: refused likewise
    Immutable,
    /// The vault and the policy that the file names
    Custom,
}

impl From<StrategyArg> for Strategy {
    fn from(arg: StrategyArg) -> Self {
        match arg {
            StrategyArg::Week => Self::Week,
            StrategyArg::Month => Self::Month,
            StrategyArg::DisasterRecovery => Self::DisasterRecovery,
            StrategyArg::Immutable => Self::Immutable,
            StrategyArg::Custom => Self::Custom,
        }
    }
}

pub async fn run(args: EnableArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    let config = config::read(args.backup_configuration_file.as_deref(), args.backup_strategy.into())?;
    let mut steps = Steps::begin(&session, &args.datasource_id, args.dry_run).await?;
    steps.refuse_other_protection(&config).await?;
    steps.ask_consent(args.enable_trusted_access, &config).await?;
    steps.providers().await?;
    let group = steps.group(&config).await?;
    let place = steps.storage(&config, &group).await?;
    let extension = steps.extension(&place).await?;
    let vault = steps.vault(&config, &group).await?;
    let policy = steps.policy(&config, &vault.id).await?;
    steps.roles(&group, &place, extension.as_deref(), vault.principal.as_deref()).await?;
    steps.trusted_access(&vault.id).await?;
    let instance = steps.instance(&vault.id, &policy, &group).await?;
    let facts = json!({
        "resourceGroup": group.as_str(),
        "storageAccount": place.account.as_str(),
        "container": place.container,
        "vault": vault.id.as_str(),
        "policy": policy.as_str(),
        "backupInstance": instance.as_str(),
        "steps": steps.rows(),
    });
    if session.view.is_for_programs() {
        session.view.plain(&facts)?;
    }
    if args.dry_run {
        note!("nothing was changed; repeat without --dry-run to do it");
        return Ok(Exit::Done);
    }
    note!("{} is protected", args.datasource_id.name());
    note!(
        "next: `cofferdam backup start --instance {} --vault-name {} -g {} --wait`",
        instance.name(),
        vault.id.name(),
        vault.id.resource_group().unwrap_or_default()
    );
    Ok(Exit::Done)
}

/// What is missing before anything may be made.
fn unmet(message: impl std::fmt::Display, next: &str) -> Failure {
    Failure::precondition(message).next(next)
}
