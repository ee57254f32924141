//! Short-lived tokens of the bindings' ServiceAccounts.

use crate::{ACCESS_NAMESPACE, reconcile::Cluster};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use kube::api::{ObjectMeta, PostParams};
use std::sync::Arc;
use telemetry::Clock;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// What is asked for. The API server grants no less than ten minutes, and may grant another time.
const LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// A token is not used when less than this is left of it.
const SPARE: SignedDuration = SignedDuration::from_mins(5);

/// The token of one binding; asked for once however many requests want it.
#[derive(Debug, Default)]
pub(crate) struct TokenCell(Mutex<Option<Held>>);

#[derive(Clone)]
struct Held {
    text: Zeroizing<String>,
    /// Of the ServiceAccount that it was made for.
    account: String,
    until: Timestamp,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("until", &self.until).finish_non_exhaustive()
    }
}

/// Whether a token still serves: it is that of the ServiceAccount which is there now, and lasts a while.
fn serves(held: Option<&Held>, account: &str, now: Timestamp) -> bool {
    held.is_some_and(|held| held.account == account && now < before(held.until))
}

fn before(until: Timestamp) -> Timestamp {
    until.saturating_sub(SPARE).unwrap_or(until)
}

impl TokenCell {
    /// A token of the ServiceAccount `name`, whose UID is `account`.
    pub(crate) async fn token(
        &self,
        cluster: &Cluster,
        clock: &Arc<dyn Clock>,
        name: &str,
        account: &str,
    ) -> Result<Zeroizing<String>, kube::Error> {
        let mut held = self.0.lock().await;
        if let Some(held) = held.as_ref().filter(|held| serves(Some(held), account, clock.now())) {
            return Ok(held.text.clone());
        }
        let request = TokenRequest {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(ACCESS_NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            spec: TokenRequestSpec {
                expiration_seconds: Some(LIFETIME.as_secs()),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let asked = clock.now();
        let made = cluster.accounts().create_token_request(name, &PostParams::default(), &request).await?;
        // By this machine's clock: the two may differ, and too early is the safe side.
        let most = asked.saturating_add(LIFETIME).unwrap_or(asked);
        let (text, until) = match made.status {
            Some(status) => (status.token, status.expiration_timestamp.0.min(most)),
            None => (String::new(), asked),
        };
        let text = Zeroizing::new(text);
        *held = Some(Held { text: text.clone(), account: account.to_owned(), until });
        Ok(text)
    }

    /// The API server does not accept it any more.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_serves_its_own_account_until_shortly_before_its_end() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let held = Held {
            text: String::new().into(),
            account: "uid-1".to_owned(),
            until: at("2026-06-01T12:30:00Z"),
        };

        assert!(serves(Some(&held), "uid-1", at("2026-06-01T12:24:59Z")));
        assert!(!serves(Some(&held), "uid-1", at("2026-06-01T12:25:00Z")));
        assert!(!serves(Some(&held), "uid-2", at("2026-06-01T12:00:00Z")), "it was made anew");
        assert!(!serves(None, "uid-1", at("2026-06-01T12:00:00Z")));
    }
}
