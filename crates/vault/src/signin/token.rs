//! The token endpoint: a client's id and secret for a token.

use super::{SignInError, pages::check_tenant};
use crate::{
    accounts::SignIn,
    app::App,
    public_url::PublicUrl,
    reply::Reply,
    store::{AuditEntry, AuditOutcome, Principal, StoreError},
    tokens::{Audience, Flavour, KeyError, LIFETIME_SECONDS},
};
use serde_json::{Value, json};
use std::fmt;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// What a client sends.
#[derive(PartialEq, Eq)]
pub struct TokenRequest {
    client: String,
    secret: Zeroizing<String>,
    /// As the client wrote it, without `/.default`.
    audience: String,
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

impl TokenRequest {
    /// Reads the form of either endpoint. Fields that it does not know are ignored.
    pub fn read(form: &[u8], flavour: Flavour, public: &PublicUrl) -> Result<Self, SignInError> {
        std::str::from_utf8(form).map_err(|_| SignInError::Form)?;
        let fields: Vec<(String, Zeroizing<String>)> = form_urlencoded::parse(form)
            .map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())))
            .collect();
        let field = |name: &'static str| {
            let value = fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            value.filter(|value| !value.is_empty()).ok_or(SignInError::Missing(name))
        };
        let grant = field("grant_type")?;
        if grant != "client_credentials" {
            return Err(SignInError::GrantType(shown(grant)));
        }
        let client = field("client_id")?.to_owned();
        let secret = Zeroizing::new(field("client_secret")?.to_owned());
        let audience = match flavour {
            Flavour::V1 => {
                field("resource").or_else(|_| field("scope")).map_err(|_| SignInError::Missing("resource"))?
            }
            Flavour::V2 => {
                let scope = field("scope")?;
                scope.strip_suffix("/.default").ok_or_else(|| SignInError::Scope(shown(scope)))?
            }
        };
        let audience = audience.strip_suffix("/.default").unwrap_or(audience);
        if Audience::of(audience, public).is_none() {
            return Err(SignInError::Resource(shown(audience)));
        }
        Ok(Self { client, secret, audience: audience.to_owned() })
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

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Answers a form that was sent to a token endpoint.
pub async fn grant(
    app: &App,
    form: &[u8],
    flavour: Flavour,
    given_tenant: &str,
    correlation: &str,
) -> Result<Reply, GrantError> {
    let refuse = |error: SignInError| Reply::json(error.status(), error.body(app.clock.now(), correlation));
    let tenant = app.issuer.tenant();
    let request =
        check_tenant(given_tenant, tenant).and_then(|()| TokenRequest::read(form, flavour, &app.public));
    let request = match request {
        Ok(request) => request,
        Err(error) => return Ok(refuse(error)),
    };
    let client = shown(&request.client);
    Ok(match app.accounts.sign_in(&request.client, &request.secret).await? {
        SignIn::Accepted(principal) => accepted(app, &principal, &request.audience, flavour)?,
        SignIn::Unknown => refuse(SignInError::UnknownClient { client, tenant: tenant.to_owned() }),
        SignIn::Wrong(principal) => {
            tracing::warn!(client, correlation, "wrong client secret");
            app.store.note(&denied(app, &principal, correlation)).await?;
            refuse(SignInError::WrongSecret(client))
        }
        SignIn::Locked(_, until) => {
            tracing::warn!(client, correlation, %until, "client is locked out");
            refuse(SignInError::Locked { client, until })
        }
    })
}

fn accepted(app: &App, principal: &Principal, audience: &str, flavour: Flavour) -> Result<Reply, KeyError> {
    let issued = app.issuer.issue(principal, audience, flavour)?;
    let body: Value = match flavour {
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
    Ok(Reply::json(200, body).with(http::header::PRAGMA, "no-cache"))
}

fn denied(app: &App, principal: &Principal, correlation: &str) -> AuditEntry {
    AuditEntry {
        at: app.clock.now(),
        principal: principal.object_id.clone(),
        action: "sign in".to_owned(),
        scope: "/".to_owned(),
        outcome: AuditOutcome::Denied,
        correlation: correlation.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str, flavour: Flavour) -> Result<TokenRequest, SignInError> {
        TokenRequest::read(form.as_bytes(), flavour, &PublicUrl::localhost(8443))
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
        let table = [
            ("", SignInError::Missing("grant_type")),
            ("grant_type=password", SignInError::GrantType("password".into())),
            ("grant_type=client_credentials", SignInError::Missing("client_id")),
            (
                "grant_type=client_credentials&client_id=a&client_secret=",
                SignInError::Missing("client_secret"),
            ),
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
        assert_eq!(
            TokenRequest::read(&[0xff], Flavour::V2, &PublicUrl::localhost(1)),
            Err(SignInError::Form)
        );
    }
}
