//! Identity, version and drivers of the cluster.

use crate::{contain::PROBE, is_absent, seen};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{Cluster, Observed};

pub(crate) async fn observe(client: &Client, namespace: &str) -> Observed<Cluster> {
    seen("reading version, kube-system and CSI drivers", look(client, namespace).await)
}

/// The UID by which the cluster is known, if it can be read.
pub(crate) async fn uid(client: &Client) -> Option<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = tokio::time::timeout(PROBE, namespaces.get_metadata("kube-system")).await.ok()?;
    system.ok()?.uid()
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
        version: numbers(&version.git_version),
        git_version: version.git_version,
        csi_drivers: csi_drivers.items.iter().map(ResourceExt::name_any).collect(),
        extension_namespace: namespace.to_owned(),
        namespace_exists,
    })
}

/// The three numbers of a version such as `v1.29.4+k3s1` or `v1.30.0-eks-1`.
pub(crate) fn numbers(text: &str) -> (u32, u32, u32) {
    let digits = |part: &str| {
        part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or_default()
    };
    let mut parts = text.trim_start_matches('v').splitn(3, '.').map(digits);
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn the_words_that_distributions_add_to_a_version_do_not_count() {
        assert_eq!(numbers("v1.29.4+k3s1"), (1, 29, 4));
        assert_eq!(numbers("v1.30.0-eks-1552ad0"), (1, 30, 0));
        assert_eq!(numbers("1.28"), (1, 28, 0));
        assert_eq!(numbers("nonsense"), (0, 0, 0));
    }
}
