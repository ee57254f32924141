//! The token endpoint: a client's secret, a token of someone else, or what a person agreed to, for a token.

use super::{
    SignInError, federation,
    form::{Form, shown},
    pages::check_tenant,
    people,
};
use crate::{
    accounts::{SignIn, Source},
    app::App,
    public_url::PublicUrl,
    reply::Reply,
    store::{AuditEntry, AuditOutcome, Principal, StoreError},
    tokens::{Audience, Flavour, KeyError, LIFETIME_SECONDS},
};
use serde_json::{Value, json};
use std::fmt;
use zeroize::Zeroizing;

/// How an application proves who it is.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client sends.
#[derive(PartialEq, Eq)]
pub struct TokenRequest {
    client: String,
    proof: Proof,
    /// As the client wrote it, without `/.default`.
    audience: String,
}

#[derive(PartialEq, Eq)]
enum Proof {
    Secret(Zeroizing<String>),
    Assertion(Zeroizing<String>),
}

/// Why there is no answer of the endpoint itself.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Who asks, and how answers are written.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Which endpoint.
    pub flavour: Flavour,
    /// From where.
    pub source: &'a Source,
    /// The id by which log lines and audit records are found.
    pub correlation: &'a str,
}

impl TokenRequest {
    /// Reads the form of an application.
    fn read(form: &Form, flavour: Flavour, public: &PublicUrl) -> Result<Self, SignInError> {
        let client = form.need("client_id")?.to_owned();
        let proof = match form.get("client_assertion") {
            Some(assertion) => {
                let kind = form.need("client_assertion_type")?;
                if kind != JWT_BEARER {
                    return Err(SignInError::AssertionType(shown(kind)));
                }
                Proof::Assertion(Zeroizing::new(assertion.to_owned()))
            }
            None => Proof::Secret(Zeroizing::new(form.need("client_secret")?.to_owned())),
        };
        let audience = match flavour {
            Flavour::V1 => {
                form.get("resource").or_else(|| form.get("scope")).ok_or(SignInError::Missing("resource"))?
            }
            Flavour::V2 => {
                let scope = form.need("scope")?;
                scope.strip_suffix("/.default").ok_or_else(|| SignInError::Scope(shown(scope)))?
            }
        };
        let audience = audience.strip_suffix("/.default").unwrap_or(audience);
        if Audience::of(audience, public).is_none() {
            return Err(SignInError::Resource(shown(audience)));
        }
        Ok(Self { client, proof, audience: audience.to_owned() })
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("client", &self.client)
            .field("audience", &self.audience)
            .finish()
    }
}

/// Answers a form that was sent to a token endpoint.
pub async fn grant(
    app: &App,
    form: &[u8],
    given_tenant: &str,
    asked: Asked<'_>,
) -> Result<Reply, GrantError> {
    let form = check_tenant(given_tenant, app.issuer.tenant()).and_then(|()| Form::read(form));
    let answered = match form.and_then(|form| Ok((form.need("grant_type")?.to_owned(), form))) {
        Err(error) => Err(error),
        Ok((grant, form)) => match grant.as_str() {
            "client_credentials" => match TokenRequest::read(&form, asked.flavour, &app.public) {
                Ok(request) => application(app, &request, asked).await?,
                Err(error) => Err(error),
            },
            "authorization_code" => people::redeem_code(app, &form, asked).await?,
            "refresh_token" => people::refresh(app, &form, asked).await?,
            "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => {
                people::poll_device(app, &form, asked).await?
            }
            other => Err(SignInError::GrantType(shown(other))),
        },
    };
    Ok(answered.unwrap_or_else(|error| refusal(app, &error, asked.correlation)))
}

/// A refusal, as clients of the token endpoint read it.
pub fn refusal(app: &App, error: &SignInError, correlation: &str) -> Reply {
    Reply::json(error.status(), error.body(app.clock.now(), correlation))
}

async fn application(
    app: &App,
    request: &TokenRequest,
    asked: Asked<'_>,
) -> Result<Result<Reply, SignInError>, GrantError> {
    let (client, correlation) = (shown(&request.client), asked.correlation);
    let signed_in = match &request.proof {
        Proof::Secret(secret) => app.accounts.sign_in(&request.client, secret, asked.source).await?,
        Proof::Assertion(assertion) => match federation::exchange(app, &request.client, assertion).await? {
            federation::Exchanged::Accepted(principal) => SignIn::Accepted(principal),
            federation::Exchanged::Unknown => SignIn::Unknown,
            federation::Exchanged::Refused(principal, error) => {
                tracing::warn!(client, correlation, ?error, "a token was not exchanged");
                note_denied(app, &principal, correlation).await?;
                return Ok(Err(error));
            }
        },
    };
    match signed_in {
        SignIn::Accepted(principal) => Ok(Ok(accepted(app, &principal, &request.audience, asked.flavour)?)),
        SignIn::Unknown => {
            Ok(Err(SignInError::UnknownClient { client, tenant: app.issuer.tenant().to_owned() }))
        }
        SignIn::Wrong(principal) => {
            tracing::warn!(client, correlation, source = %asked.source, "wrong client secret");
            note_denied(app, &principal, correlation).await?;
            Ok(Err(SignInError::WrongSecret(client)))
        }
        SignIn::Locked(_, until) => {
            tracing::warn!(client, correlation, source = %asked.source, %until, "client is locked out");
            Ok(Err(SignInError::Locked { client, until }))
        }
    }
}

fn accepted(app: &App, principal: &Principal, audience: &str, flavour: Flavour) -> Result<Reply, KeyError> {
    let issued = app.issuer.issue(principal, audience, flavour)?;
    Ok(told(&issued, audience, flavour, json!({})))
}

/// A token and what its client is told about it.
pub fn told(issued: &crate::tokens::Issued, audience: &str, flavour: Flavour, more: Value) -> Reply {
    let mut body: Value = match flavour {
        Flavour::V2 => json!({
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "ext_expires_in": LIFETIME_SECONDS,
            "access_token": issued.token,
        }),
        // The older endpoint writes numbers as texts.
        Flavour::V1 => json!({
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS.to_string(),
            "ext_expires_in": LIFETIME_SECONDS.to_string(),
            "expires_on": issued.expires_on.to_string(),
            "not_before": issued.not_before.to_string(),
            "resource": audience,
            "access_token": issued.token,
        }),
    };
    if let (Some(object), Value::Object(more)) = (body.as_object_mut(), more) {
        object.extend(more);
    }
    Reply::json(200, body)
        .with(http::header::PRAGMA, "no-cache")
        .with(http::header::CACHE_CONTROL, "no-store")
}

/// Notes that someone could not sign in.
pub async fn note_denied(app: &App, principal: &Principal, correlation: &str) -> Result<(), StoreError> {
    let entry = sign_in_entry(app, principal, AuditOutcome::Denied, correlation);
    app.denials.note(app.store.as_ref(), entry).await
}

/// The audit record of a sign-in.
pub fn sign_in_entry(
    app: &App,
    principal: &Principal,
    outcome: AuditOutcome,
    correlation: &str,
) -> AuditEntry {
    AuditEntry {
        at: app.clock.now(),
        principal: principal.object_id.clone(),
        action: "sign in".to_owned(),
        scope: "/".to_owned(),
        outcome,
        correlation: correlation.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str, flavour: Flavour) -> Result<TokenRequest, SignInError> {
        TokenRequest::read(&Form::read(form.as_bytes()).unwrap(), flavour, &PublicUrl::localhost(8443))
    }

    const START: &str = "grant_type=client_credentials&client_id=a&client_secret=s";

    #[test]
    fn the_forms_of_both_endpoints_are_read() {
        let v2 = read(
            &format!("{START}&scope=https%3A%2F%2Flocalhost%3A8443%2F%2F.default&client_info=1"),
            Flavour::V2,
        );
        let v1 = read(&format!("{START}&resource=https://storage.azure.com/"), Flavour::V1);

        assert_eq!(v2.unwrap().audience, "https://localhost:8443/");
        assert_eq!(v1.unwrap().audience, "https://storage.azure.com/");
    }

    #[test]
    fn each_fault_of_a_form_is_named() {
        let scope = "scope=https://localhost:8443/.default";
        let asserted = "client_id=a&client_assertion=t";
        let table = [
            ("", SignInError::Missing("client_id")),
            ("client_id=a&client_secret=", SignInError::Missing("client_secret")),
            (asserted, SignInError::Missing("client_assertion_type")),
            (&format!("{asserted}&client_assertion_type=x"), SignInError::AssertionType("x".into())),
            (START, SignInError::Missing("scope")),
            (&format!("{START}&scope=openid"), SignInError::Scope("openid".into())),
            (
                &format!("{START}&scope=https://elsewhere/.default&{scope}"),
                SignInError::Resource("https://elsewhere".into()),
            ),
        ];

        for (form, expected) in table {
            assert_eq!(read(form, Flavour::V2), Err(expected), "{form}");
        }
        assert_eq!(read(START, Flavour::V1), Err(SignInError::Missing("resource")));
        assert_eq!(Form::read(&[0xff]).unwrap_err(), SignInError::Form);
    }
}
