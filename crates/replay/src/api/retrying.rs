//! Tries temporary failures again, and holds back every caller when the API server says that it is busy.

use super::{ApiError, ClusterApi, Discovery, Owned, Refusal, Shape, Write, Written};
use crate::item::{Place, ResourceType};
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often and how fast a call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// Attempts per call, the first one included.
    pub attempts: u32,
    /// Pause after the first failure; doubles with each further one.
    pub first_pause: Duration,
    /// Longest pause that is made without the server asking for it.
    pub longest_pause: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { attempts: 8, first_pause: Duration::from_millis(200), longest_pause: Duration::from_secs(15) }
    }
}

/// Wraps a cluster.
#[derive(Debug)]
pub struct Retrying {
    inner: Arc<dyn ClusterApi>,
    pacing: Pacing,
    quiet_until: Mutex<Option<Instant>>,
}

impl Retrying {
    /// The same cluster, asked again when it fails for now.
    pub fn new(inner: Arc<dyn ClusterApi>, pacing: Pacing) -> Self {
        Self { inner, pacing, quiet_until: Mutex::new(None) }
    }

    /// Waits while the server wants quiet.
    async fn wait_for_quiet(&self) {
        loop {
            let until = *self.quiet_until.lock();
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Decides whether to try again; sleeps first if so.
    async fn again(&self, attempt: u32, error: &ApiError) -> bool {
        if !error.is_temporary() || attempt >= self.pacing.attempts {
            return false;
        }
        let doubled = self.pacing.first_pause.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let own = doubled.min(self.pacing.longest_pause);
        match error.refusal {
            Refusal::Busy(asked) | Refusal::Unavailable(asked) => {
                let pause = asked.map_or(own, |asked| asked.max(own));
                if matches!(error.refusal, Refusal::Busy(_)) {
                    let mut until = self.quiet_until.lock();
                    *until = (*until).max(Some(Instant::now() + pause));
                }
                tokio::time::sleep(pause).await;
                true
            }
            _ => false,
        }
    }
}

macro_rules! retry {
    ($self:ident, $call:expr) => {{
        let mut attempt = 1;
        loop {
            $self.wait_for_quiet().await;
            match $call.await {
                Err(error) if $self.again(attempt, &error).await => attempt += 1,
                answer => return answer,
            }
        }
    }};
}

#[async_trait]
impl ClusterApi for Retrying {
    async fn discover(&self) -> Result<Discovery, ApiError> {
        retry!(self, self.inner.discover())
    }

    async fn get(&self, place: &Place) -> Result<Option<Value>, ApiError> {
        retry!(self, self.inner.get(place))
    }

    async fn list(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        shape: Shape,
    ) -> Result<Vec<Value>, ApiError> {
        retry!(self, self.inner.list(kind, namespace, shape))
    }

    async fn create(&self, place: &Place, body: &Value, write: &Write) -> Result<Written, ApiError> {
        retry!(self, self.inner.create(place, body, write))
    }

    async fn patch(&self, place: &Place, patch: &Value, write: &Write) -> Result<Written, ApiError> {
        retry!(self, self.inner.patch(place, patch, write))
    }

    async fn delete(&self, place: &Place, uid: &str, owned: Owned, write: &Write) -> Result<(), ApiError> {
        retry!(self, self.inner.delete(place, uid, owned, write))
    }

    async fn openapi(&self, api_version: &str) -> Result<Value, ApiError> {
        retry!(self, self.inner.openapi(api_version))
    }
}
