//! What every reconciler works with.

use crate::{events::Events, grants::VaultSettings, health::Health, locations::Locations, turns::Turns};
use kube::Client;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::sync::Notify;

/// How an extension is run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its namespace: custom resources, locations, Secrets, the Lease.
    pub namespace: String,
    /// The vault that grants keys and locations; without one they come from the cluster alone.
    pub vault: Option<VaultSettings>,
    /// The product's image, for movers; without it files are not copied.
    pub image: Option<String>,
    /// Unique name of this process in the leader election.
    pub identity: String,
    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    pub listen: Option<SocketAddr>,
    /// How much runs at the same time.
    pub at_once: AtOnce,
    /// Bytes that one backup may hold in memory.
    pub memory: u64,
    /// How long after a request to end the work may take to put itself down.
    pub grace: Duration,
}

/// How many operations of a kind run at the same time.
#[derive(Debug, Clone, Copy)]
pub struct AtOnce {
    /// Backups.
    pub backups: usize,
    /// Restores.
    pub restores: usize,
    /// Deletions.
    pub deletions: usize,
    /// Validations.
    pub validations: usize,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self { backups: 4, restores: 2, deletions: 4, validations: 4 }
    }
}

/// The cluster that the extension runs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// UID of `kube-system`.
    pub uid: String,
    /// `gitVersion` of the API server.
    pub version: String,
}

/// What every reconciler works with.
pub struct Context {
    /// Speaks to the API server.
    pub client: Client,
    /// How the extension is run.
    pub config: Config,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The cluster.
    pub cluster: Cluster,
    /// The storage locations.
    pub locations: Locations,
    /// Publishes events.
    pub events: Events,
    /// Health and metrics.
    pub health: Arc<Health>,
    /// Wakes the background prune.
    pub prune: Notify,
    /// Which backup may freeze which pods.
    pub(crate) turns: Turns,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("cluster", &self.cluster)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
