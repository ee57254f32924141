//! `cofferdam repository init`.

use super::open::{Place, failed};
use crate::exit::{Exit, Outcome};
use engine::{InitOptions, Repo};
use telemetry::{Clock, SystemClock};

pub async fn run(place: &Place) -> Outcome {
    let password = place.password()?;
    let store = place.store().await?;
    let repo = Repo::init(store, &password, InitOptions::new(SystemClock.now())).await.map_err(failed)?;
    println!("created repository {} in {}", repo.config().id, repo.store().describe());
    eprintln!("Keep the password: without it nothing in the repository can be read.");
    Ok(Exit::Done)
}
