//! One file per command.

pub mod account;
pub mod agent;
pub mod alert;
pub mod backup;
pub mod cluster;
pub mod completion;
pub mod enable_backup;
pub mod extension;
pub mod extension_package;
pub mod gateway;
pub mod group;
pub mod identity;
pub mod install;
pub mod instance;
pub mod job;
pub mod location;
pub mod login;
pub mod mover;
pub mod policy;
pub mod preflight;
pub mod probe;
pub mod provider;
pub mod recovery_point;
pub mod repository;
pub mod resource_guard;
pub mod restore;
pub mod role;
pub mod roles;
pub mod storage;
pub mod trusted_access;
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
        Command::Agent(_)
        | Command::Extension(extension::ExtensionArgs { verb: None, .. })
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
        Command::Vault(command) => vault::run(command, &cluster, output).await,
        Command::Login(args) => login::run(args, output).await,
        Command::Logout => login::logout(output),
        Command::Account(args) => account::run(args, output).await,
        Command::EnableBackup(args) => enable_backup::run(args, &cluster, output).await,
        Command::Group(args) => group::run(args, &cluster, output).await,
        Command::Provider(args) => provider::run(args, &cluster, output).await,
        Command::Cluster(args) => cluster::run(args, &cluster, output).await,
        Command::TrustedAccess(args) => trusted_access::run(args, &cluster, output).await,
        Command::Policy(args) => policy::run(args, &cluster, output).await,
        Command::Instance(args) => instance::run(args, &cluster, output).await,
        Command::Alert(args) => alert::run(args, &cluster, output).await,
        Command::Job(args) => job::run(args, &cluster, output).await,
        Command::Role(args) => role::run(args, &cluster, output).await,
        Command::Roles(args) => roles::run(args, &cluster, output).await,
        Command::Identity(args) => identity::run(args, &cluster, output).await,
        Command::Storage(args) => storage::run(args, &cluster, output).await,
        Command::ResourceGuard(args) => resource_guard::run(args, &cluster, output).await,
        Command::Extension(extension::ExtensionArgs { verb: Some(verb), .. }) => {
            extension::manage::run(verb, &cluster, output).await
        }
        Command::Agent(args) => agent::run(args, &cluster).await,
        Command::ExtensionPackage(command) => extension_package::run(command, output),
        Command::Extension(args) => extension::run(args, &cluster).await,
        Command::Gateway(args) => gateway::run(args, &cluster).await,
        Command::Mover(command) => mover::run(command).await,
        Command::Probe(command) => probe::run(command).await,
        Command::Completion(args) => completion::run(args),
    }
}
