//! `cofferdam resource-guard`: critical operations of a vault that need a second person.

use crate::{
    cluster::ClusterArgs,
    exit::{Failure, Outcome},
    managed::{
        Deletion, InGroup, Kind, ListArgs, SecondPerson, Session, SessionArgs, VaultName, resource_id,
    },
    output::Format,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::Request;
use serde_json::json;

const GUARDS: &str = "Microsoft.DataProtection/resourceGuards";
/// The only name that a vault's link to a guard has.
const PROXY: &str = "DppResourceGuardProxy";

#[derive(Debug, Args)]
pub struct GuardArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make or change a guard
    #[command(visible_alias = "update")]
    Create(CreateArgs),
    /// Show one
    Show(InGroup),
    /// List them
    List(ListArgs),
    /// Delete one
    Delete(Deletion<InGroup>),
    /// Allow the next deletion in a guarded vault, for ten minutes
    Unlock(UnlockArgs),
    /// Links of vaults to guards
    #[command(subcommand)]
    Mapping(MappingVerb),
}

#[derive(Debug, Args)]
struct UnlockArgs {
    #[command(flatten)]
    vault: VaultName,
    /// Id of what is to be deleted
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    resource_to_be_deleted: ResourceId,
    /// Requests below the guard that consent, by id
    #[arg(long, visible_alias = "operation-requests", required = true, num_args = 1.., value_name = "ID")]
    resource_guard_operation_requests: Vec<String>,
    #[command(flatten)]
    by: SecondPerson,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    which: InGroup,
    /// Region; that of the resource group when absent
    #[arg(short = 'l', long, value_name = "NAME")]
    location: Option<String>,
    /// Operations that it does not guard
    #[arg(long, num_args = 1.., value_name = "OPERATION")]
    critical_operation_exclusion_list: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum MappingVerb {
    /// Put a vault under a guard
    Create(MapArgs),
    /// Show the guard of a vault
    Show(VaultName),
    /// Take a vault from its guard
    Delete(Deletion<VaultName>),
}

#[derive(Debug, Args)]
struct MapArgs {
    #[command(flatten)]
    vault: VaultName,
    /// Id of the guard
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    resource_guard_id: ResourceId,
}

fn proxy(vault: &VaultName, session: &Session) -> Result<String, Failure> {
    Ok(vault.id(session)?.child("backupResourceGuardProxies", PROXY)?.to_string())
}

pub async fn run(args: GuardArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        Verb::Create(args) => {
            let location = session.location(args.location.as_deref(), args.which.group()).await?;
            let excluded = &args.critical_operation_exclusion_list;
            let body = json!({"location": location,
                "properties": {"vaultCriticalOperationExclusionList": excluded}});
            session.put(&Kind::GUARD, args.which.id(&session, GUARDS)?.as_str(), body).await
        }
        Verb::Show(which) => session.show(&Kind::GUARD, which.id(&session, GUARDS)?.as_str()).await,
        Verb::List(args) => session.list(&Kind::GUARD, &args.path(&session, GUARDS)?).await,
        Verb::Delete(args) => {
            session.delete(&Kind::GUARD, args.which.id(&session, GUARDS)?.as_str(), &args.confirm).await
        }
        Verb::Unlock(args) => {
            let body = json!({
                "resourceToBeDeleted": args.resource_to_be_deleted.as_str(),
                "resourceGuardOperationRequests": args.resource_guard_operation_requests,
            });
            let path = format!("{}/unlockDelete", proxy(&args.vault, &session)?);
            let request = args.by.behind(Request::post(path, Kind::MAPPING.version).with(body))?;
            session.act("unlocking", "the deletion may follow now", request).await
        }
        Verb::Mapping(MappingVerb::Create(args)) => {
            let body = json!({"properties": {"resourceGuardResourceId": args.resource_guard_id.as_str()}});
            session.put(&Kind::MAPPING, &proxy(&args.vault, &session)?, body).await
        }
        Verb::Mapping(MappingVerb::Show(vault)) => {
            session.show(&Kind::MAPPING, &proxy(&vault, &session)?).await
        }
        Verb::Mapping(MappingVerb::Delete(args)) => {
            session.delete(&Kind::MAPPING, &proxy(&args.which, &session)?, &args.confirm).await
        }
    }
}
