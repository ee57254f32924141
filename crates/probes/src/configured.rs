//! What a configuration names, beside what is there: namespaces and hooks.

use crate::pages::each_metadata;
use crate::{is_absent, seen};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client};
use prerequisites::{Hook, Namespaces, Observed};
use std::collections::BTreeSet;

const GROUP: &str = "clusterbackup.dataprotection.microsoft.com";

pub(crate) async fn namespaces(client: &Client, wanted: &[String]) -> Observed<Namespaces> {
    let there = each_metadata::<Namespace, BTreeSet<String>>(client, |meta| meta.name).await;
    seen(
        "listing namespaces",
        there.map(|there| Namespaces {
            count: there.len() as u64,
            absent: wanted.iter().filter(|name| !there.contains(*name)).cloned().collect(),
            wanted: wanted.to_vec(),
        }),
    )
}

/// Whether each hook, `<namespace>/<name>`, exists.
pub(crate) async fn hooks(client: &Client, wanted: &[String]) -> Observed<Vec<Hook>> {
    let resource = ApiResource {
        group: GROUP.into(),
        version: "v1alpha1".into(),
        api_version: format!("{GROUP}/v1alpha1"),
        kind: "BackupHook".into(),
        plural: "backuphooks".into(),
    };
    let mut hooks = Vec::new();
    for name in wanted {
        let Some((namespace, one)) = name.split_once('/') else {
            return Observed::NotObservable(format!("{name} does not say its namespace: NAMESPACE/NAME"));
        };
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        match api.get_metadata(one).await {
            Ok(_) => hooks.push(Hook { name: name.clone(), exists: true }),
            Err(error) if is_absent(&error) => hooks.push(Hook { name: name.clone(), exists: false }),
            Err(error) => return seen("looking for hooks", Err(error)),
        }
    }
    Observed::Seen(hooks)
}
