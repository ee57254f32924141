//! Events on the custom resources: what a person sees with `kubectl describe`.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// Longest note that the API server takes, in bytes.
const NOTE: usize = 1000;

/// Publishes events.
#[derive(Clone)]
pub struct Events(Recorder);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Events of the extension; `instance` is its process.
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter =
            Reporter { controller: "cofferdam-extension".to_owned(), instance: Some(instance.to_owned()) };
        Self(Recorder::new(client, reporter))
    }

    /// Publishes a normal event. An event that cannot be published is only logged: the status says the same.
    pub async fn normal<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, note: &str) {
        self.publish(object.object_ref(&()), EventType::Normal, reason, note).await;
    }

    /// Publishes a warning.
    pub async fn warning<K: Resource<DynamicType = ()>>(&self, object: &K, reason: &str, note: &str) {
        self.publish(object.object_ref(&()), EventType::Warning, reason, note).await;
    }

    /// Publishes a warning about the extension itself, at its Deployment.
    pub async fn of_extension(&self, namespace: &str, reason: &str, note: &str) {
        let deployment = ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some("Deployment".to_owned()),
            name: Some(crate::manifests::NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectReference::default()
        };
        self.publish(deployment, EventType::Warning, reason, note).await;
    }

    async fn publish(&self, object: ObjectReference, type_: EventType, reason: &str, note: &str) {
        let note = note.char_indices().take_while(|(at, _)| *at < NOTE).map(|(_, c)| c).collect();
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note),
            action: reason.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, &object).await {
            tracing::warn!(reason, %error, "could not publish an event");
        }
    }
}
