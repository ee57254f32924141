//! What is changed on the way for one kind or another: finalizers, Services, Jobs, tokens, pods, status.

use crate::scene::{Scene, claim_of};
use serde_json::json;
use std::time::Duration;

const NAMESPACE: &str = "replay-kinds";

#[tokio::test]
async fn services_give_back_what_was_allocated_and_keep_what_a_person_chose() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    for (name, spec) in [
        ("plain", json!({"ports": [{"port": 80}]})),
        ("headless", json!({"clusterIP": "None", "ports": [{"port": 80}]})),
        ("chosen", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 31480}]})),
        ("allocated", json!({"type": "NodePort", "ports": [{"port": 80}]})),
        ("balanced", json!({"type": "LoadBalancer", "ports": [{"port": 80}]})),
    ] {
        scene
            .put(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": spec,
            }))
            .await;
    }
    let place = |name: &str| scene.at("v1", "Service", NAMESPACE, name);
    let places = ["plain", "headless", "chosen", "allocated", "balanced"].map(place);
    scene.capture_namespace(NAMESPACE).await;
    scene.no_namespace(NAMESPACE).await;
    let sent = |recorder: &crate::recorder::Recorder, name: &str| {
        let at = recorder.position("create", &format!("services/{NAMESPACE}/{name}"));
        recorder.wrote()[at].body["spec"].clone()
    };

    let restored = scene.restore().await;

    for place in &places {
        assert_eq!(restored.word(place), "create", "{:?}", restored.row(place));
    }
    assert!(sent(&restored.recorder, "plain").get("clusterIP").is_none());
    assert_eq!(scene.get(&places[1]).await["spec"]["clusterIP"], "None");
    assert_eq!(scene.get(&places[2]).await["spec"]["ports"][0]["nodePort"], 31480);
    assert!(sent(&restored.recorder, "allocated")["ports"][0].get("nodePort").is_none());
    assert!(sent(&restored.recorder, "balanced")["ports"][0].get("nodePort").is_none());

    // A server allocates ports before it looks whether the Service exists: the live one holds its own.
    let again = scene.restore().await;
    for place in &places {
        assert_eq!(again.word(place), "unchanged", "{:?}", again.row(place));
    }
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn a_copy_beside_its_original_gets_another_node_port_and_says_so() {
    let mut scene = Scene::new().await;
    scene.no_namespace("replay-kinds-copy").await;
    scene.fresh_namespace(NAMESPACE).await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "chosen", "namespace": NAMESPACE},
            "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 31481}]},
        }))
        .await;
    scene.capture_namespace(NAMESPACE).await;
    scene.spec.namespace_mappings.insert(NAMESPACE.into(), "replay-kinds-copy".into());
    let copy = scene.at("v1", "Service", "replay-kinds-copy", "chosen");

    let restored = scene.restore().await;

    assert_eq!(restored.word(&copy), "create");
    assert_ne!(scene.get(&copy).await["spec"]["ports"][0]["nodePort"], 31481);
    assert!(restored.row(&copy).notes.iter().any(|note| note.message.contains("31481")));
    scene.no_namespace(NAMESPACE).await;
    scene.no_namespace("replay-kinds-copy").await;
}

#[tokio::test]
async fn a_job_loses_the_labels_of_its_old_self_and_one_that_ended_is_not_run_again() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    for name in ["open", "ended"] {
        scene
            .put(json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {"suspend": true, "template": {"spec": {
                    "restartPolicy": "Never", "containers": [{"name": "main", "image": "example.com/main:1"}],
                }}},
            }))
            .await;
    }
    let (open, ended) =
        (scene.at("batch/v1", "Job", NAMESPACE, "open"), scene.at("batch/v1", "Job", NAMESPACE, "ended"));
    let old = scene.get(&open).await;
    scene
        .capture_namespace_as(NAMESPACE, |object| {
            if object["metadata"]["name"] == "ended" {
                object["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
            }
        })
        .await;
    scene.no_namespace(NAMESPACE).await;

    let restored = scene.restore().await;

    assert_eq!(restored.word(&open), "create", "{:?}", restored.row(&open));
    assert_eq!(restored.word(&ended), "leave");
    let new = scene.get(&open).await;
    let label = "/spec/template/metadata/labels/batch.kubernetes.io~1controller-uid";
    assert_eq!(new.pointer(label), Some(&new["metadata"]["uid"]));
    assert_ne!(new.pointer(label), old.pointer(label));
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn a_requested_account_token_is_filled_anew_by_the_target() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": NAMESPACE},
        }))
        .await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {
                "name": "web-key", "namespace": NAMESPACE,
                "annotations": {"kubernetes.io/service-account.name": "web"},
            },
        }))
        .await;
    let (account, secret) =
        (scene.at("v1", "ServiceAccount", NAMESPACE, "web"), scene.at("v1", "Secret", NAMESPACE, "web-key"));
    let old = filled(&scene, &secret).await;
    scene.capture_namespace(NAMESPACE).await;
    scene.no_namespace(NAMESPACE).await;

    let restored = scene.restore().await;

    assert_eq!(restored.word(&account), "create");
    assert_eq!(restored.word(&secret), "create", "{:?}", restored.row(&secret));
    let at = restored.recorder.position("create", &secret.to_string());
    let body = restored.recorder.wrote()[at].body.clone();
    assert!(body.pointer("/data/token").is_none(), "the old token is not sent");
    let new = filled(&scene, &secret).await;
    assert_ne!(new["data"]["token"], old["data"]["token"]);
    let uid = "/metadata/annotations/kubernetes.io~1service-account.uid";
    assert_eq!(new.pointer(uid), Some(&scene.get(&account).await["metadata"]["uid"]));
    scene.no_namespace(NAMESPACE).await;
}

async fn filled(scene: &Scene, secret: &replay::item::Place) -> serde_json::Value {
    for _ in 0..200 {
        if let Some(live) = scene.find(secret).await
            && live["data"]["token"].is_string()
        {
            return live;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing fills {secret}");
}

#[tokio::test]
async fn pods_lose_their_node_and_built_in_finalizers_go() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let pod = scene.at("v1", "Pod", NAMESPACE, "bare");
    let claim = scene.at("v1", "PersistentVolumeClaim", NAMESPACE, "data");
    scene.put(claim_of(NAMESPACE, "data", "")).await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "bare", "namespace": NAMESPACE, "finalizers": ["example.com/hold"]},
            "spec": {
                "nodeName": "a-node-of-the-source", "priority": 0,
                "containers": [{"name": "main", "image": "example.com/main:1"}],
            },
        }))
        .await;
    scene.capture_namespace(NAMESPACE).await;
    scene.delete(&pod).await;
    scene.no_namespace(NAMESPACE).await;

    let restored = scene.restore().await;

    assert_eq!(restored.word(&pod), "create", "{:?}", restored.row(&pod));
    let live = scene.get(&pod).await;
    assert_ne!(live["spec"]["nodeName"], "a-node-of-the-source");
    assert!(live["metadata"].get("finalizers").is_none());
    for place in [&pod, &claim] {
        let at = restored.recorder.position("create", &place.to_string());
        let body = &restored.recorder.wrote()[at].body;
        assert!(body["metadata"].get("finalizers").is_none() && body.get("status").is_none(), "{body}");
    }
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn an_object_of_nearly_the_largest_size_that_a_server_takes_comes_back_whole() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let place = scene.at("v1", "Secret", NAMESPACE, "large");
    // 1,048,576 bytes of data are the limit of a Secret; as text that is 1.4 MiB.
    let encoded = "QUFB".repeat(1_048_576 / 3);
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "large", "namespace": NAMESPACE},
            "data": {"v": encoded},
        }))
        .await;
    scene.capture(&place).await;
    scene.delete(&place).await;

    let restored = scene.restore().await;

    assert_eq!(restored.word(&place), "create", "{:?}", restored.row(&place));
    assert_eq!(scene.get(&place).await["data"]["v"], encoded);
    scene.no_namespace(NAMESPACE).await;
}
