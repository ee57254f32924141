//! Talks to the API server of a cluster: connect, wait, apply.

use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::CSINode;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::discovery::ApiResource;
use kube::core::gvk::GroupVersionKind;
use kube::{Api, Client, Config};
use serde_json::Value;

use crate::Error;

const POLL: Duration = Duration::from_millis(150);

/// A client with the rights of the administrator.
pub async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    // Another part of the process may have chosen a provider already.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let corrupt = |reason: String| Error::Corrupt { path: kubeconfig.to_path_buf(), reason };
    let file = Kubeconfig::read_from(kubeconfig).map_err(|error| corrupt(error.to_string()))?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(|error| corrupt(error.to_string()))?;
    config.proxy_url = None;
    Client::try_from(config).map_err(Error::api("make a client"))
}

/// Waits until the API server says that it is ready.
pub async fn ready(client: &Client, patience: Duration, logs: &Path) -> Result<(), Error> {
    wait("the API server", patience, logs, || async {
        let request = http::Request::get("/readyz").body(Vec::new());
        match request {
            Ok(request) => client.request_text(request).await.is_ok(),
            Err(_) => false,
        }
    })
    .await
}

/// Waits until the node is ready and knows `drivers` CSI drivers.
pub async fn node_ready(
    client: &Client,
    node: &str,
    drivers: usize,
    patience: Duration,
    logs: &Path,
) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    wait(&format!("node {node}"), patience, logs, || async {
        nodes.get(node).await.is_ok_and(|node| is_ready(&node))
    })
    .await?;
    let csi: Api<CSINode> = Api::all(client.clone());
    wait("the registration of the CSI drivers", patience, logs, || async {
        csi.get(node).await.is_ok_and(|node| node.spec.drivers.len() >= drivers)
    })
    .await
}

/// Creates or updates objects in this order, as the field manager `testbed`.
pub async fn apply(client: &Client, objects: &[Value], patience: Duration) -> Result<(), Error> {
    for object in objects {
        apply_one(client, object, patience).await?;
    }
    Ok(())
}

async fn apply_one(client: &Client, object: &Value, patience: Duration) -> Result<(), Error> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = match text("/metadata/namespace") {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let parameters = PatchParams::apply("testbed").force();
    let started = Instant::now();
    loop {
        match api.patch(name, &parameters, &Patch::Apply(object)).await {
            Ok(_) => return Ok(()),
            // A type that was defined a moment ago, or a namespace that the
            // server itself makes when it starts.
            Err(kube::Error::Api(status)) if status.code == 404 && started.elapsed() < patience => {
                tokio::time::sleep(POLL).await;
            }
            Err(error) => return Err(Error::api(format!("apply {kind} {name}"))(error)),
        }
    }
}

/// Waits until the API server serves every type that is defined among `objects`. A sidecar that starts before looks
/// once for the types of group snapshots and does without them from then on.
pub async fn served(
    client: &Client,
    objects: &[Value],
    patience: Duration,
    logs: &Path,
) -> Result<(), Error> {
    for object in objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let (group, kind) = (text("/spec/group"), text("/spec/names/kind"));
        let versions = object["spec"]["versions"].as_array().into_iter().flatten();
        for version in versions.filter(|version| version["served"] == true) {
            let version = version["name"].as_str().unwrap_or("");
            let gvk = GroupVersionKind::gvk(group, version, kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, text("/spec/names/plural"));
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let first = ListParams::default().limit(1);
            wait(&format!("the type {kind}.{version}.{group}"), patience, logs, || async {
                api.list_metadata(&first).await.is_ok()
            })
            .await?;
        }
    }
    Ok(())
}

async fn wait<F: Future<Output = bool>>(
    what: &str,
    patience: Duration,
    logs: &Path,
    condition: impl Fn() -> F,
) -> Result<(), Error> {
    let started = Instant::now();
    while !condition().await {
        if started.elapsed() > patience {
            return Err(Error::NotReady {
                what: what.to_owned(),
                seconds: patience.as_secs(),
                logs: logs.to_path_buf(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}
