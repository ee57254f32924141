//! Whether someone may sign in with a secret or a password.

use super::{Source, brake::Brake, locked_until, matches};
use crate::store::{FailedSignIns, Principal, PrincipalKind, Store, Stores};
use jiff::Timestamp;
use lru::LruCache;
use parking_lot::Mutex;
use std::{num::NonZeroUsize, sync::Arc};
use telemetry::Clock;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Hashes are costly by design: at most so many at a time, the rest wait.
const AT_ONCE: usize = 2;
/// Failures in a row from one source that are answered at once.
const FREE: u32 = 10;
/// Failures in a row from all sources together that are answered at once, for passwords.
const FREE_EVERYWHERE: u32 = 100;
const MOST_KNOWN: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Verified where there is nobody, so that it takes as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Y29mZmVyZGFtLW5vYm9keQ$6dkGuDYEzhGkBNjQ6Hv9cpjlg2gvIFpfVW0yTV0r2ig";

/// Who can sign in. Failures are counted by name *and* source: whoever knows a name can lock out nobody but himself.
#[derive(Debug)]
pub struct Accounts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    turns: Semaphore,
    brake: Brake,
    // Sources from which someone signed in: guesses from everywhere else do not lock them out.
    known: Mutex<LruCache<(String, Source), ()>>,
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
        let known = Mutex::new(LruCache::new(MOST_KNOWN));
        Self { store, clock, turns: Semaphore::new(AT_ONCE), brake: Brake::default(), known }
    }

    /// An application with its secret.
    pub async fn sign_in(&self, client_id: &str, secret: &str, source: &Source) -> Stores<SignIn> {
        match self.store.principal_of_client(client_id).await? {
            Some(principal) if principal.kind == PrincipalKind::Application => {
                self.attempt(principal, secret, source).await
            }
            _ => Ok(SignIn::Unknown),
        }
    }

    /// A person with a password.
    pub async fn sign_in_person(&self, name: &str, password: &str, source: &Source) -> Stores<SignIn> {
        match self.store.principal_of_client(&client_id_of(name)).await? {
            Some(principal) if principal.kind == PrincipalKind::User => {
                self.attempt(principal, password, source).await
            }
            _ if !self.may_try(source) => Ok(SignIn::Unknown),
            _ => {
                let turn = self.turns.acquire().await;
                self.check(password, vec![NOBODY.to_owned()]).await;
                drop(turn);
                Ok(SignIn::Unknown)
            }
        }
    }

    /// Whether a source that nobody knows yet may do one more thing that costs something.
    pub fn may_try(&self, source: &Source) -> bool {
        self.brake.take(source, self.clock.now())
    }

    async fn attempt(&self, principal: Principal, secret: &str, source: &Source) -> Stores<SignIn> {
        let client = &principal.client_id;
        let here = format!("{client}|{source}");
        // Only passwords are weak enough to be guessed from many places at once.
        let everywhere = (principal.kind == PrincipalKind::User).then(|| format!("{client}|*"));
        let at_home = self.known.lock().contains(&(client.clone(), source.clone()));
        let turn = self.turns.acquire().await;
        // Looked at with the turn in hand: attempts that waited together must not all be free.
        let failed = self.store.failed_sign_ins(&here).await?;
        let now = self.clock.now();
        let mut until = locked_until(failed, FREE, now);
        let failed_everywhere = match &everywhere {
            Some(key) => self.store.failed_sign_ins(key).await?,
            None => FailedSignIns::default(),
        };
        if !at_home {
            until = until.max(locked_until(failed_everywhere, FREE_EVERYWHERE, now));
        }
        if let Some(until) = until {
            return Ok(SignIn::Locked(principal, until));
        }
        let hashes = self.store.client_secrets(client).await?;
        let right = self.check(secret, hashes.into_iter().map(|one| one.hash).collect()).await;
        if right {
            self.known.lock().put((client.clone(), source.clone()), ());
            if failed.failures > 0 {
                self.store.note_sign_in(&here, None).await?;
            }
            if let (Some(key), 1..) = (&everywhere, failed_everywhere.failures) {
                self.store.note_sign_in(key, None).await?;
            }
        } else {
            for key in std::iter::once(&here).chain(&everywhere) {
                self.store.note_sign_in(key, Some(now)).await?;
            }
        }
        drop(turn);
        Ok(if right { SignIn::Accepted(principal) } else { SignIn::Wrong(principal) })
    }

    async fn check(&self, given: &str, hashes: Vec<String>) -> bool {
        let given = Zeroizing::new(given.to_owned());
        let checked = tokio::task::spawn_blocking(move || hashes.iter().any(|hash| matches(&given, hash)));
        checked.await.unwrap_or(false)
    }
}

/// Under which a person is registered. No client id of an application looks like it.
pub fn client_id_of(name: &str) -> String {
    format!("user:{}", name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nobody_is_one_that_takes_as_long_as_others() {
        use argon2::{Params, password_hash::phc::PasswordHash};
        let hash = PasswordHash::new(NOBODY).unwrap();

        let (params, usual) = (Params::try_from(&hash).unwrap(), Params::default());
        let costs = |one: &Params| (one.m_cost(), one.t_cost(), one.p_cost());
        assert_eq!(costs(&params), costs(&usual));
    }
}
