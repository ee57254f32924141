//! `cofferdam trusted-access`: which vaults may reach into a cluster.

use crate::{
    cluster::ClusterArgs,
    exit::{Failure, Outcome},
    managed::{ClusterRef, Deletion, Kind, Name, Session, SessionArgs, resource_id},
    output::Format,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use serde_json::json;

/// The only role that a vault needs.
pub const BACKUP_OPERATOR: &str = identity::required::BACKUP_OPERATOR;

#[derive(Debug, Args)]
pub struct TrustedAccessArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Roles that a binding may give
    #[command(subcommand)]
    Role(RoleVerb),
    /// Bindings: the owner's consent, one vault at a time
    #[command(subcommand, visible_alias = "role-binding")]
    Rolebinding(BindingVerb),
}

#[derive(Debug, Subcommand)]
enum RoleVerb {
    /// List them with what they allow
    List(RoleListArgs),
}

#[derive(Debug, Args)]
struct RoleListArgs {
    /// Region
    #[arg(short = 'l', long, default_value = "local", value_name = "NAME")]
    location: String,
}

#[derive(Debug, Subcommand)]
enum BindingVerb {
    /// Let a vault into a cluster
    Create(CreateArgs),
    /// List the vaults that may reach into a cluster
    List(ClusterRef),
    /// Show one binding
    Show(Which),
    /// Give a binding other roles; its vault stays
    Update(UpdateArgs),
    /// Shut a vault out of a cluster
    Delete(Deletion<Which>),
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    cluster: ClusterRef,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    which: Which,
    /// Id of the vault
    #[arg(short = 's', long, value_parser = resource_id, value_name = "ID")]
    source_resource_id: ResourceId,
    /// Roles, with commas between them
    #[arg(long, value_delimiter = ',', default_value = BACKUP_OPERATOR, value_name = "ROLES")]
    roles: Vec<String>,
}

#[derive(Debug, Args)]
struct UpdateArgs {
    #[command(flatten)]
    which: Which,
    /// Roles, with commas between them
    #[arg(long, value_delimiter = ',', required = true, value_name = "ROLES")]
    roles: Vec<String>,
}

impl Which {
    fn path(&self, session: &Session) -> Result<String, Failure> {
        let name = session.name(self.name.name.as_deref())?;
        Ok(self.cluster.id(session)?.child("trustedAccessRoleBindings", &name)?.to_string())
    }
}

pub async fn run(args: TrustedAccessArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.noun {
        Noun::Role(RoleVerb::List(args)) => {
            let path = format!(
                "{}/providers/Microsoft.ContainerService/locations/{}/trustedAccessRoles",
                session.root(),
                args.location
            );
            session.list(&Kind::TRUSTED_ROLE, &path).await
        }
        Noun::Rolebinding(verb) => match verb {
            BindingVerb::Create(args) => {
                let body = body(&args.source_resource_id, &args.roles);
                session.put(&Kind::BINDING, &args.which.path(&session)?, body).await
            }
            BindingVerb::Update(args) => update(args, &session).await,
            BindingVerb::List(cluster) => {
                let path = format!("{}/trustedAccessRoleBindings", cluster.id(&session)?);
                session.list(&Kind::BINDING, &path).await
            }
            BindingVerb::Show(which) => session.show(&Kind::BINDING, &which.path(&session)?).await,
            BindingVerb::Delete(args) => {
                session.delete(&Kind::BINDING, &args.which.path(&session)?, &args.confirm).await
            }
        },
    }
}

/// The binding must be there: one that is made by mistake lets somebody in.
async fn update(args: UpdateArgs, session: &Session) -> Outcome {
    let path = args.which.path(session)?;
    let found = session.client.get(&path, Kind::BINDING.version).await?;
    let source = found.pointer("/properties/sourceResourceId").and_then(serde_json::Value::as_str);
    let source: ResourceId = source.unwrap_or_default().parse()?;
    session.put(&Kind::BINDING, &path, body(&source, &args.roles)).await
}

/// The body that lets a vault in.
pub fn body(vault: &ResourceId, roles: &[String]) -> serde_json::Value {
    json!({"properties": {"sourceResourceId": vault.as_str(), "roles": roles}})
}
