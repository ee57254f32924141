//! `cofferdam group`: resource groups.

use crate::{
    cluster::ClusterArgs,
    commands::location::setting,
    exit::{Failure, Outcome},
    managed::{Deletion, Kind, Session, SessionArgs, tags},
    output::Format,
};
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a resource group, or change its tags
    Create(CreateArgs),
    /// Show one
    Show(Which),
    /// List them
    List,
    /// Delete one with all that is in it
    Delete(Deletion<Which>),
}

#[derive(Debug, Args)]
struct Which {
    /// Its name; `-n` for short
    #[arg(short = 'g', long, visible_alias = "resource-group", value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    which: Which,
    /// Region
    #[arg(short = 'l', long, value_name = "NAME")]
    location: String,
    /// Tags, as key=value
    #[arg(long, num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    tags: Vec<(String, String)>,
}

pub async fn run(args: GroupArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    let path = |which: &Which| -> Result<String, Failure> {
        let name = session.name(which.name.as_deref())?;
        session.group(&name)?;
        Ok(format!("{}/resourcegroups/{name}", session.root()))
    };
    match args.verb {
        Verb::Create(args) => {
            let body = json!({"location": args.location, "tags": tags(&args.tags)?.unwrap_or_default()});
            session.put(&Kind::GROUP, &path(&args.which)?, body).await
        }
        Verb::Show(which) => session.show(&Kind::GROUP, &path(&which)?).await,
        Verb::List => session.list(&Kind::GROUP, &format!("{}/resourcegroups", session.root())).await,
        Verb::Delete(args) => session.delete(&Kind::GROUP, &path(&args.which)?, &args.confirm).await,
    }
}
