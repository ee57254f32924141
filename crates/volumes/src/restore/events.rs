//! What the provisioner said about a claim that does not get its volume.

use k8s_openapi::api::core::v1::Event;
use kube::{Api, Client, api::ListParams};

/// The last complaint about the claim, if the events can be read.
pub(super) async fn last_complaint(client: &Client, namespace: &str, uid: &str) -> Option<String> {
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let about = ListParams::default().fields(&format!("involvedObject.uid={uid},type=Warning"));
    let mut found = match events.list(&about).await {
        Ok(found) => found.items,
        Err(error) => {
            tracing::debug!(%error, "the events of a claim cannot be read");
            return None;
        }
    };
    found.sort_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
    found.pop().and_then(|event| event.message)
}
