//! A grant that is in use: asked for again when it ends, for as long as the work goes on. Nothing is read or written
//! under a grant that the vault has taken back.

use crate::grants::{Grant, GrantError, GrantPurpose, Vault};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{ops::Range, sync::Arc};
use storage::{Entry, Store, StoreError, StoreErrorKind, StorePath};
use tokio::sync::Mutex;

/// How soon a vault that did not answer is asked again while the work goes on without it.
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// A grant in use.
#[derive(Debug)]
pub(super) struct Lease {
    vault: Arc<Vault>,
    purpose: GrantPurpose,
    location: String,
    first: Grant,
    /// When the vault is to be asked next; nothing more is allowed once it has refused.
    held: Mutex<Result<Timestamp, GrantError>>,
    /// Whether the work stops when the vault cannot be reached at the grant's end. An own location goes on: its store
    /// judges every request by itself, and a backup must survive a short outage of the vault.
    needs_vault: bool,
}

impl Lease {
    pub(super) fn new(
        vault: Arc<Vault>,
        purpose: GrantPurpose,
        location: &str,
        grant: Grant,
        needs_vault: bool,
    ) -> Self {
        let held = Mutex::new(Ok(grant.expires));
        Self { vault, purpose, location: location.to_owned(), first: grant, held, needs_vault }
    }

    /// Whether the vault frees the space of what is deleted.
    pub(super) fn vault_prunes(&self) -> bool {
        self.first.vault_prunes
    }

    /// Makes sure that the grant is still good.
    pub(super) async fn hold(&self) -> Result<(), GrantError> {
        let mut held = self.held.lock().await;
        let now = self.vault.now();
        let due = held.as_ref().map_err(Clone::clone)?;
        if now < *due {
            return Ok(());
        }
        match self.vault.grant(&self.purpose, &self.location).await {
            Ok(grant) if grant.opens_the_same(&self.first) => {
                *held = Ok(grant.expires);
                Ok(())
            }
            Ok(_) => {
                let changed = GrantError::Changed(self.location.clone());
                *held = Err(changed.clone());
                Err(changed)
            }
            Err(error) if error.is_temporary() => {
                if self.needs_vault {
                    return Err(error);
                }
                tracing::warn!(location = self.location, %error, "the grant ended; going on until the vault answers");
                *held = Ok(now.checked_add(ASK_AGAIN).unwrap_or(now));
                Ok(())
            }
            Err(error) => {
                *held = Err(error.clone());
                Err(error)
            }
        }
    }
}

/// A store that is used under a grant.
#[derive(Debug)]
pub(super) struct Leased {
    inner: Arc<dyn Store>,
    lease: Arc<Lease>,
}

impl Leased {
    pub(super) fn new(inner: Arc<dyn Store>, lease: Arc<Lease>) -> Self {
        Self { inner, lease }
    }

    async fn hold(&self, tried: &'static str, path: &StorePath) -> Result<(), StoreError> {
        self.lease.hold().await.map_err(|error| {
            let kind =
                if error.is_temporary() { StoreErrorKind::Unreachable } else { StoreErrorKind::Denied };
            let target = if path.is_root() {
                self.inner.describe()
            } else {
                format!("{path} in {}", self.inner.describe())
            };
            let problem = error.problem();
            StoreError::new(tried, target, kind, format!("{}: {}", problem.code, problem.message))
                .with_temporary(error.is_temporary())
                .with_remedy(problem.recommended_action.join(" "))
        })
    }
}

#[async_trait]
impl Store for Leased {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.hold("create", path).await?;
        self.inner.create(path, data).await
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.hold("replace", path).await?;
        self.inner.replace(path, data).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        self.hold("read", path).await?;
        self.inner.read(path).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.hold("read", path).await?;
        self.inner.read_range(path, range).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        self.hold("measure", path).await?;
        self.inner.size(path).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        self.hold("list", prefix).await?;
        self.inner.list(prefix).await
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        self.hold("list", &StorePath::root()).await?;
        self.inner.top_level(limit).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        self.hold("delete", path).await?;
        self.inner.delete(path).await
    }
}
