//! Between replicas of one vault: mutual TLS with certificates of an authority that signs for nobody else, and HTTP/2.
//! The name in a replica's certificate is that of one run of its process: an address that another one has meanwhile is
//! found out by the handshake.

mod identity;
mod peers;

pub use identity::{Identity, IdentityError};
pub use peers::{PeerError, Peers};

use crate::tls::{REPLICA, TlsError};
use rustls::{ServerConnection, pki_types::CertificateDer};
use std::{fmt, str::FromStr};
use uuid::Uuid;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Behind the id in a certificate's one DNS name; no name service knows it.
const DOMAIN: &str = ".replica.cofferdam.internal";

/// One run of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaId(pub Uuid);

/// A certificate that is not a replica's.
#[derive(Debug, thiserror::Error)]
pub enum NotAReplica {
    /// Nothing was shown.
    #[error("the peer showed no certificate")]
    Nameless,
    /// Another protocol was agreed upon.
    #[error("the peer does not speak the protocol of replicas")]
    Protocol,
    /// It cannot be read, or names something else.
    #[error("the peer's certificate is not that of a replica")]
    Name,
    /// The TLS that replicas speak could not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ReplicaId {
    /// The name in its certificate.
    pub fn host(self) -> String {
        format!("{}{DOMAIN}", self.0)
    }

    fn of_host(host: &str) -> Option<Self> {
        let id = Self(host.strip_suffix(DOMAIN)?.parse().ok()?);
        // One spelling only.
        (id.host() == host).then_some(id)
    }

    /// The name in a certificate, which has no other. Whether it is genuine is the handshake's matter.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        match names.value.general_names.as_slice() {
            [GeneralName::DNSName(host)] => Self::of_host(host),
            _ => None,
        }
    }
}

/// Who is at the other end of a handshake that [`Identity::server`] configured.
pub fn peer(connection: &ServerConnection) -> Result<ReplicaId, NotAReplica> {
    if connection.alpn_protocol() != Some(REPLICA) {
        return Err(NotAReplica::Protocol);
    }
    let certificate = connection.peer_certificates().and_then(<[_]>::first).ok_or(NotAReplica::Nameless)?;
    ReplicaId::of_certificate(certificate).ok_or(NotAReplica::Name)
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for ReplicaId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionId, Part, PeerName, authority::Authority};
    use rustls::pki_types::pem::PemObject;

    #[test]
    fn neither_kind_of_certificate_is_taken_for_the_other() {
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let authority = Authority::load(Authority::make_for_replicas(now).unwrap()).unwrap();
        let id = ReplicaId(Uuid::from_u128(7));
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let name = PeerName { connection: ConnectionId(id.0), part: Part::Gateway };

        let (replica, _) = authority.replica(id, now).unwrap();
        let part = authority.sign(&request, &name, now).unwrap();

        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().into_owned();
        let (replica, part) = (der(&replica.certificate), der(&part.certificate));
        assert_eq!(ReplicaId::of_certificate(&replica), Some(id));
        assert!(PeerName::of_certificate(&replica).is_err());
        assert_eq!(PeerName::of_certificate(&part).unwrap(), name);
        assert_eq!(ReplicaId::of_certificate(&part), None);
        assert_eq!(ReplicaId::of_host("vault.example"), None);
        assert_eq!(ReplicaId::of_host(&id.host().to_uppercase()), None);
    }
}
