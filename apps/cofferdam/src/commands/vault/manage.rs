//! `cofferdam vault create …`: Backup vaults, by way of the management API.

use super::deleted;
use crate::{
    cluster::ClusterArgs,
    commands::location::setting,
    exit::Outcome,
    managed::{Consent, Deletion, Kind, Session, SessionArgs, VaultName, tags},
    output::Format,
};
use clap::{Args, Subcommand};
use management::{
    Request,
    build::vault::{CustomerKey, Vault},
};

#[derive(Debug, Subcommand)]
pub enum Managed {
    /// Make a Backup vault
    Create(CreateArgs),
    /// Show one
    Show(ShowArgs),
    /// List them
    List(ListArgs),
    /// Change one; what is not named stays
    Update(UpdateArgs),
    /// Delete one that protects nothing any more
    Delete(Deletion<Which>),
    /// Bring a deleted one back, with its settings and policies and a new identity
    Undelete(deleted::UndeleteArgs),
    /// Vaults that are deleted and not gone yet
    #[command(visible_alias = "deleted-vault")]
    Deleted(deleted::DeletedArgs),
}

#[derive(Debug, Args)]
pub struct Which {
    #[command(flatten)]
    pub(super) session: SessionArgs,
    #[command(flatten)]
    pub(super) vault: VaultName,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    session: SessionArgs,
    /// Only those of this resource group
    #[arg(short = 'g', long = "resource-group", value_name = "NAME")]
    group: Option<String>,
}

/// What both making and changing set.
#[derive(Debug, Args)]
struct Wish {
    /// Identity: SystemAssigned, UserAssigned, both with a comma, or None
    #[arg(long = "type", value_name = "TYPE")]
    identity: Option<String>,
    /// User-assigned identities, by id
    #[arg(long, visible_alias = "uami", num_args = 1.., value_name = "ID")]
    user_assigned_identities: Vec<String>,
    /// Soft delete: Off, On or AlwaysOn (which stays)
    #[arg(long, value_parser = ["Off", "On", "AlwaysOn"], value_name = "STATE")]
    soft_delete_state: Option<String>,
    /// Days that deleted data stays
    #[arg(long, visible_alias = "soft-delete-retention", value_name = "DAYS")]
    retention_duration_in_days: Option<u32>,
    /// Immutability: Disabled, Unlocked or Locked (which stays)
    #[arg(long, value_parser = ["Disabled", "Unlocked", "Locked"], value_name = "STATE")]
    immutability_state: Option<String>,
    /// Restore to other subscriptions: Enabled, Disabled or PermanentlyDisabled (which stays)
    #[arg(long, visible_alias = "csr-state", value_parser = ["Enabled", "Disabled", "PermanentlyDisabled"], value_name = "STATE")]
    cross_subscription_restore_state: Option<String>,
    /// Restore in the other region: Enabled (which stays) or Disabled
    #[arg(long, visible_alias = "crr-state", value_parser = ["Enabled", "Disabled"], value_name = "STATE")]
    cross_region_restore_state: Option<String>,
    /// Alerts for failed jobs: Enabled or Disabled
    #[arg(long, visible_alias = "job-failure-alerts", value_parser = ["Enabled", "Disabled"], value_name = "STATE")]
    azure_monitor_alerts_for_job_failures: Option<String>,
    #[command(flatten)]
    key: Key,
    /// Tags, as key=value
    #[arg(long, num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    tags: Vec<(String, String)>,
}

/// A key of the customer.
#[derive(Debug, Args)]
struct Key {
    /// Key of the customer that seals repository keys, by URI; it stays
    #[arg(long = "cmk-encryption-key-uri", value_name = "URI")]
    cmk_uri: Option<String>,
    /// Its state; Enabled stays
    #[arg(long = "cmk-encryption-state", value_parser = ["Enabled", "Disabled"], value_name = "STATE")]
    cmk_state: Option<String>,
    /// Which identity of the vault reaches it: SystemAssigned or UserAssigned
    #[arg(long = "cmk-identity-type", value_parser = ["SystemAssigned", "UserAssigned"], value_name = "TYPE")]
    cmk_identity: Option<String>,
    /// That identity, by id
    #[arg(long = "cmk-user-assigned-identity-id", value_name = "ID")]
    cmk_user_identity: Option<String>,
    /// A second layer of the infrastructure: Enabled or Disabled
    #[arg(long = "cmk-infrastructure-encryption", value_parser = ["Enabled", "Disabled"], value_name = "STATE")]
    cmk_infrastructure: Option<String>,
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    which: Which,
    /// Region
    #[arg(short = 'l', long, value_name = "NAME")]
    location: String,
    /// Where data goes, as datastore-type=VaultStore type=LocallyRedundant
    #[arg(long, visible_alias = "storage-setting", num_args = 1.., value_parser = setting,
        default_values = ["datastore-type=VaultStore", "type=LocallyRedundant"], value_name = "KEY=VALUE")]
    storage_settings: Vec<(String, String)>,
    #[command(flatten)]
    wish: Wish,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    consent: Consent,
}

pub async fn run(command: Managed, cluster: &ClusterArgs, format: Format) -> Outcome {
    match command {
        Managed::Create(args) => {
            let session = Session::open(&args.which.session, cluster, format)?;
            let mut vault = args.wish.vault()?;
            vault.identity.get_or_insert_with(|| "SystemAssigned".to_owned());
            let of = |key: &'static str| {
                args.storage_settings
                    .iter()
                    .filter(move |(name, _)| name == key)
                    .map(|(_, value)| value.clone())
            };
            vault.storage = of("datastore-type").zip(of("type")).collect();
            session
                .put(&Kind::VAULT, args.which.vault.id(&session)?.as_str(), vault.create(&args.location))
                .await
        }
        Managed::Update(args) => {
            let session = Session::open(&args.which.session, cluster, format)?;
            let body = args.consent.within(args.wish.vault()?.update(), "/properties");
            let id = args.which.vault.id(&session)?;
            let request = Request::patch(id.as_str(), Kind::VAULT.version, body);
            session.change(&Kind::VAULT, args.consent.behind(request)?).await
        }
        Managed::Show(args) => {
            let session = Session::open(&args.which.session, cluster, format)?;
            session.show(&Kind::VAULT, args.which.vault.id(&session)?.as_str()).await
        }
        Managed::Delete(args) => {
            let session = Session::open(&args.which.session, cluster, format)?;
            session.delete(&Kind::VAULT, args.which.vault.id(&session)?.as_str(), &args.confirm).await
        }
        Managed::Undelete(args) => deleted::undelete(args, cluster, format).await,
        Managed::Deleted(args) => deleted::run(args, cluster, format).await,
        Managed::List(args) => {
            let session = Session::open(&args.session, cluster, format)?;
            let scope = match &args.group {
                Some(group) => session.group(group)?.to_string(),
                None => session.root(),
            };
            session
                .list(&Kind::VAULT, &format!("{scope}/providers/Microsoft.DataProtection/backupVaults"))
                .await
        }
    }
}

impl Wish {
    fn vault(&self) -> Result<Vault, crate::exit::Failure> {
        Ok(Vault {
            identity: self.identity.clone(),
            user_identities: self.user_assigned_identities.clone(),
            storage: Vec::new(),
            soft_delete: self.soft_delete_state.clone(),
            soft_delete_days: self.retention_duration_in_days,
            immutability: self.immutability_state.clone(),
            cross_subscription_restore: self.cross_subscription_restore_state.clone(),
            cross_region_restore: self.cross_region_restore_state.clone(),
            job_failure_alerts: self.azure_monitor_alerts_for_job_failures.clone(),
            key: CustomerKey {
                state: self.key.cmk_state.clone(),
                uri: self.key.cmk_uri.clone(),
                identity: self.key.cmk_identity.clone(),
                user_identity: self.key.cmk_user_identity.clone(),
                infrastructure: self.key.cmk_infrastructure.clone(),
            },
            tags: tags(&self.tags)?,
        })
    }
}
