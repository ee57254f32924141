//! Issuers outside the vault that its operator trusts: their keys are fetched, kept for an hour, and bounded.

mod fetch;

use crate::tokens::jwk_keys;
use fetch::{FetchError, document};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use sha2::{Digest, Sha256};
use std::{path::PathBuf, sync::Arc};
use telemetry::Clock;
use tokio::sync::Mutex;

/// How long keys count as fresh.
const FRESH: SignedDuration = SignedDuration::from_secs(60 * 60);
/// How long keys are used when no newer ones can be fetched.
const STALE: SignedDuration = SignedDuration::from_secs(24 * 60 * 60);
/// How often is asked again, at most.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// An issuer that the operator trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// Its name, an https URL, exactly as its tokens write it.
    pub issuer: String,
    /// Audiences of tokens that count as sign-in at the management API; none: its tokens are only exchanged.
    pub audiences: Vec<String>,
    /// Authorities that sign its certificate, PEM; those of the system when absent.
    pub ca: Option<PathBuf>,
}

/// Why an issuer cannot be trusted as it was written.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The name.
    #[error("--trusted-issuer {0}: write an https URL without query, as the issuer's tokens write it")]
    Issuer(String),
    /// The file of authorities.
    #[error("the authorities of issuer {issuer} in {path} cannot be used: {reason}", path = .path.display())]
    Authorities {
        /// Whose.
        issuer: String,
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// All trusted issuers.
#[derive(Debug)]
pub struct Trust {
    sources: Vec<Source>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Source {
    issuer: TrustedIssuer,
    http: reqwest::Client,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: Arc<Vec<Jwk>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl Trust {
    /// Reads the files of authorities; nothing is fetched yet.
    pub fn open(issuers: &[TrustedIssuer], clock: Arc<dyn Clock>) -> Result<Self, TrustError> {
        let sources = issuers.iter().map(Source::open).collect::<Result<_, _>>()?;
        Ok(Self { sources, clock })
    }

    /// The audiences of an issuer, if it is trusted.
    pub fn audiences(&self, issuer: &str) -> Option<&[String]> {
        self.source(issuer).map(|source| source.issuer.audiences.as_slice())
    }

    /// The keys of an issuer; `None` when it is not trusted. Empty when none could be fetched.
    pub async fn keys(&self, issuer: &str, wanted: Option<&str>) -> Option<Arc<Vec<Jwk>>> {
        let source = self.source(issuer)?;
        let mut kept = source.kept.lock().await;
        let now = self.clock.now();
        if is_due(&kept, wanted, now) {
            kept.tried_at = Some(now);
            match source.fetch().await {
                Ok(keys) => {
                    kept.keys = Arc::new(keys);
                    kept.fetched_at = Some(now);
                }
                Err(error) => tracing::warn!(%error, issuer, "could not fetch the keys of a trusted issuer"),
            }
        }
        let usable = kept.fetched_at.is_some_and(|at| now.duration_since(at) < STALE);
        Some(if usable { kept.keys.clone() } else { Arc::default() })
    }

    fn source(&self, issuer: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.issuer.issuer == issuer)
    }
}

fn is_due(kept: &Kept, wanted: Option<&str>, now: Timestamp) -> bool {
    let since = |at: Timestamp| now.duration_since(at);
    if kept.tried_at.is_some_and(|at| since(at) < PAUSE) {
        return false;
    }
    let fresh = kept.fetched_at.is_some_and(|at| since(at) < FRESH);
    let known =
        wanted.is_none_or(|name| kept.keys.iter().any(|key| key.common.key_id.as_deref() == Some(name)));
    !fresh || !known
}

impl Source {
    fn open(issuer: &TrustedIssuer) -> Result<Self, TrustError> {
        let url = url::Url::parse(&issuer.issuer).ok();
        let fits = url
            .is_some_and(|url| url.scheme() == "https" && url.query().is_none() && url.fragment().is_none());
        if !fits {
            return Err(TrustError::Issuer(issuer.issuer.clone()));
        }
        let http = fetch::client(issuer.ca.as_deref()).map_err(|reason| TrustError::Authorities {
            issuer: issuer.issuer.clone(),
            path: issuer.ca.clone().unwrap_or_default(),
            reason,
        })?;
        Ok(Self { issuer: issuer.clone(), http, kept: Mutex::default() })
    }

    async fn fetch(&self) -> Result<Vec<Jwk>, FetchError> {
        let issuer = &self.issuer.issuer;
        let page = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found = document(&self.http, &page).await?;
        let text = |name: &str| found.get(name).and_then(serde_json::Value::as_str);
        if text("issuer") != Some(issuer) {
            return Err(FetchError::OtherIssuer(
                text("issuer").unwrap_or_default().chars().take(200).collect(),
            ));
        }
        let keys = text("jwks_uri").filter(|url| url.starts_with("https://")).ok_or(FetchError::NoKeys)?;
        let keys = jwk_keys(&document(&self.http, keys).await?);
        if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
    }
}

/// The client id under which someone of an issuer is registered: a hash, because subjects may differ in case alone.
pub fn external_client_id(issuer: &str, subject: &str) -> String {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(subject);
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("external:{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_when_old_or_unknown_and_never_twice_a_minute() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let kept = |fetched: Option<i64>, tried: Option<i64>| Kept {
            keys: Arc::default(),
            fetched_at: fetched.map(at),
            tried_at: tried.map(at),
        };

        assert!(is_due(&kept(None, None), None, at(0)));
        assert!(!is_due(&kept(None, Some(0)), None, at(59)));
        assert!(is_due(&kept(None, Some(0)), None, at(60)));
        assert!(!is_due(&kept(Some(0), Some(0)), None, at(3_599)));
        assert!(is_due(&kept(Some(0), Some(0)), None, at(3_600)));
        assert!(is_due(&kept(Some(0), Some(0)), Some("new"), at(60)));
    }

    #[test]
    fn people_of_two_issuers_and_subjects_of_another_case_are_different() {
        let ids = [("a", "bc"), ("ab", "c"), ("a", "BC")]
            .map(|(issuer, subject)| external_client_id(issuer, subject));

        assert!(ids[0] != ids[1] && ids[0] != ids[2]);
        assert_eq!(ids[0].to_lowercase(), ids[0], "the store folds client ids");
    }

    #[test]
    fn an_issuer_without_tls_is_not_trusted() {
        let issuer = |issuer: &str| TrustedIssuer { issuer: issuer.to_owned(), audiences: vec![], ca: None };

        for wrong in ["http://issuer.example", "issuer", "https://issuer.example?x"] {
            assert!(matches!(Source::open(&issuer(wrong)), Err(TrustError::Issuer(_))), "{wrong}");
        }
    }
}
