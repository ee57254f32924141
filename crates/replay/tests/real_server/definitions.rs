//! Definitions before their objects, webhooks and APIServices after what serves them, and targets that lack
//! something.

use crate::scene::{Scene, claim_of};
use replay::Checked;
use replay::item::Place;
use resources::PersistentVolumeRestoreMode;
use serde_json::{Value, json};
use std::time::Duration;

const NAMESPACE: &str = "replay-defined";

/// A definition of `things` in this group, with a status subresource.
pub fn definition(group: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}"), "labels": labels},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

/// Defines `things` of this group and waits until they are served.
pub async fn define(scene: &mut Scene, group: &str) -> Place {
    let place = scene.place(&definition(group, json!({})));
    scene.delete(&place).await;
    scene.put(definition(group, json!({"app": "captured"}))).await;
    for _ in 0..200 {
        scene.rediscover().await;
        let served = scene.discovery.any_version(group, "Thing").is_some();
        let listed = match served {
            true => scene.api_lists(&scene.at(&format!("{group}/v1"), "Thing", NAMESPACE, "any")).await,
            false => false,
        };
        if listed {
            return place;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("things of {group} are not served");
}

fn thing(group: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{group}/v1"), "kind": "Thing",
        "metadata": {"name": name, "namespace": NAMESPACE, "finalizers": ["replay.test/kept"]},
        "spec": {"colour": "blue"}, "status": {"seen": true},
    })
}

#[tokio::test]
async fn a_definition_is_established_before_its_objects_and_the_plan_says_that_it_could_not_ask() {
    let mut scene = Scene::new().await;
    let group = "first.replay.test";
    let defined = define(&mut scene, group).await;
    scene.fresh_namespace(NAMESPACE).await;
    let place = scene.at(&format!("{group}/v1"), "Thing", NAMESPACE, "one");
    scene.put(thing(group, "one")).await;
    scene.capture(&defined).await;
    scene.capture_namespace(NAMESPACE).await;
    scene.delete(&place).await;
    scene.no_namespace(NAMESPACE).await;
    scene.delete(&defined).await;

    let restored = scene.restore().await;

    let planned = restored.planned(&place);
    assert!(
        matches!(&planned.checked, Checked::NotCheckable { reason } if reason.contains("definition")),
        "{planned:?}"
    );
    assert!(matches!(restored.planned(&defined).checked, Checked::ByServer));
    assert_eq!(restored.word(&place), "create");
    assert!(
        restored.recorder.position("create", &defined.to_string())
            < restored.recorder.position("create", &place.to_string())
    );
    let live = scene.get(&place).await;
    assert_eq!(live["metadata"]["finalizers"], json!(["replay.test/kept"]), "kept on custom resources");
    assert!(live.get("status").is_none(), "status is not restored: {live}");
    scene.delete(&place).await;
    scene.no_namespace(NAMESPACE).await;
    scene.delete(&defined).await;
}

#[tokio::test]
async fn a_target_without_the_definition_fails_those_objects_by_name_and_restores_the_rest() {
    let mut scene = Scene::new().await;
    let group = "lacking.replay.test";
    let defined = define(&mut scene, group).await;
    scene.fresh_namespace(NAMESPACE).await;
    let place = scene.at(&format!("{group}/v1"), "Thing", NAMESPACE, "one");
    let map = scene.at("v1", "ConfigMap", NAMESPACE, "settings");
    scene.put(thing(group, "one")).await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": NAMESPACE},
        }))
        .await;
    scene.capture_namespace(NAMESPACE).await;
    scene.delete(&place).await;
    scene.no_namespace(NAMESPACE).await;
    scene.delete(&defined).await;

    let restored = scene.restore().await;

    let (code, message) = restored.blocked(&place);
    assert_eq!(code, "UserErrorKindNotServedByTargetCluster");
    assert!(message.contains("Thing"), "{message}");
    assert_eq!(restored.word(&map), "create");
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn a_target_without_the_storage_class_says_so_before_and_after() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let place = scene.at("v1", "PersistentVolumeClaim", NAMESPACE, "data");
    scene.put(claim_of(NAMESPACE, "data", "replay-absent")).await;
    scene.capture_namespace(NAMESPACE).await;
    scene.protect(NAMESPACE, "data");
    scene.no_namespace(NAMESPACE).await;

    let with_data = scene.restore().await;
    scene.no_namespace(NAMESPACE).await;
    scene.spec.persistent_volume_restore_mode = PersistentVolumeRestoreMode::RestoreWithoutVolumeData;
    let empty = scene.restore().await;

    let (code, message) = with_data.blocked(&place);
    assert!(code.contains("StorageClass"), "{code}");
    assert!(message.contains("replay-absent"), "{message}");
    assert_eq!(empty.word(&place), "create");
    let warned = |problems: &[protection::Problem]| problems.iter().any(|one| one.code == code);
    assert!(warned(&empty.plan.problems) && warned(&empty.outcomes.problems));
    scene.no_namespace(NAMESPACE).await;
}

/// A Service with a slice of endpoints that are ready, or are not.
async fn serve(scene: &Scene, ready: bool) {
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook", "namespace": NAMESPACE},
            "spec": {"ports": [{"port": 443}]},
        }))
        .await;
    scene
        .put(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": "hook", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "hook"},
            },
            "addressType": "IPv4", "ports": [{"port": 443}],
            "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": ready}}],
        }))
        .await;
}

async fn rejecting(scene: &Scene, name: &str, resource: &str) -> Place {
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": "reject.replay.test", "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
            "clientConfig": {"service": {"namespace": NAMESPACE, "name": "hook", "port": 443}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource],
            }],
        }],
    });
    let place = scene.place(&object);
    scene.delete(&place).await;
    scene.put(object).await;
    place
}

#[tokio::test]
async fn a_webhook_and_an_api_service_come_after_what_serves_them() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let api_service = scene.at("apiregistration.k8s.io/v1", "APIService", "", "v1.late.replay.test");
    scene.delete(&api_service).await;
    let webhook =
        scene.at("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "replay-late");
    scene.delete(&webhook).await;
    serve(&scene, true).await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": NAMESPACE},
        }))
        .await;
    rejecting(&scene, "replay-late", "secrets").await;
    scene
        .put(json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1.late.replay.test"},
            "spec": {
                "group": "late.replay.test", "version": "v1", "groupPriorityMinimum": 100,
                "versionPriority": 100, "insecureSkipTLSVerify": true,
                "service": {"namespace": NAMESPACE, "name": "hook", "port": 443},
            },
        }))
        .await;
    scene.capture(&webhook).await;
    scene.capture(&api_service).await;
    scene.capture_namespace(NAMESPACE).await;
    scene.delete(&webhook).await;
    scene.delete(&api_service).await;
    scene.no_namespace(NAMESPACE).await;

    let restored = scene.restore().await;

    for place in [&webhook, &api_service] {
        assert_eq!(restored.word(place), "create", "{:?}", restored.row(place));
        let created = restored.recorder.position("create", &place.to_string());
        for before in ["services/replay-defined/hook", "secrets/replay-defined/key"] {
            assert!(restored.recorder.position("create", before) < created, "{before} before {place}");
        }
        let reason = match &restored.planned(place).checked {
            Checked::NotCheckable { reason } => reason.clone(),
            other => panic!("{other:?}"),
        };
        assert!(reason.contains("waits until Service"), "{reason}");
    }
    scene.delete(&webhook).await;
    scene.delete(&api_service).await;
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn a_webhook_whose_backend_does_not_come_back_is_not_created_and_names_the_service() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    serve(&scene, false).await;
    let webhook = rejecting(&scene, "replay-dead", "secrets").await;
    scene.capture(&webhook).await;
    scene.capture_namespace(NAMESPACE).await;
    scene.delete(&webhook).await;
    scene.no_namespace(NAMESPACE).await;

    let restored = scene.restore().await;

    let (code, message) = restored.blocked(&webhook);
    assert_eq!(code, "AdmissionWebhookWithoutBackend");
    assert!(message.contains("Service replay-defined/hook"), "{message}");
    assert!(scene.find(&webhook).await.is_none());
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn a_webhook_of_the_target_without_backend_is_named_before_it_blocks_anything() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let (secret, map) =
        (scene.at("v1", "Secret", NAMESPACE, "key"), scene.at("v1", "ConfigMap", NAMESPACE, "settings"));
    for place in [&secret, &map] {
        scene
            .put(json!({
                "apiVersion": "v1", "kind": place.kind.kind,
                "metadata": {"name": &*place.name, "namespace": NAMESPACE},
            }))
            .await;
        scene.capture(place).await;
        scene.delete(place).await;
    }
    let webhook = rejecting(&scene, "replay-blocking", "secrets").await;

    let restored = scene.restore().await;
    scene.delete(&webhook).await;

    let warning =
        restored.plan.problems.iter().find(|one| {
            one.code == "AdmissionWebhookWithoutBackend" && one.message.contains("replay-blocking")
        });
    let warning = warning.unwrap_or_else(|| panic!("{:#?}", restored.plan.problems));
    assert!(warning.recommended_action.iter().any(|fix| fix.contains("kubectl delete")), "{warning:?}");
    assert_eq!(restored.blocked(&secret).0, "AdmissionWebhookWithoutBackend");
    assert_eq!(restored.word(&map), "create");
    scene.no_namespace(NAMESPACE).await;
}
