//! Starts the agent of a cluster: reads its files, dials the vault, works until it is told to stop.

use crate::{
    Agent, Config, Egress,
    error::ActError,
    registry::{HttpRegistry, Registries},
    tunnelled::tunnelled,
};
use gateway::{SecretStore, TokenFile};
use kube::Client;
use packages::Trust;
use std::{io, path::PathBuf, sync::Arc};
use telemetry::Clock;
use tokio_util::sync::CancellationToken;
use tunnel::{
    Part, Proxy,
    dial::{DialError, Dialler, Target},
    link::Link,
    tls::{TlsError, Trust as Authorities},
};

/// Name of the agent's Deployment, its ServiceAccount, its roles, its ConfigMap and the Secret with its credential.
pub const NAME: &str = "cofferdam-agent";

/// How the agent runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// URL of the vault.
    pub vault: String,
    /// The authorities that sign its certificate; PEM.
    pub authorities: PathBuf,
    /// The authorities that sign an egress proxy's certificate; PEM.
    pub proxy_authorities: Option<PathBuf>,
    /// The agent's namespace.
    pub namespace: String,
    /// The file that the enrolment token is mounted as.
    pub token: Option<PathBuf>,
    /// The keys that packages must be signed with.
    pub trust: PathBuf,
    /// Addresses of the registries that packages may come from.
    pub registries: Vec<String>,
    /// Authorities of the registries, beside those of the system; PEM.
    pub registry_authorities: Option<PathBuf>,
}

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StartError {
    #[error("could not read {path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Registry(String),
    #[error(transparent)]
    Trust(#[from] packages::PackageError),
    #[error(transparent)]
    Authorities(#[from] TlsError),
    #[error(transparent)]
    Vault(#[from] DialError),
    #[error(transparent)]
    Work(#[from] ActError),
}

/// Runs until `stop` fires.
pub async fn start(
    client: Client,
    settings: Settings,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let read =
        |path: &PathBuf| std::fs::read(path).map_err(|error| StartError::File { path: path.clone(), error });
    let target = Target::of_url(&settings.vault)?;
    let of_vault = read(&settings.authorities)?;
    let authorities = Authorities::from_pem(&String::from_utf8_lossy(&of_vault))?;
    let of_proxy = settings.proxy_authorities.as_ref().map(read).transpose()?.unwrap_or_default();
    let egress = Egress::from_env(|name| std::env::var(name).ok(), Some(&String::from_utf8_lossy(&of_proxy)));
    let beside = |pem: &[u8]| [pem, b"\n", &of_proxy].concat();
    let of_proxies = Authorities::from_pem(&String::from_utf8_lossy(&beside(&of_vault)))?;
    let trust = Trust::parse(&read(&settings.trust)?)?;
    let allowed = Registries::parse(&settings.registries).map_err(StartError::Registry)?;
    let certificates = settings.registry_authorities.as_ref().map(read).transpose()?;
    // Packages come through the proxy too. Whoever is taken for a registry gains nothing: packages are pinned and signed.
    let certificates = Some(beside(&certificates.unwrap_or_default()));
    let certificates = certificates.filter(|pem| !pem.trim_ascii().is_empty());
    let registry = HttpRegistry::new(allowed, certificates.as_deref()).map_err(StartError::Registry)?;
    let store = Arc::new(SecretStore::new(client.clone(), &settings.namespace, NAME));
    let (vault, keeper) = tunnelled(target.authority());
    let dialler =
        Dialler::new(target, authorities, Proxy::from_env(), clock.clone()).trusting_proxies_of(of_proxies);
    let link = Link::new(dialler, store, Arc::new(TokenFile(settings.token)), Part::Agent, clock.clone());
    let config = Config { namespace: settings.namespace, trust };
    let agent = Agent::new(client, config, Arc::new(registry), clock).with_egress(egress);
    tokio::select! {
        () = keeper.keep(&link, &stop) => Ok(()),
        ended = agent.run(&vault, &stop) => Ok(ended?),
    }
}
