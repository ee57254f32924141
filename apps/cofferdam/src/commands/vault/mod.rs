//! `cofferdam vault`: the server outside the clusters, what the operator of its machine does, and the Backup vaults in it.

mod credential;
mod file;
mod manage;
mod place;
mod principal;
mod rotate;
mod serve;

use crate::{cluster::ClusterArgs, exit::Outcome, output::Format};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Run the vault; the first start makes everything it needs
    Serve(serve::ServeArgs),
    /// Make a service principal with a secret, on the vault's own machine
    AddPrincipal(principal::AddPrincipalArgs),
    /// Seal everything in the database with another wrapping key
    RotateWrappingKey(rotate::RotateArgs),
    #[command(flatten)]
    Managed(manage::Managed),
}

pub async fn run(command: VaultCommand, cluster: &ClusterArgs, format: Format) -> Outcome {
    match command {
        VaultCommand::Serve(args) => serve::run(args).await,
        VaultCommand::AddPrincipal(args) => principal::run(args, format).await,
        VaultCommand::RotateWrappingKey(args) => rotate::run(args, format).await,
        VaultCommand::Managed(command) => manage::run(command, cluster, format).await,
    }
}
