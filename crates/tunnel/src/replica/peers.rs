//! The dialling end: one connection to each other replica, made when it is needed.

use super::{Identity, ReplicaId};
use crate::{
    body::{Body, boxed},
    wire::{PING, PING_PATIENCE},
};
use http::{Request, Response};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// Until a connection stands. Replicas are near each other.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of one answer that may be under way.
const STREAM_WINDOW: u32 = 64 * 1024;
/// All answers together fit: one that nobody reads holds up no other.
const WINDOW: u32 = STREAM_WINDOW * 1_024;
const SEND_BUFFER: usize = 64 * 1024;
const LARGEST_HEAD: u32 = 64 * 1024;

/// The connections to other replicas.
pub struct Peers {
    identity: Arc<Identity>,
    open: Mutex<HashMap<ReplicaId, Arc<Slot>>>,
}

/// Who finds it empty dials, and the others wait for that.
type Slot = tokio::sync::Mutex<Option<SendRequest<Body>>>;

/// Why another replica gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It was not reached: it did not get the request.
    #[error("the replica at {address} cannot be reached: {why}")]
    Unreached {
        /// Where it was looked for.
        address: String,
        /// What happened.
        why: String,
    },
    /// The connection broke; whether the request was carried out is not known.
    #[error("the connection to another replica broke: {0}")]
    Broke(String),
}

impl Peers {
    /// None yet.
    pub fn new(identity: Arc<Identity>) -> Self {
        Self { identity, open: Mutex::default() }
    }

    /// Who dials.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Sends to the replica `to`, which listens at `address`. The body of the answer streams; dropping it, or this
    /// future, breaks the request off over there.
    pub async fn send(
        &self,
        to: ReplicaId,
        address: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, PeerError> {
        let slot = self.slot(to);
        let mut request = request;
        // A connection that ended while nobody used it is found out by the first request.
        for _ in 0..2 {
            let mut sender = match self.connection(&slot, to, address).await {
                Ok(sender) => sender,
                Err(why) => {
                    self.open.lock().remove(&to);
                    return Err(PeerError::Unreached { address: address.to_owned(), why });
                }
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response.map(boxed)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(PeerError::Broke(failed.into_error().to_string())),
                },
            }
            *slot.lock().await = None;
        }
        Err(PeerError::Unreached {
            address: address.to_owned(),
            why: "it closes connections at once".to_owned(),
        })
    }

    /// Where the connection to a replica is. Each run of a replica has a name of its own: what is over is forgotten.
    fn slot(&self, to: ReplicaId) -> Arc<Slot> {
        let mut open = self.open.lock();
        if !open.contains_key(&to) {
            open.retain(|_, slot| {
                let is_used = Arc::strong_count(slot) > 1;
                is_used
                    || slot.try_lock().is_ok_and(|sender| sender.as_ref().is_some_and(|one| !one.is_closed()))
            });
        }
        open.entry(to).or_default().clone()
    }

    async fn connection(
        &self,
        slot: &Slot,
        to: ReplicaId,
        address: &str,
    ) -> Result<SendRequest<Body>, String> {
        let mut slot = slot.lock().await;
        if let Some(sender) = slot.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let made = timeout(PATIENCE, self.dial(to, address)).await;
        let sender = made.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))?;
        *slot = Some(sender.clone());
        Ok(sender)
    }

    async fn dial(&self, to: ReplicaId, address: &str) -> Result<SendRequest<Body>, String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let name = ServerName::try_from(to.host()).map_err(|error| failed(&error))?;
        let connector = TlsConnector::from(self.identity.client());
        let stream = connector.connect(name, stream).await.map_err(|error| failed(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(crate::tls::REPLICA) {
            return Err("it does not speak the protocol of replicas".to_owned());
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING_PATIENCE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(LARGEST_HEAD)
            .handshake::<_, Body>(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, replica = %to, "the connection to another replica ended");
            }
        });
        Ok(sender)
    }
}
