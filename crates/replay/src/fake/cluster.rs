//! The cluster itself.

use super::rules::{built_in, error, immutable_change};
use crate::api::{ApiError, ClusterApi, Discovery, Owned, Refusal, Shape, Write, Written};
use crate::item::{Place, ResourceType};
use crate::json;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An API server in memory.
#[derive(Debug)]
pub struct FakeCluster {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    served: Discovery,
    objects: BTreeMap<(String, Option<String>, String), Value>,
    writes: Vec<String>,
    counter: u64,
    now: String,
    /// `<resource>[.<group>]` that an admission policy forbids.
    forbidden: BTreeSet<String>,
    /// Types that a webhook without backend rejects.
    unreachable: BTreeSet<String>,
    /// Types whose webhook takes no part in dry runs.
    with_side_effects: BTreeSet<String>,
    busy: u32,
    stop_after: Option<(u32, tokio_util::sync::CancellationToken)>,
    documents: BTreeMap<String, Value>,
}

type Key = (String, Option<String>, String);

fn key(place: &Place) -> Key {
    (place.kind.group_resource(), place.namespace.as_deref().map(str::to_owned), place.name.to_string())
}

impl Default for FakeCluster {
    /// An empty cluster with the built-in types, the namespace `default` and the storage class `fast`.
    fn default() -> Self {
        let cluster = Self {
            inner: Mutex::new(Inner {
                served: built_in(),
                objects: BTreeMap::new(),
                writes: Vec::new(),
                counter: 0,
                now: "2026-11-22T10:00:00Z".to_owned(),
                forbidden: BTreeSet::new(),
                unreachable: BTreeSet::new(),
                with_side_effects: BTreeSet::new(),
                busy: 0,
                stop_after: None,
                documents: BTreeMap::new(),
            }),
        };
        cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        cluster.put(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
        }));
        cluster
    }
}

impl FakeCluster {
    /// Puts an object there as somebody else.
    pub fn put(&self, object: Value) {
        let place = self.place(&object);
        let mut inner = self.inner.lock();
        inner.store(&place, &object, "someone");
    }

    /// Where an object belongs.
    pub fn place(&self, object: &Value) -> Place {
        let api_version = json::text(object, &["apiVersion"]).unwrap_or("v1");
        let (group, _) = crate::item::group_version(api_version);
        let kind = json::text(object, &["kind"]).unwrap_or("");
        let inner = self.inner.lock();
        let unknown = || Arc::new(crate::target::core(kind, "unknowns", false));
        Place {
            kind: inner.served.any_version(group, kind).unwrap_or_else(unknown),
            namespace: json::text(object, &["metadata", "namespace"]).map(Arc::from),
            name: Arc::from(json::text(object, &["metadata", "name"]).unwrap_or("")),
        }
    }

    /// An object as it stands, by `<resource>[.<group>]`, namespace and name.
    pub fn object(&self, resource: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let key = (resource.to_owned(), namespace.map(str::to_owned), name.to_owned());
        self.inner.lock().objects.get(&key).cloned()
    }

    /// Removes an object, finalizers or not.
    pub fn remove(&self, resource: &str, namespace: Option<&str>, name: &str) {
        let key = (resource.to_owned(), namespace.map(str::to_owned), name.to_owned());
        self.inner.lock().objects.remove(&key);
    }

    /// Every write that counted, such as `create secrets/shop/key`, in order.
    pub fn writes(&self) -> Vec<String> {
        self.inner.lock().writes.clone()
    }

    /// Every object, without what the server writes into metadata.
    pub fn objects(&self) -> BTreeMap<String, Value> {
        let inner = self.inner.lock();
        let strip = |object: &Value| {
            let mut object = object.clone();
            for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp"] {
                json::take(&mut object, &["metadata", field]);
            }
            object
        };
        let name = |(resource, namespace, name): &Key| {
            format!("{resource}/{}/{name}", namespace.as_deref().unwrap_or(""))
        };
        inner.objects.iter().map(|(key, object)| (name(key), strip(object))).collect()
    }

    /// Sets the time at which objects are created from now on.
    pub fn set_time(&self, now: &str) {
        self.inner.lock().now = now.to_owned();
    }

    /// A policy forbids creating this type.
    pub fn forbid(&self, resource: &str) {
        self.inner.lock().forbidden.insert(resource.to_owned());
    }

    /// A webhook without backend is asked about this type.
    pub fn make_unreachable(&self, resource: &str) {
        self.inner.lock().unreachable.insert(resource.to_owned());
    }

    /// A webhook with side effects is asked about this type.
    pub fn make_side_effects(&self, resource: &str) {
        self.inner.lock().with_side_effects.insert(resource.to_owned());
    }

    /// Answers the next calls with 429.
    pub fn be_busy(&self, calls: u32) {
        self.inner.lock().busy = calls;
    }

    /// Cancels the token once this many writes counted.
    pub fn cancel_after(&self, writes: u32, token: tokio_util::sync::CancellationToken) {
        self.inner.lock().stop_after = Some((writes, token));
    }

    /// Serves an OpenAPI document.
    pub fn publish_schema(&self, api_version: &str, document: Value) {
        self.inner.lock().documents.insert(api_version.to_owned(), document);
    }
}

impl Inner {
    /// What the garbage collector does once the owner with this UID is gone.
    fn collect_garbage(&mut self, owner: &str, owned: Owned) {
        let mut gone = Vec::new();
        for (key, object) in &mut self.objects {
            let Some(Value::Array(references)) =
                object.get_mut("metadata").and_then(|metadata| metadata.get_mut("ownerReferences"))
            else {
                continue;
            };
            let before = references.len();
            references.retain(|reference| reference["uid"] != *owner);
            if before > 0 && references.is_empty() && owned == Owned::Goes {
                gone.push(key.clone());
            }
        }
        for key in gone {
            let removed = self.objects.remove(&key);
            if let Some(uid) = removed.as_ref().and_then(|object| json::text(object, &["metadata", "uid"])) {
                self.collect_garbage(uid, Owned::Goes);
            }
        }
    }
    fn check_busy(&mut self, tried: &str) -> Result<(), ApiError> {
        if self.busy == 0 {
            return Ok(());
        }
        self.busy -= 1;
        Err(ApiError {
            tried: tried.to_owned(),
            refusal: Refusal::Busy(None),
            message: "too many requests".to_owned(),
            fields: Vec::new(),
        })
    }

    fn wrote(&mut self, what: String) {
        self.writes.push(what);
        if let Some((left, token)) = &mut self.stop_after {
            *left = left.saturating_sub(1);
            if *left == 0 {
                token.cancel();
            }
        }
    }

    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn store(&mut self, place: &Place, object: &Value, manager: &str) -> Written {
        let number = self.next();
        let mut stored = object.clone();
        let uid = format!("uid-{number}");
        json::set(&mut stored, &["metadata", "uid"], json!(uid));
        json::set(&mut stored, &["metadata", "resourceVersion"], json!(number.to_string()));
        json::set(&mut stored, &["metadata", "creationTimestamp"], json!(self.now));
        json::set(&mut stored, &["metadata", "managedFields"], json!([{"manager": manager}]));
        if place.kind.is("apiextensions.k8s.io", "customresourcedefinitions") {
            for kind in promised(&stored) {
                self.served.add(kind);
            }
        }
        self.objects.insert(key(place), stored);
        if place.kind.is("", "namespaces") {
            self.make_default_account(&place.name);
        }
        Written { uid, resource_version: number.to_string(), ..Written::default() }
    }

    /// What the service account controller does.
    fn make_default_account(&mut self, namespace: &str) {
        let place = Place {
            kind: Arc::new(crate::target::core("ServiceAccount", "serviceaccounts", true)),
            namespace: Some(Arc::from(namespace)),
            name: Arc::from("default"),
        };
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": namespace},
        });
        self.store(&place, &account, "kube-controller-manager");
    }

    /// What admission and validation say before anything is stored.
    fn admit(&self, place: &Place, body: &Value, write: &Write) -> Result<(), ApiError> {
        let resource = place.kind.group_resource();
        let refuse = |refusal, message: &str| Err(error("create", place, refusal, message));
        if let Some(namespace) = &place.namespace {
            let key = ("namespaces".to_owned(), None, namespace.to_string());
            match self.objects.get(&key) {
                None => return refuse(Refusal::NotFound, &format!("namespaces {namespace:?} not found")),
                Some(found) if json::at(found, &["metadata", "deletionTimestamp"]).is_some() => {
                    return refuse(Refusal::NamespaceTerminating, "the namespace is being terminated");
                }
                Some(_) => {}
            }
        }
        if self.unreachable.contains(&resource) {
            return refuse(Refusal::WebhookUnreachable, "failed calling webhook");
        }
        if write.dry_run && self.with_side_effects.contains(&resource) {
            return refuse(Refusal::DryRunNotSupported, "does not support dry run");
        }
        if self.forbidden.contains(&resource) {
            return refuse(Refusal::Forbidden, "denied by policy");
        }
        for need in crate::walk::needs_by_name(place, body) {
            if !self.objects.contains_key(&need) {
                return refuse(Refusal::NotFound, &format!("{} {:?} not found", need.0, need.2));
            }
        }
        // As a real server: last of all.
        if self.objects.contains_key(&key(place)) {
            return refuse(Refusal::AlreadyExists, "already exists");
        }
        Ok(())
    }
}

fn promised(definition: &Value) -> Vec<ResourceType> {
    crate::walk::promised_kinds(definition)
}

#[async_trait]
impl ClusterApi for FakeCluster {
    async fn discover(&self) -> Result<Discovery, ApiError> {
        Ok(self.inner.lock().served.clone())
    }

    async fn get(&self, place: &Place) -> Result<Option<Value>, ApiError> {
        tokio::task::yield_now().await;
        let mut inner = self.inner.lock();
        inner.check_busy("get")?;
        Ok(inner.objects.get(&key(place)).cloned())
    }

    async fn list(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        _shape: Shape,
    ) -> Result<Vec<Value>, ApiError> {
        let resource = kind.group_resource();
        let inner = self.inner.lock();
        let found = inner.objects.iter().filter(|((of, within, _), _)| {
            *of == resource && (namespace.is_none() || within.as_deref() == namespace)
        });
        Ok(found.map(|(_, object)| object.clone()).collect())
    }

    async fn create(&self, place: &Place, body: &Value, write: &Write) -> Result<Written, ApiError> {
        tokio::task::yield_now().await;
        let mut inner = self.inner.lock();
        inner.check_busy("create")?;
        inner.admit(place, body, write)?;
        if write.dry_run {
            return Ok(Written { uid: "dry-run".to_owned(), ..Written::default() });
        }
        inner.wrote(format!("create {place}"));
        Ok(inner.store(place, body, &write.manager))
    }

    async fn patch(&self, place: &Place, patch: &Value, write: &Write) -> Result<Written, ApiError> {
        tokio::task::yield_now().await;
        let mut inner = self.inner.lock();
        inner.check_busy("patch")?;
        let Some(before) = inner.objects.get(&key(place)).cloned() else {
            return Err(error("patch", place, Refusal::NotFound, "not found"));
        };
        if write.dry_run && inner.with_side_effects.contains(&place.kind.group_resource()) {
            return Err(error("patch", place, Refusal::DryRunNotSupported, "does not support dry run"));
        }
        let mut after = before.clone();
        json_patch::merge(&mut after, patch);
        if let Some(field) = immutable_change(place, &before, &after) {
            let refused = error("patch", place, Refusal::Invalid, "field is immutable");
            return Err(ApiError { fields: vec![field.to_owned()], ..refused });
        }
        let uid = json::text(&before, &["metadata", "uid"]).unwrap_or("").to_owned();
        let version = json::text(&before, &["metadata", "resourceVersion"]).unwrap_or("").to_owned();
        if after == before {
            return Ok(Written { uid, resource_version: version, ..Written::default() });
        }
        if write.dry_run {
            // As a real server does: a dry run keeps the resource version.
            let object = write.whole.then_some(after);
            return Ok(Written { uid, resource_version: version, object, ..Written::default() });
        }
        inner.wrote(format!("patch {place}"));
        let version = inner.next().to_string();
        json::set(&mut after, &["metadata", "resourceVersion"], json!(version));
        if let Some(Value::Array(managers)) = json::at_mut(&mut after, &["metadata", "managedFields"]) {
            managers.push(json!({"manager": write.manager}));
        }
        inner.objects.insert(key(place), after);
        Ok(Written { uid, resource_version: version, ..Written::default() })
    }

    async fn delete(&self, place: &Place, uid: &str, owned: Owned, write: &Write) -> Result<(), ApiError> {
        tokio::task::yield_now().await;
        let mut inner = self.inner.lock();
        inner.check_busy("delete")?;
        let now = inner.now.clone();
        let Some(object) = inner.objects.get_mut(&key(place)) else {
            return Err(error("delete", place, Refusal::NotFound, "not found"));
        };
        if json::text(object, &["metadata", "uid"]) != Some(uid) {
            return Err(error("delete", place, Refusal::Conflict, "precondition failed"));
        }
        if write.dry_run {
            return Ok(());
        }
        let held = !json::items(object, &["metadata", "finalizers"]).is_empty();
        if held {
            json::set(object, &["metadata", "deletionTimestamp"], json!(now));
        }
        if !held {
            inner.objects.remove(&key(place));
            inner.collect_garbage(uid, owned);
        }
        inner.wrote(format!("delete {place}"));
        Ok(())
    }

    async fn openapi(&self, api_version: &str) -> Result<Value, ApiError> {
        self.inner.lock().documents.get(api_version).cloned().ok_or_else(|| ApiError {
            tried: format!("read the schema of {api_version}"),
            refusal: Refusal::NotFound,
            message: "not found".to_owned(),
            fields: Vec::new(),
        })
    }
}
