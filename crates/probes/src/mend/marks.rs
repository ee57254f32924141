//! Takes Velero's labels and annotations from objects: only those keys, and nothing else of the object.

use super::{Trouble, cluster::patching, definitions::is_velero_back};
use crate::marks::{is_mark, name};
use crate::{is_absent, short};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch};
use kube::{Api, Client, Resource};
use serde_json::{Map, Value, json};

const PAGE: u32 = 500;

/// Takes them away; what was changed, a line for each object. One object that refuses does not keep the others; a Velero that
/// has come back keeps all of them.
pub(super) async fn remove(client: &Client, dry: bool) -> Result<Vec<String>, Trouble> {
    if is_velero_back(client).await? {
        return Err(Trouble::Otherwise("a Deployment of Velero is there again; nothing was changed".into()));
    }
    let mut run = Run { client, dry, lines: Vec::new(), refused: Vec::new() };
    run.kind::<Namespace>(false).await?;
    run.kind::<PersistentVolumeClaim>(true).await?;
    run.kind::<PersistentVolume>(false).await?;
    run.kind::<Pod>(true).await?;
    run.kind::<Service>(true).await?;
    run.kind::<Deployment>(true).await?;
    run.kind::<StatefulSet>(true).await?;
    run.kind::<DaemonSet>(true).await?;
    match run.refused.first() {
        None => Ok(run.lines),
        Some(first) => {
            let why = format!("{} objects refused, the first of them: {first}", run.refused.len());
            Err(Trouble::Partly(run.lines, why))
        }
    }
}

struct Run<'a> {
    client: &'a Client,
    dry: bool,
    lines: Vec<String>,
    refused: Vec<String>,
}

impl Run<'_> {
    async fn kind<K: Resource<DynamicType = ()>>(&mut self, in_namespaces: bool) -> Result<(), kube::Error> {
        let resource = ApiResource::erase::<K>(&());
        let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = all.list_metadata(&page).await?;
            for object in &list.items {
                let api = match (&object.metadata.namespace, in_namespaces) {
                    (Some(namespace), true) => {
                        Api::namespaced_with(self.client.clone(), namespace, &resource)
                    }
                    _ => all.clone(),
                };
                self.one(&api, &resource.plural, &object.metadata).await;
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    async fn one(&mut self, api: &Api<DynamicObject>, plural: &str, metadata: &ObjectMeta) {
        let Some(patch) = patch(metadata) else { return };
        let called = name(plural, metadata);
        let own = metadata.name.as_deref().unwrap_or_default();
        match api.patch_metadata(own, &patching(self.dry), &Patch::Merge(&patch)).await {
            Ok(_) => self.lines.push(format!("{called}: {} removed", keys(metadata).join(", "))),
            Err(error) if is_absent(&error) => {}
            Err(error) => self.refused.push(format!("{called}: {}", short(&error))),
        }
    }
}

fn keys(metadata: &ObjectMeta) -> Vec<&str> {
    let all = metadata.labels.iter().flatten().chain(metadata.annotations.iter().flatten());
    all.map(|(key, _)| key.as_str()).filter(|key| is_mark(key)).collect()
}

/// The merge patch that takes the marks away; nothing where there are none.
fn patch(metadata: &ObjectMeta) -> Option<Value> {
    let without = |all: &Option<std::collections::BTreeMap<String, String>>| {
        let marks = all.iter().flatten().map(|(key, _)| key).filter(|key| is_mark(key));
        marks.map(|key| (key.clone(), Value::Null)).collect::<Map<String, Value>>()
    };
    let (labels, annotations) = (without(&metadata.labels), without(&metadata.annotations));
    let some = |marks: Map<String, Value>| (!marks.is_empty()).then_some(Value::Object(marks));
    let mut members = Map::new();
    members.extend(some(labels).map(|marks| ("labels".to_owned(), marks)));
    members.extend(some(annotations).map(|marks| ("annotations".to_owned(), marks)));
    (!members.is_empty()).then(|| json!({"metadata": members}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeServer;

    /// A cluster with a marked namespace and these Deployments.
    fn marked(deployments: Value) -> FakeServer {
        let list = |items: Value| json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items});
        let metadata = json!({"name": "shop", "labels": {"velero.io/backup-name": "b"}});
        let namespace = json!({"metadata": metadata});
        let mut server = FakeServer::default()
            .with("/api/v1/namespaces", list(json!([namespace.clone()])))
            .with("/api/v1/namespaces/shop", namespace)
            .with("/apis/apps/v1/deployments", list(deployments));
        for core in ["persistentvolumeclaims", "persistentvolumes", "pods", "services"] {
            server = server.with(&format!("/api/v1/{core}"), list(json!([])));
        }
        for apps in ["statefulsets", "daemonsets"] {
            server = server.with(&format!("/apis/apps/v1/{apps}"), list(json!([])));
        }
        server
    }

    #[tokio::test]
    async fn a_velero_that_came_back_while_somebody_was_asked_keeps_its_marks() {
        let metadata = json!({"name": "velero", "namespace": "v", "labels": {"component": "velero"}});
        let (gone, back) = (marked(json!([])), marked(json!([{"metadata": metadata}])));

        let without = remove(&gone.client(), false).await;
        let with = remove(&back.client(), false).await;

        assert!(matches!(&without, Ok(lines) if lines.len() == 1), "{without:?}");
        assert_eq!(gone.writes().len(), 1);
        assert!(matches!(&with, Err(Trouble::Otherwise(why)) if why.contains("again")), "{with:?}");
        assert_eq!(back.writes(), [""; 0]);
    }

    #[test]
    fn the_patch_takes_the_marks_away_and_nothing_else() {
        let map = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), "v".to_owned())).collect();
        let metadata = ObjectMeta {
            labels: Some(map(&["app", "velero.io/backup-name"])),
            annotations: Some(map(&[
                "backup.velero.io/backup-volumes",
                "velero.io/exclude-from-backup",
                "note",
            ])),
            ..ObjectMeta::default()
        };
        let plain = ObjectMeta { labels: Some(map(&["app"])), ..ObjectMeta::default() };

        assert_eq!(
            patch(&metadata),
            Some(json!({"metadata": {"labels": {"velero.io/backup-name": null},
                "annotations": {"backup.velero.io/backup-volumes": null}}}))
        );
        assert_eq!(patch(&plain), None);
    }
}
