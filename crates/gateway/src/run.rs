//! Runs the gateway: health, repairs, and the standing connection to the vault.

use crate::{ApiServer, Gateway, Health, NAME, Repairs, SecretStore};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use kube::Client;
use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tunnel::{
    Part, Proxy,
    credential::EnrolmentToken,
    dial::{DialError, Dialler, Target},
    link::{Link, TokenSource},
    serve,
    tls::{GATEWAY, TlsError, Trust},
};

/// The longest pause in an answer to one of the gateway's own calls.
const OWN_CALLS: Duration = Duration::from_secs(15);

/// How the gateway runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// URL of the vault.
    pub vault: String,
    /// The authorities that sign its certificate, and a proxy's; PEM.
    pub authorities: PathBuf,
    /// The authorities that sign a proxy's certificate and count for nothing else; PEM.
    pub proxy_authorities: Option<PathBuf>,
    /// Namespace of the Secret with the gateway's credential.
    pub namespace: String,
    /// The file that the enrolment token is mounted as.
    pub token: Option<PathBuf>,
    /// Address of `/healthz` and `/readyz`; not served when absent.
    pub listen: Option<SocketAddr>,
}

/// Why the gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file of authorities.
    #[error("could not read the authorities in {path}: {error}")]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// Its content.
    #[error(transparent)]
    Trust(#[from] TlsError),
    /// The URL.
    #[error(transparent)]
    Vault(#[from] DialError),
    /// The API server's address or certificate.
    #[error("could not set up the connection to the API server: {0}")]
    Cluster(#[from] kube::Error),
    /// The address of the probes.
    #[error("could not listen on {address}: {error}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What happened.
        error: io::Error,
    },
}

/// A token in a file that may come later, or go.
#[derive(Debug, Clone)]
pub struct TokenFile(pub Option<PathBuf>);

impl TokenSource for TokenFile {
    fn token(&self) -> Option<EnrolmentToken> {
        let path = self.0.as_ref()?;
        let text = match std::fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => zeroize::Zeroizing::new(text),
            Ok(_) => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the enrolment token cannot be read");
                return None;
            }
        };
        text.parse().inspect_err(|error| tracing::warn!(%error, path = %path.display(), "not a token")).ok()
    }
}

/// Runs until `stop` fires.
pub async fn run(
    mut cluster: kube::Config,
    config: Config,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let target = Target::of_url(&config.vault)?;
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|error| RunError::Authorities { path: path.clone(), error })
    };
    let authorities = read(&config.authorities)?;
    let trust = Trust::from_pem(&authorities)?;
    let of_proxies = match &config.proxy_authorities {
        Some(path) => Trust::from_pem(&format!("{authorities}\n{}", read(path)?))?,
        None => trust.clone(),
    };
    let api = ApiServer::new(&cluster)?;
    // Its own calls are short ones. What it carries may take hours.
    cluster.read_timeout = Some(OWN_CALLS);
    let own = Client::try_from(cluster)?;
    let gateway = Gateway::new(own.clone(), api, clock.clone());
    let health = Health::default();
    if let Some(address) = config.listen {
        let listener =
            TcpListener::bind(address).await.map_err(|error| RunError::Listen { address, error })?;
        tokio::spawn(health.clone().serve(listener, stop.clone()));
    }
    tokio::spawn(Repairs::default().keep(gateway.clone(), stop.clone()));
    let store = Arc::new(SecretStore::new(own, &config.namespace, NAME));
    let token = Arc::new(TokenFile(config.token));
    let dialler =
        Dialler::new(target, trust, Proxy::from_env(), clock.clone()).trusting_proxies_of(of_proxies);
    let link = Link::new(dialler, store, token, Part::Gateway, clock);
    link.keep(GATEWAY, &stop, |standing| {
        let (gateway, health) = (gateway.clone(), health.clone());
        async move {
            tracing::info!("connected to the vault");
            health.set_connected(true);
            let service = service_fn(move |request: Request<Incoming>| {
                let gateway = gateway.clone();
                async move { Ok::<_, Infallible>(gateway.answer(request).await) }
            });
            let ended = serve(standing.stream, service, standing.stop).await;
            health.set_connected(false);
            ended.err().map_or_else(|| "it was put down".to_owned(), |error| error.to_string())
        }
    })
    .await;
    Ok(())
}
