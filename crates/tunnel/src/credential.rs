//! What a part proves itself with, where it keeps it, and when it needs another.

use crate::{ConnectionId, NameError, PeerName, tls::Validity};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{fmt, str::FromStr};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// A private key and the certificate for it.
#[derive(Clone)]
pub struct Credential {
    key: Zeroizing<String>,
    certificate: String,
    name: PeerName,
    validity: Validity,
}

/// What is kept as a credential and is none.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The certificate.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// The key.
    #[error("there is no private key with the certificate")]
    NoKey,
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// The place of a credential could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Where a part keeps its credential.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// What is kept; nothing before enrolment.
    async fn load(&self) -> Result<Option<Credential>, StoreError>;
    /// Keeps `credential` instead of what was kept.
    async fn save(&self, credential: &Credential) -> Result<(), StoreError>;
}

/// The one-time token, `<connection>.<secret>`.
#[derive(Clone)]
pub struct EnrolmentToken {
    connection: ConnectionId,
    text: Zeroizing<String>,
}

/// Not of the form of a token. The text is a secret, so it is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the enrolment token is not of the form <connection>.<secret>")]
pub struct TokenForm;

/// What to do to have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Trade the token for one.
    Enrol,
    /// The one that is held, until then.
    Use {
        /// When to renew.
        renew_at: Timestamp,
    },
    /// Ask for a new one with the one that is held.
    Renew,
    /// Only a person can help: no valid certificate and no token.
    Stuck,
}

/// Decides from what is held and what was mounted. A token of another connection than the certificate's means that the
/// cluster was connected anew.
pub fn decide(held: Option<(ConnectionId, Validity)>, token: Option<ConnectionId>, now: Timestamp) -> Step {
    match (held, token) {
        (None, Some(_)) => Step::Enrol,
        (None, None) => Step::Stuck,
        (Some((connection, _)), Some(token)) if token != connection => Step::Enrol,
        (Some((_, validity)), token) if now >= validity.until => {
            if token.is_some() {
                Step::Enrol
            } else {
                Step::Stuck
            }
        }
        (Some((_, validity)), _) => {
            let renew_at = renewal(validity);
            if now >= renew_at { Step::Renew } else { Step::Use { renew_at } }
        }
    }
}

/// Two thirds of the lifetime.
pub fn renewal(validity: Validity) -> Timestamp {
    let lifetime = validity.until.duration_since(validity.from);
    validity.from.saturating_add(two_thirds(lifetime)).unwrap_or(validity.until)
}

fn two_thirds(lifetime: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(lifetime.as_secs() / 3 * 2)
}

impl Credential {
    /// Reads both PEM texts.
    pub fn parse(key: Zeroizing<String>, certificate: String) -> Result<Self, CredentialError> {
        let unreadable = |error: &dyn fmt::Display| CredentialError::Certificate(error.to_string());
        if key.trim().is_empty() {
            return Err(CredentialError::NoKey);
        }
        let der =
            CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|error| unreadable(&error))?;
        let name = PeerName::of_certificate(&der)?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| unreadable(&error))?;
        let instant = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| unreadable(&error));
        let validity = Validity {
            from: instant(parsed.validity().not_before.timestamp())?,
            until: instant(parsed.validity().not_after.timestamp())?,
        };
        Ok(Self { key, certificate, name, validity })
    }

    /// PEM.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Whom the certificate names.
    pub fn name(&self) -> PeerName {
        self.name
    }

    /// How long it serves.
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("name", &self.name)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl EnrolmentToken {
    /// The connection that it is for.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The whole text, a secret.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolmentToken").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl FromStr for EnrolmentToken {
    type Err = TokenForm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (connection, secret) = text.split_once('.').ok_or(TokenForm)?;
        if secret.is_empty() {
            return Err(TokenForm);
        }
        let connection = ConnectionId(connection.parse().map_err(|_| TokenForm)?);
        Ok(Self { connection, text: Zeroizing::new(text.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_part_enrols_once_renews_after_two_thirds_and_enrols_again_when_connected_anew() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (one, other) = (ConnectionId(Uuid::from_u128(1)), ConnectionId(Uuid::from_u128(2)));
        let week = Validity { from: at("2026-06-01T00:00:00Z"), until: at("2026-06-08T00:00:00Z") };
        let renew_at = at("2026-06-05T16:00:00Z");
        let (early, late, over) = (at("2026-06-03T00:00:00Z"), renew_at, at("2026-06-08T00:00:00Z"));
        let cases = [
            (None, None, early, Step::Stuck),
            (None, Some(one), early, Step::Enrol),
            (Some((one, week)), None, early, Step::Use { renew_at }),
            (Some((one, week)), Some(one), early, Step::Use { renew_at }),
            (Some((one, week)), Some(other), early, Step::Enrol),
            (Some((one, week)), Some(one), late, Step::Renew),
            (Some((one, week)), None, over, Step::Stuck),
            (Some((one, week)), Some(one), over, Step::Enrol),
        ];

        for (held, token, now, expected) in cases {
            assert_eq!(decide(held, token, now), expected, "{held:?} {token:?} {now}");
        }
    }

    #[test]
    fn a_token_names_its_connection_and_never_shows_its_secret() {
        let token: EnrolmentToken = "3f2b0b6e-6d5c-4b9e-9f0e-0123456789ab.se.cret\n".parse().unwrap();

        assert_eq!(token.connection().to_string(), "3f2b0b6e-6d5c-4b9e-9f0e-0123456789ab");
        assert_eq!(token.text(), "3f2b0b6e-6d5c-4b9e-9f0e-0123456789ab.se.cret");
        assert!(!format!("{token:?}").contains("cret"));
        for bad in ["", "secret", "abc.secret", "3f2b0b6e-6d5c-4b9e-9f0e-0123456789ab."] {
            assert_eq!(bad.parse::<EnrolmentToken>().unwrap_err(), TokenForm);
        }
    }
}
