//! Watches over one connection: a cluster that was disconnected is cut, and changes of its bindings are pushed.

use super::{REVISION, bindings, link::Links, replicas::Session};
use crate::{api::clusters::enrolment, app::App, store::StoreError};
use arm::ResourceId;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tunnel::{ConnectionId, wire::Binding};

/// How often, about, each connection is looked at when nobody says that something changed. Whoever changes something says so
/// in the database: this is for what was put right there by hand.
const LOOK: Duration = Duration::from_secs(300);
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
        over = watch_over(links, &app, id, &cluster) => match over {
            Over::Disconnected => links.tunnels.detach(id),
            // Only this tunnel is cut, which happens when it is dropped: the gateway may be here on a newer one.
            Over::TakenOver => tracing::info!(connection = %id, "a cluster's gateway is connected to another replica"),
        },
    }
}

/// Half as much more or less: what thousands of tunnels did at one moment, when something changed, they do not do at one
/// moment again.
fn about(time: Duration, random: f64) -> Duration {
    time.mul_f64(0.5 + random.clamp(0.0, 1.0))
}

/// Why a tunnel is not wanted any more.
enum Over {
    /// The connection is no longer the cluster's.
    Disconnected,
    /// The gateway came to another replica later.
    TakenOver,
}

/// Ends when the tunnel is not wanted any more.
async fn watch_over(links: &Links, app: &App, id: ConnectionId, cluster: &ResourceId) -> Over {
    let mut poke = links.poke.subscribe();
    let mut told: Option<Vec<Binding>> = None;
    let mut session: Option<Session<'_>> = None;
    loop {
        match cluster_of(app, id).await {
            Ok(None) => return Over::Disconnected,
            Ok(Some(_)) => match bindings::of(app.store.as_ref(), cluster).await {
                Ok(list) if session.is_none() || told.as_ref() != Some(&list) => {
                    if links.tunnels.is_connected(id) && tell(links, id, &list, &mut session).await {
                        told = Some(list);
                        app.poke_work.notify_one();
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not read the bindings of a cluster"),
            },
            Err(error) => tracing::warn!(%error, "could not look whose a connection is"),
        }
        let rest = if told.is_some() && session.is_some() { about(LOOK, rand::random()) } else { LISTEN };
        let lost = async {
            match &session {
                Some(session) => session.lost.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = lost => return Over::TakenOver,
            changed = poke.changed() => if changed.is_err() { return Over::Disconnected },
            () = sleep(rest) => {}
        }
    }
}

/// Sends the gateway its bindings; the first time, writes down that its tunnel ends here. What stands there is read before
/// the gateway answers: it was at this end afterwards, and if it has come to another replica since, that one wins.
async fn tell<'l>(
    links: &'l Links,
    id: ConnectionId,
    list: &[Binding],
    session: &mut Option<Session<'l>>,
) -> bool {
    let before = match session {
        Some(_) => None,
        None => match links.replicas.stands(id).await {
            Ok(before) => before,
            Err(error) => {
                tracing::warn!(%error, connection = %id, "could not look where a tunnel ends");
                return false;
            }
        },
    };
    if let Err(error) = links.tunnels.push_bindings(id, list.to_vec()).await {
        tracing::info!(%error, connection = %id, "bindings are pushed again later");
        return false;
    }
    if session.is_none() {
        match links.replicas.take(id, before.as_deref()).await {
            Ok(taken) => *session = taken,
            Err(error) => {
                tracing::warn!(%error, connection = %id, "could not write down where a tunnel ends")
            }
        }
    }
    true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_tunnels_do_not_look_at_one_moment() {
        let looks = [0.0, 0.5, 0.999, 7.0].map(|random| about(LOOK, random).as_secs());

        assert_eq!(looks, [150, 300, 449, 450]);
    }
}
