//! `cofferdam repository init`.

use super::open::Place;
use crate::exit::{Exit, Outcome};
use crate::note;
use crate::output::{self, Format};
use engine::{InitOptions, Repo};
use serde_json::json;
use telemetry::{Clock, SystemClock};

pub async fn run(place: &Place, format: Format) -> Outcome {
    let password = place.password()?;
    let store = place.store().await?;
    let repo = Repo::init(store, &password, InitOptions::new(SystemClock.now())).await?;
    let (id, at) = (repo.config().id.to_string(), repo.store().describe());
    output::tell(
        format,
        &format!("created repository {id} in {at}"),
        json!({"repository": id, "store": at}),
    )?;
    note!("Keep the password: without it nothing in the repository can be read.");
    Ok(Exit::Done)
}
