//! `cofferdam restore`: plan, make, list and watch restores.

mod create;
mod list;
mod managed;
mod rows;
mod show;

pub use managed::newest;

use crate::{cluster::ClusterArgs, exit::Outcome, output::Format};
use clap::Subcommand;
use resources::RestoreOperation;

#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// Show what a restore would do; nothing is written
    Plan(create::CreateArgs),
    /// Restore a recovery point
    Create(create::CreateArgs),
    /// Restore a recovery point by way of the vault
    #[command(visible_alias = "trigger")]
    Start(managed::ManagedArgs),
    /// Ask the vault whether a recovery point could be restored so
    Validate(managed::ManagedArgs),
    /// Ask the target, by way of the vault, what a restore would do; nothing is written
    Preview(managed::ManagedArgs),
    /// List restores and plans
    List,
    /// Show one restore with its problems, or every outcome
    Show(show::ShowArgs),
}

pub async fn run(command: RestoreCommand, cluster: &ClusterArgs, format: Format) -> Outcome {
    match command {
        RestoreCommand::Plan(args) => create::run(args, RestoreOperation::Plan, cluster, format).await,
        RestoreCommand::Create(args) => create::run(args, RestoreOperation::Restore, cluster, format).await,
        RestoreCommand::Start(args) => managed::run(args, managed::Purpose::Start, cluster, format).await,
        RestoreCommand::Validate(args) => {
            managed::run(args, managed::Purpose::Validate, cluster, format).await
        }
        RestoreCommand::Preview(args) => managed::run(args, managed::Purpose::Plan, cluster, format).await,
        RestoreCommand::List => list::run(cluster, format).await,
        RestoreCommand::Show(args) => show::run(args, cluster, format).await,
    }
}
