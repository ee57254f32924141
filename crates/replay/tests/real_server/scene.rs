//! A recovery point made of objects of the API server, and a restore of it. Every restore is planned first, and
//! the plan is compared with what then happened.

use crate::recorder::Recorder;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use protection::point::{VolumeProtection, VolumeRecord};
use replay::api::{ClusterApi, Discovery, KubeApi, Owned, Resolved, Shape, Write};
use replay::item::{Place, ResourceType};
use replay::{
    Action, Checked, MemorySource, Modifiers, NoVolumes, Outcomes, Patience, Plan, Progress, RestoreOptions,
    Row, Target,
};
use resources::{RecoveryPointRef, RestoreSpec};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One story.
pub struct Scene {
    pub api: KubeApi,
    pub client: kube::Client,
    /// Address of the API server.
    pub server: String,
    pub discovery: Discovery,
    pub source: MemorySource,
    pub spec: RestoreSpec,
    pub modifiers: Modifiers,
}

/// What a restore did, and what its plan had said.
pub struct Restored {
    pub plan: Plan,
    pub rows: Vec<Row>,
    pub outcomes: Outcomes,
    pub recorder: Arc<Recorder>,
}

/// A request to restore: the same in every attempt.
#[derive(Debug, Clone)]
pub struct Request {
    pub uid: String,
    pub requested: jiff::Timestamp,
}

#[derive(Default)]
struct Seen(Mutex<Vec<Row>>);

impl Progress for Seen {
    fn object(&self, row: &Row) {
        self.0.lock().unwrap().push(row.clone());
    }
}

/// A claim for 1 MiB.
pub fn claim_of(namespace: &str, name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": {"requests": {"storage": "1Mi"}},
        },
    })
}

/// A storage class that nobody provisions for.
pub fn storage_class(name: &str) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name}, "provisioner": "example.com/none",
    })
}

const SOMEONE: &str = "someone";

fn by_someone() -> Write {
    Write { manager: SOMEONE.to_owned(), dry_run: false, whole: false }
}

impl Scene {
    pub async fn new() -> Self {
        let path = std::env::var("COFFERDAM_TEST_KUBECONFIG").expect(
            "COFFERDAM_TEST_KUBECONFIG is not set: point it at the kubeconfig of a test cluster, e.g. of \
             `testbed up --control-plane-only`",
        );
        // Fails when another test of this process was first, which is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let kubeconfig = kube::config::Kubeconfig::read_from(path).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
        let server = format!(
            "{}:{}",
            config.cluster_url.host().unwrap(),
            config.cluster_url.port_u16().unwrap_or(443)
        );
        let client = kube::Client::try_from(config).unwrap();
        let api = KubeApi::new(client.clone());
        let discovery = api.discover().await.unwrap();
        let point = RecoveryPointRef { location: "default".into(), id: "point-1".into() };
        let scene = Self {
            api,
            client,
            server,
            discovery,
            source: MemorySource::default(),
            spec: RestoreSpec::of(point),
            modifiers: Modifiers::default(),
        };
        scene.sweep().await;
        scene
    }

    /// Deletes what an earlier test left and what would disturb others: an APIService without a server keeps
    /// every namespace from going, a webhook without one rejects objects.
    async fn sweep(&self) {
        let admission = "admissionregistration.k8s.io/v1";
        for (api_version, kind) in [
            ("apiregistration.k8s.io/v1", "APIService"),
            (admission, "ValidatingWebhookConfiguration"),
            (admission, "MutatingWebhookConfiguration"),
        ] {
            let any = self.at(api_version, kind, "", "any");
            for found in self.api.list(&any.kind, None, Shape::Full).await.unwrap() {
                let name = found["metadata"]["name"].as_str().unwrap();
                let served_elsewhere = kind != "APIService" || found["spec"]["service"].is_object();
                if name.contains("replay") && served_elsewhere {
                    self.delete(&self.at(api_version, kind, "", name)).await;
                }
            }
        }
    }

    /// Asks the API server again what it serves.
    pub async fn rediscover(&mut self) {
        self.discovery = self.api.discover().await.unwrap();
    }

    fn kind(&self, api_version: &str, kind: &str) -> Arc<ResourceType> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        match self.discovery.resolve(group, version, kind) {
            Resolved::Served(found) => found,
            other => panic!("{kind} of {api_version}: {other:?}"),
        }
    }

    /// Where an object belongs.
    pub fn place(&self, object: &Value) -> Place {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        Place {
            kind: self.kind(text("/apiVersion").unwrap(), text("/kind").unwrap()),
            namespace: text("/metadata/namespace").map(Arc::from),
            name: Arc::from(text("/metadata/name").unwrap()),
        }
    }

    /// A place, as `apiVersion`, kind, namespace (or empty) and name.
    pub fn at(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Place {
        Place {
            kind: self.kind(api_version, kind),
            namespace: (!namespace.is_empty()).then(|| Arc::from(namespace)),
            name: Arc::from(name),
        }
    }

    /// Creates an object as somebody else, and returns it as the server stored it.
    pub async fn put(&self, object: Value) -> Value {
        let place = self.place(&object);
        self.api.create(&place, &object, &by_someone()).await.unwrap_or_else(|error| panic!("{error}"));
        self.api.get(&place).await.unwrap().unwrap()
    }

    /// Changes an object as somebody else.
    pub async fn change(&self, place: &Place, patch: Value) {
        self.api.patch(place, &patch, &by_someone()).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// An object that must be there.
    pub async fn get(&self, place: &Place) -> Value {
        self.find(place).await.unwrap_or_else(|| panic!("{place} is not there"))
    }

    /// An object, or none.
    pub async fn find(&self, place: &Place) -> Option<Value> {
        self.api.get(place).await.unwrap()
    }

    /// Deletes an object, whatever holds it, and waits until it is gone.
    pub async fn delete(&self, place: &Place) {
        for round in 0..600 {
            let Some(live) = self.find(place).await else { return };
            let uid = live["metadata"]["uid"].as_str().unwrap();
            if round % 20 == 0 {
                drop(self.api.delete(place, uid, Owned::Goes, &by_someone()).await);
                if place.kind.is("", "pods") {
                    self.force(place).await;
                }
                if round > 0 && &*place.kind.resource != "namespaces" {
                    self.free(place).await;
                }
                // Finalizers that a test which failed has left.
                if round == 200 && &*place.kind.resource == "namespaces" {
                    self.free_all(&place.name).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{place} does not go");
    }

    /// Without a kubelet nobody else says that a pod has ended.
    async fn force(&self, pod: &Place) {
        let pods = kube::Api::<Pod>::namespaced(self.client.clone(), pod.namespace.as_deref().unwrap());
        drop(pods.delete(&pod.name, &DeleteParams::default().grace_period(0)).await);
    }

    async fn free(&self, place: &Place) {
        let free = json!({"metadata": {"finalizers": null}});
        drop(self.api.patch(place, &free, &by_someone()).await);
    }

    async fn free_all(&self, namespace: &str) {
        for kind in self.discovery.iter().filter(|kind| kind.namespaced) {
            let Ok(found) = self.api.list(kind, Some(namespace), Shape::Metadata).await else { continue };
            for object in found.iter().filter(|object| object["metadata"]["finalizers"].is_array()) {
                let name = Arc::from(object["metadata"]["name"].as_str().unwrap());
                self.free(&Place { kind: kind.clone(), namespace: Some(Arc::from(namespace)), name }).await;
            }
        }
    }

    /// A namespace of this name is gone.
    pub async fn no_namespace(&self, name: &str) {
        self.delete(&self.at("v1", "Namespace", "", name)).await;
    }

    /// A new and empty namespace, with the account and the ConfigMap that the cluster makes in it.
    pub async fn fresh_namespace(&self, name: &str) {
        self.no_namespace(name).await;
        self.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await;
        for made in [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")] {
            let place = self.at("v1", made.0, name, made.1);
            for _ in 0..200 {
                if self.find(&place).await.is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Takes an object of the cluster into the recovery point.
    pub async fn capture(&mut self, place: &Place) {
        let mut object = self.get(place).await;
        object["apiVersion"] = json!(place.kind.api_version());
        object["kind"] = json!(place.kind.kind);
        self.source.add(&place.kind.resource, object);
    }

    /// Whether objects of this type can be listed.
    pub async fn api_lists(&self, place: &Place) -> bool {
        self.api.list(&place.kind, None, Shape::Metadata).await.is_ok()
    }

    /// Takes a namespace and everything in it into the recovery point.
    pub async fn capture_namespace(&mut self, name: &str) {
        self.capture_namespace_as(name, |_| {}).await;
    }

    /// The same, with a last word about every object.
    pub async fn capture_namespace_as(&mut self, name: &str, change: impl Fn(&mut Value)) {
        let mut kinds: BTreeMap<String, Arc<ResourceType>> = BTreeMap::new();
        for kind in self.discovery.iter().filter(|kind| kind.namespaced) {
            let preferred = self.discovery.any_version(&kind.group, &kind.kind).unwrap();
            kinds.insert(kind.group_resource(), preferred);
        }
        self.capture(&self.at("v1", "Namespace", "", name)).await;
        for kind in kinds.into_values().filter(|kind| kind.kind != "Event") {
            // Some types can only be created, such as token reviews.
            let Ok(found) = self.api.list(&kind, Some(name), Shape::Full).await else { continue };
            for mut object in found {
                object["apiVersion"] = json!(kind.api_version());
                object["kind"] = json!(kind.kind);
                change(&mut object);
                self.source.add(&kind.resource, object);
            }
        }
    }

    /// The recovery point has a snapshot of this claim.
    pub fn protect(&mut self, namespace: &str, claim: &str) {
        self.source.add_volume(VolumeRecord {
            namespace: namespace.into(),
            claim: claim.into(),
            persistent_volume: None,
            driver: Some("csi.example.com".into()),
            storage_class: None,
            block: false,
            capacity: 1 << 20,
            protection: VolumeProtection::Files {
                path: format!("volumes/{namespace}/{claim}"),
                files: 1,
                bytes: 1,
            },
        });
    }

    /// Reads modifiers as from a ConfigMap.
    pub fn modify(&mut self, rules: &str) {
        let data = BTreeMap::from([("rules".to_owned(), rules.to_owned())]);
        self.modifiers = Modifiers::parse(&data).unwrap();
    }

    /// Asks for a restore: an object of the API server gives it UID and time, as `Restore` objects do.
    pub async fn request(&self) -> Request {
        let place = self.at("v1", "ConfigMap", "default", "replay-request");
        self.delete(&place).await;
        let made = self
            .put(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "replay-request", "namespace": "default"},
            }))
            .await;
        Request {
            uid: made["metadata"]["uid"].as_str().unwrap().to_owned(),
            requested: made["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap(),
        }
    }

    pub fn options(&self, request: &Request) -> RestoreOptions {
        let mut options =
            RestoreOptions::new(&request.uid, request.requested, &self.spec, "dataprotection-microsoft")
                .unwrap();
        options.modifiers = self.modifiers.clone();
        options.patience = Patience {
            established: Duration::from_secs(20),
            deletion: Duration::from_secs(10),
            account: Duration::from_secs(10),
            backend: Duration::from_secs(4),
        };
        options
    }

    /// What a restore would do. Nothing may be written.
    pub async fn plan(&self, request: &Request) -> Plan {
        let recorder = Recorder::new(self.client.clone());
        let options = self.options(request);
        let target = Target::new(recorder.clone());
        let cancel = CancellationToken::new();
        let plan = replay::plan(&target, &self.source, &options, &NoVolumes, &cancel).await.unwrap();
        assert!(recorder.wrote().is_empty(), "a plan wrote {:?}", recorder.wrote());
        plan
    }

    /// Why a restore and its plan do not even begin.
    pub async fn refused(&self) -> replay::ReplayError {
        let request = self.request().await;
        let recorder = Recorder::new(self.client.clone());
        let (target, options) = (Target::new(recorder.clone()), self.options(&request));
        let cancel = CancellationToken::new();
        let planned = replay::plan(&target, &self.source, &options, &NoVolumes, &cancel).await.unwrap_err();
        let seen = Seen::default();
        let done =
            replay::execute(&target, &self.source, &options, &NoVolumes, &seen, &cancel).await.unwrap_err();
        assert_eq!(planned.to_string(), done.to_string());
        assert!(recorder.wrote().is_empty());
        done
    }

    /// One attempt of a restore.
    pub async fn attempt(&self, request: &Request, recorder: &Arc<Recorder>) -> (Outcomes, Vec<Row>) {
        let options = self.options(request);
        let seen = Seen::default();
        let target = Target::new(recorder.clone());
        let cancel = CancellationToken::new();
        let outcomes =
            replay::execute(&target, &self.source, &options, &NoVolumes, &seen, &cancel).await.unwrap();
        let mut rows = seen.0.into_inner().unwrap();
        rows.sort_by(|a, b| (a.stage, &a.place).cmp(&(b.stage, &b.place)));
        (outcomes, rows)
    }

    /// Plans, restores, and compares the two.
    pub async fn restore(&self) -> Restored {
        let request = self.request().await;
        let plan = self.plan(&request).await;
        let recorder = Recorder::new(self.client.clone());
        let (outcomes, rows) = self.attempt(&request, &recorder).await;
        let restored = Restored { plan, rows, outcomes, recorder };
        restored.assert_as_planned();
        restored
    }
}

/// What plan and execution must agree on.
pub fn said(row: &Row) -> String {
    let detail = match &row.action {
        Action::Blocked(problem) => problem.code.clone(),
        Action::Leave { why } => why.clone(),
        action => action.fields().join(","),
    };
    format!("{} {} [{detail}]", row.place, row.action.word())
}

impl Restored {
    /// What befell one object, named as in problems.
    pub fn row(&self, place: &Place) -> &Row {
        find(&self.rows, place)
    }

    /// What the plan said of one object.
    pub fn planned(&self, place: &Place) -> &Row {
        find(&self.plan.rows, place)
    }

    /// The word for what befell one object.
    pub fn word(&self, place: &Place) -> &'static str {
        self.row(place).action.word()
    }

    /// Code and text of what blocked one object.
    pub fn blocked(&self, place: &Place) -> (String, String) {
        match &self.row(place).action {
            Action::Blocked(problem) => (problem.code.clone(), problem.message.clone()),
            other => panic!("{place} was not blocked: {other:?}"),
        }
    }

    /// Equal in action and fields, row by row; a row that the server could not check may only turn out as
    /// blocked.
    pub fn assert_as_planned(&self) {
        let mut planned: Vec<&Row> = self.plan.rows.iter().collect();
        let mut done: Vec<&Row> = self.rows.iter().collect();
        planned.sort_by_key(|row| row.place.to_string());
        done.sort_by_key(|row| row.place.to_string());
        let places = |rows: &[&Row]| rows.iter().map(|row| row.place.to_string()).collect::<Vec<_>>();
        assert_eq!(places(&planned), places(&done), "plan and restore are about the same objects");
        for (planned, done) in planned.iter().zip(&done) {
            let unsure = matches!(planned.checked, Checked::NotCheckable { .. });
            let refused = matches!(done.action, Action::Blocked(_));
            assert!(
                said(planned) == said(done) || unsure && refused,
                "planned {} ({:?}), done {} ({:?})",
                said(planned),
                planned.checked,
                said(done),
                done.action,
            );
        }
    }
}

fn find<'a>(rows: &'a [Row], place: &Place) -> &'a Row {
    rows.iter().find(|row| row.place == *place).unwrap_or_else(|| {
        let all: Vec<String> = rows.iter().map(|row| row.place.to_string()).collect();
        panic!("{place} is not among {all:#?}")
    })
}
