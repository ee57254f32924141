//! What several replicas on one database have in common besides its tables: the authority of their certificates. It lies
//! in the database, sealed, and in each replica's data directory.

use crate::{
    directory::DataDirectory,
    pki::{Authority, PkiError, adopt, own_authority},
    seal::{SealError, Wrapping},
    store::{AuditEntry, AuditOutcome, Change, Store, StoreError},
};
use jiff::Timestamp;
use zeroize::Zeroizing;

/// The name of the secret.
const NAME: &str = "certificate authority";
const ATTEMPTS: u32 = 4;

/// Why it could not be shared.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The authority.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// What was sealed cannot be read.
    #[error("the certificate authority in the database cannot be read: {0}")]
    Unreadable(serde_json::Error),
}

/// Puts this replica's authority into the database, or takes over the one that is there.
pub async fn share_authority(
    store: &dyn Store,
    wrapping: &Wrapping,
    directory: &DataDirectory,
    now: Timestamp,
) -> Result<(), SharedError> {
    for _ in 0..ATTEMPTS {
        if let Some(sealed) = store.secret(NAME).await? {
            let opened = wrapping.open_secret(NAME, &sealed)?;
            let authority: Authority = serde_json::from_slice(&opened).map_err(SharedError::Unreadable)?;
            return Ok(adopt(directory, &authority)?);
        }
        let own = own_authority(directory, now)?;
        let text = Zeroizing::new(serde_json::to_vec(&own).map_err(SharedError::Unreadable)?);
        let keep = Change::Keep(NAME.to_owned(), wrapping.seal(NAME, &text)?);
        match store.commit(&[wrapping.guard(), keep], &audit(now)).await {
            // Another replica was faster: its authority counts.
            Err(StoreError::Conflict(_)) => {}
            other => return Ok(other?),
        }
    }
    Err(StoreError::Conflict(NAME.to_owned()).into())
}

fn audit(at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        principal: "vault".to_owned(),
        action: "share the certificate authority".to_owned(),
        scope: "/".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}
