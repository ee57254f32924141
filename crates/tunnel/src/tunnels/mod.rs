//! The vault's end: every cluster's tunnel by its connection, with a fair queue of its own.

mod cut;
mod error;
mod gate;
mod live;
mod queue;
mod request;

pub use error::{Busy, Cut, Retry, TunnelError};
pub use gate::Load;
pub use queue::{Entered, Kind, Limits, Queue, Ticket};

use crate::{
    ConnectionId,
    body::Body,
    wire::{Binding, PING, PING_PATIENCE},
};
use cut::{CutStream, End};
use gate::Gate;
use http::{Request, Response};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use live::Live;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};

/// Bytes of one answer that may be under way.
const STREAM_WINDOW: u32 = 256 * 1024;
/// What may wait to be sent, per request.
const SEND_BUFFER: usize = 64 * 1024;
const LARGEST_HEAD: u32 = 64 * 1024;
const HANDSHAKE: Duration = Duration::from_secs(20);

/// The tunnels of this vault. Clones share them.
#[derive(Clone)]
pub struct Tunnels(Arc<Shared>);

struct Shared {
    limits: Limits,
    live: Mutex<HashMap<ConnectionId, Arc<Live>>>,
    changes: watch::Sender<u64>,
}

/// Takes a tunnel out of the map when its connection is over, however that comes.
struct Attached<'a> {
    shared: &'a Shared,
    live: Arc<Live>,
}

impl Tunnels {
    /// None yet. `limits` hold for each cluster.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared { limits, live: Mutex::default(), changes: watch::Sender::new(0) }))
    }

    /// Carries requests over `stream`, a connection that the gateway of `id` opened and proved to be its own, until it
    /// ends. `first` supplies the list of bindings, which goes out before anything else; a list that is pushed
    /// meanwhile counts more. An older connection of the same cluster is cut. Dropping the future cuts this one.
    pub async fn attach<S>(
        &self,
        id: ConnectionId,
        stream: S,
        first: impl Future<Output = Vec<Binding>>,
    ) -> Cut
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let end = End::default();
        let window = u32::try_from(self.0.limits.under_way).unwrap_or(u32::MAX).saturating_add(1);
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING_PATIENCE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            // Answers that nobody reads fill their own windows and never the connection's.
            .initial_connection_window_size(STREAM_WINDOW.saturating_mul(window).min(i32::MAX as u32))
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(LARGEST_HEAD)
            .handshake::<_, Body>(TokioIo::new(CutStream::new(stream, &end)));
        let (sender, connection) = match timeout(HANDSHAKE, handshake).await {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => return Cut::Lost(error.to_string()),
            Err(_) => return Cut::Lost("the gateway did not speak HTTP/2 in time".to_owned()),
        };
        let live = Arc::new(Live::new(id, Gate::new(self.0.limits), end.clone(), sender));
        let attached = Attached { shared: &self.0, live: live.clone() };
        if let Some(old) = self.0.live.lock().insert(id, live.clone()) {
            old.end.come(Cut::Replaced);
        }
        let opened = || {
            tracing::info!(connection = %id, "a cluster's gateway is connected");
            self.0.changed();
        };
        let why = tokio::select! {
            biased;
            why = end.came() => why,
            ended = connection => match ended {
                Ok(()) => Cut::Lost("the gateway closed it".to_owned()),
                Err(error) => Cut::Lost(error.to_string()),
            },
            () = live.keep_bindings(first, opened) => Cut::Dropped,
        };
        end.come(why);
        drop(attached);
        let why = end.why();
        tracing::info!(connection = %id, ?why, "a cluster's gateway is no longer connected");
        why
    }

    /// Carries one request in the name of `binding`. Waits for its turn; the body of the answer streams, and keeps its
    /// place under way until it has been read or dropped. Of the headers only those of the contract go.
    pub async fn send(
        &self,
        id: ConnectionId,
        binding: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, TunnelError> {
        let live = self.live(id).filter(|live| live.is_ready()).ok_or(TunnelError::NotConnected(id))?;
        live.send(binding, request).await
    }

    /// Whether a request is one of those that last until somebody closes them.
    pub fn is_watch<B>(request: &Request<B>) -> bool {
        request::kind_of(request) == Kind::Watch
    }

    /// Makes `list` the cluster's complete list of bindings and waits until the gateway has applied it. When that
    /// fails it is tried again in the background, and on each new connection `first` of [`Self::attach`] supplies it.
    pub async fn push_bindings(&self, id: ConnectionId, list: Vec<Binding>) -> Result<(), TunnelError> {
        let live = self.live(id).ok_or(TunnelError::NotConnected(id))?;
        live.push(list).await
    }

    /// Cuts the tunnel of `id` at once, with all that is under way. Whether the gateway may come again is the
    /// listener's matter.
    pub fn detach(&self, id: ConnectionId) {
        if let Some(live) = self.live(id) {
            live.end.come(Cut::Detached);
        }
    }

    /// Whether requests to `id` can be sent now.
    pub fn is_connected(&self, id: ConnectionId) -> bool {
        self.live(id).is_some_and(|live| live.is_ready() && live.end.is_pending())
    }

    /// All clusters that are connected now.
    pub fn connected(&self) -> Vec<ConnectionId> {
        let live = self.0.live.lock();
        live.values().filter(|live| live.is_ready() && live.end.is_pending()).map(|live| live.id).collect()
    }

    /// Changes whenever a cluster comes or goes; the value is a mere count.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// How full the queue of a cluster is.
    pub fn load(&self, id: ConnectionId) -> Option<Load> {
        self.live(id).map(|live| live.gate.load())
    }

    fn live(&self, id: ConnectionId) -> Option<Arc<Live>> {
        self.0.live.lock().get(&id).cloned()
    }
}

impl Shared {
    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.live.end.come(Cut::Dropped);
        let mut all = self.shared.live.lock();
        let is_own = all.get(&self.live.id).is_some_and(|live| Arc::ptr_eq(live, &self.live));
        if is_own {
            all.remove(&self.live.id);
        }
        drop(all);
        self.shared.changed();
    }
}
