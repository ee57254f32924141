//! `cofferdam vault add-subscription`: for those who may read the data directory, whether or not a server runs. No call of
//! the management API makes one.

use super::people::{of, open};
use crate::{
    exit::{Exit, Outcome},
    output::{self, Format},
};
use clap::Args;
use telemetry::{Clock, SystemClock};
use vault::people;

#[derive(Debug, Args)]
pub struct AddSubscriptionArgs {
    /// Name for people; no other subscription has it
    name: String,
    #[command(flatten)]
    place: super::place::PlaceArgs,
    /// Who becomes its Owner: the name of a person, a client id or an object id
    #[arg(long, value_name = "PRINCIPAL")]
    owner: String,
    /// Its id; made up when absent
    #[arg(long, value_name = "GUID")]
    id: Option<uuid::Uuid>,
}

pub async fn run(args: AddSubscriptionArgs, format: Format) -> Outcome {
    let store = open(args.place).await?;
    let made =
        people::add_subscription(store.as_ref(), &args.name, &args.owner, args.id, SystemClock.now()).await;
    store.close().await;
    let made = made.map_err(of)?;
    let id = made.id.subscription_id();
    let facts = serde_json::json!({"id": made.id, "subscriptionId": id, "name": made.name});
    output::tell(format, &format!("made subscription {} with id {id}", made.name), facts)?;
    crate::note!("next: `cofferdam account set --subscription {id}`; its providers are not registered yet");
    Ok(Exit::Done)
}
