//! `cofferdam identity`: user-assigned identities.

use crate::{
    cluster::ClusterArgs,
    commands::location::setting,
    exit::Outcome,
    managed::{Deletion, InGroup, Kind, ListArgs, Session, SessionArgs, tags},
    output::Format,
};
use clap::{Args, Subcommand};
use serde_json::json;

const IDENTITIES: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

#[derive(Debug, Args)]
pub struct IdentityArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make one
    Create(CreateArgs),
    /// Show one
    Show(InGroup),
    /// List them
    List(ListArgs),
    /// Delete one
    Delete(Deletion<InGroup>),
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    which: InGroup,
    /// Region; that of the resource group when absent
    #[arg(short = 'l', long, value_name = "NAME")]
    location: Option<String>,
    /// Tags, as key=value
    #[arg(long, num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    tags: Vec<(String, String)>,
}

pub async fn run(args: IdentityArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        Verb::Create(args) => {
            let location = session.location(args.location.as_deref(), args.which.group()).await?;
            let body = json!({"location": location, "tags": tags(&args.tags)?.unwrap_or_default()});
            session.put(&Kind::IDENTITY, args.which.id(&session, IDENTITIES)?.as_str(), body).await
        }
        Verb::Show(which) => session.show(&Kind::IDENTITY, which.id(&session, IDENTITIES)?.as_str()).await,
        Verb::List(args) => session.list(&Kind::IDENTITY, &args.path(&session, IDENTITIES)?).await,
        Verb::Delete(args) => {
            session
                .delete(&Kind::IDENTITY, args.which.id(&session, IDENTITIES)?.as_str(), &args.confirm)
                .await
        }
    }
}
