//! A part's standing connection: has a certificate, dials, lets the part work, and dials again, for ever.

use crate::{
    Part,
    backoff::pause,
    credential::{Credential, CredentialStore, EnrolmentToken, Step, StoreError, decide},
    dial::{DialError, Dialled, Dialler},
    enrol::{EnrolError, enrol, renew},
};
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// A connection that stood this long was good: the next pause is a short one.
const STOOD: Duration = Duration::from_secs(60);
/// Long sleeps go wrong when a machine's clock is set; the time to renew is compared anew at least this often.
const LOOK: Duration = Duration::from_secs(300);

/// Where the enrolment token comes from. It is read when it is needed: the file may come later, or go.
pub trait TokenSource: Send + Sync {
    /// The token that is there now, if there is one.
    fn token(&self) -> Option<EnrolmentToken>;
}

/// A part and its vault.
pub struct Link {
    dialler: Dialler,
    store: Arc<dyn CredentialStore>,
    token: Arc<dyn TokenSource>,
    part: Part,
    clock: Arc<dyn Clock>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Where the credential is kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No certificate.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// Nothing to begin with.
    #[error(
        "there is neither a valid certificate nor an enrolment token; connect the cluster again (`cofferdam cluster connect`) and apply the manifest that it prints"
    )]
    Stuck,
    /// A connection that stood.
    #[error("{0}")]
    Ended(String),
}

/// A connection that stands.
pub struct Standing {
    /// TLS to the vault.
    pub stream: Dialled,
    /// Fires when the part shall put the connection down: at its end, or to use a new certificate.
    pub stop: CancellationToken,
}

impl Link {
    /// A link of `part`.
    pub fn new(
        dialler: Dialler,
        store: Arc<dyn CredentialStore>,
        token: Arc<dyn TokenSource>,
        part: Part,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { dialler, store, token, part, clock }
    }

    /// A certificate that is good now, and when to ask for the next one.
    pub async fn credential(&self) -> Result<(Credential, Timestamp), LinkError> {
        let held = self.store.load().await?;
        let token = self.token.token();
        let step = decide(
            held.as_ref().map(|held| (held.name().connection, held.validity())),
            token.as_ref().map(EnrolmentToken::connection),
            self.clock.now(),
        );
        let fresh = match (step, held, token) {
            (Step::Use { renew_at }, Some(held), _) => return Ok((held, renew_at)),
            (Step::Renew, Some(held), _) => match renew(&self.dialler, &held).await {
                Ok(fresh) => fresh,
                Err(error) => return self.meanwhile(held, error.into()),
            },
            (Step::Enrol, held, Some(token)) => match enrol(&self.dialler, &token, self.part).await {
                Ok(fresh) => fresh,
                Err(error) => match held {
                    Some(held) => return self.meanwhile(held, error.into()),
                    None => return Err(error.into()),
                },
            },
            _ => return Err(LinkError::Stuck),
        };
        self.store.save(&fresh).await?;
        tracing::info!(name = %fresh.name(), until = %fresh.validity().until, "has a new certificate");
        let renew_at = crate::credential::renewal(fresh.validity());
        Ok((fresh, renew_at))
    }

    /// No new certificate: the one that is held does until its end, and the new one is asked for again soon.
    fn meanwhile(&self, held: Credential, error: LinkError) -> Result<(Credential, Timestamp), LinkError> {
        let now = self.clock.now();
        if now >= held.validity().until {
            return Err(error);
        }
        tracing::warn!(%error, until = %held.validity().until, "goes on with the certificate that it has");
        let soon = now.saturating_add(SignedDuration::from_mins(10)).unwrap_or(held.validity().until);
        Ok((held, soon))
    }

    /// Keeps a connection with `protocol` until `stop` fires. `work` gets each connection and returns when that is
    /// over; its text says why.
    pub async fn keep<W, F>(&self, protocol: &[u8], stop: &CancellationToken, mut work: W)
    where
        W: FnMut(Standing) -> F,
        F: Future<Output = String>,
    {
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.once(protocol, stop, &mut work) => outcome,
            };
            let error = match outcome {
                // To use a new certificate.
                Ok(()) => {
                    failures = 0;
                    continue;
                }
                Err(error) => error,
            };
            failures = if begun.elapsed() >= STOOD { 1 } else { failures.saturating_add(1) };
            let pause = pause(failures, rand::random());
            tracing::warn!(%error, failures, pause = ?pause, "no connection to the vault");
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    async fn once<W, F>(
        &self,
        protocol: &[u8],
        stop: &CancellationToken,
        work: &mut W,
    ) -> Result<(), LinkError>
    where
        W: FnMut(Standing) -> F,
        F: Future<Output = String>,
    {
        let (credential, renew_at) = self.credential().await?;
        let stream = self.dialler.dial(protocol, Some(&credential)).await?;
        let connection = stop.child_token();
        // Whatever ends this attempt ends the work of its connection.
        let _guard = connection.clone().drop_guard();
        let working = work(Standing { stream, stop: connection.clone() });
        tokio::pin!(working);
        let ended = tokio::select! {
            ended = &mut working => ended,
            () = self.until(renew_at) => {
                connection.cancel();
                working.await;
                return Ok(());
            }
        };
        Err(LinkError::Ended(ended))
    }

    async fn until(&self, instant: Timestamp) {
        loop {
            let left = instant.duration_since(self.clock.now());
            match Duration::try_from(left) {
                Ok(left) if !left.is_zero() => sleep(left.min(LOOK)).await,
                _ => return,
            }
        }
    }
}
