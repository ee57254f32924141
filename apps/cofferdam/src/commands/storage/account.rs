//! `cofferdam storage account`.

use super::ACCOUNTS;
use crate::{
    commands::location::setting,
    exit::{Failure, Outcome},
    managed::{Deletion, InGroup, Kind, ListArgs, Session, tags},
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::{Request, versions};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make one
    Create(CreateArgs),
    /// Show one
    Show(InGroup),
    /// List them
    List(ListArgs),
    /// Delete one with all that is in it
    Delete(Deletion<InGroup>),
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    which: InGroup,
    /// Region; that of the resource group when absent
    #[arg(short = 'l', long, value_name = "NAME")]
    location: Option<String>,
    /// Redundancy
    #[arg(long, default_value = "Standard_LRS", value_name = "SKU")]
    sku: String,
    /// Tags, as key=value
    #[arg(long, num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    tags: Vec<(String, String)>,
}

pub async fn run(verb: Verb, session: &Session) -> Outcome {
    match verb {
        Verb::Create(args) => {
            let id = args.which.id(session, ACCOUNTS)?;
            available(session, &id).await?;
            let location = session.location(args.location.as_deref(), args.which.group()).await?;
            let body = body(&location, &args.sku, &tags(&args.tags)?.unwrap_or_default());
            session.put(&Kind::ACCOUNT, id.as_str(), body).await
        }
        Verb::Show(which) => session.show(&Kind::ACCOUNT, which.id(session, ACCOUNTS)?.as_str()).await,
        Verb::List(args) => session.list(&Kind::ACCOUNT, &args.path(session, ACCOUNTS)?).await,
        Verb::Delete(args) => {
            session.delete(&Kind::ACCOUNT, args.which.id(session, ACCOUNTS)?.as_str(), &args.confirm).await
        }
    }
}

/// The body that makes an account. Only roles open it: no anonymous reading, no shared key.
pub fn body(location: &str, sku: &str, tags: &BTreeMap<String, String>) -> Value {
    json!({
        "location": location,
        "kind": "StorageV2",
        "sku": {"name": sku},
        "tags": tags,
        "properties": {"allowBlobPublicAccess": false, "allowSharedKeyAccess": false},
    })
}

/// Names are unique beyond the subscription: a name that somebody else has is told before anything is made.
pub async fn available(session: &Session, id: &ResourceId) -> Result<(), Failure> {
    if session.client.find(id.as_str(), versions::STORAGE).await?.is_some() {
        return Ok(());
    }
    let path =
        format!("/subscriptions/{}/providers/Microsoft.Storage/checkNameAvailability", id.subscription_id());
    let ask = Request::post(path, versions::STORAGE).with(json!({"name": id.name(), "type": ACCOUNTS}));
    let answer = session.client.send(&ask).await?.body;
    if answer.get("nameAvailable") == Some(&Value::Bool(false)) {
        let why = answer.get("message").and_then(Value::as_str).unwrap_or("it is not available");
        return Err(Failure::precondition(format!("{} cannot be the name of an account: {why}", id.name()))
            .next("Choose another name: 3 to 24 small letters and digits."));
    }
    Ok(())
}
