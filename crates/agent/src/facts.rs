//! What the agent sees of its cluster. Nothing of it needs the contents of objects: metadata, in pages.

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    storage::v1::CSIDriver,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
    core::ApiResource,
};
use packages::wire::ClusterFacts;
use serde_json::Value;
use std::collections::BTreeSet;

/// Nodes in one page.
const PAGE: u32 = 100;
/// Bytes of the token keys that are reported at most.
const KEYS: usize = 32 << 10;

/// Looks at the cluster. What cannot be seen stays empty: a report is better than none.
pub async fn observe(client: &Client) -> ClusterFacts {
    let mut facts = ClusterFacts::default();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    facts.uid = seen("kube-system", namespaces.get_metadata("kube-system").await)
        .and_then(|found| found.uid())
        .unwrap_or_default();
    if let Some(version) = seen("version", client.apiserver_version().await) {
        facts.distribution = distribution(&version.git_version).to_owned();
        facts.kubernetes_version = version.git_version;
    }
    let discovery = document(client, "/.well-known/openid-configuration").await;
    facts.token_issuer = discovery.and_then(|found| Some(found.get("issuer")?.as_str()?.to_owned()));
    facts.token_keys = document(client, "/openid/v1/jwks").await;
    nodes(client, &mut facts).await;
    let drivers: Api<CSIDriver> = Api::all(client.clone());
    if let Some(list) = seen("CSI drivers", drivers.list_metadata(&ListParams::default()).await) {
        facts.csi_drivers = list.items.iter().map(ResourceExt::name_any).collect();
    }
    facts.snapshot_classes = snapshot_classes(client).await;
    facts
}

async fn document(client: &Client, path: &str) -> Option<Value> {
    let request = http(path)?;
    let text = seen(path, client.request_text(request).await)?;
    if text.len() > KEYS {
        tracing::warn!(path, bytes = text.len(), "answer is too large to be reported");
        return None;
    }
    serde_json::from_str(&text).ok()
}

fn http(path: &str) -> Option<http::Request<Vec<u8>>> {
    http::Request::get(path)
        .header("accept", "application/json, application/jwk-set+json")
        .body(Vec::new())
        .ok()
}

async fn nodes(client: &Client, facts: &mut ClusterFacts) {
    let api: Api<Node> = Api::all(client.clone());
    let (mut count, mut architectures, mut systems) = (0, BTreeSet::new(), BTreeSet::new());
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let Some(list) = seen("nodes", api.list_metadata(&page).await) else { return };
        for node in &list.items {
            count += 1;
            architectures.extend(node.labels().get("kubernetes.io/arch").cloned());
            systems.extend(node.labels().get("kubernetes.io/os").cloned());
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    facts.nodes = count;
    facts.architectures = architectures.into_iter().collect();
    facts.operating_systems = systems.into_iter().collect();
}

async fn snapshot_classes(client: &Client) -> u64 {
    let resource = ApiResource {
        group: "snapshot.storage.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "snapshot.storage.k8s.io/v1".to_owned(),
        kind: "VolumeSnapshotClass".to_owned(),
        plural: "volumesnapshotclasses".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list_metadata(&ListParams::default()).await {
        Ok(list) => list.items.len() as u64,
        // A cluster without the kind has none.
        Err(kube::Error::Api(status)) if status.code == 404 => 0,
        Err(error) => {
            tracing::debug!(%error, "snapshot classes could not be listed");
            0
        }
    }
}

fn distribution(version: &str) -> &'static str {
    let signs = [
        ("-eks", "eks"),
        ("-gke", "gke"),
        ("+k3s", "k3s"),
        ("+rke2", "rke2"),
        ("-aliyun", "ack"),
        ("-tke", "tke"),
    ];
    signs.iter().find(|(sign, _)| version.contains(sign)).map_or("kubernetes", |(_, name)| name)
}

fn seen<T>(what: &str, answer: Result<T, kube::Error>) -> Option<T> {
    answer.map_err(|error| tracing::debug!(%error, what, "could not be seen")).ok()
}
