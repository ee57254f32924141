//! TLS, and what is wrong with a certificate that is shown: who signed it, whose it is.

use super::{dial::Dialled, shortened, trouble};
use prerequisites::Trouble;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::sync::{Arc, Mutex};
use tokio_rustls::TlsConnector;
use x509_parser::{extensions::GeneralName, prelude::FromDer};

/// TLS over a connection, with the authorities of the system and these.
pub(super) async fn over(stream: Dialled, host: &str, authorities: Option<&str>) -> Result<Dialled, Trouble> {
    let other = |error: &dyn std::fmt::Display| Trouble::Tls(shortened(&error.to_string()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = Arc::new(roots(authorities));
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| other(&error))?;
    let seen: Arc<Mutex<Option<Trouble>>> = Arc::default();
    let verifier = Arc::new(Telling { verifier, seen: seen.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| other(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| other(&error))?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Dialled::Secure(Box::new(stream))),
        Err(error) => {
            let told = seen.lock().ok().and_then(|mut seen| seen.take());
            Err(told.unwrap_or_else(|| match error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
                true => other(&error),
                false => trouble(&error),
            }))
        }
    }
}

fn roots(authorities: Option<&str>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    let given = CertificateDer::pem_slice_iter(authorities.unwrap_or_default().as_bytes());
    roots.add_parsable_certificates(given.filter_map(Result::ok));
    roots
}

/// Verifies as usual, and remembers what was wrong.
#[derive(Debug)]
struct Telling {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Arc<Mutex<Option<Trouble>>>,
}

impl ServerCertVerifier for Telling {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.verifier.verify_server_cert(certificate, between, name, ocsp, now);
        if let Err(error) = &judged
            && let Ok(mut seen) = self.seen.lock()
        {
            *seen = Some(told(error, certificate));
        }
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn told(error: &Error, certificate: &CertificateDer<'_>) -> Trouble {
    let Error::InvalidCertificate(wrong) = error else { return Trouble::Tls(shortened(&error.to_string())) };
    let (issuer, names) = described(certificate);
    match wrong {
        CertificateError::UnknownIssuer => Trouble::Intercepted { issuer },
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Trouble::OtherName { names }
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Trouble::NotValidNow,
        other => Trouble::Tls(shortened(&format!("{other} (issuer {issuer})"))),
    }
}

/// Who signed a certificate, and for which names.
fn described(certificate: &CertificateDer<'_>) -> (String, String) {
    let Ok((_, parsed)) = x509_parser::certificate::X509Certificate::from_der(certificate) else {
        return ("an unreadable issuer".to_owned(), "nobody".to_owned());
    };
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let names: Vec<String> = alternatives
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                <[u8; 4]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv4Addr::from(bytes).to_string())
            }
            _ => None,
        })
        .take(3)
        .collect();
    let subject = parsed.subject().to_string();
    let names = if names.is_empty() { subject } else { names.join(", ") };
    (shortened(&parsed.issuer().to_string()), shortened(&names))
}
