//! What every call works with.

use crate::{
    accounts::Accounts, cluster_link::ClusterLink, metrics::Metrics, public_url::PublicUrl, store::Store,
    tokens::Issuer, work::Kinds,
};
use identity::RoleDefinition;
use std::{sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::sync::Notify;

/// The parts of a running vault.
#[derive(Debug)]
pub struct App {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Tokens.
    pub issuer: Issuer,
    /// Who may sign in.
    pub accounts: Accounts,
    /// The name under which clients reach it.
    pub public: PublicUrl,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// All roles.
    pub roles: Vec<RoleDefinition>,
    /// The region that the vault says it is in.
    pub location: String,
    /// The way to the clusters.
    pub clusters: Arc<dyn ClusterLink>,
    /// Which of several replicas this is, unique at each start.
    pub replica: String,
    /// Kinds of work besides the vault's own.
    pub kinds: Kinds,
    /// How long work that was claimed is left to a replica that falls silent.
    pub lease: Duration,
    /// What is counted.
    pub metrics: Metrics,
    /// Wakes the background tasks.
    pub poke: Notify,
    /// Wakes whoever looks for work.
    pub poke_work: Notify,
}
