//! `cofferdam vault serve`.

use super::credential::hand_over;
use crate::{
    commands::extension::stop_on_signals,
    exit::{Exit, Failure, Outcome},
    note,
};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use telemetry::SystemClock;
use vault::{
    directory::DataDirectory,
    protect::quotas::Quotas,
    public_url::PublicUrl,
    server::{Config, Limits, ServeError, Vault},
    stores::StoreSpec,
};

/// Where the first administrator's credential goes when there is no terminal.
const ADMINISTRATOR: &str = "administrator.json";

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Directory that holds everything the vault keeps; made if it is not there
    #[arg(long, env = "COFFERDAM_VAULT_DATA", default_value = "cofferdam-vault", value_name = "DIR")]
    data: PathBuf,
    /// Address and port to listen on
    #[arg(
        long,
        env = "COFFERDAM_VAULT_LISTEN",
        default_value = "127.0.0.1:8443",
        value_name = "ADDRESS:PORT"
    )]
    listen: SocketAddr,
    /// Name under which clients reach the vault; https://localhost and the port when absent
    #[arg(long, env = "COFFERDAM_VAULT_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Id of the subscription that the first start makes; made up when absent
    #[arg(long, value_name = "GUID")]
    subscription: Option<uuid::Uuid>,
    /// Region that the vault says it is in
    #[arg(long, env = "COFFERDAM_VAULT_LOCATION", default_value = "local", value_name = "NAME")]
    location: String,
    /// Seconds over which scheduled backups begin after their slot, each instance always at its own
    #[arg(long, env = "COFFERDAM_VAULT_SCHEDULE_SPREAD", default_value_t = 120, value_name = "SECONDS")]
    schedule_spread: u64,
    /// Store for the data of storage accounts: NAME=URL with file:///DIR, s3://BUCKET/PREFIX, az://ACCOUNT/CONTAINER/PREFIX
    /// or gs://BUCKET/PREFIX; may be given several times. The store `default` is in the data directory unless it is named
    #[arg(long, env = "COFFERDAM_VAULT_STORES", value_name = "NAME=URL", value_delimiter = ' ')]
    store: Vec<StoreSpec>,
    /// Seconds that calls under way may take to end after SIGTERM
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    grace: u64,
}

pub async fn run(args: ServeArgs) -> Outcome {
    let limits = Limits { drain: Duration::from_secs(args.grace), ..Limits::default() };
    let config = Config {
        data: args.data.clone(),
        listen: args.listen,
        public: args.public_url,
        subscription: args.subscription,
        location: args.location,
        spread: Duration::from_secs(args.schedule_spread),
        quotas: Quotas::default(),
        stores: args.store,
        limits,
    };
    let stop = stop_on_signals()?;
    let mut vault = Vault::open(config, Arc::new(SystemClock)).await.map_err(failure)?;
    if let Some(credential) = vault.take_first() {
        let directory = DataDirectory::open(&args.data).map_err(Failure::precondition)?;
        hand_over(&credential, &directory, ADMINISTRATOR, Some(vault.public().origin()))?;
    }
    note!("the vault answers at {}; clients must trust {}", vault.public(), vault.ca().display());
    vault.serve(stop).await.map_err(failure)?;
    Ok(Exit::Done)
}

/// What the operator must put right is a precondition; all else has failed.
pub fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::Directory(_)
        | ServeError::Listen { .. }
        | ServeError::Bootstrap(_)
        | ServeError::Stores(_)
        | ServeError::Seal(_) => Failure::precondition(error),
        error => Failure::failed(error),
    }
}
