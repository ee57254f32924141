//! The arguments that all commands share, and the list of commands.

use crate::{cluster::ClusterArgs, commands, output::Format};
use clap::{Parser, Subcommand};

/// Backs up and restores Kubernetes clusters; compatible with AKS backup.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, propagate_version = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How results are printed
    #[arg(
        short = 'o',
        long,
        global = true,
        help_heading = "Common options",
        value_enum,
        default_value = "table"
    )]
    pub output: Format,
    /// What is logged to standard error, in the syntax of RUST_LOG
    #[arg(
        long,
        global = true,
        help_heading = "Common options",
        default_value = "warn",
        value_name = "FILTER"
    )]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every prerequisite, before or after the installation
    Preflight(commands::preflight::PreflightArgs),
    /// Install the extension into a cluster, or print its manifests
    Install(commands::install::InstallArgs),
    /// Make, list, watch, stop and delete backups
    #[command(subcommand)]
    Backup(commands::backup::BackupCommand),
    /// Plan, make, list and watch restores
    #[command(subcommand)]
    Restore(commands::restore::RestoreCommand),
    /// See what recovery points hold
    #[command(subcommand, visible_alias = "rp")]
    RecoveryPoint(commands::recovery_point::RecoveryPointCommand),
    /// Add, list and check storage locations
    #[command(subcommand)]
    Location(commands::location::LocationCommand),
    /// Work with a repository directly, without a cluster
    Repository(commands::repository::RepositoryArgs),
    /// Run the Backup Extension (in a cluster, this is the Deployment)
    Extension(commands::extension::ExtensionArgs),
    /// Move the data of one volume (in a cluster, the extension makes a Job of this)
    #[command(subcommand)]
    Mover(commands::mover::MoverCommand),
    /// Print a completion script for a shell
    Completion(commands::completion::CompletionArgs),
}
