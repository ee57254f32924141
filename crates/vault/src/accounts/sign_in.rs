//! Whether a client may sign in with a secret.

use super::{locked_until, matches};
use crate::store::{Principal, Store, Stores};
use jiff::Timestamp;
use std::sync::Arc;
use telemetry::Clock;
use tokio::sync::Semaphore;

/// Hashes are costly by design: at most so many at a time, the rest wait.
const AT_ONCE: usize = 2;

/// The clients and their secrets.
#[derive(Debug)]
pub struct Accounts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    turns: Semaphore,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// It is who it says.
    Accepted(Principal),
    /// There is no such client.
    Unknown,
    /// The secret is wrong.
    Wrong(Principal),
    /// The secret was not looked at.
    Locked(Principal, Timestamp),
}

impl Accounts {
    /// Over a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, turns: Semaphore::new(AT_ONCE) }
    }

    /// Tries to sign in.
    pub async fn sign_in(&self, client_id: &str, secret: &str) -> Stores<SignIn> {
        let Some(principal) = self.store.principal_of_client(client_id).await? else {
            return Ok(SignIn::Unknown);
        };
        let turn = self.turns.acquire().await;
        // Looked at with the turn in hand: attempts that waited together must not all be free.
        let failed = self.store.failed_sign_ins(&principal.client_id).await?;
        if let Some(until) = locked_until(failed, self.clock.now()) {
            return Ok(SignIn::Locked(principal, until));
        }
        let hashes = self.store.client_secrets(&principal.client_id).await?;
        let given = zeroize::Zeroizing::new(secret.to_owned());
        let checked =
            tokio::task::spawn_blocking(move || hashes.iter().any(|one| matches(&given, &one.hash))).await;
        let right = checked.unwrap_or(false);
        if !right {
            self.store.note_sign_in(&principal.client_id, Some(self.clock.now())).await?;
        } else if failed.failures > 0 {
            self.store.note_sign_in(&principal.client_id, None).await?;
        }
        drop(turn);
        Ok(if right { SignIn::Accepted(principal) } else { SignIn::Wrong(principal) })
    }
}
