//! A namespace with a bit of everything: the plan is what happens, a killed restore goes on where it was, and
//! what an admission webhook changes is told.

use crate::definitions::define;
use crate::recorder::Recorder;
use crate::scene::{Scene, said};
use crate::webhook::Webhook;
use replay::{Checked, Row};
use resources::ConflictPolicy;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const NAMESPACE: &str = "replay-rich";
const GROUP: &str = "rich.replay.test";

fn namespaced(api_version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "shop"}},
    });
    for (key, value) in rest.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": "shop"}},
        "spec": {
            "serviceAccountName": "web",
            "containers": [{
                "name": "main", "image": "example.com/main:1", "ports": [{"containerPort": 80}],
                "env": [{"name": "MODE", "value": "a"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            }],
        },
    })
}

/// Objects of many kinds; replicas are zero, so that no controller adds to them meanwhile.
fn objects() -> Vec<Value> {
    let selector = json!({"matchLabels": {"app": "shop"}});
    let rbac = "rbac.authorization.k8s.io/v1";
    vec![
        namespaced("v1", "ServiceAccount", "web", json!({})),
        namespaced("v1", "ConfigMap", "settings", json!({"data": {"key": "captured"}})),
        namespaced("v1", "ConfigMap", "more", json!({"binaryData": {"b": "AAEC"}})),
        namespaced("v1", "Secret", "key", json!({"data": {"k": "c2VjcmV0"}})),
        namespaced(
            "v1",
            "Service",
            "web",
            json!({"spec": {
                "selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            }}),
        ),
        namespaced(
            "v1",
            "LimitRange",
            "limits",
            json!({"spec": {"limits": [
                {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "10m"}},
            ]}}),
        ),
        namespaced("v1", "ResourceQuota", "quota", json!({"spec": {"hard": {"configmaps": "50"}}})),
        namespaced(
            "v1",
            "PersistentVolumeClaim",
            "data",
            json!({"spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "resources": {"requests": {"storage": "1Mi"}},
            }}),
        ),
        namespaced(
            "apps/v1",
            "Deployment",
            "web",
            json!({"spec": {
                "replicas": 0, "selector": selector, "template": template(),
            }}),
        ),
        namespaced(
            "apps/v1",
            "StatefulSet",
            "db",
            json!({"spec": {
                "replicas": 0, "serviceName": "web", "selector": selector, "template": template(),
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}},
                }}],
            }}),
        ),
        namespaced(
            "apps/v1",
            "DaemonSet",
            "agent",
            json!({"spec": {
                "selector": selector,
                "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {
                    "nodeSelector": {"no": "node"}, "containers": [{"name": "main", "image": "example.com/main:1"}],
                }},
            }}),
        ),
        namespaced(
            "batch/v1",
            "CronJob",
            "nightly",
            json!({"spec": {
                "schedule": "0 3 * * *", "suspend": true,
                "jobTemplate": {"spec": {"template": {"spec": {
                    "restartPolicy": "Never", "containers": [{"name": "main", "image": "example.com/main:1"}],
                }}}},
            }}),
        ),
        namespaced(
            rbac,
            "Role",
            "reader",
            json!({"rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
            ]}),
        ),
        namespaced(
            rbac,
            "RoleBinding",
            "reader",
            json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
                "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": NAMESPACE}],
            }),
        ),
        namespaced(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            json!({"spec": {"rules": [{
                "host": "shop.example.com", "http": {"paths": [{
                    "path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": "web", "port": {"name": "http"}}},
                }]},
            }]}}),
        ),
        namespaced(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "only-web",
            json!({"spec": {
                "podSelector": {}, "policyTypes": ["Ingress"],
            }}),
        ),
        namespaced(
            "policy/v1",
            "PodDisruptionBudget",
            "web",
            json!({"spec": {
                "minAvailable": 1, "selector": selector,
            }}),
        ),
        namespaced(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "web",
            json!({"spec": {
                "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            }}),
        ),
        namespaced(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "by-hand",
            json!({
                "addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.7"]}], "ports": [{"port": 80}],
            }),
        ),
        namespaced("coordination.k8s.io/v1", "Lease", "leader", json!({"spec": {"holderIdentity": "x"}})),
        namespaced(&format!("{GROUP}/v1"), "Thing", "one", json!({"spec": {"colour": "blue"}})),
    ]
}

/// The recovery point of a rich namespace, which lives.
async fn rich() -> Scene {
    let mut scene = Scene::new().await;
    let defined = define(&mut scene, GROUP).await;
    scene.fresh_namespace(NAMESPACE).await;
    for object in objects() {
        scene.put(object).await;
    }
    scene.capture(&defined).await;
    scene.capture_namespace(NAMESPACE).await;
    scene
}

/// Some objects go, some change, some stay.
async fn disturb(scene: &Scene) {
    for (api_version, kind, name) in [
        ("v1", "Secret", "key"),
        ("apps/v1", "StatefulSet", "db"),
        ("rbac.authorization.k8s.io/v1", "Role", "reader"),
        ("networking.k8s.io/v1", "Ingress", "web"),
    ] {
        scene.delete(&scene.at(api_version, kind, NAMESPACE, name)).await;
    }
    for (api_version, kind, name, patch) in [
        ("v1", "ConfigMap", "settings", json!({"data": {"key": "live", "new": "live"}})),
        ("v1", "Service", "web", json!({"spec": {"ports": [{"name": "http", "port": 81}]}})),
        (
            "apps/v1",
            "Deployment",
            "web",
            json!({"metadata": {"labels": {"app": "x"}}, "spec": {"paused": true}}),
        ),
        ("batch/v1", "CronJob", "nightly", json!({"spec": {"schedule": "0 4 * * *"}})),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "web", json!({"spec": {"maxReplicas": 9}})),
    ] {
        scene.change(&scene.at(api_version, kind, NAMESPACE, name), patch).await;
    }
    let thing = scene.at(&format!("{GROUP}/v1"), "Thing", NAMESPACE, "one");
    scene.change(&thing, json!({"spec": {"colour": "red"}})).await;
}

async fn clean(scene: &Scene) {
    scene.no_namespace(NAMESPACE).await;
    let defined =
        scene.at("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &format!("things.{GROUP}"));
    scene.delete(&defined).await;
}

fn words(rows: &[Row]) -> BTreeMap<&'static str, usize> {
    let mut words = BTreeMap::new();
    for row in rows {
        *words.entry(row.action.word()).or_default() += 1;
    }
    words
}

#[tokio::test]
async fn the_plan_of_a_rich_namespace_is_what_happens_under_every_policy() {
    let mut scene = rich().await;

    for (policy, touched) in [
        (ConflictPolicy::Skip, "skip"),
        (ConflictPolicy::Patch, "patch"),
        (ConflictPolicy::Replace, "replace"),
    ] {
        disturb(&scene).await;
        scene.spec.conflict_policy = policy;
        let restored = scene.restore().await;

        let words = words(&restored.rows);
        assert_eq!(words.get("create"), Some(&4), "{policy:?}: {words:?}");
        assert_eq!(words.get(touched), Some(&6), "{policy:?}: {:#?}", told(&restored.rows));
        assert_eq!(words.get("blocked"), None, "{policy:?}: {:#?}", told(&restored.rows));
        let sure = restored.plan.rows.iter().filter(|row| row.checked == Checked::ByServer).count();
        assert!(sure >= 10, "{policy:?}: most rows of a living namespace are checked, not {sure}");
    }

    let again = scene.restore().await;
    let words = words(&again.rows);
    assert_eq!(words.get("create"), None, "{:#?}", told(&again.rows));
    assert_eq!(words.get("replace"), None, "what was replaced is unchanged now: {:#?}", told(&again.rows));
    clean(&scene).await;
}

#[tokio::test]
async fn the_plan_into_a_new_namespace_and_for_a_lost_one_is_what_happens() {
    let mut scene = rich().await;
    scene.no_namespace("replay-rich-copy").await;

    scene.spec.namespace_mappings.insert(NAMESPACE.into(), "replay-rich-copy".into());
    let copied = scene.restore().await;
    scene.spec.namespace_mappings.clear();
    clean(&scene).await;
    let lost = scene.restore().await;

    for (rows, what) in [(&copied.rows, "copied"), (&lost.rows, "lost")] {
        assert_eq!(words(rows).get("blocked"), None, "{what}: {:#?}", told(rows));
        assert!(words(rows)["create"] >= 19, "{what}: {:#?}", told(rows));
    }
    scene.rediscover().await;
    for object in objects() {
        let place = scene.place(&object);
        if &*place.kind.resource != "leases" {
            scene.get(&place).await;
        }
    }
    scene.no_namespace("replay-rich-copy").await;
    clean(&scene).await;
}

#[tokio::test]
async fn a_restore_that_is_killed_goes_on_and_creates_nothing_twice() {
    let scene = rich().await;
    clean(&scene).await;
    let whole = Recorder::new(scene.client.clone());
    let request = scene.request().await;
    let (expected, rows) = scene.attempt(&request, &whole).await;
    let writes = whole.wrote().len() as u64;
    let expected_rows: Vec<String> = rows.iter().map(said).collect();

    for stop in [1, 2, writes / 4, writes / 2, writes - 1] {
        clean(&scene).await;
        let request = scene.request().await;
        let first = Recorder::new(scene.client.clone()).die_after(stop);
        tokio::select! {
            _ = scene.attempt(&request, &first) => panic!("it was to be killed after {stop} of {writes} writes"),
            () = first.died() => {}
        }
        let second = Recorder::new(scene.client.clone());
        let (outcomes, rows) = scene.attempt(&request, &second).await;

        let rows: Vec<String> = rows.iter().map(said).collect();
        assert_eq!(rows, expected_rows, "killed after {stop}");
        assert_eq!(outcomes.counts, expected.counts, "killed after {stop}");
        let created = |recorder: &Recorder| -> BTreeSet<String> {
            let wrote = recorder.wrote().into_iter().filter(|wrote| wrote.verb == "create");
            wrote.map(|wrote| wrote.place).collect()
        };
        let made_by_first = created(&first);
        let wrote = second.wrote();
        let deleted: Vec<_> =
            wrote.iter().filter(|wrote| wrote.verb == "delete").map(|wrote| &wrote.place).collect();
        assert!(
            deleted.is_empty(),
            "a resumed restore deleted {deleted:?}; the first made {made_by_first:?}"
        );
    }
    clean(&scene).await;
}

#[tokio::test]
async fn what_an_admission_webhook_changes_is_told_by_plan_and_restore() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let server = scene.server.clone();
    let webhook = Webhook::start(&server);
    let (mutated, alone) =
        (scene.at("v1", "ConfigMap", NAMESPACE, "mutated"), scene.at("v1", "ConfigMap", NAMESPACE, "alone"));
    for place in [&mutated, &alone] {
        let labels = if place == &alone { json!({"leave-alone": "yes"}) } else { json!({}) };
        scene
            .put(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": &*place.name, "namespace": NAMESPACE, "labels": labels},
                "data": {"key": "captured"},
            }))
            .await;
        scene.capture(place).await;
        scene.delete(place).await;
    }
    let configuration = webhook.configuration("replay-mutate", NAMESPACE, "None");
    let configured = scene.place(&configuration);
    scene.delete(&configured).await;
    scene.put(configuration).await;
    settle(&scene).await;

    let restored = scene.restore().await;
    scene.delete(&configured).await;

    assert_eq!(scene.get(&mutated).await["data"]["key"], "mutated", "the webhook was really asked");
    for row in [restored.planned(&mutated), restored.row(&mutated)] {
        let note = row.notes.iter().find(|note| note.code == "ObjectChangedByAdmission");
        let note = note.unwrap_or_else(|| panic!("{row:?}"));
        for field in ["data.key", "metadata.labels.injected"] {
            assert!(note.message.contains(field), "{note:?}");
        }
    }
    for row in [restored.planned(&alone), restored.row(&alone)] {
        assert!(row.notes.is_empty(), "{row:?}");
    }
    scene.no_namespace(NAMESPACE).await;
}

/// The API server reads webhook configurations through a watch.
async fn settle(scene: &Scene) {
    let probe = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "namespace": NAMESPACE},
    });
    let place = scene.place(&probe);
    for _ in 0..100 {
        scene.delete(&place).await;
        let write = replay::api::Write { manager: "someone".to_owned(), dry_run: false, whole: false };
        use replay::api::ClusterApi;
        let asked = match scene.api.create(&place, &probe, &write).await {
            Err(_) => true,
            Ok(_) => scene.get(&place).await["metadata"]["labels"].is_object(),
        };
        if asked {
            scene.delete(&place).await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the webhook is not asked");
}

fn told(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| format!("{} {:?}", said(row), row.action)).collect()
}
