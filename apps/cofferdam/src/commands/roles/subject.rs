//! What the roles are for: a backup of a cluster, or a restore to one.

use super::unmet;
use crate::{
    commands::{
        enable_backup::{assigned, place_of, principal},
        extension::manage::EXTENSIONS,
        restore::newest,
    },
    exit::Failure,
    managed::{Session, VaultName, resource_id},
};
use arm::ResourceId;
use clap::Args;
use identity::required::{Places, Principals, Purpose};
use management::{
    Request,
    build::{
        Datasource, Identity, extension,
        instance::{Configuration, Instance, writable},
        restore::{Criteria, Restore, Tier},
    },
    versions,
};
use serde_json::{Value, json};

/// The arguments of both verbs.
#[derive(Debug, Args)]
pub struct Which {
    #[command(flatten)]
    vault: VaultName,
    /// Backup instance that is there; it says cluster, policy and snapshot resource group
    #[arg(long, visible_alias = "backup-instance-name", value_name = "NAME")]
    instance: Option<String>,
    /// Id of the cluster of an instance that is still to be made
    #[arg(
        long,
        value_parser = resource_id,
        required_unless_present = "instance",
        conflicts_with = "instance",
        value_name = "ID"
    )]
    datasource_id: Option<ResourceId>,
    /// Where its snapshots go, by name or id; the cluster's own resource group when absent
    #[arg(long, visible_aliases = ["snapshot-resource-group", "snapshot-rg"], conflicts_with = "instance", value_name = "NAME")]
    snapshot_resource_group_name: Option<String>,
    /// Policy of the vault to ask it with, by name or id; the first one when absent
    #[arg(long, visible_alias = "policy", conflicts_with = "instance", value_name = "ID")]
    policy_id: Option<String>,
    /// Where the cluster's extension writes; its settings say so when absent
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    storage_account_id: Option<ResourceId>,
    /// Recovery points are copied to the vault tier too
    #[arg(long, conflicts_with = "target_resource_id")]
    vault_tier: bool,
    /// Cluster to restore to: roles of a restore of the instance, instead of those of its backups
    #[arg(long, requires = "instance", value_parser = resource_id, value_name = "ID")]
    target_resource_id: Option<ResourceId>,
    /// Recovery point to ask the vault with; the newest one when absent
    #[arg(long, requires = "target_resource_id", value_name = "ID")]
    recovery_point_id: Option<String>,
    /// Where a restore from the vault tier makes disks
    #[arg(long, requires_all = ["target_resource_id", "staging_storage_account_id"], value_parser = resource_id, value_name = "ID")]
    staging_resource_group_id: Option<ResourceId>,
    /// Where a restore from the vault tier puts objects meanwhile
    #[arg(long, requires_all = ["target_resource_id", "staging_resource_group_id"], value_parser = resource_id, value_name = "ID")]
    staging_storage_account_id: Option<ResourceId>,
    /// Storage account of the file shares of volumes
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    file_share_account_id: Option<ResourceId>,
    /// The vault works as this user-assigned identity
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    uami: Option<ResourceId>,
}

/// What the roles are for, with everything that was found out about it.
pub struct Subject {
    pub vault: ResourceId,
    pub purpose: Purpose,
    pub places: Places,
    pub principals: Principals,
    /// The cluster that was backed up.
    pub source: ResourceId,
    /// A vault reaches into the cluster by a binding.
    pub is_bound: bool,
    /// The guard of the vault.
    pub guard: Option<ResourceId>,
    /// What to ask the vault with, or why it cannot be asked.
    pub question: Result<Request, String>,
}

impl Which {
    /// Finds everything that the roles are about.
    pub async fn subject(&self, session: &Session) -> Result<Subject, Failure> {
        let vault = self.vault.id(session)?;
        let found_vault = session.client.get(vault.as_str(), versions::DATA_PROTECTION).await?;
        let instance = match &self.instance {
            Some(name) => {
                let id = vault.child("backupInstances", name)?;
                Some((session.client.get(id.as_str(), versions::DATA_PROTECTION).await?, id))
            }
            None => None,
        };
        let known = instance.as_ref().map(|(found, _)| found);
        let source = match (&self.datasource_id, known) {
            (Some(id), _) => id.clone(),
            (None, Some(found)) => id_at(found, "/properties/dataSourceInfo/resourceID")
                .or_else(|| id_at(found, "/properties/dataSourceInfo/resourceId"))
                .ok_or_else(|| says_not("which cluster it is of"))?,
            (None, None) => return Err(says_not("which cluster it is of")),
        };
        let snapshot_group = match known {
            Some(found) => group_of(found).ok_or_else(|| says_not("where its snapshots go"))?,
            None => self.group(&source)?,
        };
        let cluster = self.target_resource_id.clone().unwrap_or_else(|| source.clone());
        let found_cluster = session.client.get(cluster.as_str(), versions::CLUSTERS).await?;
        let extension = backup_extension(session, &cluster).await?;
        let own = extension.as_ref().and_then(|one| store_of(one, &cluster));
        let (account, container) = own.unzip();
        let own_store = self.storage_account_id.clone().or_else(|| account.clone());
        let source_store = match cluster == source {
            true => None,
            false => {
                let extension = backup_extension(session, &source).await?;
                let place = extension.as_ref().and_then(|one| store_of(one, &source));
                place.map(|(account, container)| container.unwrap_or(account))
            }
        };
        let uami = self
            .uami
            .clone()
            .or_else(|| id_at(known?, "/properties/identityDetails/userAssignedIdentityArmUrl"));
        let places = Places {
            snapshot_group: Some(snapshot_group.clone()),
            // Of an account that was named, nobody knows which container is meant.
            container: container.flatten().filter(|_| own_store == account),
            store: own_store,
            source_store,
            staging_group: self.staging_resource_group_id.clone(),
            staging_account: self.staging_storage_account_id.clone(),
            share_account: self.file_share_account_id.clone(),
            ..Places::of(cluster.clone())
        };
        let principals = Principals {
            vault: principal_of_vault(&found_vault, uami.as_ref()),
            cluster: principal(&found_cluster),
            extension: extension.as_ref().and_then(assigned),
        };
        let purpose = match self.target_resource_id {
            Some(_) => Purpose::Restore { vault_tier: self.staging_storage_account_id.is_some() },
            None => Purpose::Backup { vault_tier: self.vault_tier },
        };
        let location = found_cluster.get("location").and_then(Value::as_str).unwrap_or_default();
        let target = Datasource { cluster: cluster.clone(), location: location.to_owned() };
        let identity = uami.map(Identity::User);
        let question = match (&instance, purpose) {
            (Some((_, id)), Purpose::Restore { .. }) => {
                self.ask_restore(session, id, &source, target, identity).await
            }
            (Some((found, id)), Purpose::Backup { .. }) => Ok(ask_instance(found, id)),
            (None, _) => self.ask_new(session, &vault, target, &snapshot_group, identity).await,
        };
        Ok(Subject {
            is_bound: is_bound(session, &cluster, &vault).await?,
            guard: guard_of(session, &vault).await,
            vault,
            purpose,
            places,
            principals,
            source,
            question,
        })
    }

    fn group(&self, cluster: &ResourceId) -> Result<ResourceId, Failure> {
        let own = cluster.resource_group().unwrap_or_default();
        match self.snapshot_resource_group_name.as_deref().unwrap_or(own) {
            id if id.starts_with('/') => Ok(id.parse()?),
            name => Ok(ResourceId::group(cluster.subscription_id(), name)?),
        }
    }

    async fn ask_new(
        &self,
        session: &Session,
        vault: &ResourceId,
        datasource: Datasource,
        snapshot_group: &ResourceId,
        identity: Option<Identity>,
    ) -> Result<Request, String> {
        let policy = match self.policy_id.as_deref() {
            Some(id) if id.starts_with('/') => id.parse().map_err(|error| format!("{id}: {error}"))?,
            Some(name) => vault.child("backupPolicies", name).map_err(|error| error.to_string())?,
            None => {
                let list = Request::get(format!("{vault}/backupPolicies"), versions::DATA_PROTECTION);
                let all = session.client.list(&list).await.map_err(|error| error.to_string())?;
                let first = all.iter().find_map(|one| id_at(one, "/id"));
                first.ok_or("the vault has no policy yet; it is asked about an instance by one")?
            }
        };
        let instance = Instance {
            datasource,
            policy,
            snapshot_group: snapshot_group.clone(),
            friendly_name: "roles".to_owned(),
            identity,
            configuration: Configuration::default(),
        };
        let body = instance.json(None).map_err(|error| error.to_string())?;
        Ok(Request::post(format!("{vault}/validateForBackup"), versions::DATA_PROTECTION)
            .with(shallow(&body)))
    }

    async fn ask_restore(
        &self,
        session: &Session,
        instance: &ResourceId,
        source: &ResourceId,
        target: Datasource,
        identity: Option<Identity>,
    ) -> Result<Request, String> {
        let staging = (self.staging_resource_group_id.clone(), self.staging_storage_account_id.clone());
        let (tier, store) = match staging {
            (Some(staging_group), Some(staging_account)) => {
                (Tier::Vault { staging_group, staging_account }, "VaultStore")
            }
            _ => (Tier::Operational, "OperationalStore"),
        };
        let recovery_point = match &self.recovery_point_id {
            Some(id) => id.rsplit('/').next().unwrap_or(id).to_owned(),
            None => newest(session, instance, store).await.map_err(|failure| failure.message().to_owned())?,
        };
        let criteria = Criteria::default();
        let restore = Restore { recovery_point, source: source.clone(), target, tier, identity, criteria };
        let body = restore.json(None).map_err(|error| error.to_string())?;
        Ok(Request::post(format!("{instance}/validateRestore"), versions::DATA_PROTECTION)
            .with(json!({"restoreRequestObject": body})))
    }
}

/// About an instance that is there. Only what is outside of the cluster is looked at: that is where the roles are.
fn ask_instance(found: &Value, id: &ResourceId) -> Request {
    Request::post(format!("{id}/validateForModifyBackup"), versions::DATA_PROTECTION)
        .with(shallow(&writable(found)))
}

fn shallow(body: &Value) -> Value {
    let mut properties = body.get("properties").cloned().unwrap_or_default();
    if let Some(members) = properties.as_object_mut() {
        members.insert("validationType".to_owned(), "ShallowValidation".into());
    }
    json!({"backupInstance": properties})
}

fn says_not(what: &str) -> Failure {
    Failure::failed(format!("the instance does not say {what}"))
        .next("Look at it: `cofferdam instance show -o json`.")
}

fn id_at(found: &Value, at: &str) -> Option<ResourceId> {
    found.pointer(at)?.as_str()?.parse().ok()
}

fn group_of(instance: &Value) -> Option<ResourceId> {
    let stores = instance.pointer("/properties/policyInfo/policyParameters/dataStoreParametersList")?;
    stores.as_array()?.iter().find_map(|store| id_at(store, "/resourceGroupId"))
}

/// The account to which an extension writes, and its container there.
fn store_of(extension: &Value, cluster: &ResourceId) -> Option<(ResourceId, Option<ResourceId>)> {
    let (account, container) = place_of(extension, cluster)?;
    let service = account.child("blobServices", "default");
    let container = service.and_then(|service| service.child("containers", &container)).ok();
    Some((account, container))
}

/// The principal by which a vault acts: its own, or that of the user-assigned identity that was named.
fn principal_of_vault(vault: &Value, uami: Option<&ResourceId>) -> Option<String> {
    let Some(uami) = uami else { return principal(vault) };
    let all = vault.pointer("/identity/userAssignedIdentities")?.as_object()?;
    let one = all.iter().find(|(id, _)| id.eq_ignore_ascii_case(uami.as_str()))?.1;
    one.get("principalId")?.as_str().map(str::to_owned)
}

async fn backup_extension(session: &Session, cluster: &ResourceId) -> Result<Option<Value>, Failure> {
    let request = Request::get(format!("{cluster}/providers/{EXTENSIONS}"), versions::EXTENSIONS);
    let all = match session.client.list(&request).await {
        Ok(all) => all,
        Err(error)
            if error.service().is_some_and(|error| error.code == "MissingSubscriptionRegistration") =>
        {
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    let is_backup = |one: &Value| {
        let kind = one.pointer("/properties/extensionType").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(extension::BACKUP))
    };
    Ok(all.into_iter().find(is_backup))
}

async fn is_bound(session: &Session, cluster: &ResourceId, vault: &ResourceId) -> Result<bool, Failure> {
    let request = Request::get(format!("{cluster}/trustedAccessRoleBindings"), versions::CLUSTERS);
    let bindings = session.client.list(&request).await?;
    Ok(bindings.iter().any(|one| crate::commands::instance::create::lets_in(one, vault)))
}

/// The Resource Guard of a vault; none where there is none, or where nobody may see it.
async fn guard_of(session: &Session, vault: &ResourceId) -> Option<ResourceId> {
    let request = Request::get(format!("{vault}/backupResourceGuardProxies"), versions::DATA_PROTECTION);
    let proxies = session.client.list(&request).await.ok()?;
    proxies.iter().find_map(|one| id_at(one, "/properties/resourceGuardResourceId"))
}

/// Where a purpose has no identity to give a role to, the next step.
pub fn without_identity(whose: identity::required::Whose) -> Failure {
    use identity::required::Whose;
    match whose {
        Whose::Vault => unmet(
            "the vault has no managed identity",
            "Give it one: `cofferdam vault update --type SystemAssigned`.",
        ),
        Whose::Cluster => unmet(
            "the cluster has no managed identity",
            "Give it one: `az aks update --enable-managed-identity`.",
        ),
        Whose::Extension => unmet(
            "the backup extension is not installed, or has no identity yet",
            "Install it: `cofferdam extension create`; then run this again.",
        ),
    }
}
