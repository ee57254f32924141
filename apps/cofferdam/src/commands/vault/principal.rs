//! `cofferdam vault add-principal`: for those who may read the data directory, whether or not a server runs. Also the way
//! back in for whoever lost the administrator's secret.

use super::{credential::hand_over, place::PlaceArgs, serve::failure};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use telemetry::{Clock, SystemClock};
use vault::{bootstrap, directory::DataDirectory, server::open_store};

#[derive(Debug, Args)]
pub struct AddPrincipalArgs {
    /// Name for people
    name: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// Built-in role that it gets at the subscription, such as Owner; none when absent
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

pub async fn run(args: AddPrincipalArgs, format: Format) -> Outcome {
    let (place, _) = args.place.resolve()?;
    if place.database.is_none() && !place.data.is_dir() {
        return Err(Failure::precondition(bootstrap::BootstrapError::Nothing));
    }
    let directory = DataDirectory::open(&place.data).map_err(Failure::precondition)?;
    let store = open_store(&directory, place.database.as_ref()).await.map_err(failure)?;
    let made =
        bootstrap::add_principal(store.as_ref(), &args.name, args.role.as_deref(), SystemClock.now()).await;
    store.close().await;
    let credential = made.map_err(|error| failure(error.into()))?;
    hand_over(&credential, &directory, &format!("principal-{}.json", credential.client_id), None)?;
    let facts = serde_json::json!({"clientId": credential.client_id, "objectId": credential.object_id});
    output::tell(
        format,
        &format!("made principal {} with object id {}", args.name, credential.object_id),
        facts,
    )?;
    Ok(Exit::Done)
}
