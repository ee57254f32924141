//! Tries temporary failures again, a bounded number of times, with growing pauses.

use crate::{Entry, Store, StoreError, StorePath};
use async_trait::async_trait;
use bytes::Bytes;
use std::{future::Future, ops::Range, time::Duration};

/// How often and how patiently a temporary failure is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// The pause after the first failure; it doubles each time, and each pause is cut by up to a half at random.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    /// Five attempts within about eight seconds of pauses.
    fn default() -> Self {
        Self { attempts: 5, first_pause: Duration::from_millis(300), longest_pause: Duration::from_secs(5) }
    }
}

impl RetryPolicy {
    /// The pause after failure number `failures` (from 1), or `None` to give up. `jitter` is from 0 to 1.
    pub fn pause(&self, failures: u32, jitter: f64) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        let doubled = self.first_pause.saturating_mul(1u32 << (failures - 1).min(16));
        Some(doubled.min(self.longest_pause).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0))
    }

    async fn run<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut failures = 0;
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if !error.temporary => return Err(error),
                Err(error) => error,
            };
            failures += 1;
            match self.pause(failures, rand::random()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    return Err(StoreError {
                        cause: format!("{} (tried {failures} times)", error.cause),
                        ..error
                    });
                }
            }
        }
    }
}

/// A store whose temporary failures are tried again.
#[derive(Debug, Clone)]
pub struct Retrying<S> {
    inner: S,
    policy: RetryPolicy,
}

impl<S: Store> Retrying<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }
}

#[async_trait]
impl<S: Store> Store for Retrying<S> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.policy.run(|| self.inner.create(path, data.clone())).await
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.policy.run(|| self.inner.replace(path, data.clone())).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        self.policy.run(|| self.inner.read(path)).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.policy.run(|| self.inner.read_range(path, range.clone())).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        self.policy.run(|| self.inner.size(path)).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        self.policy.run(|| self.inner.list(prefix)).await
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        self.policy.run(|| self.inner.top_level(limit)).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        self.policy.run(|| self.inner.delete(path)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_are_bounded_and_end() {
        let policy = RetryPolicy {
            attempts: 5,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_millis(300),
        };

        let pauses: Vec<_> = (1..=5).map(|failures| policy.pause(failures, 0.0)).collect();

        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(pauses, [ms(100), ms(200), ms(300), ms(300), None]);
        assert_eq!(policy.pause(1, 1.0), ms(50));
    }
}
