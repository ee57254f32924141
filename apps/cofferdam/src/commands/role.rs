//! `cofferdam role`: who may do what where.

mod assignment;

pub use assignment::grant;

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Outcome},
    managed::{Kind, Session, SessionArgs, resource_id},
    output::Format,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::{Request, roles::by_name, versions};

/// Type of role definitions.
const DEFINITIONS: &str = "providers/Microsoft.Authorization/roleDefinitions";

#[derive(Debug, Args)]
pub struct RoleArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Who has which role where
    #[command(subcommand)]
    Assignment(assignment::Verb),
    /// What roles there are
    #[command(subcommand)]
    Definition(DefinitionVerb),
}

#[derive(Debug, Subcommand)]
enum DefinitionVerb {
    /// List them
    List(DefinitionListArgs),
}

#[derive(Debug, Args)]
struct DefinitionListArgs {
    /// Only the one of this name, such as "Backup Contributor"; `-n` for short
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where it could be assigned; the subscription when absent
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    scope: Option<ResourceId>,
}

pub async fn run(args: RoleArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.noun {
        Noun::Assignment(verb) => assignment::run(verb, &session).await,
        Noun::Definition(DefinitionVerb::List(args)) => {
            let scope = args.scope.map_or_else(|| session.root(), |scope| scope.to_string());
            let mut request = Request::get(format!("{scope}/{DEFINITIONS}"), versions::ROLES);
            if let Ok(name) = session.name(args.name.as_deref()) {
                request = request.ask("$filter", by_name(&name));
            }
            let found = session.client.list(&request).await?;
            session.view.many(&Kind::ROLE, &found)?;
            Ok(Exit::Done)
        }
    }
}
