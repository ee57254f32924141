//! Ways to a token: the secret of a service principal, a projected token in a file, or a person with a browser.

mod device;
mod endpoints;

pub use device::{DEVICE_CLIENT, DeviceCode};
pub use endpoints::Endpoints;

use crate::{Answer, Error, Transport};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, path::PathBuf};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A token shorter than this from its end is not used any more.
const MARGIN: SignedDuration = SignedDuration::from_secs(120);
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A text that no log shows and no memory keeps.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How tokens are had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Method {
    /// Client id and secret.
    ServicePrincipal {
        /// The application's id.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// Client id and a token that someone else puts into a file.
    Federated {
        /// The application's or identity's id.
        client_id: String,
        /// The file; read anew for each token.
        token_file: PathBuf,
    },
    /// A person, who has said yes in a browser.
    Person {
        /// The id of the command line itself.
        client_id: String,
        /// For the next token.
        refresh: Secret,
    },
}

impl Method {
    /// Who it is, for people.
    pub fn name(&self) -> &str {
        let (Self::ServicePrincipal { client_id, .. }
        | Self::Federated { client_id, .. }
        | Self::Person { client_id, .. }) = self;
        client_id
    }

    /// What kind of principal signs in so.
    pub fn principal(&self) -> &'static str {
        match self {
            Self::ServicePrincipal { .. } | Self::Federated { .. } => "servicePrincipal",
            Self::Person { .. } => "user",
        }
    }

    /// Asks for a token for `scope`.
    pub async fn token(
        &self,
        transport: &Transport,
        endpoints: &Endpoints,
        scope: &str,
        now: Timestamp,
    ) -> Result<Issued, Error> {
        let answer = match self {
            Self::ServicePrincipal { client_id, secret } => {
                let fields = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id),
                    ("client_secret", secret.reveal()),
                    ("scope", scope),
                ];
                transport.form(&endpoints.token, &fields).await?
            }
            Self::Federated { client_id, token_file } => {
                let assertion = std::fs::read_to_string(token_file).map_err(|error| Error::Profile {
                    path: token_file.clone(),
                    reason: error.to_string(),
                })?;
                let fields = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id),
                    ("client_assertion_type", ASSERTION),
                    ("client_assertion", assertion.trim()),
                    ("scope", scope),
                ];
                transport.form(&endpoints.token, &fields).await?
            }
            Self::Person { client_id, refresh } => {
                let scope = format!("{scope} offline_access");
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("refresh_token", refresh.reveal()),
                    ("scope", &scope),
                ];
                transport.form(&endpoints.token, &fields).await?
            }
        };
        match Issued::read(&endpoints.token, &answer, now) {
            // The refresh token is too old or was revoked: only the person can help.
            Err(Error::SignIn { code, description }) if code == "invalid_grant" => {
                Err(Error::SignInOver(description))
            }
            other => other,
        }
    }
}

/// What the token endpoint gave.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// For the next one.
    pub refresh: Option<Secret>,
}

/// A token and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// What calls carry.
    pub secret: Secret,
    /// When it ends.
    pub expires: Timestamp,
}

impl Token {
    /// Whether a call that begins now may carry it.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_until(self.expires) > MARGIN
    }
}

impl Issued {
    fn read(url: &str, answer: &Answer, now: Timestamp) -> Result<Self, Error> {
        let text = |name: &str| answer.body.get(name).and_then(Value::as_str).map(str::to_owned);
        if answer.status != 200 {
            return Err(refusal(url, answer));
        }
        let secret = text("access_token")
            .ok_or_else(|| Error::Answer { url: url.to_owned(), reason: "it holds no token".to_owned() })?;
        let seconds = match answer.body.get("expires_in") {
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        let lifetime = SignedDuration::from_secs(seconds.unwrap_or(3600).clamp(0, 86_400));
        let expires = now.checked_add(lifetime).unwrap_or(now);
        let token = Token { secret: Secret::new(secret), expires };
        Ok(Self { token, refresh: text("refresh_token").map(Secret::new) })
    }
}

/// A refusal of the token endpoint. The trace behind the first line is of no use to a person.
fn refusal(url: &str, answer: &Answer) -> Error {
    let text = |name: &str| answer.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let description = text("error_description");
    let description = description.split(" Trace ID:").next().unwrap_or(description);
    let description = description.lines().next().unwrap_or_default().trim();
    if text("error").is_empty() {
        let reason = format!("HTTP {} without an error", answer.status);
        return Error::Answer { url: url.to_owned(), reason };
    }
    let said = if description.is_empty() { text("error") } else { description };
    Error::SignIn { code: text("error").to_owned(), description: said.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, headers: Default::default(), text: String::new(), body }
    }

    #[test]
    fn numbers_may_be_texts_and_a_missing_lifetime_is_an_hour() {
        let now = Timestamp::UNIX_EPOCH;
        let lifetimes = [json!(60), json!("60"), Value::Null].map(|lifetime| {
            let body = json!({"access_token": "t", "expires_in": lifetime});
            Issued::read("u", &answer(200, body), now).unwrap().token.expires.as_second()
        });

        assert_eq!(lifetimes, [60, 60, 3600]);
    }

    #[test]
    fn a_token_is_given_up_before_its_end() {
        let token = Token { secret: Secret::new("t"), expires: "2026-01-01T01:00:00Z".parse().unwrap() };

        let fresh = ["2026-01-01T00:57:00Z", "2026-01-01T00:58:30Z", "2026-01-01T02:00:00Z"]
            .map(|now| token.is_fresh(now.parse().unwrap()));

        assert_eq!(fresh, [true, false, false]);
    }

    #[test]
    fn refusals_are_shown_without_their_trace_and_secrets_not_at_all() {
        let body = json!({"error": "invalid_client",
            "error_description": "AADSTS7000215: Invalid client secret. Trace ID: a Timestamp: b"});
        let refused = Issued::read("u", &answer(401, body), Timestamp::UNIX_EPOCH).unwrap_err();

        assert_eq!(refused.to_string(), "sign-in was refused: AADSTS7000215: Invalid client secret.");
        assert_eq!(format!("{:?}", Secret::new("s")), "***");
    }
}
