//! This replica among its like: under which name and address, and which tunnels it holds. Who holds a tunnel stands in the
//! database with a lease; the replica to which the gateway came last has it.

use crate::store::{Holding, Store, StoreError};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
    sync::Arc,
    time::Duration,
};
use telemetry::Clock;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tunnel::{ConnectionId, replica::Peers};
use uuid::Uuid;

/// Calls of other replicas that are under way here at a time.
const CALLS: usize = 256;
/// Watches of other replicas; they last for hours and must not keep calls out.
const WATCHES: usize = 256;

/// Where other replicas reach this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaAddress(String);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a replica; write HOST:PORT")]
pub struct ReplicaAddressError(String);

impl FromStr for ReplicaAddress {
    type Err = ReplicaAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ReplicaAddressError(text.chars().take(100).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let plain = host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@?#".contains(&byte));
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if host.is_empty() || port == 0 || !plain || (host.contains(':') && !bracketed) {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }
}

/// This replica, and the way to the others.
pub struct Replicas {
    address: Option<ReplicaAddress>,
    lease: Duration,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) peers: Peers,
    pub(super) calls: Arc<Semaphore>,
    pub(super) watches: Arc<Semaphore>,
    sessions: Mutex<HashMap<String, Known>>,
    elsewhere: Mutex<Vec<String>>,
    changed: Notify,
}

/// What is known of a session.
#[derive(Clone)]
struct Known {
    /// Whether it stands in the database, as far as is known; else it is on the way there.
    stands: bool,
    lost: CancellationToken,
}

/// One standing of a tunnel that this replica holds. Forgotten when it is dropped; the database hears of it soon after.
pub(super) struct Session<'r> {
    id: String,
    replicas: &'r Replicas,
    /// Fires when another replica has taken the tunnel over.
    pub(super) lost: CancellationToken,
}

impl Replicas {
    /// With its way to the others. A tunnel counts as this replica's for `lease` after it last said so.
    pub fn new(
        address: Option<ReplicaAddress>,
        lease: Duration,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        peers: Peers,
    ) -> Self {
        let (calls, watches) = (Arc::new(Semaphore::new(CALLS)), Arc::new(Semaphore::new(WATCHES)));
        let (sessions, elsewhere, changed) = (Mutex::default(), Mutex::default(), Notify::new());
        Self { address, lease, store, clock, peers, calls, watches, sessions, elsewhere, changed }
    }

    /// The name of this run.
    pub fn name(&self) -> String {
        self.peers.identity().id().to_string()
    }

    /// Where others reach it; empty when nobody said so.
    fn address(&self) -> &str {
        self.address.as_ref().map_or("", |address| address.0.as_str())
    }

    /// TLS towards replicas that dial this one.
    pub fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.peers.identity().server()
    }

    /// Which other replica holds a tunnel now, where it can be reached.
    pub(super) async fn holder(&self, connection: ConnectionId) -> Result<Option<Holding>, StoreError> {
        let found = self.store.tunnel(&connection.to_string()).await?;
        let (now, own) = (self.clock.now(), self.name());
        let is_other = |found: &Holding| {
            // What was at this address before has ended, whatever its lease says.
            found.replica != own && !found.address.is_empty() && found.address != self.address()
        };
        Ok(found.filter(|found| found.held_until > now && is_other(found)))
    }

    /// What stands about a tunnel before it is taken.
    pub(super) async fn stands(&self, connection: ConnectionId) -> Result<Option<String>, StoreError> {
        Ok(self.store.tunnel(&connection.to_string()).await?.map(|found| found.session))
    }

    /// Writes this replica down as the holder, unless someone else came since `before` was read.
    pub(super) async fn take(
        &self,
        connection: ConnectionId,
        before: Option<&str>,
    ) -> Result<Option<Session<'_>>, StoreError> {
        let (id, now) = (Uuid::new_v4().to_string(), self.clock.now());
        let holding = Holding {
            connection: connection.to_string(),
            replica: self.name(),
            address: self.address().to_owned(),
            session: id.clone(),
            held_until: now.checked_add(self.lease).unwrap_or(now),
        };
        // Known before it stands in the database: a look in between must not take it for a leftover.
        let lost = CancellationToken::new();
        self.sessions.lock().insert(id.clone(), Known { stands: false, lost: lost.clone() });
        let session = Session { id, replicas: self, lost };
        if !self.store.take_tunnel(&holding, before).await? {
            return Ok(None);
        }
        if let Some(known) = self.sessions.lock().get_mut(&session.id) {
            known.stands = true;
        }
        Ok(Some(session))
    }

    /// The connections that other replicas held when this one looked last.
    pub(super) fn elsewhere(&self) -> Vec<String> {
        self.elsewhere.lock().clone()
    }

    /// Renews what this replica holds until it is told to stop; then others may take it.
    pub async fn keep(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.renew().await {
                tracing::warn!(%error, "could not renew the leases of tunnels; other replicas may not find them");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(self.lease / 3) => {}
            }
        }
        if let Err(error) = self.store.leave_tunnels(&self.name()).await {
            tracing::info!(%error, "the leases of tunnels end by themselves");
        }
    }

    async fn renew(&self) -> Result<(), StoreError> {
        // What is taken while the database is asked need not be in its answer.
        let known = self.sessions.lock().clone();
        let now = self.clock.now();
        let until = now.checked_add(self.lease).unwrap_or(now);
        // Looked up once for each of thousands.
        let standing: HashSet<String> =
            self.store.keep_tunnels(&self.name(), until).await?.into_iter().collect();
        for (id, session) in &known {
            if session.stands && !standing.contains(id) {
                tracing::info!("another replica has taken a tunnel over");
                session.lost.cancel();
            }
        }
        for id in standing {
            let is_over = !self.sessions.lock().contains_key(&id);
            if is_over {
                self.store.leave_tunnel(&id).await?;
            }
        }
        *self.elsewhere.lock() = self.store.tunnels_elsewhere(&self.name(), self.address(), now).await?;
        Ok(())
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.replicas.sessions.lock().remove(&self.id);
        self.replicas.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["10.0.0.7:8443", "vault-0.vault:8443", "[fd00::7]:8443"] {
            assert!(good.parse::<ReplicaAddress>().is_ok(), "{good}");
        }
        for bad in ["", "vault", ":8443", "vault:0", "fd00::7:8443", "https://vault:8443", "a b:1", "vault:x"]
        {
            assert!(bad.parse::<ReplicaAddress>().is_err(), "{bad}");
        }
    }
}
