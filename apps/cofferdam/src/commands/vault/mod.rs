//! `cofferdam vault`: the server outside the clusters, what the operator of its machine does, and the Backup vaults in it.

mod backups;
mod credential;
mod deleted;
mod file;
mod keys;
mod left;
mod looks;
mod manage;
pub mod packages;
mod people;
mod place;
mod principal;
mod quotas;
mod recover;
mod rotate;
mod serve;
mod sign_in;
mod subscription;
mod webhooks;

use crate::{cluster::ClusterArgs, exit::Outcome, output::Format};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Run the vault; the first start makes everything it needs
    Serve(serve::ServeArgs),
    /// Make a service principal with a secret, on the vault's own machine
    AddPrincipal(principal::AddPrincipalArgs),
    /// Make another subscription, on the vault's own machine
    AddSubscription(subscription::AddSubscriptionArgs),
    /// Seal everything in the database with another wrapping key
    RotateWrappingKey(rotate::RotateArgs),
    /// Make a key pair to which repository keys can be sealed; age-keygen makes the same
    MakeRecoveryKey(keys::MakeArgs),
    /// Seal the keys of all repositories to a recovery key, into a file
    ExportRepositoryKeys(keys::ExportArgs),
    /// Open such a file: one password file per repository, for restic or for this program
    OpenRepositoryKeys(keys::OpenArgs),
    /// Back the vault up now; a running one does it by itself
    SelfBackup(backups::TakeArgs),
    /// List the backups of the vault, and how the last one went
    ListSelfBackups(backups::ListArgs),
    /// Bring the vault back after its database is lost
    Recover(recover::RecoverArgs),
    /// List the snapshots that were left behind with recovery points whose cluster is gone
    ListLeftSnapshots(left::LeftArgs),
    /// Make a person who signs in with a password
    AddUser(people::AddUserArgs),
    /// Give a person another password
    SetPassword(people::SetPasswordArgs),
    /// Register a person of a trusted issuer
    AddExternal(people::AddExternalArgs),
    /// Remove a person or a service principal; its tokens count no more
    RemovePrincipal(people::RemovePrincipalArgs),
    #[command(flatten)]
    Managed(manage::Managed),
}

pub async fn run(command: VaultCommand, cluster: &ClusterArgs, format: Format) -> Outcome {
    match command {
        VaultCommand::Serve(args) => serve::run(args).await,
        VaultCommand::AddPrincipal(args) => principal::run(args, format).await,
        VaultCommand::AddSubscription(args) => subscription::run(args, format).await,
        VaultCommand::RotateWrappingKey(args) => rotate::run(args, format).await,
        VaultCommand::MakeRecoveryKey(args) => keys::make(args, format),
        VaultCommand::ExportRepositoryKeys(args) => keys::export(args, format).await,
        VaultCommand::OpenRepositoryKeys(args) => keys::open(args, format),
        VaultCommand::SelfBackup(args) => backups::take(args, format).await,
        VaultCommand::ListSelfBackups(args) => backups::list(args, format).await,
        VaultCommand::Recover(args) => recover::run(args, format).await,
        VaultCommand::ListLeftSnapshots(args) => left::list(args, format).await,
        VaultCommand::AddUser(args) => people::add_user(args, format).await,
        VaultCommand::SetPassword(args) => people::set_password(args, format).await,
        VaultCommand::AddExternal(args) => people::add_external(args, format).await,
        VaultCommand::RemovePrincipal(args) => people::remove(args, format).await,
        VaultCommand::Managed(command) => manage::run(command, cluster, format).await,
    }
}
