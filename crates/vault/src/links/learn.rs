//! A binding that a gateway does not know may be one that another replica made a moment ago: before a refusal is believed,
//! the database is asked, and the gateway is told by the replica that holds its tunnel.

use super::{bindings, link::Links};
use crate::{api::clusters::enrolment, store::StoreError};
use tunnel::{ConnectionId, wire::Binding};

impl Links {
    /// Whether the cluster of a connection has a binding of this name.
    pub(super) async fn is_bound(&self, id: ConnectionId, binding: &str) -> bool {
        self.bindings_with(id, binding).await.is_some()
    }

    /// Tells a gateway whose tunnel ends here its bindings, if the one that it refused is among them.
    pub(super) async fn tell_again(&self, id: ConnectionId, binding: &str) {
        let Some(list) = self.bindings_with(id, binding).await else { return };
        match self.tunnels.push_bindings(id, list).await {
            Ok(()) => {
                tracing::debug!(connection = %id, binding, "a gateway was told of a binding that it refused")
            }
            Err(error) => tracing::info!(%error, connection = %id, "bindings are pushed again later"),
        }
    }

    async fn bindings_with(&self, id: ConnectionId, binding: &str) -> Option<Vec<Binding>> {
        let read = async {
            let store = self.replicas.store.as_ref();
            let Some(cluster) = enrolment::find(store, id.0).await? else { return Ok(Vec::new()) };
            bindings::of(store, &cluster.id).await
        };
        let list = read.await.unwrap_or_else(|error: StoreError| {
            tracing::warn!(%error, "could not read the bindings of a cluster");
            Vec::new()
        });
        list.iter().any(|one| one.name == binding).then_some(list)
    }
}
