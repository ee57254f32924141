//! `cofferdam backup`: make, list, watch, stop and delete backups.

mod cancel;
mod create;
mod delete;
mod list;
mod logs;
mod preview;
mod show;
mod start;

use crate::{cluster::ClusterArgs, exit::Outcome, output::Format};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Make a backup now
    Create(create::CreateArgs),
    /// Make a backup of an instance now, by way of its vault
    Start(start::StartArgs),
    /// List backups
    List,
    /// Show one backup with its problems
    Show(show::ShowArgs),
    /// Print what the extension logged about one backup
    Logs(logs::LogsArgs),
    /// Stop a backup: thaw the application, drop what is not committed
    Cancel(cancel::CancelArgs),
    /// Delete the recovery point of a backup, with its snapshots
    Delete(delete::DeleteArgs),
}

pub async fn run(command: BackupCommand, cluster: &ClusterArgs, format: Format) -> Outcome {
    match command {
        BackupCommand::Create(args) => create::run(args, cluster, format).await,
        BackupCommand::Start(args) => start::run(args, cluster, format).await,
        BackupCommand::List => list::run(cluster, format).await,
        BackupCommand::Show(args) => show::run(args, cluster, format).await,
        BackupCommand::Logs(args) => logs::run(args, cluster, format).await,
        BackupCommand::Cancel(args) => cancel::run(args, cluster, format).await,
        BackupCommand::Delete(args) => delete::run(args, cluster, format).await,
    }
}
