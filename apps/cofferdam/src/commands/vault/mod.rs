//! `cofferdam vault`: the server outside the clusters, and what the operator of its machine does.

mod credential;
mod file;
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
}

pub async fn run(command: VaultCommand, format: Format) -> Outcome {
    match command {
        VaultCommand::Serve(args) => serve::run(args).await,
        VaultCommand::AddPrincipal(args) => principal::run(args, format).await,
        VaultCommand::RotateWrappingKey(args) => rotate::run(args, format).await,
    }
}
