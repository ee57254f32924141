//! The real API server, with a list of every write that counted, and a way to be killed or overtaken.

use async_trait::async_trait;
use replay::api::{ApiError, ClusterApi, Discovery, KubeApi, Owned, Shape, Write, Written};
use replay::item::{Place, ResourceType};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// One write that was not a dry run.
#[derive(Debug, Clone)]
pub struct Wrote {
    /// `create`, `patch` or `delete`.
    pub verb: &'static str,
    /// `<resource>[.<group>]/[<namespace>/]<name>`.
    pub place: String,
    /// What was sent.
    pub body: Value,
}

/// Passes everything on to the API server.
#[derive(Debug)]
pub struct Recorder {
    api: KubeApi,
    wrote: Mutex<Vec<Wrote>>,
    left: AtomicU64,
    dead: tokio_util::sync::CancellationToken,
    swapped: Mutex<Option<Value>>,
}

impl Recorder {
    pub fn new(client: kube::Client) -> Arc<Self> {
        Arc::new(Self {
            api: KubeApi::new(client),
            wrote: Mutex::default(),
            left: AtomicU64::new(u64::MAX),
            dead: tokio_util::sync::CancellationToken::new(),
            swapped: Mutex::default(),
        })
    }

    /// After this many writes nothing is answered any more, as if the process had been killed.
    pub fn die_after(self: Arc<Self>, writes: u64) -> Arc<Self> {
        self.left.store(writes, Ordering::SeqCst);
        self
    }

    /// Before the next delete, somebody else deletes the object and creates this one in its place.
    pub fn swap_before_delete(&self, object: Value) {
        *self.swapped.lock().unwrap() = Some(object);
    }

    /// Resolves when the last allowed write is done.
    pub async fn died(&self) {
        self.dead.cancelled().await;
    }

    /// Everything written so far.
    pub fn wrote(&self) -> Vec<Wrote> {
        self.wrote.lock().unwrap().clone()
    }

    /// Position of the first write of this verb and place.
    pub fn position(&self, verb: &str, place: &str) -> usize {
        let all = self.wrote();
        let found = all.iter().position(|wrote| wrote.verb == verb && wrote.place == place);
        found.unwrap_or_else(|| {
            let told: Vec<_> = all.iter().map(|wrote| format!("{} {}", wrote.verb, wrote.place)).collect();
            panic!("no {verb} {place} among {told:#?}")
        })
    }

    async fn note(&self, verb: &'static str, place: &Place, body: &Value, write: &Write) {
        if write.dry_run {
            return;
        }
        let before = self.left.fetch_sub(1, Ordering::SeqCst);
        if before == 0 {
            self.left.store(0, Ordering::SeqCst);
            self.dead.cancel();
            std::future::pending::<()>().await;
        }
        let wrote = Wrote { verb, place: place.to_string(), body: body.clone() };
        self.wrote.lock().unwrap().push(wrote);
    }
}

#[async_trait]
impl ClusterApi for Recorder {
    async fn discover(&self) -> Result<Discovery, ApiError> {
        self.api.discover().await
    }

    async fn get(&self, place: &Place) -> Result<Option<Value>, ApiError> {
        self.api.get(place).await
    }

    async fn list(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        shape: Shape,
    ) -> Result<Vec<Value>, ApiError> {
        self.api.list(kind, namespace, shape).await
    }

    async fn create(&self, place: &Place, body: &Value, write: &Write) -> Result<Written, ApiError> {
        self.note("create", place, body, write).await;
        self.api.create(place, body, write).await
    }

    async fn patch(&self, place: &Place, patch: &Value, write: &Write) -> Result<Written, ApiError> {
        self.note("patch", place, patch, write).await;
        self.api.patch(place, patch, write).await
    }

    async fn delete(&self, place: &Place, uid: &str, owned: Owned, write: &Write) -> Result<(), ApiError> {
        self.note("delete", place, &Value::Null, write).await;
        let swapped = self.swapped.lock().unwrap().take();
        if let Some(object) = swapped {
            let someone = Write { manager: "someone".to_owned(), dry_run: false, whole: false };
            self.api.delete(place, uid, Owned::Goes, &someone).await?;
            self.api.create(place, &object, &someone).await?;
        }
        self.api.delete(place, uid, owned, write).await
    }

    async fn openapi(&self, api_version: &str) -> Result<Value, ApiError> {
        self.api.openapi(api_version).await
    }
}
