//! Asks the vault for grants, as the identity of the extension's pod.

use super::{
    GrantError, VaultSettings,
    wire::{self, Grant, GrantPurpose},
};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use std::{sync::Arc, time::Duration};
use storage::{
    ProxyTrouble, RetryPolicy, Trust, behind_proxy,
    credential::{AzureWorkloadIdentity, Credential, CredentialError, CredentialValue},
    plain_cause,
};
use telemetry::Clock;
use tokio::sync::Mutex;

/// How long the vault may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read at most; one with settings and a CA has some thousand.
const LONGEST: usize = 1 << 20;
/// A token is renewed this long before it ends.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);

/// The vault of this extension.
#[derive(Debug)]
pub struct Vault {
    settings: VaultSettings,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
    token: Mutex<Option<(SecretString, Option<Timestamp>)>>,
}

/// How one attempt ended.
enum Attempt {
    Granted(Grant),
    /// The vault does not take the token any more.
    Unauthenticated(GrantError),
    Failed(GrantError),
}

impl Vault {
    /// The vault that the settings describe. Nothing is contacted yet.
    pub fn new(settings: VaultSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, retry: RetryPolicy::default(), token: Mutex::new(None) }
    }

    /// The same with other patience for temporary failures.
    pub fn with_retry(self, retry: RetryPolicy) -> Self {
        Self { retry, ..self }
    }

    /// Its address, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.settings.url
    }

    /// The time by which grants end.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The certificate authorities of the vault as PEM, read anew: the file changes when they do.
    pub async fn authorities(&self) -> Result<String, GrantError> {
        let path = &self.settings.authorities;
        tokio::fs::read_to_string(path)
            .await
            .map_err(|error| GrantError::Authorities { path: path.clone(), cause: error.to_string() })
    }

    /// The identity of the extension's pod. `elsewhere` is trusted when somebody else than the vault issues its tokens.
    pub async fn identity(&self, elsewhere: &Trust) -> Result<AzureWorkloadIdentity, GrantError> {
        let settings = &self.settings;
        let http = if settings.issues_tokens() {
            self.http().await?
        } else {
            elsewhere.http_client().map_err(|error| CredentialError {
                source_name: format!("Azure workload identity {}", settings.client_id),
                cause: error.to_string(),
                temporary: false,
                remedy: "Correct config.caCert of the storage location.".to_owned(),
            })?
        };
        Ok(AzureWorkloadIdentity {
            tenant_id: settings.tenant_id.clone(),
            client_id: settings.client_id.clone(),
            token_file: settings.token_file.clone(),
            authority: settings.authority.clone(),
            http,
            clock: self.clock.clone(),
        })
    }

    /// Asks for a grant. Temporary failures are tried again a few times.
    pub async fn grant(&self, purpose: &GrantPurpose, location: &str) -> Result<Grant, GrantError> {
        let mut failures = 0;
        let mut signed_in_anew = false;
        loop {
            let error = match self.attempt(purpose, location).await {
                Attempt::Granted(grant) => {
                    tracing::info!(location, %purpose, expires = %grant.expires, "the vault granted access");
                    return Ok(grant);
                }
                Attempt::Unauthenticated(_) if !signed_in_anew => {
                    signed_in_anew = true;
                    continue;
                }
                Attempt::Unauthenticated(error) => return Err(error),
                Attempt::Failed(error) if !error.is_temporary() => return Err(error),
                Attempt::Failed(error) => error,
            };
            failures += 1;
            match self.retry.pause(failures, rand::random()) {
                Some(pause) => {
                    tracing::debug!(location, %error, "no grant yet, trying again");
                    tokio::time::sleep(pause).await;
                }
                None => return Err(error),
            }
        }
    }

    async fn attempt(&self, purpose: &GrantPurpose, location: &str) -> Attempt {
        let asked = async {
            let http = self.http().await?;
            let token = self.token().await?;
            let body = wire::request(purpose, location).map_err(|error| self.answer(&error.to_string()))?;
            let request = http
                .post(format!("{}/cluster/v1/grants", self.settings.url))
                .timeout(PATIENCE)
                .header("content-type", "application/json")
                .bearer_auth(token.expose_secret())
                .body(body);
            let mut response = request.send().await.map_err(|error| self.no_answer(&error))?;
            let status = response.status().as_u16();
            let mut body = Wiped(Vec::new());
            while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(&error))? {
                if body.0.len() + chunk.len() > LONGEST {
                    return Err(self.answer(&format!("it is longer than {LONGEST} bytes")));
                }
                body.extend(&chunk);
            }
            Ok((status, body))
        };
        match asked.await {
            Err(error) => Attempt::Failed(error),
            Ok((200, body)) => match wire::granted(&body.0, self.clock.now()) {
                Ok(grant) => Attempt::Granted(grant),
                Err(cause) => Attempt::Failed(self.answer(&cause)),
            },
            Ok((401, body)) => {
                *self.token.lock().await = None;
                Attempt::Unauthenticated(wire::refused(401, &body.0, self.url(), purpose, location))
            }
            Ok((status, body)) => {
                if status == 403 {
                    // What the token says of its bearer may have changed: the next attempt signs in anew.
                    *self.token.lock().await = None;
                }
                Attempt::Failed(wire::refused(status, &body.0, self.url(), purpose, location))
            }
        }
    }

    /// A token of the identity for the vault, held until shortly before its end.
    async fn token(&self) -> Result<SecretString, GrantError> {
        let mut held = self.token.lock().await;
        let now = self.clock.now();
        let good =
            |ends: &Option<Timestamp>| ends.is_some_and(|ends| ends.duration_since(now) > RENEW_BEFORE);
        if let Some((token, _)) = held.as_ref().filter(|(_, ends)| good(ends)) {
            return Ok(token.clone());
        }
        *held = None;
        let identity = self.identity(&Trust::System).await?;
        let scope = format!("{}/.default", self.settings.url);
        match identity.token_for(&scope).await? {
            Credential { value: CredentialValue::Bearer(token), expires } => {
                *held = Some((token.clone(), expires));
                Ok(token)
            }
            other => Err(self.answer(&format!("a {} is no token", other.value.kind()))),
        }
    }

    /// A client that trusts the vault's authorities alone.
    async fn http(&self) -> Result<reqwest::Client, GrantError> {
        let trust = Trust::Only(self.authorities().await?);
        trust.http_client().map_err(|error| GrantError::Authorities {
            path: self.settings.authorities.clone(),
            cause: error.to_string(),
        })
    }

    fn no_answer(&self, error: &reqwest::Error) -> GrantError {
        let vault = self.settings.url.clone();
        if let Some(trouble) = ProxyTrouble::of(error) {
            return GrantError::Proxy { vault, trouble };
        }
        let cause = behind_proxy(&vault, plain_cause(error));
        if cause.contains("certificate") || cause.contains("UnknownIssuer") {
            GrantError::Untrusted { vault, cause }
        } else {
            GrantError::Unreachable { vault, cause }
        }
    }

    fn answer(&self, cause: &str) -> GrantError {
        GrantError::Answer { vault: self.settings.url.clone(), cause: cause.to_owned() }
    }
}

/// Bytes that may hold a password: wiped when they are not needed any more.
struct Wiped(Vec<u8>);

impl Wiped {
    /// Appends; what has to move is wiped where it was.
    fn extend(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            let mut larger = Vec::with_capacity((self.0.len() + bytes.len()) * 2);
            larger.extend_from_slice(&self.0);
            zeroize::Zeroize::zeroize(&mut self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}
