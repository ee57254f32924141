//! The way to a cluster from wherever a call is made: through the tunnel that ends here, else through the replica that holds
//! it. A call that was forwarded is never forwarded again.

use super::{
    carry::{CUT, failure_of},
    link::{Links, link_error},
};
use crate::cluster_link::LinkError;
use http::{HeaderValue, Request, Response, header};
use std::time::Duration;
use tokio::time::timeout;
use tunnel::{
    Body, ConnectionId,
    replica::PeerError,
    wire::{BINDING_HEADER, CONNECTION_HEADER, PATIENCE_HEADER},
};

impl Links {
    /// Sends a request to a cluster in the name of a binding, and returns when the head of its answer is there, at most
    /// after `patience`. The body streams; dropping it ends the request, watches included, wherever the tunnel ends.
    pub async fn open(
        &self,
        id: ConnectionId,
        binding: &str,
        request: Request<Body>,
        patience: Duration,
    ) -> Result<Response<Body>, LinkError> {
        let sent = async {
            if self.tunnels.is_connected(id) {
                let sent = self.tunnels.send(id, binding, request).await.map_err(link_error);
                if matches!(sent, Err(LinkError::Refused)) {
                    self.tell_again(id, binding).await;
                }
                return sent;
            }
            self.forward(id, binding, request, patience).await
        };
        timeout(patience, sent)
            .await
            .unwrap_or_else(|_| Err(LinkError::Cut("no answer came in time".to_owned())))
    }

    async fn forward(
        &self,
        id: ConnectionId,
        binding: &str,
        mut request: Request<Body>,
        patience: Duration,
    ) -> Result<Response<Body>, LinkError> {
        let holder = self.replicas.holder(id).await.map_err(|error| {
            tracing::warn!(%error, connection = %id, "could not look which replica holds a tunnel");
            LinkError::NotConnected
        })?;
        let Some(holder) = holder else { return Err(LinkError::NotConnected) };
        let Ok(replica) = holder.replica.parse() else { return Err(LinkError::NotConnected) };
        let wrong = |_| LinkError::ApiServer("the request cannot be written as a header".to_owned());
        let headers = request.headers_mut();
        for (name, value) in [
            (CONNECTION_HEADER, id.to_string()),
            (BINDING_HEADER, binding.to_owned()),
            (PATIENCE_HEADER, patience.as_millis().to_string()),
        ] {
            headers.insert(name, HeaderValue::try_from(value).map_err(wrong)?);
        }
        headers.remove(header::HOST);
        absolute(&mut request);
        match self.replicas.peers.send(replica, &holder.address, request).await {
            Ok(response) => failure_of(response).await,
            Err(error @ PeerError::Unreached { .. }) => {
                tracing::info!(%error, connection = %id, "the replica that holds a tunnel is not reached");
                Err(LinkError::NotConnected)
            }
            Err(PeerError::Broke(why)) => Err(LinkError::Cut(format!("{CUT}: {why}"))),
        }
    }
}

/// HTTP/2 wants a scheme and a host; the other replica does not look at them.
fn absolute(request: &mut Request<Body>) {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let whole = format!("https://replica.cofferdam{path}");
    if let Ok(uri) = whole.parse() {
        *request.uri_mut() = uri;
        *request.version_mut() = http::Version::HTTP_2;
    }
}
