//! `cofferdam identity`: user-assigned identities.

use crate::{
    cluster::ClusterArgs,
    commands::location::setting,
    exit::{Failure, Outcome},
    managed::{Confirm, GroupArg, Kind, Name, Session, SessionArgs, tags},
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
    Show(Which),
    /// List them
    List(ListArgs),
    /// Delete one
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    group: GroupArg,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    which: Which,
    /// Region; that of the resource group when absent
    #[arg(short = 'l', long, value_name = "NAME")]
    location: Option<String>,
    /// Tags, as key=value
    #[arg(long, num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    tags: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those of this resource group
    #[arg(short = 'g', long = "resource-group", value_name = "NAME")]
    group: Option<String>,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    confirm: Confirm,
}

impl Which {
    fn path(&self, session: &Session) -> Result<String, Failure> {
        let name = session.name(self.name.name.as_deref())?;
        Ok(session.resource(&self.group.group, IDENTITIES, &name)?.to_string())
    }
}

pub async fn run(args: IdentityArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        Verb::Create(args) => {
            let location = session.location(args.location.as_deref(), &args.which.group.group).await?;
            let body = json!({"location": location, "tags": tags(&args.tags)?.unwrap_or_default()});
            session.put(&Kind::IDENTITY, &args.which.path(&session)?, body).await
        }
        Verb::Show(which) => session.show(&Kind::IDENTITY, &which.path(&session)?).await,
        Verb::List(args) => {
            let scope = match &args.group {
                Some(group) => session.group(group)?.to_string(),
                None => session.root(),
            };
            session.list(&Kind::IDENTITY, &format!("{scope}/providers/{IDENTITIES}")).await
        }
        Verb::Delete(args) => {
            session.delete(&Kind::IDENTITY, &args.which.path(&session)?, &args.confirm).await
        }
    }
}
