//! `cofferdam repository`: works with a repository directly, without a cluster.

mod backup;
mod check;
mod forget;
mod init;
mod list;
mod open;
mod prune;
mod restore;
mod unlock;

pub use open::static_credential;

use crate::{exit::Outcome, output::Format};
use clap::{Args, Subcommand};
use open::Place;

#[derive(Debug, Args)]
pub struct RepositoryArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: RepositoryCommand,
}

#[derive(Debug, Subcommand)]
enum RepositoryCommand {
    /// Create a repository
    Init,
    /// Save a directory
    Backup(backup::BackupArgs),
    /// Write a snapshot, or a part of it, to a directory
    Restore(restore::RestoreArgs),
    /// List snapshots, or the entries of one
    List(list::ListArgs),
    /// Check that everything that the repository's files refer to is there
    Check,
    /// The same, and read and verify every byte
    CheckData(check::CheckDataArgs),
    /// Remove snapshots; their data goes with the next prune
    Forget(forget::ForgetArgs),
    /// Remove the locks of processes that are gone
    Unlock(unlock::UnlockArgs),
    /// Free the space of what no snapshot needs
    Prune(prune::PruneArgs),
}

pub async fn run(args: RepositoryArgs, format: Format) -> Outcome {
    let RepositoryArgs { place, command } = args;
    match command {
        RepositoryCommand::Init => init::run(&place, format).await,
        RepositoryCommand::Backup(args) => backup::run(args, &place, format).await,
        RepositoryCommand::Restore(args) => restore::run(args, &place, format).await,
        RepositoryCommand::List(args) => list::run(args, &place, format).await,
        RepositoryCommand::Check => check::structure(&place, format).await,
        RepositoryCommand::CheckData(args) => check::data(args, &place, format).await,
        RepositoryCommand::Forget(args) => forget::run(args, &place, format).await,
        RepositoryCommand::Unlock(args) => unlock::run(args, &place, format).await,
        RepositoryCommand::Prune(args) => prune::run(args, &place, format).await,
    }
}
