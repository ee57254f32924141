//! Sees the pods that hooks may run in.

use crate::error::{Tried, VolumesError};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};
use std::collections::BTreeMap;

/// Pods per page of a list.
const PAGE: u32 = 500;

/// A pod, as far as hooks need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Names of its containers, in order; init containers are not among them.
    pub containers: Vec<String>,
    /// Whether it runs and is not on its way out.
    pub running: bool,
    /// Whether it is on its way out.
    pub deleting: bool,
    /// Names of the containers that report to be ready.
    pub ready_containers: Vec<String>,
}

impl PodFacts {
    /// The facts of a pod.
    pub fn of(pod: &Pod) -> Self {
        let spec = pod.spec.as_ref();
        let status = pod.status.as_ref();
        let deleting = pod.metadata.deletion_timestamp.is_some();
        let statuses = status.and_then(|status| status.container_statuses.as_ref());
        Self {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            labels: pod.labels().clone(),
            containers: spec
                .into_iter()
                .flat_map(|spec| &spec.containers)
                .map(|one| one.name.clone())
                .collect(),
            running: !deleting && status.and_then(|status| status.phase.as_deref()) == Some("Running"),
            deleting,
            ready_containers: statuses
                .into_iter()
                .flatten()
                .filter(|one| one.ready)
                .map(|one| one.name.clone())
                .collect(),
        }
    }
}

/// All pods of a namespace.
pub async fn observe_pods(client: &Client, namespace: &str) -> Result<Vec<PodFacts>, VolumesError> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = pods.list(&page).await.tried(|| format!("list the pods of {namespace}"))?;
        found.extend(list.items.iter().map(PodFacts::of));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// One pod, if it is there.
pub async fn observe_pod(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<PodFacts>, VolumesError> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let pod = pods.get_opt(name).await.tried(|| format!("read the pod {namespace}/{name}"))?;
    Ok(pod.as_ref().map(PodFacts::of))
}
