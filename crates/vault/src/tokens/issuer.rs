//! Issues and verifies tokens with the keys in the store.

use super::{Audience, Caller, Claims, Flavour, Rotation, SigningKey, TokenError, judge, rotation};
use crate::{
    public_url::PublicUrl,
    seal::{SealError, Wrapping},
    store::{AuditEntry, AuditOutcome, Change, Principal, SealedKey, Store, StoreError},
};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header, Validation};
use parking_lot::RwLock;
use serde_json::{Value, json};
use std::sync::Arc;
use telemetry::Clock;

/// How long a token holds.
pub const LIFETIME_SECONDS: i64 = 3_599;

/// The setting that names the newest key: of several replicas that make one, one succeeds.
const NEWEST: &str = "newest signing key";
const ATTEMPTS: u32 = 8;
/// After so long every replica has read a new key (see `tasks`): only then does it sign.
const KNOWN: SignedDuration = SignedDuration::from_secs(120);

/// Signs and verifies.
#[derive(Debug)]
pub struct Issuer {
    public: PublicUrl,
    tenant: String,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    wrapping: Arc<Wrapping>,
    // Oldest first.
    keys: RwLock<Arc<Vec<Arc<SigningKey>>>>,
}

/// A token and what its client is told about it.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub token: String,
    /// From when it holds.
    pub not_before: i64,
    /// Until when.
    pub expires_on: i64,
}

/// For whom a token is made.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// Id of the application that asked.
    pub client: &'a str,
    /// A person signed in there.
    pub person: bool,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The library.
    #[error("could not use a signing key: {0}; this is a defect, please report it")]
    Key(String),
}

impl Issuer {
    /// With the keys in the store; one is made where there is none.
    pub async fn open(
        public: PublicUrl,
        tenant: String,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        wrapping: Arc<Wrapping>,
    ) -> Result<Self, KeyError> {
        let issuer = Self { public, tenant, store, clock, wrapping, keys: RwLock::default() };
        issuer.rotate().await?;
        Ok(issuer)
    }

    /// The only tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Makes and drops keys where that is due, and reads them again. Of several replicas one makes the new key.
    pub async fn rotate(&self) -> Result<(), KeyError> {
        for _ in 0..ATTEMPTS {
            match self.rotate_once().await {
                Err(KeyError::Store(StoreError::Conflict(what))) => {
                    tracing::debug!(what, "another replica rotated the signing keys");
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        self.refresh().await
    }

    async fn rotate_once(&self) -> Result<(), KeyError> {
        let now = self.clock.now();
        let newest = self.store.setting(NEWEST).await?;
        let stored = self.store.signing_keys().await?;
        let ages: Vec<_> = stored.iter().map(|key| (key.id.clone(), key.created_at)).collect();
        let Rotation { add, remove } = rotation(&ages, now);
        let mut changes: Vec<Change> = remove.into_iter().map(Change::RemoveKey).collect();
        if add {
            let made = tokio::task::spawn_blocking(SigningKey::make).await;
            let pem = made.map_err(|error| KeyError::Key(error.to_string()))?.map_err(KeyError::Key)?;
            let key = SigningKey::from_pem(pem.as_bytes(), now).map_err(KeyError::Key)?;
            let sealed = self.wrapping.seal(&sealed_name(&key.id), pem.as_bytes())?;
            changes.push(self.wrapping.guard());
            changes.push(Change::SetIf { name: NEWEST.to_owned(), before: newest, value: key.id.clone() });
            changes.push(Change::AddKey(SealedKey { id: key.id, sealed, created_at: now }));
        }
        if !changes.is_empty() {
            self.store.commit(&changes, &audit(now)).await?;
        }
        Ok(())
    }

    /// Reads the keys again, which another replica may have changed; what is known is not opened again.
    pub async fn refresh(&self) -> Result<(), KeyError> {
        let known = self.keys.read().clone();
        let mut keys = Vec::new();
        for one in self.store.signing_keys().await? {
            let key = match known.iter().find(|key| key.id == one.id) {
                Some(key) => key.clone(),
                None => {
                    let pem = self.wrapping.open_secret(&sealed_name(&one.id), &one.sealed)?;
                    Arc::new(SigningKey::from_pem(&pem, one.created_at).map_err(KeyError::Key)?)
                }
            };
            keys.push(key);
        }
        *self.keys.write() = Arc::new(keys);
        Ok(())
    }

    /// The public halves of all keys that verify.
    pub fn key_set(&self) -> Value {
        let keys = self.keys.read().clone();
        json!({"keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>()})
    }

    /// A token for an application or a managed identity; `audience` is written as the client asked.
    pub fn issue(&self, principal: &Principal, audience: &str, flavour: Flavour) -> Result<Issued, KeyError> {
        self.issue_to(&Bearer { principal, client: &principal.client_id, person: false }, audience, flavour)
    }

    /// A token for whoever bears it.
    pub fn issue_to(
        &self,
        bearer: &Bearer<'_>,
        audience: &str,
        flavour: Flavour,
    ) -> Result<Issued, KeyError> {
        let principal = bearer.principal;
        let of_person = |text: &str| bearer.person.then(|| text.to_owned());
        let now = self.clock.now().as_second();
        let claims = Claims {
            aud: audience.to_owned(),
            iss: flavour.issuer(&self.public, &self.tenant),
            iat: now,
            nbf: now,
            exp: now + LIFETIME_SECONDS,
            tid: self.tenant.clone(),
            oid: principal.object_id.clone(),
            sub: principal.object_id.clone(),
            appid: bearer.client.to_owned(),
            idtyp: if bearer.person { "user" } else { "app" }.to_owned(),
            name: of_person(&principal.name),
            preferred_username: of_person(&principal.name),
            scp: of_person("user_impersonation"),
            ver: flavour.version().to_owned(),
            uti: uuid::Uuid::new_v4().simple().to_string(),
        };
        Ok(Issued { token: self.sign(&claims)?, not_before: claims.nbf, expires_on: claims.exp })
    }

    /// Tells a client who signed in. It opens nothing: its audience is the client.
    pub fn id_token(
        &self,
        bearer: &Bearer<'_>,
        nonce: Option<&str>,
        flavour: Flavour,
    ) -> Result<String, KeyError> {
        let now = self.clock.now().as_second();
        let mut claims = json!({
            "aud": bearer.client,
            "iss": flavour.issuer(&self.public, &self.tenant),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "tid": self.tenant,
            "oid": bearer.principal.object_id,
            "sub": bearer.principal.object_id,
            "name": bearer.principal.name,
            "preferred_username": bearer.principal.name,
            "ver": flavour.version(),
        });
        if flavour == Flavour::V1 {
            // Clients of the older endpoint read the name there.
            add(&mut claims, "upn", &bearer.principal.name);
            add(&mut claims, "unique_name", &bearer.principal.name);
        }
        if let Some(nonce) = nonce {
            add(&mut claims, "nonce", nonce);
        }
        self.sign(&claims)
    }

    fn sign(&self, claims: &impl serde::Serialize) -> Result<String, KeyError> {
        let keys = self.keys.read().clone();
        let key = signs(&keys, self.clock.now()).ok_or_else(|| KeyError::Key("there is none".to_owned()))?;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::RS256) };
        let token = jsonwebtoken::encode(&header, claims, &key.encoding);
        token.map_err(|error| KeyError::Key(error.to_string()))
    }

    /// Who calls with this token.
    pub fn verify(&self, token: &str, wanted: Audience) -> Result<Caller, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Forged)?;
        let keys = self.keys.read().clone();
        let key = keys.iter().find(|key| header.kid.as_deref() == Some(&key.id)).ok_or(TokenError::Forged)?;
        // The signature here, by this one algorithm whatever the header says; all else in `judge`, which has our clock.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let data = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation);
        let claims = data.map_err(|_| TokenError::Forged)?.claims;
        judge(claims, &self.public, &self.tenant, wanted, self.clock.now())
    }
}

fn add(claims: &mut Value, name: &str, value: &str) {
    if let Some(object) = claims.as_object_mut() {
        object.insert(name.to_owned(), json!(value));
    }
}

/// The newest key that every replica knows by now; where there is none, the oldest one.
fn signs(keys: &[Arc<SigningKey>], now: Timestamp) -> Option<&Arc<SigningKey>> {
    keys.iter().rev().find(|key| now.duration_since(key.created_at) >= KNOWN).or_else(|| keys.first())
}

fn sealed_name(id: &str) -> String {
    format!("signing key {id}")
}

fn audit(at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        principal: "vault".to_owned(),
        action: "rotate signing keys".to_owned(),
        scope: "/".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}
