//! The authorities of clusters and of replicas: in the database, sealed, and the same for all replicas.

use crate::{
    seal::{SealError, Wrapping},
    store::{AuditEntry, AuditOutcome, Change, Store, StoreError},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tunnel::{
    authority::{Authority, AuthorityError, Made},
    replica::IdentityError,
};
use zeroize::Zeroizing;

const OF_CLUSTERS: &str = "cluster authority";
const OF_REPLICAS: &str = "replica authority";

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFailure {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Key and certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// What this replica shows to others.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What was sealed cannot be read.
    #[error("an authority in the database cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    certificate: String,
}

/// The authority of clusters, made at the first start.
pub async fn open(
    store: &dyn Store,
    wrapping: &Wrapping,
    now: Timestamp,
) -> Result<Authority, AuthorityFailure> {
    of(store, wrapping, OF_CLUSTERS, Authority::make, now).await
}

/// The authority of replicas, made at the first start.
pub async fn open_of_replicas(
    store: &dyn Store,
    wrapping: &Wrapping,
    now: Timestamp,
) -> Result<Authority, AuthorityFailure> {
    of(store, wrapping, OF_REPLICAS, Authority::make_for_replicas, now).await
}

async fn of(
    store: &dyn Store,
    wrapping: &Wrapping,
    name: &str,
    make: fn(Timestamp) -> Result<Made, AuthorityError>,
    now: Timestamp,
) -> Result<Authority, AuthorityFailure> {
    if store.secret(name).await?.is_none() {
        let made = make(now)?;
        let kept = Kept { key: made.key.to_string(), certificate: made.certificate };
        let text = Zeroizing::new(serde_json::to_vec(&kept)?);
        let keep = Change::Keep(name.to_owned(), wrapping.seal(name, &text)?);
        match store.commit(&[wrapping.guard(), keep], &audit(name, now)).await {
            // Another replica was faster: its authority counts.
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let sealed = store.secret(name).await?.ok_or_else(|| StoreError::Conflict(name.to_owned()))?;
    let opened = wrapping.open_secret(name, &sealed)?;
    let Kept { key, certificate } = serde_json::from_slice(&opened)?;
    Ok(Authority::load(Made { key: Zeroizing::new(key), certificate })?)
}

fn audit(name: &str, at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        principal: "vault".to_owned(),
        action: format!("make the {name}"),
        scope: "/".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}
