//! One file per command.

pub mod backup;
pub mod completion;
pub mod extension;
pub mod gateway;
pub mod install;
pub mod location;
pub mod mover;
pub mod preflight;
pub mod recovery_point;
pub mod repository;
pub mod restore;
pub mod vault;

use crate::{
    args::{Arguments, Command},
    exit::Outcome,
};
use telemetry::{LogFormat, init_logging};

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let Arguments { cluster, output, log, command } = arguments;
    match &command {
        Command::Extension(_)
        | Command::Gateway(_)
        | Command::Mover(_)
        | Command::Vault(vault::VaultCommand::Serve(_)) => {
            init_logging(LogFormat::Json, if log == "warn" { "info" } else { &log })
        }
        // What the client library logs about a failed request is in the error that the command ends with.
        _ => init_logging(LogFormat::Text, if log == "warn" { "warn,kube_client=off" } else { &log }),
    }
    match command {
        Command::Preflight(args) => preflight::run(args, &cluster, output).await,
        Command::Install(args) => install::run(args, &cluster, output).await,
        Command::Backup(command) => backup::run(command, &cluster, output).await,
        Command::Restore(command) => restore::run(command, &cluster, output).await,
        Command::RecoveryPoint(command) => recovery_point::run(command, &cluster, output).await,
        Command::Location(command) => location::run(command, &cluster, output).await,
        Command::Repository(args) => repository::run(args, output).await,
        Command::Vault(command) => vault::run(command, output).await,
        Command::Extension(args) => extension::run(args, &cluster).await,
        Command::Gateway(args) => gateway::run(args, &cluster).await,
        Command::Mover(command) => mover::run(command).await,
        Command::Completion(args) => completion::run(args),
    }
}
