//! A running vault: opens what it keeps, answers over TLS, and puts itself down in order.

mod certificate;
mod config;
mod dispatch;
mod listen;
mod scrape;

pub use certificate::CertificateFiles;
pub use config::{CLUSTER_GONE_AFTER, Config, Limits, People};
pub use dispatch::Client;

use crate::{
    access::Access,
    accounts::Accounts,
    api::extensions::{Packages, upgrade_by_itself},
    app::App,
    bootstrap::{BootstrapError, Credential, first_start},
    cluster_link::ClusterLink,
    data_plane::{self, StoredData},
    denials::{Denials, Repeated},
    directory::{DataDirectory, DirectoryError, Lock},
    forwarded::Network,
    links::{self, AuthorityFailure, Links, ReplicaAddress, Replicas},
    metrics::Metrics,
    pki::PkiError,
    places::Places,
    protect::{gone::Turns, hold::Holds, prerequisites},
    public_url::PublicUrl,
    rewrap::{self, RewrapError},
    seal::SealError,
    seldom::Seldom,
    self_backup,
    shared::{self, SharedError},
    store::{
        Store, StoreError,
        postgres::{DatabaseUrl, Postgres},
        sqlite::Sqlite,
    },
    stores::{DEFAULT_FOLDER, Stores, StoresError},
    tasks,
    tokens::{Issuer, KeyError},
    trust::{Trust, TrustError},
    webhooks::{WebhookError, Webhooks},
    work,
};
use certificate::Shown;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use telemetry::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tunnel::{
    ReplicaId,
    replica::{Identity, Peers},
};

/// Why a vault could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The database.
    #[error("could not use {database}: {source}")]
    Store {
        /// Which.
        database: String,
        /// Why not.
        source: StoreError,
    },
    /// The wrapping key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Which wrapping key.
    #[error(transparent)]
    Rewrap(#[from] RewrapError),
    /// What replicas have in common.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// Keys and certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Stores for data.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// Signing keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Issuers outside.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Who is told of alerts.
    #[error(transparent)]
    Webhooks(#[from] WebhookError),
    /// The first start.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The address.
    #[error("could not listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The authority of clusters.
    #[error(transparent)]
    Links(#[from] AuthorityFailure),
    /// TLS of clusters' connections.
    #[error(transparent)]
    LinkTls(#[from] tunnel::tls::TlsError),
    /// TLS.
    #[error("could not set up TLS: {0}; this is a defect, please report it")]
    Tls(rustls::Error),
}

/// A vault that is open and listens, but does not answer yet.
#[derive(Debug)]
pub struct Vault {
    app: Arc<App>,
    store: Arc<dyn Store>,
    listener: TcpListener,
    shown: Arc<Shown>,
    limits: Limits,
    trusted: Arc<[Network]>,
    scrape: Option<TcpListener>,
    first: Option<Credential>,
    ca: PathBuf,
    _lock: Lock,
}

impl Vault {
    /// Opens the data directory and binds the address; at the first start makes everything.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, ServeError> {
        let directory = DataDirectory::open(&config.data)?;
        let lock = directory.lock()?;
        let webhooks = Webhooks::open(&config.webhooks)?;
        let (listener, address) = listen_on(config.listen).await?;
        let scrape = match config.metrics {
            Some(address) => Some(listen_on(address).await?.0),
            None => None,
        };
        let public = config.public.unwrap_or_else(|| PublicUrl::localhost(address.port()));
        let store = open_database(&directory, config.database.as_ref()).await?;
        let mut wrapping = config.wrapping_key.open(&directory)?.with_customers(config.customer_keys.clone());
        rewrap::settle(store.as_ref(), &mut wrapping, clock.now()).await?;
        if config.database.is_some() {
            shared::share_authority(store.as_ref(), &wrapping, &directory, clock.now()).await?;
        }
        let stores = Stores::open(&config.stores, || directory.path(DEFAULT_FOLDER), &clock)?;
        let (shown, ca) = match config.certificate {
            Some(files) => (Shown::files(files.clone())?, files.certificate),
            None => Shown::open(directory.clone(), public.host(), clock.as_ref())?,
        };
        let (tenant, first) = first_start(store.as_ref(), config.subscription, clock.now()).await?;
        let wrapping = Arc::new(wrapping);
        let self_backup = match config.self_backup {
            Some(settings) => {
                if config.database.is_some() && settings.store.is_none() && settings.every.is_some() {
                    tracing::warn!(
                        "the vault backs itself up into the data directory of whichever replica does it; name a store with --backup-store"
                    );
                }
                let place = self_backup::Place::open(settings.store.as_ref(), &directory, &clock)?;
                self_backup::work::plan(store.as_ref(), settings.every, clock.now())
                    .await
                    .map_err(BootstrapError::Store)?;
                Some(self_backup::work::Running { settings, place, directory: directory.clone() })
            }
            None => None,
        };
        let issuer =
            Issuer::open(public.clone(), tenant, store.clone(), clock.clone(), wrapping.clone()).await?;
        let authority = links::open_authority(store.as_ref(), &wrapping, clock.now()).await?;
        let of_replicas = links::open_of_replicas(store.as_ref(), &wrapping, clock.now()).await?;
        let id = ReplicaId(uuid::Uuid::new_v4());
        let identity = Identity::new(id, of_replicas, clock.clone()).map_err(AuthorityFailure::from)?;
        let own = config.replica_address.or_else(|| unambiguous(address));
        if own.is_none() && config.database.is_some() {
            tracing::warn!(
                "other replicas cannot reach this one, which listens on every address: give it --replica-address"
            );
        }
        let peers = Peers::new(Arc::new(identity));
        let replicas = Replicas::new(own, config.limits.lease, store.clone(), clock.clone(), peers);
        let links = Arc::new(Links::new(authority, replicas));
        let accounts = Accounts::new(store.clone(), clock.clone());
        let roles = identity::builtin::roles();
        let packages = Packages::new(config.packages, config.package_source, clock.now());
        let app = Arc::new(App {
            stored: StoredData::new(stores),
            access: Access::new(store.clone(), roles.clone()),
            trust: Trust::open(&config.people.trusted, clock.clone())?,
            redirects: config.people.redirects,
            denials: Denials::default(),
            refused_again: Repeated::default(),
            looks: Seldom::default(),
            store: store.clone(),
            issuer,
            wrapping,
            accounts,
            public,
            clock,
            roles,
            location: config.location,
            spread: config.spread.try_into().unwrap_or_default(),
            quotas: config.quotas,
            packages,
            upgrade_within: config.upgrade_within.try_into().unwrap_or_default(),
            package_directory: config.package_directory,
            authorities: ca.clone(),
            manifests: config.manifests,
            agent_image: config.agent_image,
            clusters: links.clone(),
            links,
            replica: id.to_string(),
            kinds: config.kinds,
            lease: config.limits.lease,
            gone_after: config.cluster_gone_after,
            prerequisites: prerequisites::Turns::new(config.prerequisites),
            turns: Turns::default(),
            places: Places::default(),
            holds: Holds::default(),
            stopping: CancellationToken::new(),
            self_backup,
            webhooks,
            metrics: Metrics::default(),
            poke: tokio::sync::Notify::new(),
            poke_work: tokio::sync::Notify::new(),
        });
        Ok(Self {
            app,
            store,
            listener,
            shown: Arc::new(shown),
            limits: config.limits,
            trusted: config.trusted_proxies.into(),
            scrape,
            first,
            ca,
            _lock: lock,
        })
    }

    /// With another way to the clusters; for tests that inject faults into it.
    pub fn with_clusters(mut self, clusters: Arc<dyn ClusterLink>) -> Self {
        if let Some(app) = Arc::get_mut(&mut self.app) {
            app.clusters = clusters;
        }
        self
    }

    /// The administrator's credential, at the first start alone; it is not kept.
    pub fn take_first(&mut self) -> Option<Credential> {
        self.first.take()
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The name under which clients reach it.
    pub fn public(&self) -> &PublicUrl {
        &self.app.public
    }

    /// The certificate that clients must trust.
    pub fn ca(&self) -> &PathBuf {
        &self.ca
    }

    /// What it works with; for tests.
    pub fn app(&self) -> Arc<App> {
        self.app.clone()
    }

    /// Answers until it is told to stop, then lets what is under way end.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), ServeError> {
        let (stopping, halted) = (self.app.stopping.clone(), stop.clone());
        let stopper = tokio::spawn(async move {
            halted.cancelled().await;
            stopping.cancel();
        });
        let background = tokio::spawn(tasks::run(self.app.clone(), stop.clone()));
        let worker = tokio::spawn(work::run(self.app.clone(), stop.clone()));
        let renewal = tokio::spawn(certificate::renew(self.shown.clone(), self.app.clone(), stop.clone()));
        let links = self.app.links.clone();
        let halted = stop.clone();
        let keeper = tokio::spawn(async move { links.replicas.keep(halted).await });
        let listener = links::listen(self.app.clone(), stop.clone());
        let listener = tokio::spawn(listener);
        let sweeper = tokio::spawn(data_plane::sweep(self.app.clone(), stop.clone()));
        let upgrades = tokio::spawn(upgrade_by_itself(self.app.clone(), stop.clone()));
        let app = self.app.clone();
        let scrape =
            self.scrape.map(|listener| tokio::spawn(scrape::run(self.app.clone(), listener, stop.clone())));
        let ended =
            listen::run(self.app, self.listener, self.shown, self.limits, self.trusted, stop.clone()).await;
        stop.cancel();
        for task in [stopper, background, worker, renewal, keeper, listener, sweeper, upgrades]
            .into_iter()
            .chain(scrape)
        {
            if let Err(error) = task.await {
                tracing::error!(%error, "a background task ended badly");
            }
        }
        if let Err(error) = app.denials.flush_all(app.store.as_ref()).await {
            tracing::error!(%error, "could not write how often calls were denied");
        }
        if let Err(error) = app.refused_again.flush_all(app.store.as_ref(), app.clock.now()).await {
            tracing::error!(%error, "could not write how often machines were refused");
        }
        self.store.close().await;
        ended
    }
}

/// The database of a vault, for the operator of the machine; a server may use it at the same time.
pub async fn open_store(
    directory: &DataDirectory,
    database: Option<&DatabaseUrl>,
) -> Result<Arc<dyn Store>, ServeError> {
    if database.is_none() && !database_file(directory).exists() {
        return Err(BootstrapError::Nothing.into());
    }
    open_database(directory, database).await
}

/// The same, made where there is none yet.
pub async fn create_store(
    directory: &DataDirectory,
    database: Option<&DatabaseUrl>,
) -> Result<Arc<dyn Store>, ServeError> {
    open_database(directory, database).await
}

async fn open_database(
    directory: &DataDirectory,
    database: Option<&DatabaseUrl>,
) -> Result<Arc<dyn Store>, ServeError> {
    let failed = |database: String| move |source| ServeError::Store { database, source };
    Ok(match database {
        Some(url) => Arc::new(Postgres::open(url).await.map_err(failed(url.to_string()))?),
        None => {
            let path = database_file(directory);
            Arc::new(Sqlite::open(&path).await.map_err(failed(path.display().to_string()))?)
        }
    })
}

async fn listen_on(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Where it listens, if that is one address.
fn unambiguous(address: SocketAddr) -> Option<ReplicaAddress> {
    if address.ip().is_unspecified() { None } else { address.to_string().parse().ok() }
}

fn database_file(directory: &DataDirectory) -> PathBuf {
    directory.path("vault.db")
}
