//! `cofferdam storage`: storage accounts and their containers.

pub mod account;
mod container;

use crate::{
    cluster::ClusterArgs,
    exit::Outcome,
    managed::{Session, SessionArgs},
    output::Format,
};
use clap::{Args, Subcommand};

/// Type of storage accounts.
const ACCOUNTS: &str = "Microsoft.Storage/storageAccounts";

#[derive(Debug, Args)]
pub struct StorageArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Accounts
    #[command(subcommand)]
    Account(account::Verb),
    /// Containers in an account
    #[command(subcommand, visible_alias = "container-rm")]
    Container(container::Verb),
}

pub async fn run(args: StorageArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.noun {
        Noun::Account(verb) => account::run(verb, &session).await,
        Noun::Container(verb) => container::run(verb, &session).await,
    }
}
