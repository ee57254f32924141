//! News of snapshot contents, from the moment before the first request: no initial list, however many
//! anchors of older recovery points the cluster holds.

use crate::api::VolumeSnapshotContent;
use futures::TryStreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, WatchParams},
    core::WatchEvent,
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// A running watch; it ends when this is dropped.
pub(super) struct News {
    /// Contents that were added or changed.
    pub contents: mpsc::Receiver<VolumeSnapshotContent>,
    _task: AbortOnDropHandle<()>,
}

/// Starts watching. When this returns, nothing that happens later is missed, unless the watch breaks: then the
/// caller's own lists make up for the gap.
pub(super) async fn start(client: &Client) -> News {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let first = now(&contents).await;
    let (send, receive) = mpsc::channel(256);
    let task = tokio::spawn(async move {
        let mut version = first;
        loop {
            if let Some(from) = version.take() {
                follow(&contents, &from, &send).await;
            }
            if send.is_closed() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            version = now(&contents).await;
        }
    });
    News { contents: receive, _task: AbortOnDropHandle::new(task) }
}

/// The resource version of this moment.
async fn now(contents: &Api<VolumeSnapshotContent>) -> Option<String> {
    match contents.list_metadata(&ListParams::default().limit(1)).await {
        Ok(list) => list.metadata.resource_version,
        Err(error) => {
            tracing::warn!(%error, "cannot list snapshot contents, lists of our own snapshots must do");
            None
        }
    }
}

async fn follow(
    contents: &Api<VolumeSnapshotContent>,
    from: &str,
    send: &mpsc::Sender<VolumeSnapshotContent>,
) {
    let stream = match contents.watch(&WatchParams::default(), from).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "cannot watch snapshot contents, lists of our own snapshots must do");
            return;
        }
    };
    let mut stream = std::pin::pin!(stream);
    loop {
        match stream.try_next().await {
            Ok(Some(WatchEvent::Added(content) | WatchEvent::Modified(content))) => {
                tracing::debug!(content = content.name_any(), "snapshot content changed");
                if send.send(content).await.is_err() {
                    return;
                }
            }
            Ok(Some(WatchEvent::Deleted(_) | WatchEvent::Bookmark(_))) => {}
            Ok(Some(WatchEvent::Error(_)) | None) => return,
            Err(error) => {
                tracing::debug!(%error, "watch of snapshot contents broke off");
                return;
            }
        }
    }
}
