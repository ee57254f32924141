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
}

impl SignInError {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::WrongSecret(_) | Self::Locked { .. } | Self::Missing("client_secret") => 401,
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
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Missing(field) => format!("The request lacks the field '{field}'."),
            Self::Form => "The request is not a form; send application/x-www-form-urlencoded.".to_owned(),
            Self::GrantType(given) => {
                format!("The grant type '{given}' is not offered here; use 'client_credentials'.")
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
            Self::Resource(resource) => format!(
                "The audience '{resource}' is not served here; ask for the management API by this vault's own URL."
            ),
        }
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
