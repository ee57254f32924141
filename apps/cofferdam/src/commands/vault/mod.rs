//! `cofferdam vault`: the server outside the clusters, and what the operator of its machine does.

mod credential;
mod file;
mod keys;
mod place;
mod principal;
mod rotate;
mod serve;

use crate::{exit::Outcome, output::Format};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Run the vault; the first start makes everything it needs
    Serve(serve::ServeArgs),
    /// Make a service principal with a secret, on the vault's own machine
    AddPrincipal(principal::AddPrincipalArgs),
    /// Seal everything in the database with another wrapping key
    RotateWrappingKey(rotate::RotateArgs),
    /// Make a key pair to which repository keys can be sealed; age-keygen makes the same
    MakeRecoveryKey(keys::MakeArgs),
    /// Seal the keys of all repositories to a recovery key, into a file
    ExportRepositoryKeys(keys::ExportArgs),
    /// Open such a file: one password file per repository, for restic or for this program
    OpenRepositoryKeys(keys::OpenArgs),
}

pub async fn run(command: VaultCommand, format: Format) -> Outcome {
    match command {
        VaultCommand::Serve(args) => serve::run(args).await,
        VaultCommand::AddPrincipal(args) => principal::run(args, format).await,
        VaultCommand::RotateWrappingKey(args) => rotate::run(args, format).await,
        VaultCommand::MakeRecoveryKey(args) => keys::make(args, format),
        VaultCommand::ExportRepositoryKeys(args) => keys::export(args, format).await,
        VaultCommand::OpenRepositoryKeys(args) => keys::open(args, format),
    }
}
