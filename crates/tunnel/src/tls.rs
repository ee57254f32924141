//! TLS of both ends: which authorities count, which protocol is meant, and who the other end is.

use crate::{Part, PeerName, credential::Credential, name::NameError};
use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, ServerConnection,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{ResolvesServerCert, WebPkiClientVerifier},
    time_provider::TimeProvider,
    version::{TLS12, TLS13},
};
use std::{sync::Arc, time::Duration};
use telemetry::Clock;

/// The agent's protocol: HTTP/2, the client asks.
pub const AGENT: &[u8] = b"cofferdam-agent/1";
/// The gateway's protocol: HTTP/2 the other way round.
pub const GATEWAY: &[u8] = b"cofferdam-gateway/1";
/// The protocol between replicas of a vault: HTTP/2, the client asks.
pub const REPLICA: &[u8] = b"cofferdam-replica/1";

/// Certificate authorities that count; no others do.
#[derive(Debug, Clone)]
pub struct Trust(Arc<RootCertStore>);

/// What cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No authority.
    #[error(
        "there is no certificate in the file of the vault's authorities; it must hold at least one, in PEM form"
    )]
    NoAuthority,
    /// An authority's certificate.
    #[error("a certificate among the authorities cannot be used: {0}")]
    Authority(String),
    /// The own certificate or key.
    #[error("the own certificate and key cannot be used: {0}")]
    Credential(String),
    /// The rest.
    #[error("TLS could not be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// A peer whose certificate is genuine and that still cannot be let in.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No certificate was shown.
    #[error("the peer showed no certificate")]
    Nameless,
    /// Not a name of ours.
    #[error(transparent)]
    Name(#[from] NameError),
    /// One part in the protocol of another.
    #[error("the certificate is that of the {0}, which does not speak this protocol")]
    Part(Part),
}

impl Trust {
    /// The authorities of a PEM file.
    pub fn from_pem(pem: &str) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| TlsError::Authority(error.to_string()))?;
            roots.add(certificate).map_err(|error| TlsError::Authority(error.to_string()))?;
        }
        if roots.is_empty() { Err(TlsError::NoAuthority) } else { Ok(Self(Arc::new(roots))) }
    }
}

/// The dialling end: trusts `trust` alone, names `protocol` (nothing is named when empty) and shows `credential`.
pub fn client(
    trust: &Trust,
    credential: Option<&Credential>,
    protocol: &[u8],
    clock: Arc<dyn Clock>,
) -> Result<ClientConfig, TlsError> {
    let pair = credential.map(|credential| own(credential.certificate(), credential.key())).transpose()?;
    client_of(trust, pair, protocol, clock)
}

/// The own chain and key.
pub(crate) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads both PEM texts.
pub(crate) fn own(certificate: &str, key: &str) -> Result<Pair, TlsError> {
    let wrong = |error: &dyn std::fmt::Display| TlsError::Credential(error.to_string());
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| wrong(&error))?;
    Ok((chain, key))
}

pub(crate) fn client_of(
    trust: &Trust,
    pair: Option<Pair>,
    protocol: &[u8],
    clock: Arc<dyn Clock>,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(trust.0.clone());
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| TlsError::Credential(error.to_string()))?,
    };
    if !protocol.is_empty() {
        config.alpn_protocols = vec![protocol.to_vec()];
    }
    // A resumed session would skip the look at a certificate that has been replaced since.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The listening end for one of the protocols: a certificate of that protocol's authority is required.
pub fn server(
    shown: Arc<dyn ResolvesServerCert>,
    authority: &Trust,
    protocol: &[u8],
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(authority.0.clone(), provider())
        .build()
        .map_err(|error| TlsError::Authority(error.to_string()))?;
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![protocol.to_vec()];
    // Every connection is judged by the certificate that it shows now.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// Who is at the other end of a handshake that [`server`] configured, if it may speak this protocol. Both parts renew
/// over the agent's protocol, so that one takes both; what a gateway may ask there is the listener's matter.
pub fn peer(connection: &ServerConnection) -> Result<PeerName, PeerError> {
    let certificate = connection.peer_certificates().and_then(<[_]>::first).ok_or(PeerError::Nameless)?;
    let name = PeerName::of_certificate(certificate)?;
    if connection.alpn_protocol() == Some(GATEWAY) && name.part != Part::Gateway {
        return Err(PeerError::Part(name.part));
    }
    Ok(name)
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| aws_lc_rs::default_provider().into())
}

/// Certificates are judged by the same clock as everything else.
#[derive(Debug)]
struct ClockTime(Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// The beginning and the end of a certificate's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First instant.
    pub from: Timestamp,
    /// Last instant.
    pub until: Timestamp,
}
