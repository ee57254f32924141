//! Opens the repository that a mover's Secret describes.

use super::{Failed, MoverArgs};
use engine::{Budget, Job, Repo, RepositorySecret};
use extension::{PASSWORD_FILE, SETTINGS_FILE};
use std::sync::Arc;
use storage::{
    credential::{CredentialSource, MountedSecret, NoCredential},
    location::{LocationSettings, Provider},
};
use telemetry::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1024 * 1024;

pub async fn repository(args: &MoverArgs) -> Result<Repo, Failed> {
    let read = |file: &str| {
        let path = args.secret.join(file);
        std::fs::read(&path)
            .map_err(|error| Failed::lasting(format!("could not read {}: {error}", path.display())))
    };
    let settings: LocationSettings = serde_json::from_slice(&read(SETTINGS_FILE)?)
        .map_err(|error| Failed::lasting(format!("the settings of the location cannot be read: {error}")))?;
    let credential: Arc<dyn CredentialSource> = match settings.provider {
        Provider::Local => Arc::new(NoCredential),
        provider => {
            let account = settings.storage_account().map(str::to_owned);
            Arc::new(MountedSecret::new(&args.secret, provider, account))
        }
    };
    let location = settings
        .open(credential, clock())
        .await
        .map_err(|error| Failed { text: error.to_string(), temporary: error.temporary })?;
    Ok(Repo::open(location.repository, &RepositorySecret::new(read(PASSWORD_FILE)?)).await?)
}

pub fn job(args: &MoverArgs, stop: &CancellationToken) -> Job {
    Job {
        budget: Budget::with_memory(args.memory.saturating_mul(MIB)),
        cancel: stop.clone(),
        ..Job::new(clock())
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
