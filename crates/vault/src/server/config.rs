//! What an operator can choose. Everything has a default.

use super::CertificateFiles;
use crate::{
    api::extensions::{Catalogue, PackageSource},
    forwarded::Network,
    links::ReplicaAddress,
    manifests::{ConnectManifests, NoManifests},
    protect::{prerequisites::Looks, quotas::Quotas},
    public_url::PublicUrl,
    seal::{CustomerKeys, KeySource},
    self_backup,
    store::postgres::DatabaseUrl,
    stores::StoreSpec,
    trust::TrustedIssuer,
    webhooks::ReceiverSettings,
    work::Kinds,
};
use jiff::SignedDuration;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use uuid::Uuid;

/// How long a cluster may be silent, unless the operator says otherwise.
pub const CLUSTER_GONE_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The choices.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept.
    pub data: PathBuf,
    /// Where connections are taken.
    pub listen: SocketAddr,
    /// The name under which clients reach it; `https://localhost` at the port where it listens when absent.
    pub public: Option<PublicUrl>,
    /// The id of the subscription that the first start makes.
    pub subscription: Option<Uuid>,
    /// The region that it says it is in.
    pub location: String,
    /// Scheduled backups begin spread over this time after their slot.
    pub spread: Duration,
    /// What a vault and an instance may have and do.
    pub quotas: Quotas,
    /// Stores for the data of storage accounts, besides the one in the data directory.
    pub stores: Vec<StoreSpec>,
    /// What one client may take.
    pub limits: Limits,
    /// Where other replicas reach this one; where it listens when absent, unless that is every address.
    pub replica_address: Option<ReplicaAddress>,
    /// The database that several replicas share; a file in the data directory when absent.
    pub database: Option<DatabaseUrl>,
    /// Where the key comes from that seals secrets at rest.
    pub wrapping_key: KeySource,
    /// Keys of customers, which Backup vaults name.
    pub customer_keys: CustomerKeys,
    /// The operator's certificate; the vault's own authority makes one when absent.
    pub certificate: Option<CertificateFiles>,
    /// Reverse proxies whose word about the client's address counts.
    pub trusted_proxies: Vec<Network>,
    /// Kinds of work besides the vault's own.
    pub kinds: Kinds,
    /// The extension packages that are offered.
    pub packages: Catalogue,
    /// Where they are looked for again while the vault runs; nowhere when absent.
    pub package_source: Option<Arc<dyn PackageSource>>,
    /// Within this time after it appeared, a newer version of an extension is taken by itself, where its owner wants that.
    pub upgrade_within: Duration,
    /// The directory whose packages are served to agents.
    pub package_directory: Option<PathBuf>,
    /// Writes what connects a cluster; none by default, for the vault knows no Kubernetes.
    pub manifests: Arc<dyn ConnectManifests>,
    /// The image of agent and gateway; the program's own when absent.
    pub agent_image: Option<String>,
    /// How people sign in.
    pub people: People,
    /// Who is told of alerts.
    pub webhooks: Vec<ReceiverSettings>,
    /// A cluster that was not heard of for longer than this is gone: the vault deletes its recovery points itself.
    pub cluster_gone_after: SignedDuration,
    /// How often the prerequisites of protected instances are looked at again.
    pub prerequisites: Looks,
    /// How it backs itself up; not at all when absent.
    pub self_backup: Option<self_backup::Settings>,
    /// Where metrics are served, without TLS and without a token; nowhere when absent.
    pub metrics: Option<SocketAddr>,
}

impl Config {
    /// Everything kept in a directory, the rest as it is by default.
    pub fn at(data: PathBuf) -> Self {
        Self {
            data,
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            public: None,
            subscription: None,
            location: "local".to_owned(),
            limits: Limits::default(),
            replica_address: None,
            database: None,
            wrapping_key: KeySource::default(),
            customer_keys: CustomerKeys::default(),
            certificate: None,
            trusted_proxies: Vec::new(),
            kinds: &[],
            manifests: Arc::new(NoManifests),
            agent_image: None,
            spread: Duration::from_secs(120),
            quotas: Quotas::default(),
            packages: Catalogue::default(),
            package_source: None,
            upgrade_within: Duration::from_secs(60 * 60),
            package_directory: None,
            people: People::default(),
            stores: Vec::new(),
            webhooks: Vec::new(),
            cluster_gone_after: CLUSTER_GONE_AFTER,
            prerequisites: Looks::default(),
            self_backup: None,
            metrics: None,
        }
    }
}

/// How people sign in, beyond names and passwords of the vault itself.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// Issuers outside that are trusted.
    pub trusted: Vec<TrustedIssuer>,
    /// Addresses to which a browser may be sent with an authorization code, besides those of its own machine.
    pub redirects: Vec<String>,
}

/// What one client may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request body.
    pub body: usize,
    /// For the TLS handshake, and then for the head of each request.
    pub head: Duration,
    /// For the whole body of a request.
    pub body_time: Duration,
    /// For an answer.
    pub answer: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// For how long work that was claimed is left to a replica that falls silent.
    pub lease: Duration,
    /// For what is under way when the vault is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 * 1024 * 1024,
            head: Duration::from_secs(15),
            body_time: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            connections: 16_384,
            lease: Duration::from_secs(60),
            drain: Duration::from_secs(20),
        }
    }
}
