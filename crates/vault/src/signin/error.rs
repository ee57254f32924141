//! Refusals of the token endpoint, with the numbers that clients and their users know.

use jiff::Timestamp;
use serde_json::{Value, json};

/// Why no token was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInError {
    /// A field of the form is missing.
    Missing(&'static str),
    /// Another way to sign in than this vault has.
    GrantType(String),
    /// The client does not exist.
    UnknownClient {
        /// As it was given.
        client: String,
        /// Where.
        tenant: String,
    },
    /// The tenant does not exist.
    UnknownTenant(String),
    /// The secret is wrong.
    WrongSecret(String),
    /// Too many failures.
    Locked {
        /// Who.
        client: String,
        /// Until when.
        until: Timestamp,
    },
    /// The scope does not end in `/.default`.
    Scope(String),
    /// Nothing of that name is served here.
    Resource(String),
    /// The form cannot be read.
    Form,
    /// A client proves itself in a way that this vault does not know.
    AssertionType(String),
    /// A token of someone else cannot be read.
    AssertionUnread(String),
    /// No key of its issuer signed it.
    AssertionSignature,
    /// It does not hold now.
    AssertionTime(String),
    /// No federated credential names its issuer.
    AssertionIssuer(String),
    /// No federated credential of its issuer names its subject.
    AssertionSubject(String),
    /// No federated credential of its issuer and subject names its audience.
    AssertionAudience(String),
    /// A code or a refresh token that is none, or none any more.
    Grant(&'static str),
    /// The person has not agreed yet.
    Pending,
    /// The client asks too often.
    SlowDown,
    /// The code ended before the person agreed.
    Ended,
    /// The person did not agree.
    Declined,
    /// No browser may be sent there.
    Redirect(String),
}

impl SignInError {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::WrongSecret(_)
            | Self::Locked { .. }
            | Self::Missing("client_secret")
            | Self::AssertionUnread(_)
            | Self::AssertionSignature
            | Self::AssertionTime(_)
            | Self::AssertionIssuer(_)
            | Self::AssertionSubject(_)
            | Self::AssertionAudience(_) => 401,
            _ => 400,
        }
    }

    fn code(&self) -> (&'static str, u32) {
        match self {
            Self::Missing("client_secret") => ("invalid_client", 7_000_218),
            Self::Missing(_) | Self::Form => ("invalid_request", 900_144),
            Self::GrantType(_) => ("unsupported_grant_type", 70_003),
            Self::UnknownClient { .. } => ("unauthorized_client", 700_016),
            Self::UnknownTenant(_) => ("invalid_tenant", 90_002),
            Self::WrongSecret(_) => ("invalid_client", 7_000_215),
            Self::Locked { .. } => ("invalid_client", 50_053),
            Self::Scope(_) => ("invalid_scope", 1_002_012),
            Self::Resource(_) => ("invalid_resource", 500_011),
            Self::AssertionType(_) => ("invalid_request", 700_026),
            Self::AssertionUnread(_) => ("invalid_client", 50_027),
            Self::AssertionSignature => ("invalid_client", 700_027),
            Self::AssertionTime(_) => ("invalid_client", 700_024),
            Self::AssertionIssuer(_) => ("invalid_client", 700_211),
            Self::AssertionSubject(_) => ("invalid_client", 700_213),
            Self::AssertionAudience(_) => ("invalid_client", 700_212),
            Self::Grant(_) => ("invalid_grant", 70_000),
            Self::Pending => ("authorization_pending", 70_016),
            Self::SlowDown => ("slow_down", 70_016),
            Self::Ended => ("expired_token", 70_020),
            Self::Declined => ("access_denied", 65_004),
            Self::Redirect(_) => ("invalid_request", 50_011),
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Missing(field) => format!("The request lacks the field '{field}'."),
            Self::Form => "The request is not a form; send application/x-www-form-urlencoded.".to_owned(),
            Self::GrantType(given) => {
                format!(
                    "The grant type '{given}' is not offered here; use 'client_credentials', or for people \
                     'authorization_code', 'refresh_token' or the device code."
                )
            }
            Self::UnknownClient { client, tenant } => {
                format!("There is no application '{client}' in tenant '{tenant}'. Check the client id.")
            }
            Self::UnknownTenant(tenant) => {
                format!("There is no tenant '{tenant}' here. Check the tenant id, and the authority's host.")
            }
            Self::WrongSecret(client) => format!(
                "Invalid client secret for application '{client}'. Send the secret itself, not the id of the secret."
            ),
            Self::Locked { client, until } => format!(
                "Application '{client}' failed to sign in too often and is locked until {until}. Check the secret, \
                 then try again."
            ),
            Self::Scope(scope) => {
                format!("The scope '{scope}' is not valid for client credentials; write <audience>/.default.")
            }
            Self::AssertionType(kind) => {
                format!(
                    "The client assertion type '{kind}' is not known here; send a signed token (jwt-bearer)."
                )
            }
            Self::AssertionUnread(why) => {
                format!("Invalid JWT token: {why}. Send a fresh token, signed by RS256 or ES256.")
            }
            Self::AssertionSignature => {
                "Client assertion failed signature validation: no known key of its issuer signed \
                it. Has the cluster's agent reported its keys since they changed?"
                    .to_owned()
            }
            Self::AssertionTime(why) => {
                format!(
                    "Client assertion is not within its valid time range: {why}. Compare the clocks of both machines."
                )
            }
            Self::AssertionIssuer(issuer) => format!(
                "No matching federated identity record found for presented assertion issuer '{issuer}'. Check your \
                 federated identity credential Subject, Audience and Issuer against the presented assertion; the issuer \
                 must be a connected cluster's, or one that the operator trusts."
            ),
            Self::AssertionSubject(subject) => format!(
                "No matching federated identity record found for presented assertion subject '{subject}'. Check your \
                 federated identity credential Subject, Audience and Issuer against the presented assertion."
            ),
            Self::AssertionAudience(audience) => format!(
                "No matching federated identity record found for presented assertion audience '{audience}'. Check your \
                 federated identity credential Subject, Audience and Issuer against the presented assertion."
            ),
            Self::Grant(why) => format!("The provided grant cannot be used: {why}. Sign in again."),
            Self::Pending => "Authorization is pending. Continue polling.".to_owned(),
            Self::SlowDown => {
                "The client asks too often. Ask again five seconds later than before.".to_owned()
            }
            Self::Ended => "The code ended before it was used. Sign in again.".to_owned(),
            Self::Declined => "The person declined to sign in.".to_owned(),
            Self::Redirect(uri) => format!(
                "The redirect URI '{uri}' is not allowed: it must be one of the person's own machine, such as \
                 http://localhost:8400, or one that the operator registered."
            ),
            Self::Resource(resource) => format!(
                "The audience '{resource}' is not served here; ask for the management API by this vault's own URL."
            ),
        }
    }

    /// What is wrong, for a page.
    pub fn told(&self) -> String {
        self.description()
    }

    /// The document to send.
    pub fn body(&self, now: Timestamp, correlation: &str) -> Value {
        let (error, code) = self.code();
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{code}: {} Trace ID: {correlation} Correlation ID: {correlation} Timestamp: {timestamp}",
            self.description()
        );
        json!({
            "error": error,
            "error_description": description,
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": correlation,
            "correlation_id": correlation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_shape_that_clients_print() {
        let error = SignInError::WrongSecret("app".into());

        let body = error.body(Timestamp::UNIX_EPOCH, "c");

        assert_eq!(error.status(), 401);
        assert_eq!((&body["error"], &body["error_codes"][0]), (&json!("invalid_client"), &json!(7_000_215)));
        assert!(
            body["error_description"].as_str().unwrap().starts_with("AADSTS7000215: Invalid client secret")
        );
        assert_eq!(body["timestamp"], "1970-01-01 00:00:00Z");
    }
}
