//! Which certificate authorities a connection trusts. Verification itself cannot be switched off.

use object_store::{Certificate, ClientOptions};
use std::time::Duration;

/// The trusted certificate authorities, as PEM where they are private.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those of the system.
    #[default]
    System,
    /// Those of the system, and these.
    SystemAnd(String),
    /// These alone.
    Only(String),
}

/// Certificate authorities that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate authorities cannot be used: {0}")]
pub struct BadAuthorities(String);

impl Trust {
    /// A client with these authorities and the usual time-outs. It follows no redirection, and respects
    /// `HTTPS_PROXY` and `NO_PROXY`.
    pub fn http_client(&self) -> Result<reqwest::Client, BadAuthorities> {
        let builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none());
        let builder = match self {
            Self::System => builder,
            Self::SystemAnd(pem) => builder.tls_certs_merge(certificates(pem)?),
            Self::Only(pem) => builder.tls_certs_only(certificates(pem)?),
        };
        builder.build().map_err(|error| BadAuthorities(crate::plain_cause(&error)))
    }

    /// The same for object_store's clients.
    pub(crate) fn apply(&self, options: ClientOptions) -> Result<ClientOptions, BadAuthorities> {
        let (pem, alone) = match self {
            Self::System => return Ok(options),
            Self::SystemAnd(pem) => (pem, false),
            Self::Only(pem) => (pem, true),
        };
        certificates(pem)?;
        let parsed = Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|error| BadAuthorities(crate::plain_cause(&error)))?;
        let options = options.with_no_system_certificates(alone);
        Ok(parsed.into_iter().fold(options, ClientOptions::with_root_certificate))
    }
}

fn certificates(pem: &str) -> Result<Vec<reqwest::Certificate>, BadAuthorities> {
    match reqwest::Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(found) if found.is_empty() => Err(BadAuthorities("there is no certificate in them".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(BadAuthorities(crate::plain_cause(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_certificates_is_no_trust() {
        for trust in [Trust::Only(String::new()), Trust::SystemAnd("no certificate".to_owned())] {
            let refused = trust.http_client().unwrap_err();

            assert!(refused.to_string().contains("no certificate in them"), "{refused}");
            assert!(trust.apply(ClientOptions::new()).is_err());
        }
    }
}
