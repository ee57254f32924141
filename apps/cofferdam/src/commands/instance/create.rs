//! Making an instance: body, validation, creation.

use super::VaultName;
use crate::{
    commands::trusted_access,
    exit::{Exit, Failure, Outcome},
    managed::{Kind, References, SelectArgs, Session, json_file, references, resource_id},
    note,
};
use arm::ResourceId;
use clap::Args;
use management::{
    Request,
    build::{
        Datasource, Identity, from_az,
        instance::{Configuration, Instance},
        names,
    },
    versions,
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What of a cluster is protected.
#[derive(Debug, Args)]
pub struct ConfigurationArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Whether volumes are protected
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    snapshot_volumes: bool,
    /// Which volumes: AzureDisk, AzureFileShareSMB; all that are possible when absent
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TYPES")]
    included_volume_types: Vec<String>,
    /// Backup hooks in the cluster, as namespace/name; may be repeated
    #[arg(long, value_parser = references, value_name = "REFERENCES")]
    backup_hook_refs: Vec<References>,
}

impl ConfigurationArgs {
    /// As a value.
    pub fn configuration(&self) -> Configuration {
        Configuration {
            selection: self.select.selection(),
            snapshot_volumes: self.snapshot_volumes,
            volume_types: self.included_volume_types.clone(),
            hooks: self.backup_hook_refs.iter().flat_map(|one| one.0.clone()).collect(),
        }
    }
}

/// An instance in arguments.
#[derive(Debug, Args)]
pub struct Wish {
    /// Id of the cluster
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    datasource_id: Option<ResourceId>,
    /// Region of the cluster; asked for when absent
    #[arg(long, value_name = "NAME")]
    datasource_location: Option<String>,
    #[arg(long, default_value = "AzureKubernetesService", value_parser = ["AzureKubernetesService"], hide = true)]
    datasource_type: String,
    /// Id of the policy, or its name in the vault
    #[arg(long, visible_alias = "policy", value_name = "ID")]
    policy_id: Option<String>,
    /// Name for people; the cluster's goes before it. When absent, the name of the instance, or else of its policy
    #[arg(long, value_name = "NAME")]
    friendly_name: Option<String>,
    /// Where snapshots go, by name or id; the cluster's own resource group when absent
    #[arg(long, visible_aliases = ["snapshot-resource-group", "snapshot-rg"], value_name = "NAME")]
    snapshot_resource_group_name: Option<String>,
    /// Work as this user-assigned identity of the vault
    #[arg(long, conflicts_with = "use_system_identity", value_parser = resource_id, value_name = "ID")]
    uami: Option<ResourceId>,
    /// Say that the vault's own identity works
    #[arg(long)]
    use_system_identity: bool,
    /// File with what of the cluster is protected, instead of the arguments below
    #[arg(long, value_name = "FILE")]
    backup_configuration: Option<PathBuf>,
    #[command(flatten)]
    configuration: ConfigurationArgs,
}

#[derive(Debug, Args)]
pub struct InitializeArgs {
    #[command(flatten)]
    vault: VaultName,
    #[command(flatten)]
    wish: Wish,
}

#[derive(Debug, Args)]
pub struct MakeArgs {
    #[command(flatten)]
    vault: VaultName,
    /// File with the instance in JSON, instead of the arguments below
    #[arg(long, conflicts_with_all = ["datasource_id", "policy_id", "backup_configuration"], value_name = "FILE")]
    backup_instance: Option<PathBuf>,
    #[command(flatten)]
    wish: Wish,
    /// Let the vault into the cluster if it is not yet (needs a right on the cluster)
    #[arg(long)]
    enable_trusted_access: bool,
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    make: MakeArgs,
    /// Name of the instance; made up when absent
    #[arg(long, visible_aliases = ["instance", "name"], value_name = "NAME")]
    backup_instance_name: Option<String>,
    /// Return as soon as the instance is made, before it is protected
    #[arg(long)]
    no_protection_wait: bool,
}

/// `initialize`: prints the body.
pub async fn initialize(args: InitializeArgs, session: &Session) -> Outcome {
    let body = args.wish.body(session, &args.vault.id(session)?, None).await?;
    session.view.plain(&body)?;
    Ok(Exit::Done)
}

/// `validate`.
pub async fn validate(args: MakeArgs, session: &Session) -> Outcome {
    let vault = args.vault.id(session)?;
    let body = args.body(session, &vault, None).await?;
    check(session, &vault, &body).await?;
    note!("the cluster can be protected");
    Ok(Exit::Done)
}

/// `create`: validation comes first, as official clients do it, so that a fault is told before anything is made.
pub async fn create(args: CreateArgs, session: &Session) -> Outcome {
    let vault = args.make.vault.id(session)?;
    let body = args.make.body(session, &vault, args.backup_instance_name.as_deref()).await?;
    check(session, &vault, &body).await?;
    let cluster = cluster_of(&body)?;
    let name = args.backup_instance_name.unwrap_or_else(|| names::instance(&cluster));
    let id = vault.child("backupInstances", &name)?;
    let put = Request::put(id.as_str(), versions::DATA_PROTECTION, body);
    let Some(made) = session.run(&format!("making backup instance {name}"), &put).await? else {
        note!("accepted; it goes on at the server");
        return Ok(Exit::Done);
    };
    let made =
        if args.no_protection_wait { made } else { super::protection::configured(session, &id).await? };
    session.view.one(&Kind::INSTANCE, &made)?;
    Ok(Exit::Done)
}

/// Asks the vault whether the instance could be protected.
pub async fn check(session: &Session, vault: &ResourceId, body: &Value) -> Result<(), Failure> {
    let wrapped = json!({"backupInstance": body.get("properties")});
    let ask = Request::post(format!("{vault}/validateForBackup"), versions::DATA_PROTECTION).with(wrapped);
    let ended = session.follow("validating", &ask).await?;
    let warnings = ended.get("warningDetails").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten() {
        let message = warning.pointer("/warning/message").and_then(Value::as_str);
        note!("warning: {}", message.unwrap_or("the vault does not say of what"));
    }
    Ok(())
}

/// The cluster in a body.
fn cluster_of(body: &Value) -> Result<ResourceId, Failure> {
    let source = body.pointer("/properties/dataSourceInfo");
    let id = source.and_then(|source| source.get("resourceID").or_else(|| source.get("resourceId")));
    let id = id.and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        Failure::usage("the instance names no cluster: dataSourceInfo.resourceID is missing")
            .next("See how an instance looks: `cofferdam instance initialize`.")
    })
}

impl MakeArgs {
    async fn body(
        &self,
        session: &Session,
        vault: &ResourceId,
        instance: Option<&str>,
    ) -> Result<Value, Failure> {
        let body = match &self.backup_instance {
            Some(file) => {
                let document = from_az(json_file(file)?);
                match document.get("properties") {
                    Some(properties) => json!({"properties": properties, "tags": document.get("tags")}),
                    None => json!({"properties": document}),
                }
            }
            None => self.wish.body(session, vault, instance).await?,
        };
        if self.enable_trusted_access {
            let_in(session, &cluster_of(&body)?, vault).await?;
        }
        Ok(body)
    }
}

/// Makes the binding between a cluster and a vault if there is none; whether it was made.
pub async fn let_in(session: &Session, cluster: &ResourceId, vault: &ResourceId) -> Result<bool, Failure> {
    let bindings = Request::get(format!("{cluster}/trustedAccessRoleBindings"), versions::CLUSTERS);
    let found = session.client.list(&bindings).await?;
    if found.iter().any(|binding| lets_in(binding, vault)) {
        return Ok(false);
    }
    let id = cluster.child("trustedAccessRoleBindings", &names::binding(vault))?;
    let body = trusted_access::body(vault, &[trusted_access::BACKUP_OPERATOR.to_owned()]);
    let put = Request::put(id.as_str(), versions::CLUSTERS, body);
    session.follow("letting the vault into the cluster", &put).await?;
    Ok(true)
}

/// Whether a binding lets a vault into its cluster.
pub fn lets_in(binding: &Value, vault: &ResourceId) -> bool {
    let source = binding.pointer("/properties/sourceResourceId").and_then(Value::as_str);
    let roles = binding.pointer("/properties/roles").and_then(Value::as_array);
    let operates = roles.is_some_and(|roles| {
        let is_operator = |role: &Value| role.as_str().is_some_and(|role| role.ends_with("/backup-operator"));
        roles.iter().any(is_operator)
    });
    operates && source.is_some_and(|source| source.eq_ignore_ascii_case(vault.as_str()))
}

impl Wish {
    /// The name for people; without one of its own, two instances of a cluster must be told apart all the same.
    fn friendly(&self, instance: Option<&str>, policy: &ResourceId) -> String {
        let given = self.friendly_name.as_deref().or(instance);
        given.unwrap_or_else(|| policy.name()).to_owned()
    }

    async fn body(
        &self,
        session: &Session,
        vault: &ResourceId,
        instance: Option<&str>,
    ) -> Result<Value, Failure> {
        let missing = |flag: &str| {
            Failure::usage(format!("{flag} is missing"))
                .next("Name the cluster and the policy, or pass a file with `--backup-instance`.")
        };
        let cluster = self.datasource_id.clone().ok_or_else(|| missing("--datasource-id"))?;
        let policy = self.policy_id.as_deref().ok_or_else(|| missing("--policy-id"))?;
        let policy = if policy.starts_with('/') {
            policy.parse().map_err(Failure::from)?
        } else {
            vault.child("backupPolicies", policy)?
        };
        let location = match &self.datasource_location {
            Some(location) => location.clone(),
            None => location_of(session, &cluster).await?,
        };
        let group = match &self.snapshot_resource_group_name {
            Some(id) if id.starts_with('/') => id.parse().map_err(Failure::from)?,
            Some(name) => ResourceId::group(cluster.subscription_id(), name)?,
            None => ResourceId::group(
                cluster.subscription_id(),
                cluster.resource_group().ok_or_else(|| missing("--snapshot-resource-group-name"))?,
            )?,
        };
        let system = self.use_system_identity.then_some(Identity::System);
        let instance = Instance {
            datasource: Datasource { cluster, location },
            friendly_name: self.friendly(instance, &policy),
            policy,
            snapshot_group: group,
            identity: self.uami.clone().map(Identity::User).or(system),
            configuration: self.configuration.configuration(),
        };
        let file = self.backup_configuration.as_deref().map(json_file).transpose()?;
        Ok(instance.json(file.map(from_az))?)
    }
}

/// Where a cluster is, as it says itself.
pub async fn location_of(session: &Session, cluster: &ResourceId) -> Result<String, Failure> {
    let found = session.client.get(cluster.as_str(), versions::of(cluster.kind().as_str())).await?;
    let location = found.get("location").and_then(Value::as_str);
    location.map(str::to_owned).ok_or_else(|| {
        Failure::failed(format!("{cluster} does not say where it is"))
            .next("Name its region with `--datasource-location` or `--restore-location`.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        wish: Wish,
    }

    #[test]
    fn an_instance_is_named_for_people_by_its_name_or_by_its_policy_unless_said_otherwise() {
        let policy: ResourceId =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v/backupPolicies/nightly"
                .parse()
                .unwrap();
        let friendly = |arguments: &[&str], instance: Option<&str>| {
            let line = Line::try_parse_from([&["line"], arguments].concat()).unwrap();
            line.wish.friendly(instance, &policy)
        };

        assert_eq!(friendly(&["--friendly-name", "shop"], Some("one-shop")), "shop");
        assert_eq!(friendly(&[], Some("one-shop")), "one-shop");
        assert_eq!(friendly(&[], None), "nightly");
    }
}
