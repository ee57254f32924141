//! Identity, version and drivers of the cluster.

use crate::{is_absent, seen};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{Cluster, Observed};

pub(crate) async fn observe(client: &Client, namespace: &str) -> Observed<Cluster> {
    seen("reading version, kube-system and CSI drivers", look(client, namespace).await)
}

async fn look(client: &Client, namespace: &str) -> Result<Cluster, kube::Error> {
    let version = client.apiserver_version().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = namespaces.get_metadata("kube-system").await?;
    let drivers: Api<CSIDriver> = Api::all(client.clone());
    let csi_drivers = drivers.list_metadata(&ListParams::default()).await?;
    let namespace_exists = match namespaces.get_metadata(namespace).await {
        Ok(_) => true,
        Err(error) if is_absent(&error) => false,
        Err(error) => return Err(error),
    };
    Ok(Cluster {
        uid: system.uid().unwrap_or_default(),
        version: (leading_number(&version.major), leading_number(&version.minor)),
        git_version: version.git_version,
        csi_drivers: csi_drivers.items.iter().map(ResourceExt::name_any).collect(),
        extension_namespace: namespace.to_owned(),
        namespace_exists,
    })
}

/// Some distributions report a minor version of `29+`.
fn leading_number(text: &str) -> u32 {
    text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}
