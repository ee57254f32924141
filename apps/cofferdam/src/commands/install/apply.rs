//! Server-side apply of rendered manifests.

use crate::exit::Failure;
use extension::manifests::INSTALLER;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::ApiResource,
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use serde_json::Value;
use std::time::Duration;

const ESTABLISHED: Duration = Duration::from_secs(60);

/// Whether the document must be there before Secrets can be written.
pub fn is_prerequisite(document: &Value) -> bool {
    document.get("kind").is_some_and(|kind| kind == "Namespace")
}

/// Applies the chosen documents in their order.
pub async fn apply(
    client: &Client,
    documents: &[Value],
    chosen: impl Fn(&Value) -> bool,
) -> Result<(), Failure> {
    let params = PatchParams::apply(INSTALLER).force();
    for document in documents.iter().filter(|document| chosen(document)) {
        let text = |path: &str| document.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
        let kind = text("/kind");
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(client.clone(), &resource),
            namespace => Api::namespaced_with(client.clone(), namespace, &resource),
        };
        let name = text("/metadata/name");
        api.patch(name, &params, &Patch::Apply(document))
            .await
            .map_err(|error| Failure::api(format!("apply {kind} {name}"), &error))?;
    }
    Ok(())
}

/// Waits until the custom resources can be used.
pub async fn established(client: &Client) -> Result<(), Failure> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in resources::all_crds() {
        let name = crd.metadata.name.unwrap_or_default();
        let waiting = await_condition(api.clone(), &name, is_crd_established());
        match tokio::time::timeout(ESTABLISHED, waiting).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                return Err(Failure::failed(format!("could not watch definition {name}: {error}"))
                    .next("Check that the cluster is reachable, then run `cofferdam install` again."));
            }
            Err(_) => {
                return Err(Failure::failed(format!("definition {name} was not established in time"))
                    .next(format!("See why: `kubectl describe crd {name}`.")));
            }
        }
    }
    Ok(())
}
