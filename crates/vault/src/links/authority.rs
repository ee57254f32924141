//! The cluster authority: in the database, sealed, and the same for all replicas.

use crate::{
    seal::{SealError, Wrapping},
    store::{AuditEntry, AuditOutcome, Change, Store, StoreError},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tunnel::authority::{Authority, AuthorityError, Made};
use zeroize::Zeroizing;

const NAME: &str = "cluster authority";

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
    /// What was sealed cannot be read.
    #[error("the cluster authority in the database cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    certificate: String,
}

/// The authority, made at the first start.
pub async fn open(
    store: &dyn Store,
    wrapping: &Wrapping,
    now: Timestamp,
) -> Result<Authority, AuthorityFailure> {
    if store.secret(NAME).await?.is_none() {
        let made = Authority::make(now)?;
        let kept = Kept { key: made.key.to_string(), certificate: made.certificate };
        let text = Zeroizing::new(serde_json::to_vec(&kept)?);
        let keep = Change::Keep(NAME.to_owned(), wrapping.seal(NAME, &text)?);
        match store.commit(&[wrapping.guard(), keep], &audit(now)).await {
            // Another replica was faster: its authority counts.
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let sealed = store.secret(NAME).await?.ok_or_else(|| StoreError::Conflict(NAME.to_owned()))?;
    let opened = wrapping.open_secret(NAME, &sealed)?;
    let Kept { key, certificate } = serde_json::from_slice(&opened)?;
    Ok(Authority::load(Made { key: Zeroizing::new(key), certificate })?)
}

fn audit(at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        principal: "vault".to_owned(),
        action: "make the cluster authority".to_owned(),
        scope: "/".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}
