//! A proxy that is itself reached over TLS: its authorities count for the proxy alone, never for what lies behind it. A
//! proxy that looks into what passes therefore cannot be taken for a vault or a store.

use super::{PROXY_AUTHORITIES_VARIABLE, https_variable};
use crate::{Trust, trust::BadAuthorities};
use reqwest::tls::Certificate;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::{path::Path, sync::Arc};
use url::{Host, Url};

/// A proxy whose address begins with `https`.
#[derive(Debug, Clone)]
pub(crate) struct SecureProxy {
    name: ServerName<'static>,
    authorities: Option<String>,
}

impl SecureProxy {
    /// The one that the environment names, if it names one.
    pub(crate) fn from_env() -> Result<Option<Self>, BadAuthorities> {
        let variable = |name: &str| std::env::var(name).ok();
        let Some(url) = https_variable(variable) else { return Ok(None) };
        Self::new(&url, variable(PROXY_AUTHORITIES_VARIABLE).filter(|path| !path.is_empty()).as_deref())
    }

    fn new(url: &str, authorities: Option<&str>) -> Result<Option<Self>, BadAuthorities> {
        let Some(name) =
            Url::parse(url).ok().filter(|url| url.scheme() == "https").and_then(|url| name(&url))
        else {
            return Ok(None);
        };
        let authorities = authorities.map(|path| read(Path::new(path))).transpose()?;
        Ok(Some(Self { name, authorities }))
    }

    /// TLS that trusts the proxy by its authorities, and everybody else, as well as the proxy, by `trust`.
    pub(crate) fn tls(&self, trust: &Trust) -> Result<ClientConfig, BadAuthorities> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let others = verifier(trust, None, &provider)?;
        let proxy = match &self.authorities {
            Some(authorities) => verifier(trust, Some(authorities), &provider)?,
            None => others.clone(),
        };
        let by_name = ByName { name: self.name.clone(), proxy, others };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| BadAuthorities::new(&error))?;
        let mut config =
            config.dangerous().with_custom_certificate_verifier(Arc::new(by_name)).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn name(url: &Url) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
        Host::Ipv6(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
    }
}

fn read(path: &Path) -> Result<String, BadAuthorities> {
    let named = |why: &dyn std::fmt::Display| {
        BadAuthorities::new(&format!(
            "those of the proxy, {} ({PROXY_AUTHORITIES_VARIABLE}): {why}",
            path.display()
        ))
    };
    let pem = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(found) if !found.is_empty() => Ok(pem),
        _ => Err(named(&"there is no certificate in it")),
    }
}

fn verifier(
    trust: &Trust,
    more: Option<&str>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, BadAuthorities> {
    let (own, alone) = match trust {
        Trust::System => ("", false),
        Trust::SystemAnd(pem) => (pem.as_str(), false),
        Trust::Only(pem) => (pem.as_str(), true),
    };
    let text = format!("{own}\n{}", more.unwrap_or_default());
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| BadAuthorities::new(&error))?;
    if !alone {
        let platform =
            rustls_platform_verifier::Verifier::new_with_extra_roots(certificates, provider.clone());
        return platform
            .map(|verifier| Arc::new(verifier) as Arc<dyn ServerCertVerifier>)
            .map_err(|error| BadAuthorities::new(&error));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| BadAuthorities::new(&error))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    verifier
        .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
        .map_err(|error| BadAuthorities::new(&error))
}

/// Judges a certificate by who it is shown for.
#[derive(Debug)]
struct ByName {
    name: ServerName<'static>,
    proxy: Arc<dyn ServerCertVerifier>,
    others: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for ByName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judge = if *server_name == self.name { &self.proxy } else { &self.others };
        judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.others.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.others.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.others.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_that_is_reached_over_tls_has_authorities() {
        let is = |url: &str| SecureProxy::new(url, None).unwrap().map(|proxy| proxy.name);

        assert_eq!(is("https://me:word@proxy.corp:3129"), Some("proxy.corp".try_into().unwrap()));
        assert_eq!(is("https://[fd00::1]:3129"), Some("fd00::1".try_into().unwrap()));
        assert_eq!(is("http://proxy.corp:3128"), None);
        assert_eq!(is("proxy.corp:3128"), None);
    }

    #[test]
    fn authorities_that_cannot_be_read_are_named_by_their_file() {
        let refused = SecureProxy::new("https://proxy", Some("/nowhere/ca.crt")).unwrap_err().to_string();

        assert!(refused.contains("/nowhere/ca.crt") && refused.contains("proxy"), "{refused}");
    }
}
