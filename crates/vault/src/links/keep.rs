//! Watches over one connection: a cluster that was disconnected is cut, and changes of its bindings are pushed.

use super::{REVISION, bindings, link::Links};
use crate::{api::clusters::enrolment, app::App, store::StoreError};
use arm::ResourceId;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tunnel::{ConnectionId, wire::Binding};

/// How often each connection is looked at when nobody says that something changed.
const LOOK: Duration = Duration::from_secs(60);
/// How often the word of other replicas is looked for.
const LISTEN: Duration = Duration::from_secs(2);

/// Carries a gateway's tunnel.
pub async fn gateway<S>(links: &Links, app: Arc<App>, id: ConnectionId, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let cluster = match cluster_of(&app, id).await {
        Ok(Some(cluster)) => cluster,
        Ok(None) => return tracing::info!(connection = %id, "a cluster that was disconnected knocked"),
        Err(error) => return tracing::warn!(%error, "could not look whose a connection is"),
    };
    // A list that cannot be read lets nobody in; the next look sends the right one.
    let first = async { bindings::of(app.store.as_ref(), &cluster).await.unwrap_or_default() };
    let carried = links.tunnels.attach(id, stream, first);
    tokio::select! {
        why = carried => tracing::debug!(connection = %id, ?why, "a tunnel ended"),
        () = watch_over(links, &app, id, &cluster) => links.tunnels.detach(id),
    }
}

/// Ends when the connection is no longer the cluster's.
async fn watch_over(links: &Links, app: &App, id: ConnectionId, cluster: &ResourceId) {
    let mut poke = links.poke.subscribe();
    let mut told: Option<Vec<Binding>> = None;
    loop {
        match cluster_of(app, id).await {
            Ok(None) => return,
            Ok(Some(_)) => match bindings::of(app.store.as_ref(), cluster).await {
                Ok(list) if told.as_ref() != Some(&list) && links.tunnels.is_connected(id) => {
                    match links.tunnels.push_bindings(id, list.clone()).await {
                        Ok(()) => told = Some(list),
                        Err(error) => {
                            tracing::info!(%error, connection = %id, "bindings are pushed again later")
                        }
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not read the bindings of a cluster"),
            },
            Err(error) => tracing::warn!(%error, "could not look whose a connection is"),
        }
        let rest = if told.is_some() { LOOK } else { LISTEN };
        tokio::select! {
            changed = poke.changed() => if changed.is_err() { return },
            () = sleep(rest) => {}
        }
    }
}

/// The cluster that has this connection now.
pub async fn cluster_of(app: &App, id: ConnectionId) -> Result<Option<ResourceId>, StoreError> {
    Ok(enrolment::find(app.store.as_ref(), id.0).await?.map(|cluster| cluster.id))
}

/// Hears what other replicas changed.
pub async fn listen(app: Arc<App>, stop: CancellationToken) {
    let mut last = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(LISTEN) => {}
        }
        match app.store.setting(REVISION).await {
            Ok(now) => {
                if now != last {
                    last = now;
                    app.links.look_again();
                }
            }
            Err(error) => tracing::debug!(%error, "could not look for changes of connections"),
        }
    }
}
