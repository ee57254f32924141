//! `cofferdam extension create …`: the extensions of a cluster, by way of its vault.

use crate::{
    cluster::ClusterArgs,
    commands::location::setting,
    exit::{Failure, Outcome},
    managed::{ClusterRef, Confirm, Kind, Name, Session, SessionArgs, json_file, pairs},
    note,
    output::Format,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::{
    Request,
    build::extension::{self, Around, Extension},
    versions,
};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// Type of extensions.
pub const EXTENSIONS: &str = "Microsoft.KubernetesConfiguration/extensions";
const ACCOUNTS: &str = "Microsoft.Storage/storageAccounts";

#[derive(Debug, Subcommand)]
pub enum ExtensionCommand {
    /// Install an extension into a cluster
    // Its `--version` is that of the extension.
    #[command(disable_version_flag = true)]
    Create(CreateArgs),
    /// Show one with what it says of itself
    Show(ShowArgs),
    /// List the extensions of a cluster
    List(ListArgs),
    /// Change version or settings; what is not named stays
    #[command(disable_version_flag = true)]
    Update(UpdateArgs),
    /// Uninstall one
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    cluster: ClusterRef,
    /// Kind of cluster; there is one
    #[arg(short = 't', long, default_value = "managedClusters", hide = true)]
    cluster_type: String,
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
    #[command(flatten)]
    cluster: ClusterRef,
    #[arg(short = 't', long, default_value = "managedClusters", hide = true)]
    cluster_type: String,
}

/// What both creating and changing set.
#[derive(Debug, Args)]
struct Wish {
    /// Train of releases to follow
    #[arg(long, value_name = "NAME")]
    release_train: Option<String>,
    /// Version to stay at
    #[arg(id = "wanted-version", long = "version", value_name = "VERSION")]
    version: Option<String>,
    /// Whether minor versions come by themselves
    #[arg(long, visible_alias = "auto-upgrade", value_name = "BOOL")]
    auto_upgrade_minor_version: Option<bool>,
    /// Which versions come by themselves: none, patch (the third number) or compatible (the second too)
    #[arg(long, value_name = "MODE", value_parser = ["none", "patch", "compatible"])]
    auto_upgrade_mode: Option<String>,
    /// Settings, as key=value; blobContainer, storageAccount, storageAccountResourceGroup,
    /// storageAccountSubscriptionId, cpuLimit and memoryLimit for short
    #[arg(long, visible_alias = "config", num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    configuration_settings: Vec<(String, String)>,
    /// File with a JSON object of settings that nobody reads again
    #[arg(long, visible_alias = "config-protected-file", value_name = "FILE")]
    configuration_protected_settings_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    which: Which,
    /// Type of the extension
    #[arg(long, default_value = extension::BACKUP, value_name = "TYPE")]
    extension_type: String,
    /// Scope; the Backup Extension knows `cluster` alone
    #[arg(long, default_value = "cluster", value_parser = ["cluster"], hide = true)]
    scope: String,
    /// Namespace that it goes to; its own default when absent
    #[arg(long, value_name = "NAME")]
    release_namespace: Option<String>,
    #[command(flatten)]
    wish: Wish,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wish: Wish,
}

#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    which: Which,
    /// Forget it even if the cluster does not answer
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    confirm: Confirm,
}

impl Which {
    fn id(&self, session: &Session) -> Result<ResourceId, Failure> {
        let name = session.name(self.name.name.as_deref())?;
        Ok(self.cluster.id(session)?.with(EXTENSIONS, &name)?)
    }
}

pub async fn run(command: ExtensionCommand, cluster: &ClusterArgs, format: Format) -> Outcome {
    match command {
        ExtensionCommand::Create(args) => create(args, cluster, format).await,
        ExtensionCommand::Show(args) => {
            let session = Session::open(&args.which.session, cluster, format)?;
            session.show(&Kind::EXTENSION, args.which.id(&session)?.as_str()).await
        }
        ExtensionCommand::List(args) => {
            let session = Session::open(&args.session, cluster, format)?;
            let path = format!("{}/providers/{EXTENSIONS}", args.cluster.id(&session)?);
            session.list(&Kind::EXTENSION, &path).await
        }
        ExtensionCommand::Update(args) => {
            let session = Session::open(&args.which.session, cluster, format)?;
            let extension = args.wish.extension()?;
            let around = around(&session, &extension.settings).await?;
            let body = extension.update(args.wish.auto_upgrade_minor_version, &around);
            session.patch(&Kind::EXTENSION, args.which.id(&session)?.as_str(), body).await
        }
        ExtensionCommand::Delete(args) => {
            let session = Session::open(&args.which.session, cluster, format)?;
            let request = Request::delete(args.which.id(&session)?.as_str(), versions::EXTENSIONS)
                .ask("forceDelete", args.force.to_string());
            session.delete_by(&Kind::EXTENSION, request, &args.confirm).await
        }
    }
}

async fn create(args: CreateArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.which.session, cluster, format)?;
    let mut extension = args.wish.extension()?;
    extension.extension_type = args.extension_type;
    extension.namespace = args.release_namespace;
    extension.auto_upgrade = args.wish.auto_upgrade_minor_version.unwrap_or(extension.version.is_none());
    let body = extension.create(&around(&session, &extension.settings).await?)?;
    session.put(&Kind::EXTENSION, args.which.id(&session)?.as_str(), body).await
}

impl Wish {
    fn extension(&self) -> Result<Extension, Failure> {
        Ok(Extension {
            release_train: self.release_train.clone(),
            version: self.version.clone(),
            upgrade_mode: self.auto_upgrade_mode.clone(),
            settings: pairs(&self.configuration_settings)?,
            protected: match &self.configuration_protected_settings_file {
                Some(file) => texts(&json_file(file)?)?,
                None => BTreeMap::new(),
            },
            ..Extension::default()
        })
    }
}

fn texts(document: &Value) -> Result<BTreeMap<String, String>, Failure> {
    serde_json::from_value(document.clone()).map_err(|_| {
        Failure::usage("the protected settings are no JSON object of texts")
            .next("Write {\"key\": \"value\"}.")
    })
}

/// Where the named account's blobs are. An account that cannot be seen from here may still be right: the extension looks
/// again from inside the cluster.
pub async fn around(session: &Session, settings: &BTreeMap<String, String>) -> Result<Around, Failure> {
    let mut around = Around { blob_endpoint: None, tenant: session.tenant.clone() };
    let Some((account, group, subscription)) = extension::account(settings) else { return Ok(around) };
    let subscription = subscription.unwrap_or(&session.subscription);
    let id = ResourceId::group(subscription, group)?.with(ACCOUNTS, account)?;
    match session.client.get(id.as_str(), versions::STORAGE).await {
        Ok(found) => {
            let endpoint = found.pointer("/properties/primaryEndpoints/blob").and_then(Value::as_str);
            around.blob_endpoint = endpoint.map(str::to_owned);
        }
        Err(error) if error.is_not_found() => note!("warning: {error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(around)
}
