//! All connections of clusters to this replica, and the way to every cluster.

use super::{keep, replicas::Replicas};
use crate::{
    app::App,
    cluster_link::{ClusterAnswer, ClusterLink, ClusterRequest, LARGEST_ANSWER, LinkError},
};
use arm::ResourceId;
use async_trait::async_trait;
use bytes::BytesMut;
use http::{Request, header};
use http_body_util::BodyExt;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};
use tunnel::{
    ConnectionId,
    authority::Authority,
    tunnels::{Limits, TunnelError, Tunnels},
};

/// How long one call may take, its wait for a turn included.
const PATIENCE: Duration = Duration::from_secs(120);

/// The connections.
pub struct Links {
    /// Signs the certificates of clusters' parts.
    pub authority: Authority,
    /// This replica among its like.
    pub replicas: Replicas,
    pub(super) tunnels: Tunnels,
    /// Changes when connections or bindings may have changed.
    pub(super) poke: watch::Sender<u64>,
}

impl Links {
    /// None yet.
    pub fn new(authority: Authority, replicas: Replicas) -> Self {
        Self { authority, replicas, tunnels: Tunnels::new(Limits::default()), poke: watch::Sender::new(0) }
    }

    /// Carries a gateway's tunnel until it ends: broken, replaced, or no longer wanted.
    pub async fn gateway<S>(&self, app: Arc<App>, id: ConnectionId, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        keep::gateway(self, app, id, stream).await;
    }

    /// Looks at all connections again, soon.
    pub fn look_again(&self) {
        self.poke.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes when connections, bindings or extensions may have changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.poke.subscribe()
    }

    /// How many gateways are connected.
    pub fn count(&self) -> usize {
        self.tunnels.connected().len()
    }
}

#[async_trait]
impl ClusterLink for Links {
    fn connected(&self) -> Vec<String> {
        self.tunnels.connected().into_iter().map(|id| id.to_string()).collect()
    }

    fn known(&self) -> Vec<String> {
        let mut known = self.connected();
        known.extend(self.replicas.elsewhere());
        known
    }

    /// A call that was not carried out is made once more: when the tunnel is at another place than was thought, and when
    /// the gateway refused a binding that there is.
    async fn call(
        &self,
        connection: &str,
        binding: &str,
        request: ClusterRequest,
    ) -> Result<ClusterAnswer, LinkError> {
        let id = ConnectionId(connection.parse().map_err(|_| LinkError::NotConnected)?);
        let carried = async {
            match carry(self, id, binding, request.clone()).await {
                Err(LinkError::NotConnected) => carry(self, id, binding, request).await,
                Err(LinkError::Refused) if self.is_bound(id, binding).await => {
                    carry(self, id, binding, request).await
                }
                other => other,
            }
        };
        timeout(PATIENCE, carried)
            .await
            .unwrap_or_else(|_| Err(LinkError::Cut("no answer came in time".to_owned())))
    }

    fn bindings_changed(&self, _cluster: &ResourceId) {
        self.look_again();
    }

    fn disconnected(&self, connection: &str) {
        if let Ok(id) = connection.parse() {
            self.tunnels.detach(ConnectionId(id));
        }
        self.look_again();
    }
}

/// Sends, and reads the whole answer.
async fn carry(
    links: &Links,
    id: ConnectionId,
    binding: &str,
    request: ClusterRequest,
) -> Result<ClusterAnswer, LinkError> {
    let built = Request::builder()
        .method(request.method)
        .uri(&request.path)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, request.content_type)
        .body(tunnel::full(request.body))
        .map_err(|error| LinkError::ApiServer(format!("the request cannot be written: {error}")))?;
    let response = links.open(id, binding, built, PATIENCE).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| LinkError::Cut(error.to_string()))?;
        if let Some(data) = frame.data_ref() {
            if read.len() + data.len() > LARGEST_ANSWER {
                return Err(LinkError::TooLarge);
            }
            read.extend_from_slice(data);
        }
    }
    Ok(ClusterAnswer { status, body: read.freeze() })
}

pub(super) fn link_error(error: TunnelError) -> LinkError {
    match error {
        TunnelError::NotConnected(_) => LinkError::NotConnected,
        TunnelError::Busy(_) => LinkError::Busy,
        TunnelError::Refused(_) => LinkError::Refused,
        TunnelError::Cut(_) => LinkError::Cut(error.to_string()),
        other => LinkError::ApiServer(other.to_string()),
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("connected", &self.count()).finish_non_exhaustive()
    }
}
