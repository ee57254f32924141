//! `cofferdam vault rotate-wrapping-key`: seals everything in the database with another key.

use super::{place::PlaceArgs, serve::failure};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use telemetry::{Clock, SystemClock};
use vault::{bootstrap, directory::DataDirectory, rewrap, seal::KeySource, server::open_store};

#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

pub async fn run(args: RotateArgs, format: Format) -> Outcome {
    let (place, _) = args.place.resolve()?;
    if place.database.is_none() && !place.data.is_dir() {
        return Err(Failure::precondition(bootstrap::BootstrapError::Nothing));
    }
    let directory = DataDirectory::open(&place.data).map_err(Failure::precondition)?;
    // A server that runs on this directory would go on with the key that it has read.
    let _lock = match place.wrapping_key {
        KeySource::Directory => Some(directory.lock().map_err(Failure::precondition)?),
        _ => None,
    };
    let store = open_store(&directory, place.database.as_ref()).await.map_err(failure)?;
    let done = rewrap::exchange(store.as_ref(), &place.wrapping_key, &directory, SystemClock.now()).await;
    store.close().await;
    let done = done.map_err(|error| failure(error.into()))?;
    let text = format!(
        "{} secrets are sealed anew; the wrapping key is {} now. {}",
        done.resealed,
        done.key,
        match place.wrapping_key {
            KeySource::Directory => "Back the new file secrets/wrapping.key up, apart from the database.",
            _ => "Take the old key away from every replica and restart it.",
        }
    );
    output::tell(format, &text, serde_json::json!({"resealed": done.resealed, "key": done.key}))?;
    Ok(Exit::Done)
}
