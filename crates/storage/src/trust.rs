//! Which certificate authorities a connection trusts. Verification itself cannot be switched off.

use crate::egress::SecureProxy;
use object_store::{
    Certificate, ClientOptions,
    client::{HttpClient, HttpConnector},
};
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

impl BadAuthorities {
    pub(crate) fn new(why: &dyn std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Where object_store's requests go through a proxy that is itself reached over TLS: it could not tell the proxy's
/// authorities from the store's.
#[derive(Debug)]
pub(crate) struct ThroughSecureProxy(reqwest::Client);

impl HttpConnector for ThroughSecureProxy {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Trust {
    /// A client with these authorities and the usual time-outs. It follows no redirection, and respects
    /// `HTTPS_PROXY` and `NO_PROXY`; authorities of the proxy count for the proxy alone.
    pub fn http_client(&self) -> Result<reqwest::Client, BadAuthorities> {
        let builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none());
        let own = self.certificates()?;
        let builder = match (SecureProxy::from_env()?, self) {
            (Some(proxy), _) => builder.tls_backend_preconfigured(proxy.tls(self)?),
            (None, Self::System) => builder,
            (None, Self::SystemAnd(_)) => builder.tls_certs_merge(own),
            (None, Self::Only(_)) => builder.tls_certs_only(own),
        };
        builder.build().map_err(|error| BadAuthorities(crate::plain_cause(&error)))
    }

    fn certificates(&self) -> Result<Vec<reqwest::Certificate>, BadAuthorities> {
        match self {
            Self::System => Ok(Vec::new()),
            Self::SystemAnd(pem) | Self::Only(pem) => certificates(pem),
        }
    }

    /// What object_store connects with in the place of its own, where it has to be told; time-outs are those of
    /// [`Self::apply`]'s caller.
    pub(crate) fn connector(
        &self,
        allow_http: bool,
        timeouts: [Duration; 3],
    ) -> Result<Option<ThroughSecureProxy>, BadAuthorities> {
        let Some(proxy) = SecureProxy::from_env()? else { return Ok(None) };
        let [connect, read, all] = timeouts;
        let client = reqwest::Client::builder()
            .connect_timeout(connect)
            .read_timeout(read)
            .timeout(all)
            // They would take the length away by which the size of an object is known.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .https_only(!allow_http)
            .http1_only()
            .tls_backend_preconfigured(proxy.tls(self)?)
            .build();
        client
            .map(|client| Some(ThroughSecureProxy(client)))
            .map_err(|error| BadAuthorities(crate::plain_cause(&error)))
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
