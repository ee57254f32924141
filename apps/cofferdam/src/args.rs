//! The arguments that all commands share, and the list of commands.

use crate::{cluster::ClusterArgs, commands, exit::Failure, output::Format};
use clap::{ArgMatches, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;

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
    /// Run the vault: the management API outside the clusters
    #[command(subcommand)]
    Vault(commands::vault::VaultCommand),
    /// Run the Backup Extension (in a cluster, this is the Deployment)
    Extension(commands::extension::ExtensionArgs),
    /// Run the gateway of Trusted Access (in a cluster, this is a Deployment)
    Gateway(commands::gateway::GatewayArgs),
    /// Move the data of one volume (in a cluster, the extension makes a Job of this)
    #[command(subcommand)]
    Mover(commands::mover::MoverCommand),
    /// Print a completion script for a shell
    Completion(commands::completion::CompletionArgs),
}

/// What clap says about wrong arguments, in the form that every other error has.
pub fn refusal(error: &clap::Error, given: impl IntoIterator<Item = OsString>) -> Failure {
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let said: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    Failure::usage(said.join("\n").trim_start_matches("error: "))
        .next(format!("See what it takes: `{} --help`.", addressed(given)))
}

/// The command that the arguments lead to, as far as they can be understood.
fn addressed(given: impl IntoIterator<Item = OsString>) -> String {
    let matches = Arguments::command().ignore_errors(true).try_get_matches_from(given);
    let mut words = vec!["cofferdam"];
    let mut at = matches.as_ref().ok();
    while let Some((name, below)) = at.and_then(ArgMatches::subcommand) {
        words.push(name);
        at = Some(below);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_free_of_contradictions() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn wrong_arguments_are_one_error_with_a_next_step() {
        let cases = [
            ("backup create --no-such-flag", "backup create"),
            ("backup create --deadline 0s", "backup create"),
            ("-n backup restore show", "restore show"),
            ("recovery-point export abc", "recovery-point export"),
            ("repository --directory /x unlock --yes", "repository unlock"),
            ("repository --directory /x", "repository"),
            ("backup craete", "backup"),
            ("bakcup", ""),
        ];

        for (line, command) in cases {
            let given: Vec<OsString> = format!("cofferdam {line}").split(' ').map(OsString::from).collect();
            let error = Arguments::try_parse_from(&given).unwrap_err();
            let failure = refusal(&error, given);
            let text = failure.to_string();
            let next =
                format!("next: See what it takes: `{} --help`.", format!("cofferdam {command}").trim());
            assert_eq!(
                (failure.exit.code(), text.lines().last()),
                (2, Some(next.as_str())),
                "{line}: {text}"
            );
            assert_eq!(text.matches("error: ").count(), 1, "{text}");
            assert!(!text.contains("Usage:") && !text.contains("\n\n"), "{text}");
        }
    }
}
