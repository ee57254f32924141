//! Owner references: what others need first is linked afterwards, everything else is created after its owner.

use crate::scene::Scene;
use protection::Severity;
use resources::ConflictPolicy;
use serde_json::{Value, json};
use std::time::Duration;

fn owned_by(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!([{
        "apiVersion": api_version, "kind": kind, "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": false, "blockOwnerDeletion": false,
    }])
}

fn deployment(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "example.com/main:1"}]},
            },
        },
    })
}

fn small(api_version: &str, kind: &str, namespace: &str, name: &str, owners: &Value) -> Value {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": owners},
    });
    match kind {
        "PersistentVolumeClaim" => {
            object["spec"] = json!({
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}},
                "storageClassName": "",
            });
        }
        "Service" => object["spec"] = json!({"clusterIP": "None", "ports": [{"port": 80}]}),
        _ => {}
    }
    object
}

#[tokio::test]
async fn claims_secrets_and_maps_are_created_bare_and_linked_once_their_owner_has_its_uid() {
    let mut scene = Scene::new().await;
    let namespace = "replay-owners";
    scene.fresh_namespace(namespace).await;
    let web = scene.put(deployment(namespace, "web")).await;
    let owners = owned_by(&web, "apps/v1", "Deployment");
    for (kind, name) in
        [("ConfigMap", "settings"), ("Secret", "key"), ("PersistentVolumeClaim", "data"), ("Service", "web")]
    {
        scene.put(small("v1", kind, namespace, name, &owners)).await;
    }
    scene.capture_namespace(namespace).await;
    scene.no_namespace(namespace).await;

    let restored = scene.restore().await;

    let owner = scene.get(&scene.at("apps/v1", "Deployment", namespace, "web")).await;
    assert_ne!(owner["metadata"]["uid"], web["metadata"]["uid"]);
    let created_web = restored.recorder.position("create", &format!("deployments.apps/{namespace}/web"));
    for (kind, resource, name) in [
        ("ConfigMap", "configmaps", "settings"),
        ("Secret", "secrets", "key"),
        ("PersistentVolumeClaim", "persistentvolumeclaims", "data"),
    ] {
        let live = scene.get(&scene.at("v1", kind, namespace, name)).await;
        assert_eq!(live["metadata"]["ownerReferences"][0]["uid"], owner["metadata"]["uid"], "{kind}");
        let place = format!("{resource}/{namespace}/{name}");
        let created = restored.recorder.position("create", &place);
        let body = &restored.recorder.wrote()[created].body;
        assert!(body["metadata"].get("ownerReferences").is_none(), "{kind} was created with {body}");
        assert!(created < created_web && created_web < restored.recorder.position("patch", &place));
    }
    let service = restored.recorder.position("create", &format!("services/{namespace}/web"));
    assert!(service > created_web, "a Service comes after its owner");
    let body = &restored.recorder.wrote()[service].body;
    assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], owner["metadata"]["uid"]);
    scene.no_namespace(namespace).await;
}

#[tokio::test]
async fn an_owner_that_is_there_already_is_linked_to_and_an_absent_one_is_dropped_and_reported() {
    let mut scene = Scene::new().await;
    let namespace = "replay-owners";
    scene.fresh_namespace(namespace).await;
    let web = scene.put(deployment(namespace, "web")).await;
    let gone = scene.put(deployment(namespace, "gone")).await;
    for (name, owner) in [("by-web", &web), ("by-gone", &gone)] {
        let owners = owned_by(owner, "apps/v1", "Deployment");
        scene.put(small("v1", "Secret", namespace, name, &owners)).await;
        scene.put(small("v1", "Service", namespace, name, &owners)).await;
    }
    scene.capture_namespace(namespace).await;
    scene.fresh_namespace(namespace).await;
    let other = scene.put(deployment(namespace, "web")).await;
    scene.spec.excluded_resource_types = vec!["deployments.apps".into()];

    let restored = scene.restore().await;

    for kind in ["Secret", "Service"] {
        let linked = scene.get(&scene.at("v1", kind, namespace, "by-web")).await;
        assert_eq!(linked["metadata"]["ownerReferences"][0]["uid"], other["metadata"]["uid"], "{kind}");
        let place = scene.at("v1", kind, namespace, "by-gone");
        assert!(scene.get(&place).await["metadata"].get("ownerReferences").is_none(), "{kind}");
        let reported = restored.outcomes.problems.iter().any(|problem| {
            problem.code == "OwnerReferenceDropped"
                && problem.severity == Severity::Information
                && problem.target.as_deref() == Some(&place.to_string())
                && problem.message.contains("Deployment gone")
        });
        assert!(reported, "{kind}: {:#?}", restored.outcomes.problems);
    }
    scene.no_namespace(namespace).await;
}

#[tokio::test]
async fn what_a_built_in_controller_makes_is_left_to_it() {
    let mut scene = Scene::new().await;
    let namespace = "replay-owners";
    scene.fresh_namespace(namespace).await;
    let mut web = deployment(namespace, "web");
    web["spec"]["replicas"] = json!(1);
    scene.put(web).await;
    let made = made_by_controllers(&scene, namespace).await;
    scene.capture_namespace(namespace).await;
    scene.no_namespace(namespace).await;

    let restored = scene.restore().await;

    for (kind, api_version, name) in made {
        let place = scene.at(api_version, kind, namespace, &name);
        assert_eq!(restored.word(&place), "leave", "{place}");
        let wrote = restored.recorder.wrote().iter().any(|wrote| wrote.place == place.to_string());
        assert!(!wrote, "{place} was written");
    }
    scene.no_namespace(namespace).await;
}

/// Waits until the Deployment has its ReplicaSet and that one its pod.
async fn made_by_controllers(scene: &Scene, namespace: &str) -> Vec<(&'static str, &'static str, String)> {
    use replay::api::{ClusterApi, Shape};
    for _ in 0..200 {
        let mut made = Vec::new();
        for (kind, api_version) in [("ReplicaSet", "apps/v1"), ("Pod", "v1")] {
            let place = scene.at(api_version, kind, namespace, "any");
            let found = scene.api.list(&place.kind, Some(namespace), Shape::Metadata).await.unwrap();
            made.extend(
                found
                    .iter()
                    .map(|one| (kind, api_version, one["metadata"]["name"].as_str().unwrap().to_owned())),
            );
        }
        if made.len() >= 2 {
            return made;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the controllers made nothing in {namespace}");
}

#[tokio::test]
async fn what_a_replaced_object_owns_survives_and_is_linked_to_its_successor() {
    let mut scene = Scene::new().await;
    let namespace = "replay-replaced-owner";
    scene.fresh_namespace(namespace).await;
    let settings = |sky: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": namespace},
            "data": {"sky": sky},
        })
    };
    let owner = scene.put(settings("captured")).await;
    let owners = owned_by(&owner, "v1", "ConfigMap");
    let secret = scene.put(small("v1", "Secret", namespace, "key", &owners)).await;
    scene.capture_namespace(namespace).await;
    let later = scene.put(small("v1", "Secret", namespace, "made-later", &owners)).await;
    let place = scene.at("v1", "ConfigMap", namespace, "settings");
    scene.change(&place, json!({"data": {"sky": "live"}})).await;
    scene.spec.conflict_policy = ConflictPolicy::Replace;

    let restored = scene.restore().await;

    let key = scene.at("v1", "Secret", namespace, "key");
    assert_eq!(restored.word(&place), "replace");
    assert_eq!(restored.word(&key), "unchanged");
    let successor = scene.get(&place).await["metadata"]["uid"].clone();
    assert_ne!(successor, owner["metadata"]["uid"]);
    // The garbage collector deletes what hangs on an absent owner within moments.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let kept = scene.get(&key).await;
    assert_eq!(kept["metadata"]["uid"], secret["metadata"]["uid"]);
    assert_eq!(kept["metadata"]["ownerReferences"][0]["uid"], successor);
    let unknown = scene.get(&scene.at("v1", "Secret", namespace, "made-later")).await;
    assert_eq!(unknown["metadata"]["uid"], later["metadata"]["uid"], "nobody asked for its deletion");
    scene.no_namespace(namespace).await;
}
