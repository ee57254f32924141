//! Issues and verifies tokens with the keys in the store.

use super::{Audience, Caller, Claims, Flavour, Rotation, SigningKey, TokenError, judge, rotation};
use crate::{
    public_url::PublicUrl,
    seal::{SealError, Wrapping},
    store::{AuditEntry, AuditOutcome, Change, Principal, SealedKey, Store, StoreError},
};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation};
use parking_lot::RwLock;
use serde_json::{Value, json};
use std::sync::Arc;
use telemetry::Clock;

/// How long a token holds.
pub const LIFETIME_SECONDS: i64 = 3_599;

/// Signs and verifies.
#[derive(Debug)]
pub struct Issuer {
    public: PublicUrl,
    tenant: String,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    wrapping: Arc<Wrapping>,
    // Oldest first; the last one signs.
    keys: RwLock<Arc<Vec<SigningKey>>>,
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

    /// Makes and drops keys where that is due, and reads them again.
    pub async fn rotate(&self) -> Result<(), KeyError> {
        let now = self.clock.now();
        let stored = self.store.signing_keys().await?;
        let ages: Vec<_> = stored.iter().map(|key| (key.id.clone(), key.created_at)).collect();
        let Rotation { add, remove } = rotation(&ages, now);
        let mut changes: Vec<Change> = remove.into_iter().map(Change::RemoveKey).collect();
        if add {
            let made = tokio::task::spawn_blocking(SigningKey::make).await;
            let pem = made.map_err(|error| KeyError::Key(error.to_string()))?.map_err(KeyError::Key)?;
            let key = SigningKey::from_pem(pem.as_bytes(), now).map_err(KeyError::Key)?;
            let sealed = self.wrapping.seal(&sealed_name(&key.id), pem.as_bytes())?;
            changes.push(Change::AddKey(SealedKey { id: key.id, sealed, created_at: now }));
        }
        if !changes.is_empty() {
            self.store.commit(&changes, &audit(now)).await?;
        }
        let mut keys = Vec::new();
        for one in self.store.signing_keys().await? {
            let pem = self.wrapping.open_secret(&sealed_name(&one.id), &one.sealed)?;
            keys.push(SigningKey::from_pem(&pem, one.created_at).map_err(KeyError::Key)?);
        }
        *self.keys.write() = Arc::new(keys);
        Ok(())
    }

    /// The public halves of all keys that verify.
    pub fn key_set(&self) -> Value {
        let keys = self.keys.read().clone();
        json!({"keys": keys.iter().map(SigningKey::public).collect::<Vec<_>>()})
    }

    /// A token for a principal; `audience` is written as the client asked.
    pub fn issue(&self, principal: &Principal, audience: &str, flavour: Flavour) -> Result<Issued, KeyError> {
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
            appid: principal.client_id.clone(),
            idtyp: "app".to_owned(),
            ver: flavour.version().to_owned(),
            uti: uuid::Uuid::new_v4().simple().to_string(),
        };
        let keys = self.keys.read().clone();
        let key = keys.last().ok_or_else(|| KeyError::Key("there is none".to_owned()))?;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::RS256) };
        let token = jsonwebtoken::encode(&header, &claims, &key.encoding);
        let token = token.map_err(|error| KeyError::Key(error.to_string()))?;
        Ok(Issued { token, not_before: claims.nbf, expires_on: claims.exp })
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
