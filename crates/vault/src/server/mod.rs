//! A running vault: opens what it keeps, answers over TLS, and puts itself down in order.

mod certificate;
mod config;
mod dispatch;
mod listen;

pub use config::{Config, Limits};

use crate::{
    accounts::Accounts,
    app::App,
    bootstrap::{BootstrapError, Credential, first_start},
    cluster_link::{ClusterLink, NoClusters},
    data_plane::{self, StoredData},
    directory::{DataDirectory, DirectoryError, Lock},
    pki::PkiError,
    public_url::PublicUrl,
    seal::{SealError, Wrapping},
    store::{Store, StoreError, sqlite::Sqlite},
    stores::{DEFAULT_FOLDER, Stores, StoresError},
    tasks,
    tokens::{Issuer, KeyError},
    work,
};
use certificate::Shown;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use telemetry::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why a vault could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The database.
    #[error("could not use {path}: {source}", path = .path.display())]
    Store {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: StoreError,
    },
    /// The wrapping key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Keys and certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Stores for data.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// Signing keys.
    #[error(transparent)]
    Key(#[from] KeyError),
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
    /// TLS.
    #[error("could not set up TLS: {0}; this is a defect, please report it")]
    Tls(rustls::Error),
}

/// A vault that is open and listens, but does not answer yet.
#[derive(Debug)]
pub struct Vault {
    app: Arc<App>,
    sqlite: Sqlite,
    listener: TcpListener,
    shown: Arc<Shown>,
    limits: Limits,
    first: Option<Credential>,
    ca: PathBuf,
    _lock: Lock,
}

impl Vault {
    /// Opens the data directory and binds the address; at the first start makes everything.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, ServeError> {
        let directory = DataDirectory::open(&config.data)?;
        let lock = directory.lock()?;
        let failed = |source| ServeError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let public = config.public.unwrap_or_else(|| PublicUrl::localhost(address.port()));
        let path = database(&directory);
        let sqlite = Sqlite::open(&path).await.map_err(|source| ServeError::Store { path, source })?;
        let store: Arc<dyn Store> = Arc::new(sqlite.clone());
        let wrapping = Arc::new(Wrapping::open(&directory)?);
        let stores = Stores::open(&config.stores, || directory.path(DEFAULT_FOLDER), &clock)?;
        let (shown, ca) = Shown::open(directory, public.host(), clock.as_ref())?;
        let (tenant, first) = first_start(store.as_ref(), config.subscription, clock.now()).await?;
        let issuer =
            Issuer::open(public.clone(), tenant, store.clone(), clock.clone(), wrapping.clone()).await?;
        let accounts = Accounts::new(store.clone(), clock.clone());
        let app = Arc::new(App {
            stored: StoredData::new(stores),
            store,
            issuer,
            wrapping,
            accounts,
            public,
            clock,
            roles: identity::builtin::roles(),
            location: config.location,
            spread: config.spread.try_into().unwrap_or_default(),
            quotas: config.quotas,
            clusters: Arc::new(NoClusters),
            replica: uuid::Uuid::new_v4().to_string(),
            poke: tokio::sync::Notify::new(),
            poke_work: tokio::sync::Notify::new(),
        });
        Ok(Self {
            app,
            sqlite,
            listener,
            shown: Arc::new(shown),
            limits: config.limits,
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
        let background = tokio::spawn(tasks::run(self.app.clone(), stop.clone()));
        let worker = tokio::spawn(work::run(self.app.clone(), stop.clone()));
        let renewal = tokio::spawn(certificate::renew(self.shown.clone(), self.app.clone(), stop.clone()));
        let sweeper = tokio::spawn(data_plane::sweep(self.app.clone(), stop.clone()));
        let ended = listen::run(self.app, self.listener, self.shown, self.limits, stop.clone()).await;
        stop.cancel();
        for task in [background, worker, renewal, sweeper] {
            if let Err(error) = task.await {
                tracing::error!(%error, "a background task ended badly");
            }
        }
        self.sqlite.close().await;
        ended
    }
}

/// The database of a vault, for the operator of the machine; a server may use it at the same time.
pub async fn open_store(directory: &DataDirectory) -> Result<Sqlite, ServeError> {
    let path = database(directory);
    if !path.exists() {
        return Err(BootstrapError::Nothing.into());
    }
    Sqlite::open(&path).await.map_err(|source| ServeError::Store { path, source })
}

fn database(directory: &DataDirectory) -> PathBuf {
    directory.path("vault.db")
}
