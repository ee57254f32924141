//! The arguments that all commands share, and the list of commands.

use crate::{cluster::ClusterArgs, commands, exit::Failure, output::Format};
use clap::{ArgMatches, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;

#[cfg(test)]
mod documented;

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
    /// Run the vault, the management API outside the clusters; make and change Backup vaults in it
    #[command(subcommand, visible_alias = "backup-vault")]
    Vault(commands::vault::VaultCommand),
    /// Run the agent, which installs extensions (in a cluster, this is the Deployment)
    Agent(commands::agent::AgentArgs),
    /// Make, sign and check packages of extensions
    #[command(subcommand)]
    ExtensionPackage(commands::extension_package::PackageCommand),
    /// Sign in to a vault, or to Azure
    Login(commands::login::LoginArgs),
    /// Sign out
    Logout,
    /// See who is signed in; choose a subscription
    Account(commands::account::AccountArgs),
    /// Protect a cluster in one step: every missing part is made
    EnableBackup(commands::enable_backup::EnableArgs),
    /// Make, list and delete resource groups
    Group(commands::group::GroupArgs),
    /// Register resource providers
    Provider(commands::provider::ProviderArgs),
    /// Connect clusters to a vault
    #[command(visible_alias = "aks")]
    Cluster(commands::cluster::ClusterNounArgs),
    /// Let vaults into clusters
    #[command(visible_alias = "trustedaccess")]
    TrustedAccess(commands::trusted_access::TrustedAccessArgs),
    /// Say when backups are made and how long they live
    #[command(visible_alias = "backup-policy")]
    Policy(commands::policy::PolicyArgs),
    /// Say what of which cluster a vault protects
    #[command(visible_alias = "backup-instance")]
    Instance(commands::instance::InstanceArgs),
    /// List, watch and cancel the jobs of a vault
    Job(commands::job::JobArgs),
    /// See what went wrong or weakens protection, and say that somebody is at it
    Alert(commands::alert::AlertArgs),
    /// Give and take roles
    Role(commands::role::RoleArgs),
    /// See which roles a backup or a restore needs, and grant what is missing in one step
    Roles(commands::roles::RolesArgs),
    /// Make user-assigned identities
    Identity(commands::identity::IdentityArgs),
    /// Make storage accounts and containers
    Storage(commands::storage::StorageArgs),
    /// Make resource guards, and link vaults to them
    ResourceGuard(commands::resource_guard::GuardArgs),
    /// Run the Backup Extension (in a cluster, this is the Deployment); with a verb, extensions by way of a vault
    #[command(visible_alias = "k8s-extension")]
    Extension(commands::extension::ExtensionArgs),
    /// Run the gateway of Trusted Access (in a cluster, this is a Deployment)
    Gateway(commands::gateway::GatewayArgs),
    /// Move the data of one volume (in a cluster, the extension makes a Job of this)
    #[command(subcommand)]
    Mover(commands::mover::MoverCommand),
    /// Look from inside of the cluster (`preflight --active` makes Jobs of this)
    #[command(subcommand, hide = true)]
    Probe(commands::probe::ProbeCommand),
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

    /// Lines of the original's documents, with `az` and the names of its extensions left out.
    #[test]
    fn lines_that_az_takes_are_taken() {
        let vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        let lines = [
            "provider register --namespace Microsoft.KubernetesConfiguration --wait".to_owned(),
            "backup-vault create -g g --vault-name v -l eastus --type SystemAssigned --storage-settings datastore-type=VaultStore type=GeoRedundant --soft-delete-state On --retention-duration-in-days 14 --crr-state Enabled".to_owned(),
            "backup-policy get-default-policy-template --datasource-type AzureKubernetesService".to_owned(),
            "backup-policy create -g g --vault-name v -n p --policy p.json".to_owned(),
            "storage account create -n a -g g --sku Standard_LRS".to_owned(),
            "storage container create -n c --account-name a -g g".to_owned(),
            "k8s-extension create --name azure-aks-backup --extension-type microsoft.dataprotection.kubernetes --scope cluster --cluster-type managedClusters --cluster-name c -g g --release-train stable --configuration-settings blobContainer=b storageAccount=a storageAccountResourceGroup=g storageAccountSubscriptionId=s".to_owned(),
            "role assignment create --assignee-object-id o --role Reader --scope /subscriptions/s".to_owned(),
            format!("trustedaccess rolebinding create --cluster-name c -g g -n backuprb --source-resource-id {vault} --roles Microsoft.DataProtection/backupVaults/backup-operator"),
            format!("backup-instance initialize -g g -v v --datasource-id {cluster} --datasource-location eastus --datasource-type AzureKubernetesService --policy-id {vault}/backupPolicies/p --backup-configuration bc.json --friendly-name f --snapshot-resource-group-name s"),
            "backup-instance validate-for-backup -g g --vault-name v --backup-instance bi.json".to_owned(),
            "backup-instance create -g g --vault-name v --backup-instance bi.json".to_owned(),
            "backup-instance stop-protection -g g --vault-name v --backup-instance-name bi".to_owned(),
            "backup-instance deleted-backup-instance undelete -g g --vault-name v --backup-instance-name bi".to_owned(),
            "backup start --instance bi -g g --vault-name v --rule-name BackupHourly --retention-tag-override Default --wait".to_owned(),
            format!("restore trigger --instance bi -g g --vault-name v --source-datastore VaultStore --recovery-point-id r --target-resource-id {cluster} --restore-location eastus --namespace-mappings a=b c=d --included-namespaces a c --conflict-policy Patch --restore-hook-refs n/h --staging-resource-group-id /subscriptions/s/resourceGroups/st --staging-storage-account-id {vault}"),
            "recovery-point list -g g --vault-name v --backup-instance-name bi --start-time 2026-01-01T00:00:00Z".to_owned(),
            format!("job watch --ids {vault}/backupJobs/j --query properties.status -o tsv"),
            format!("enable-backup --datasource-type AzureKubernetesService --datasource-id {cluster} --backup-strategy DisasterRecovery --backup-configuration-file f --enable-trusted-access"),
            "cluster connect -n c -g g --apply --kubeconfig k --context x".to_owned(),
            format!("aks update -n c -g g --enable-managed-identity --assign-identity {vault}"),
            "trustedaccess rolebinding update --cluster-name c -g g -n backuprb --roles Microsoft.DataProtection/backupVaults/backup-operator".to_owned(),
            "backup-vault deleted-vault list -l eastus".to_owned(),
            "backup-vault deleted-vault show -l eastus -n d".to_owned(),
            "backup-instance sync -g g --vault-name v --backup-instance-name bi --sync-type ForceResync".to_owned(),
            "job export -g g -v v --file jobs.json".to_owned(),
            "extension --image i --listen 0.0.0.0:1".to_owned(),
            format!("roles plan -g g -v v --datasource-id {cluster} --snapshot-resource-group-name s --storage-account-id {vault}"),
            format!("roles apply -g g -v v --instance i --target-resource-id {cluster} --yes --arm https://management.azure.com --subscription s"),
        ];

        for line in lines {
            let given = format!("cofferdam {line}");
            if let Err(error) = Arguments::try_parse_from(given.split(' ')) {
                panic!("{line}: {error}");
            }
        }
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
            ("group create -n x", "group create"),
            ("vault create -g x -v y -l z --immutability-state Open", "vault create"),
            (
                "trusted-access rolebinding create -n x -c c -g g -s nothing",
                "trusted-access rolebinding create",
            ),
            ("recovery-point list --vault-name x", "recovery-point list"),
            ("login --credential-file a -u b", "login"),
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
