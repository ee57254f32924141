//! Acts in a cluster. The same code rehearses: the API server then goes through with everything and keeps nothing.

use super::{Done, Trouble, definitions, marks};
use crate::is_absent;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use prerequisites::Action;
use serde_json::json;

const LABEL: &str = "velero.io/csi-volumesnapshot-class";
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
/// Who the server notes as the owner of what was changed.
const MANAGER: &str = "cofferdam-preflight";

pub(super) async fn act(client: &Client, action: &Action, dry: bool) -> Result<Done, Trouble> {
    let lines = match action {
        Action::CreateSnapshotClass { name, driver } => create_class(client, name, driver, dry).await?,
        Action::UnlabelSnapshotClass { name } => unlabel(client, name, dry).await?,
        Action::AllowPods { namespace, from, to } => {
            allow(client, namespace, from.as_deref(), to, dry).await?
        }
        Action::RemoveMarks { .. } => marks::remove(client, dry).await?,
        Action::DeleteDefinitions { names, .. } => definitions::delete(client, names, dry).await?,
        _ => return Err(Trouble::NoHands("cluster that does this")),
    };
    Ok(Done { lines })
}

/// Parameters of a patch.
pub(super) fn patching(dry: bool) -> PatchParams {
    PatchParams { dry_run: dry, field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

fn classes(client: &Client) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "snapshot.storage.k8s.io".into(),
        version: "v1".into(),
        api_version: "snapshot.storage.k8s.io/v1".into(),
        kind: "VolumeSnapshotClass".into(),
        plural: "volumesnapshotclasses".into(),
    };
    Api::all_with(client.clone(), &resource)
}

/// It is not marked as made by Cofferdam: classes that are, are never chosen for a backup.
async fn create_class(client: &Client, name: &str, driver: &str, dry: bool) -> Result<Vec<String>, Trouble> {
    let api = classes(client);
    let of = |class: &DynamicObject| class.data.get("driver").and_then(|it| it.as_str()) == Some(driver);
    if let Some(there) = api.get_opt(name).await? {
        return match of(&there) {
            true => Ok(Vec::new()),
            false => {
                Err(Trouble::Otherwise(format!("volumesnapshotclass/{name} is there, for another driver")))
            }
        };
    }
    let class: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/created-by": MANAGER}},
        "driver": driver, "deletionPolicy": "Delete"
    }))
    .map_err(|error| Trouble::Otherwise(error.to_string()))?;
    let params = PostParams { dry_run: dry, field_manager: Some(MANAGER.to_owned()) };
    api.create(&params, &class).await?;
    Ok(vec![format!("volumesnapshotclass/{name} created for {driver}")])
}

async fn unlabel(client: &Client, name: &str, dry: bool) -> Result<Vec<String>, Trouble> {
    let api = classes(client);
    let has_label = |class: &DynamicObject| class.labels().contains_key(LABEL);
    if !api.get_opt(name).await?.as_ref().is_some_and(has_label) {
        return Ok(Vec::new());
    }
    let patch = json!({"metadata": {"labels": {LABEL: null}}});
    match api.patch_metadata(name, &patching(dry), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(vec![format!("volumesnapshotclass/{name}: label {LABEL} removed")]),
        // Somebody has deleted it meanwhile.
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The label is changed only where it is as it was seen.
async fn allow(
    client: &Client,
    namespace: &str,
    from: Option<&str>,
    to: &str,
    dry: bool,
) -> Result<Vec<String>, Trouble> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = api.get(namespace).await?;
    let level = found.labels().get(ENFORCE).map(String::as_str);
    if level == Some(to) {
        return Ok(Vec::new());
    }
    if level != from {
        let now = level.unwrap_or("none");
        return Err(Trouble::Otherwise(format!(
            "namespace/{namespace} has the level {now} by now; look again"
        )));
    }
    let patch = json!({"metadata": {"resourceVersion": found.resource_version(), "labels": {ENFORCE: to}}});
    api.patch_metadata(namespace, &patching(dry), &Patch::Merge(&patch)).await?;
    Ok(vec![format!("namespace/{namespace}: label {ENFORCE}={to}")])
}
