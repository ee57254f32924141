//! Brings the deletion of snapshot contents to a sidecar's mind. One that was making the snapshot when its deletion was
//! asked for may miss that: it takes no notice of its own changes and looks again by itself after a quarter of an hour.

use crate::{
    api::VolumeSnapshotContent,
    error::{Tried, VolumesError, is_absent, persistently},
    labels,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// How long a sidecar gets before it is reminded; twice as long before each further time.
const FIRST: Duration = Duration::from_secs(5);

/// When the next reminder is due.
pub(crate) struct Reminders {
    times: u32,
    next: Instant,
}

impl Reminders {
    pub(crate) fn new() -> Self {
        Self { times: 0, next: Instant::now() + FIRST }
    }

    /// Which reminder is due now, if one is.
    pub(crate) fn due(&mut self) -> Option<u32> {
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.times += 1;
        self.next = now + FIRST * 2_u32.pow(self.times.min(6));
        Some(self.times)
    }
}

/// Changes a label of a content, so that the sidecar looks at it.
pub(crate) async fn remind(client: &Client, content: &str, times: u32) -> Result<(), VolumesError> {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": {(labels::REMINDED): times.to_string()}}}));
    let params = PatchParams::default();
    match persistently(|| contents.patch_metadata(content, &params, &patch)).await {
        Err(error) if is_absent(&error) => Ok(()),
        other => other.map(drop).tried(|| format!("bring the deletion of {content} to mind")),
    }
}
