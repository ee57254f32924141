//! What an operator can choose. Everything has a default.

use crate::{protect::quotas::Quotas, public_url::PublicUrl, stores::StoreSpec};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use uuid::Uuid;

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
            connections: 4_096,
            drain: Duration::from_secs(20),
        }
    }
}
