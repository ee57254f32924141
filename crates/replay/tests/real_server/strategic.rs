//! Strategic merge patches, made locally, against the API server's own: the same patch goes to the server, and
//! what was merged here goes there whole; both as dry runs, on objects that live.

use crate::scene::Scene;
use http::{Method, Request};
use replay::api::ClusterApi;
use replay::item::Place;
use replay::modifiers::{Schemas, strategic_merge};
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "replay-strategic";
const PATCHES: u64 = 40;
/// By these the API server tells elements of one list or another apart.
const KEYS: [&str; 8] =
    ["name", "containerPort", "port", "ip", "mountPath", "topologyKey", "key", "devicePath"];

/// A small generator of numbers: the same seed gives the same patches.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// A patch for a map as it lives.
fn patch_map(dice: &mut Dice, live: &Map<String, Value>, depth: u32) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, value) in live {
        // What identifies the object, and what the server owns, stays out.
        let fixed = [
            "apiVersion",
            "kind",
            "status",
            "managedFields",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
        ];
        let named = depth <= 1 && (key == "name" || key == "namespace");
        if fixed.contains(&key.as_str()) || named || !dice.one_in(3) && depth > 0 {
            continue;
        }
        patch_field(dice, &mut patch, key, value, depth);
    }
    if depth > 1 && dice.one_in(12) {
        patch.insert(
            "$patch".to_owned(),
            json!(["replace", "delete", "merge", "nonsense"][dice.below(4) as usize]),
        );
    }
    if depth > 1 && dice.one_in(12) {
        let kept: Vec<&String> = live.keys().filter(|_| dice.one_in(2)).collect();
        patch.insert("$retainKeys".to_owned(), json!(kept));
    }
    patch
}

fn patch_field(dice: &mut Dice, patch: &mut Map<String, Value>, key: &str, live: &Value, depth: u32) {
    if depth > 1 && dice.one_in(12) {
        patch.insert(key.to_owned(), Value::Null);
        return;
    }
    match live {
        Value::Object(map) => {
            patch.insert(key.to_owned(), Value::Object(patch_map(dice, map, depth + 1)));
        }
        Value::Array(list) if list.iter().all(Value::is_object) => patch_maps(dice, patch, key, list, depth),
        Value::Array(list) => patch_values(dice, patch, key, list),
        Value::String(text) => {
            let changed = if dice.one_in(2) { text.clone() } else { format!("{text}x") };
            patch.insert(key.to_owned(), json!(changed));
        }
        Value::Number(number) => {
            patch.insert(key.to_owned(), json!(number.as_i64().unwrap_or(1) + 1));
        }
        Value::Bool(value) => {
            patch.insert(key.to_owned(), json!(!value));
        }
        Value::Null => {}
    }
}

/// A list of maps: elements change, go, come, and are put in order.
fn patch_maps(dice: &mut Dice, patch: &mut Map<String, Value>, key: &str, list: &[Value], depth: u32) {
    let identity = |element: &Value| -> Map<String, Value> {
        let keys = KEYS.iter().filter_map(|key| Some(((*key).to_owned(), element.get(*key)?.clone())));
        keys.collect()
    };
    let mut elements = Vec::new();
    for element in list {
        let mut change = identity(element);
        match dice.below(5) {
            0 => continue,
            1 => {
                change.insert("$patch".to_owned(), json!("delete"));
            }
            2 => {
                // One that is not there yet, like this one in everything else.
                change = element.as_object().cloned().unwrap_or_default();
                for (key, value) in identity(element) {
                    let other = match value {
                        Value::String(text) => json!(format!("{text}-new")),
                        Value::Number(number) => json!(number.as_i64().unwrap_or(1) + 100),
                        other => other,
                    };
                    change.insert(key, other);
                }
            }
            _ => {
                if let Some(map) = element.as_object() {
                    for (key, value) in patch_map(dice, map, depth + 1) {
                        change.entry(key).or_insert(value);
                    }
                }
            }
        }
        elements.push(Value::Object(change));
    }
    if dice.one_in(4) {
        elements.reverse();
    }
    if dice.one_in(15) {
        elements.push(json!({"$patch": "replace"}));
    }
    if dice.one_in(4) {
        let plain = elements.iter().filter(|element| element.get("$patch").is_none());
        let order: Vec<Value> = plain.chain(list).map(|element| Value::Object(identity(element))).collect();
        let mut seen: Vec<Value> = Vec::new();
        for one in order {
            if !seen.contains(&one) {
                seen.push(one);
            }
        }
        patch.insert(format!("$setElementOrder/{key}"), json!(seen));
    }
    patch.insert(key.to_owned(), Value::Array(elements));
}

fn patch_values(dice: &mut Dice, patch: &mut Map<String, Value>, key: &str, list: &[Value]) {
    let mut values: Vec<Value> = list.iter().filter(|_| dice.one_in(2)).cloned().collect();
    if dice.one_in(2) && list.iter().all(Value::is_string) {
        values.push(json!("example.com/added"));
    }
    if dice.one_in(3) {
        let gone: Vec<&Value> = list.iter().filter(|value| !values.contains(value)).collect();
        patch.insert(format!("$deleteFromPrimitiveList/{key}"), json!(gone));
    }
    patch.insert(key.to_owned(), Value::Array(values));
}

fn objects() -> Vec<Value> {
    let pod = json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {
                    "name": "main", "image": "example.com/main:1", "command": ["a", "b"],
                    "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 81, "protocol": "UDP"}],
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "tmp", "mountPath": "/x"}],
                    "resources": {"limits": {"cpu": "1"}},
                },
                {"name": "side", "image": "example.com/side:1"},
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "map", "configMap": {"name": "m"}}],
            "imagePullSecrets": [{"name": "one"}, {"name": "two"}],
            "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["a"]}],
            "tolerations": [{"key": "k", "operator": "Exists"}],
            "topologySpreadConstraints": [{
                "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app": "web"}},
            }],
            "nodeSelector": {"a": "b"},
        },
    });
    let selector = json!({"matchLabels": {"app": "web"}});
    let meta = json!({
        "name": "web", "namespace": NAMESPACE, "labels": {"a": "1", "b": "2"},
        "annotations": {"c": "3"}, "finalizers": ["example.com/one", "example.com/two"],
    });
    let object = |api_version: &str, kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": meta});
        for (key, value) in rest.as_object().unwrap() {
            object[key] = value.clone();
        }
        object
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    vec![
        object(
            "apps/v1",
            "Deployment",
            json!({"spec": {
                "replicas": 0, "selector": selector, "template": pod,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            }}),
        ),
        object(
            "apps/v1",
            "StatefulSet",
            json!({"spec": {
                "replicas": 0, "serviceName": "web", "selector": selector, "template": pod,
            }}),
        ),
        object(
            "batch/v1",
            "CronJob",
            json!({"spec": {
                "schedule": "0 3 * * *", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": {
                    "restartPolicy": "Never", "containers": pod["spec"]["containers"],
                    "volumes": pod["spec"]["volumes"],
                }}}},
            }}),
        ),
        object(
            "v1",
            "Service",
            json!({"spec": {
                "selector": {"app": "web"}, "externalIPs": ["192.0.2.5"],
                "ports": [{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}],
            }}),
        ),
        object(
            "v1",
            "ServiceAccount",
            json!({
                "secrets": [{"name": "a"}, {"name": "b"}], "imagePullSecrets": [{"name": "c"}],
            }),
        ),
        object("v1", "ConfigMap", json!({"data": {"a": "1", "b": "2"}})),
        object(
            rbac,
            "Role",
            json!({"rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
                {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]},
            ]}),
        ),
        object(
            "networking.k8s.io/v1",
            "Ingress",
            json!({"spec": {"rules": [{
                "host": "a.example.com", "http": {"paths": [{
                    "path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": "web", "port": {"name": "http"}}},
                }]},
            }]}}),
        ),
        object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({"spec": {
                "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
            }}),
        ),
    ]
}

fn path(place: &Place) -> String {
    let kind = &place.kind;
    let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    format!("{root}/{}/namespaces/{NAMESPACE}/{}/{}?dryRun=All", kind.version, kind.resource, place.name)
}

/// What stands for an answer when the server drops the connection over a request, twice.
const DROPPED: u16 = 0;

async fn send(scene: &Scene, method: Method, place: &Place, kind: &str, body: &Value) -> Result<Value, u16> {
    let request = || {
        Request::builder()
            .method(method.clone())
            .uri(path(place))
            .header("content-type", kind)
            .body(serde_json::to_vec(body).unwrap())
            .unwrap()
    };
    let mut answer = scene.client.request::<Value>(request()).await;
    if !matches!(answer, Ok(_) | Err(kube::Error::Api(_))) {
        answer = scene.client.request::<Value>(request()).await;
    }
    match answer {
        Ok(mut object) => {
            // Controllers write the status meanwhile.
            object.as_object_mut().unwrap().remove("status");
            for field in ["managedFields", "resourceVersion", "generation"] {
                object["metadata"].as_object_mut().unwrap().remove(field);
            }
            Ok(object)
        }
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(_) => Err(DROPPED),
    }
}

/// How often the two agreed on an object, agreed on a refusal, and did not agree.
#[derive(Debug, Default)]
struct Tally {
    equal: u32,
    refused: u32,
    dropped: u32,
    different: Vec<String>,
}

impl Tally {
    /// Controllers write some objects: what differs is looked at again while the object changes.
    async fn compare(&mut self, scene: &Scene, place: &Place, patch: &Value, schemas: &Schemas) {
        let mut difference = String::new();
        for _ in 0..3 {
            let live = scene.get(place).await;
            let (theirs, ours) = both(scene, place, &live, patch, schemas).await;
            match (theirs, ours) {
                (Ok(theirs), Ok(ours)) if theirs == ours => return self.equal += 1,
                (Err(DROPPED), _) => return self.dropped += 1,
                (Err(_), Err(_)) => return self.refused += 1,
                (theirs, ours) => {
                    difference = format!(
                        "{place}: {patch}\nserver {}\nlocal  {}",
                        theirs.map_or_else(|code| code.to_string(), |object| object.to_string()),
                        ours.map_or_else(|error| error, |object| object.to_string()),
                    );
                }
            }
            if scene.get(place).await["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"] {
                break;
            }
        }
        self.different.push(difference);
    }
}

/// What the server makes of a patch, and what it makes of the object that was merged here.
async fn both(
    scene: &Scene,
    place: &Place,
    live: &Value,
    patch: &Value,
    schemas: &Schemas,
) -> (Result<Value, u16>, Result<Value, String>) {
    let schema = schemas.kind(&place.kind.group, &place.kind.version, &place.kind.kind).unwrap();
    let theirs = send(scene, Method::PATCH, place, "application/strategic-merge-patch+json", patch).await;
    let mut merged = live.clone();
    if let Err(error) = strategic_merge(&mut merged, patch, &schema) {
        return (theirs, Err(error.to_string()));
    }
    if let Some(metadata) = merged["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    let ours = send(scene, Method::PUT, place, "application/json", &merged).await;
    (theirs, ours.map_err(|code| code.to_string()))
}

#[tokio::test]
async fn local_strategic_merges_equal_the_servers_and_a_planted_defect_does_not() {
    let scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let (mut sound, mut planted) = (Tally::default(), Tally::default());

    for (number, object) in objects().into_iter().enumerate() {
        let place = scene.place(&object);
        let live = scene.put(object).await;
        let document = scene.api.openapi(&place.kind.api_version()).await.unwrap();
        let schemas = Schemas::read(&document);
        let blunt = Schemas::read(&without_merge_keys(document));
        for seed in 0..PATCHES {
            let mut dice = Dice(seed * 1000 + number as u64);
            let patch = Value::Object(patch_map(&mut dice, live.as_object().unwrap(), 0));
            sound.compare(&scene, &place, &patch, &schemas).await;
            if seed < 10 {
                planted.compare(&scene, &place, &patch, &blunt).await;
            }
        }
        scene.delete(&place).await;
    }

    println!("{} equal, {} refused by both, {} dropped", sound.equal, sound.refused, sound.dropped);
    let first: Vec<_> = sound.different.iter().take(3).collect();
    assert!(sound.different.is_empty(), "{} differ, among them {first:#?}", sound.different.len());
    assert!(sound.dropped * 4 < sound.equal, "the server crashes too often: {sound:?}");
    assert!(sound.equal >= 100, "most patches must be ones that the server takes: {sound:?}");
    assert!(!planted.different.is_empty(), "lists that replace instead of merging went unnoticed");
    scene.no_namespace(NAMESPACE).await;
}

/// The defect: the schema no longer says which lists merge.
fn without_merge_keys(document: Value) -> Value {
    match document {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(key, _)| key != "x-kubernetes-patch-strategy")
                .map(|(key, value)| (key, without_merge_keys(value)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.into_iter().map(without_merge_keys).collect()),
        plain => plain,
    }
}
