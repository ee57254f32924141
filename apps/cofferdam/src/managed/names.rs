//! Arguments that name things, as `az` names them.

use super::Session;
use crate::exit::Failure;
use arm::ResourceId;
use clap::Args;

/// Type of vaults.
pub const VAULT: &str = "Microsoft.DataProtection/backupVaults";
/// Type of clusters.
pub const CLUSTER: &str = "Microsoft.ContainerService/managedClusters";

/// `--name`; `-n` is read where it is used, for it means the namespace elsewhere.
#[derive(Debug, Clone, Args)]
pub struct Name {
    /// Its name; `-n` for short
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// The resource group.
#[derive(Debug, Clone, Args)]
pub struct GroupArg {
    /// Resource group
    #[arg(short = 'g', long = "resource-group", value_name = "NAME")]
    pub group: String,
}

/// Something in a resource group.
#[derive(Debug, Clone, Args)]
pub struct InGroup {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    group: GroupArg,
}

impl InGroup {
    /// The id of the one of this type.
    pub fn id(&self, session: &Session, kind: &str) -> Result<ResourceId, Failure> {
        session.resource(self.group(), kind, &session.name(self.name.name.as_deref())?)
    }

    /// The group's name.
    pub fn group(&self) -> &str {
        &self.group.group
    }
}

/// Everything of a type, or what a resource group holds of it.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only those of this resource group
    #[arg(short = 'g', long = "resource-group", value_name = "NAME")]
    group: Option<String>,
}

impl ListArgs {
    /// The path of the list.
    pub fn path(&self, session: &Session, kind: &str) -> Result<String, Failure> {
        let scope = match &self.group {
            Some(group) => session.group(group)?.to_string(),
            None => session.root(),
        };
        Ok(format!("{scope}/providers/{kind}"))
    }
}

/// A vault.
#[derive(Debug, Clone, Args)]
pub struct VaultName {
    /// Backup vault
    #[arg(short = 'v', long, visible_alias = "vault", value_name = "NAME")]
    pub vault_name: String,
    /// Resource group of the vault
    #[arg(short = 'g', long = "resource-group", value_name = "NAME")]
    pub group: String,
}

impl VaultName {
    /// Its id.
    pub fn id(&self, session: &Session) -> Result<ResourceId, Failure> {
        session.resource(&self.group, VAULT, &self.vault_name)
    }
}

/// A cluster.
#[derive(Debug, Clone, Args)]
pub struct ClusterRef {
    /// Cluster
    #[arg(short = 'c', long, value_name = "NAME")]
    pub cluster_name: String,
    /// Resource group of the cluster
    #[arg(short = 'g', long = "resource-group", value_name = "NAME")]
    pub group: String,
}

impl ClusterRef {
    /// Its id.
    pub fn id(&self, session: &Session) -> Result<ResourceId, Failure> {
        session.resource(&self.group, CLUSTER, &self.cluster_name)
    }
}

/// Reads an id.
pub fn resource_id(text: &str) -> Result<ResourceId, String> {
    text.parse().map_err(|error: arm::IdError| error.to_string())
}

/// Something that is named by its full id, or else by parts of it.
#[derive(Debug, Clone, Args)]
pub struct Ids {
    /// Full id, as other commands print it with `-o json`
    #[arg(long, visible_alias = "id", value_name = "ID")]
    ids: Option<String>,
}

impl Ids {
    /// The id that is given whole, or what the parts make.
    pub fn or(&self, parts: impl FnOnce() -> Result<ResourceId, Failure>) -> Result<ResourceId, Failure> {
        match &self.ids {
            Some(id) => Ok(id.parse()?),
            None => parts(),
        }
    }
}
