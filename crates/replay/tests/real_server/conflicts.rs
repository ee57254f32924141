//! Objects that exist: Skip, Patch, Replace, and data for a claim that exists.

use crate::recorder::Recorder;
use crate::scene::{Scene, claim_of, said, storage_class};
use replay::Action;
use replay::item::Place;
use resources::ConflictPolicy;
use serde_json::{Value, json};

const NAMESPACE: &str = "replay-conflicts";

fn map(name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "shop"}}, "data": data,
    })
}

/// A recovery point with `same`, `differs` and `absent`; meanwhile `differs` was changed and `absent` deleted.
async fn changed_since(scene: &mut Scene) -> [Place; 3] {
    scene.fresh_namespace(NAMESPACE).await;
    let places = ["same", "differs", "absent"].map(|name| scene.at("v1", "ConfigMap", NAMESPACE, name));
    for place in &places {
        scene.put(map(&place.name, json!({"key": "captured", "other": "captured"}))).await;
    }
    scene.capture_namespace(NAMESPACE).await;
    let change = json!({
        "metadata": {"labels": {"app": "live", "added": "live"}, "annotations": {"note": "live"}},
        "data": {"key": "live", "new": "live", "other": null},
    });
    scene.change(&places[1], change).await;
    scene.delete(&places[2]).await;
    places
}

#[tokio::test]
async fn skip_creates_what_is_absent_and_leaves_what_differs() {
    let mut scene = Scene::new().await;
    let [same, differs, absent] = changed_since(&mut scene).await;
    let before = scene.get(&differs).await;

    let restored = scene.restore().await;

    assert_eq!(restored.word(&same), "unchanged");
    assert_eq!(
        restored.row(&differs).action,
        Action::Skip { fields: vec!["metadata.labels.app".into(), "data.key".into(), "data.other".into()] }
    );
    assert_eq!(restored.word(&absent), "create");
    assert_eq!(scene.get(&differs).await, before, "not even the resource version changed");
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn patch_brings_captured_labels_annotations_and_content_back_and_removes_nothing() {
    let mut scene = Scene::new().await;
    let [same, differs, absent] = changed_since(&mut scene).await;
    scene.spec.conflict_policy = ConflictPolicy::Patch;

    let restored = scene.restore().await;

    assert_eq!(restored.word(&same), "unchanged");
    assert_eq!(restored.word(&differs), "patch");
    assert_eq!(restored.word(&absent), "create");
    let live = scene.get(&differs).await;
    assert_eq!(live["data"], json!({"key": "captured", "other": "captured", "new": "live"}));
    assert_eq!(live["metadata"]["labels"], json!({"app": "shop", "added": "live"}));
    assert_eq!(live["metadata"]["annotations"], json!({"note": "live"}));
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn an_immutable_field_fails_with_its_path_in_plan_and_restore() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let deployment = |app: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {
                "replicas": 0, "selector": {"matchLabels": {"app": app}},
                "template": {
                    "metadata": {"labels": {"app": app}},
                    "spec": {"containers": [{"name": "main", "image": "example.com/main:1"}]},
                },
            },
        })
    };
    let place = scene.at("apps/v1", "Deployment", NAMESPACE, "web");
    scene.put(deployment("captured")).await;
    scene.capture(&place).await;
    scene.delete(&place).await;
    scene.put(deployment("live")).await;
    scene.spec.conflict_policy = ConflictPolicy::Patch;

    let restored = scene.restore().await;

    let (code, message) = restored.blocked(&place);
    assert_eq!(code, "UserErrorImmutableFieldDiffers");
    assert!(message.contains("spec.selector"), "{message}");
    assert_eq!(said(restored.planned(&place)), said(restored.row(&place)));
    assert_eq!(restored.outcomes.counts.failed, 1);
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn replace_deletes_and_creates_anew() {
    let mut scene = Scene::new().await;
    let [same, differs, absent] = changed_since(&mut scene).await;
    let (kept, before) = (scene.get(&same).await, scene.get(&differs).await);
    scene.spec.conflict_policy = ConflictPolicy::Replace;

    let restored = scene.restore().await;

    assert_eq!(restored.word(&same), "unchanged");
    assert_eq!(restored.word(&differs), "replace");
    assert_eq!(restored.word(&absent), "create");
    let live = scene.get(&differs).await;
    assert_eq!(live["data"], json!({"key": "captured", "other": "captured"}));
    assert_eq!(live["metadata"]["labels"], json!({"app": "shop"}));
    assert_ne!(live["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(scene.get(&same).await["metadata"]["uid"], kept["metadata"]["uid"]);
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn replace_never_deletes_an_object_that_took_the_place_of_the_one_it_saw() {
    let mut scene = Scene::new().await;
    let [_, differs, _] = changed_since(&mut scene).await;
    scene.spec.conflict_policy = ConflictPolicy::Replace;
    let recorder = Recorder::new(scene.client.clone());
    recorder.swap_before_delete(map("differs", json!({"key": "somebody else's"})));

    let request = scene.request().await;
    let (_, rows) = scene.attempt(&request, &recorder).await;

    let row = rows.iter().find(|row| row.place == differs).unwrap();
    assert_eq!(row.action.word(), "blocked", "{row:?}");
    assert_eq!(scene.get(&differs).await["data"], json!({"key": "somebody else's"}));
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn replace_spares_claims_volumes_namespaces_and_definitions_unless_named() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let (volume, definition) = (
        scene.at("v1", "PersistentVolume", "", "replay-conflicts"),
        scene.at("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "things.conflicts.replay.test"),
    );
    scene.delete(&volume).await;
    scene.delete(&definition).await;
    let claim = scene.at("v1", "PersistentVolumeClaim", NAMESPACE, "data");
    let namespace = scene.at("v1", "Namespace", "", NAMESPACE);
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": NAMESPACE, "labels": {"app": "captured"}},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "resources": {"requests": {"storage": "1Mi"}},
            },
        }))
        .await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": "replay-conflicts", "labels": {"app": "captured"}},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
                "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "none",
                "csi": {"driver": "csi.example.com", "volumeHandle": "1"},
            },
        }))
        .await;
    scene.put(crate::definitions::definition("conflicts.replay.test", json!({"app": "captured"}))).await;
    let relabel = |app: &str| json!({"metadata": {"labels": {"app": app}}});
    scene.change(&namespace, relabel("captured")).await;
    let all = [&claim, &volume, &namespace, &definition];
    for place in all {
        scene.capture(place).await;
        scene.change(place, relabel("live")).await;
    }
    scene.spec.conflict_policy = ConflictPolicy::Replace;

    let spared = scene.restore().await;
    scene.spec.replace_resource_types = vec!["persistentvolumeclaims".into()];
    let named = scene.restore().await;

    for place in all {
        assert_eq!(spared.word(place), "skip", "{place}");
        let word = if place == &claim { "replace" } else { "skip" };
        assert_eq!(named.word(place), word, "{place}");
    }
    assert_eq!(scene.get(&claim).await["metadata"]["labels"]["app"], "captured");
    assert_eq!(scene.get(&namespace).await["metadata"]["labels"]["app"], "live");
    scene.no_namespace(NAMESPACE).await;
    scene.delete(&volume).await;
    scene.delete(&definition).await;
}

#[tokio::test]
async fn replace_deletes_nothing_that_the_server_would_not_take_back() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let class = scene.at("storage.k8s.io/v1", "StorageClass", "", "replay-conflicts");
    scene.delete(&class).await;
    scene.put(storage_class("replay-conflicts")).await;
    let claim = scene.at("v1", "PersistentVolumeClaim", NAMESPACE, "data");
    let settings = scene.at("v1", "ConfigMap", NAMESPACE, "settings");
    scene.put(claim_of(NAMESPACE, "data", "replay-conflicts")).await;
    scene.put(map("settings", json!({"key": "captured"}))).await;
    let before = [scene.get(&claim).await, scene.get(&settings).await];
    scene.capture(&claim).await;
    scene.capture(&settings).await;
    scene.protect(NAMESPACE, "data");
    // A label that no server takes, as a modifier with a slip makes it.
    scene.modify(concat!(
        "version: v1\nresourceModifierRules:\n",
        "- conditions: {groupResource: persistentvolumeclaims}\n",
        "  mergePatches: [{patchData: '{\"metadata\": {\"labels\": {\"team\": \"not valid!\"}}}'}]\n",
        "- conditions: {groupResource: configmaps}\n",
        "  mergePatches: [{patchData: '{\"metadata\": {\"labels\": {\"team\": \"not valid!\"}}}'}]\n",
    ));
    scene.spec.conflict_policy = ConflictPolicy::Replace;
    scene.spec.replace_resource_types = vec!["persistentvolumeclaims".into(), "configmaps".into()];

    let restored = scene.restore().await;

    for (place, before) in [&claim, &settings].into_iter().zip(&before) {
        assert_eq!(restored.word(place), "blocked", "{place}");
        assert_eq!(said(restored.planned(place)), said(restored.row(place)));
        assert_eq!(
            scene.get(place).await["metadata"]["uid"],
            before["metadata"]["uid"],
            "{place} was deleted"
        );
    }
    scene.no_namespace(NAMESPACE).await;
    scene.delete(&class).await;
}

#[tokio::test]
async fn data_for_a_claim_that_exists_is_data_not_restored_and_never_merely_skipped() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let place = scene.at("v1", "PersistentVolumeClaim", NAMESPACE, "data");
    scene.put(claim_of(NAMESPACE, "data", "")).await;
    scene.capture(&place).await;
    scene.protect(NAMESPACE, "data");
    let before = scene.get(&place).await;

    for policy in [ConflictPolicy::Skip, ConflictPolicy::Patch, ConflictPolicy::Replace] {
        scene.spec.conflict_policy = policy;
        let restored = scene.restore().await;

        assert_eq!(restored.word(&place), "dataNotRestored", "{policy:?}");
        assert_eq!(restored.outcomes.counts.failed, 1);
        let told = restored.outcomes.problems.iter().any(|one| one.code == "VolumeDataNotRestored");
        assert!(told, "{:?}", restored.outcomes.problems);
        assert_eq!(scene.get(&place).await["metadata"]["uid"], before["metadata"]["uid"]);
    }
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn replace_does_not_delete_a_claim_that_a_pod_uses_nor_an_owner_that_would_take_a_claim_along() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let claim = scene.at("v1", "PersistentVolumeClaim", NAMESPACE, "data");
    let owner = scene.at("v1", "ConfigMap", NAMESPACE, "owner");
    let class = scene.at("storage.k8s.io/v1", "StorageClass", "", "replay-conflicts");
    scene.delete(&class).await;
    scene.put(storage_class("replay-conflicts")).await;
    let live_owner = scene.put(map("owner", json!({"key": "captured"}))).await;
    scene.put(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": NAMESPACE, "ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": live_owner["metadata"]["uid"],
        }]},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "replay-conflicts",
            "resources": {"requests": {"storage": "1Mi"}},
        },
    })).await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user", "namespace": NAMESPACE},
            "spec": {
                "containers": [{"name": "main", "image": "example.com/main:1"}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            },
        }))
        .await;
    scene.capture(&claim).await;
    scene.capture(&owner).await;
    scene.change(&owner, json!({"data": {"key": "live"}})).await;
    scene.change(&claim, json!({"metadata": {"labels": {"app": "live"}}})).await;
    scene.protect(NAMESPACE, "data");
    scene.spec.conflict_policy = ConflictPolicy::Replace;
    scene.spec.replace_resource_types = vec!["persistentvolumeclaims".into()];

    let restored = scene.restore().await;

    let (code, message) = restored.blocked(&claim);
    assert_eq!(code, "UserErrorReplaceWouldLoseData");
    assert!(message.contains("user"), "{message}");
    let deleted = restored.recorder.wrote().iter().any(|wrote| wrote.verb == "delete");
    assert!(!deleted, "nothing may be deleted");
    assert!(matches!(restored.row(&owner).action, Action::Blocked(_)), "{:?}", restored.row(&owner));
    scene.delete(&class).await;
    scene.no_namespace(NAMESPACE).await;
}
