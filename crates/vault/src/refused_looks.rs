//! The audit log of looks that are refused. Who looks every few seconds, and is refused each time, is recorded when that
//! begins, when the reason becomes another one, and when it ends; what the state is lies in the store, so that replicas and
//! restarts add nothing.

use crate::store::{AuditEntry, Change, Store, StoreError, Stores};
use sha2::{Digest, Sha256};

/// What looks are for: the upkeep of an extension's location, and questions of the vault.
pub const PURPOSES: [&str; 2] = ["upkeep", "ValidateForBackup"];

/// What is asked for again and again: of whom, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    setting: String,
}

impl Look {
    /// Of an identity that is known to be an extension's: strangers would fill the store.
    pub fn of(principal: &str, purpose: &str) -> Self {
        Self { setting: format!("refused look/{purpose}/{principal}") }
    }

    /// It is refused. The record is written when it was not before, or for another reason.
    pub async fn refused(&self, store: &dyn Store, why: &str, entry: &AuditEntry) -> Stores<()> {
        let reason: String = Sha256::digest(why).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let before = store.setting(&self.setting).await?;
        if before.as_ref() == Some(&reason) {
            return Ok(());
        }
        let change = Change::SetIf { name: self.setting.clone(), before, value: reason };
        written(store.commit(&[change], entry).await)
    }

    /// It is granted. Whether that ended a refusal, which the record then says.
    pub async fn granted(&self, store: &dyn Store, entry: &AuditEntry) -> Stores<bool> {
        if store.setting(&self.setting).await?.is_none() {
            return Ok(false);
        }
        written(store.commit(&[Change::Unset(self.setting.clone())], entry).await)?;
        Ok(true)
    }
}

/// The changes by which nothing is remembered of an identity that goes.
pub fn forgotten(principal: &str) -> [Change; 2] {
    PURPOSES.map(|purpose| Change::Unset(Look::of(principal, purpose).setting))
}

/// Of two replicas that learn of it at once one writes it.
fn written(committed: Stores<()>) -> Stores<()> {
    match committed {
        Err(StoreError::Conflict(_)) => Ok(()),
        other => other,
    }
}
