//! Authorities of the vault: the one of clusters signs the certificates of their parts, the one of replicas those of
//! replicas, and neither signs for the other.

use crate::{PeerName, replica::ReplicaId};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// A certificate of a part or of a replica lives this long.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(3_650 * 24);
/// For parts whose clocks are behind.
const BEFORE: SignedDuration = SignedDuration::from_mins(5);

/// An authority with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// What an authority is made of, to be kept.
pub struct Made {
    /// PEM; must be kept secret.
    pub key: Zeroizing<String>,
    /// PEM.
    pub certificate: String,
}

/// A certificate for a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// PEM.
    pub certificate: String,
    /// When it ends.
    pub not_after: Timestamp,
}

/// What an authority cannot do.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The requester's fault.
    #[error(
        "the certificate request cannot be used: {0}; send a PKCS#10 request in PEM form, signed by its key"
    )]
    Request(rcgen::Error),
    /// The authority's own key or certificate.
    #[error("the cluster authority's key and certificate cannot be used: {0}")]
    Own(rcgen::Error),
    /// The clock.
    #[error("the clock shows {0}, a time that no certificate can hold")]
    Clock(Timestamp),
}

impl Authority {
    /// A new one of clusters.
    pub fn make(now: Timestamp) -> Result<Made, AuthorityError> {
        Self::named("Cofferdam cluster authority", now)
    }

    /// A new one of replicas.
    pub fn make_for_replicas(now: Timestamp) -> Result<Made, AuthorityError> {
        Self::named("Cofferdam replica authority", now)
    }

    fn named(name: &str, now: Timestamp) -> Result<Made, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        between(&mut params, now, AUTHORITY_LIFETIME)?;
        let key = KeyPair::generate().map_err(AuthorityError::Own)?;
        let certificate = params.self_signed(&key).map_err(AuthorityError::Own)?;
        Ok(Made { key: Zeroizing::new(key.serialize_pem()), certificate: certificate.pem() })
    }

    /// One that was kept.
    pub fn load(made: Made) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(&made.key).map_err(AuthorityError::Own)?;
        let issuer = Issuer::from_ca_cert_pem(&made.certificate, key).map_err(AuthorityError::Own)?;
        Ok(Self { issuer, certificate: made.certificate })
    }

    /// PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for `name`. Nothing of the request but its public key is used; that its signer holds the private
    /// one is checked.
    pub fn sign(&self, request: &str, name: &PeerName, now: Timestamp) -> Result<Signed, AuthorityError> {
        let request = CertificateSigningRequestParams::from_pem(request).map_err(AuthorityError::Request)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name.part.as_str());
        let uri = name.to_string().try_into().map_err(AuthorityError::Own)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let not_after = finish(&mut params, now)?;
        let certificate =
            params.signed_by(&request.public_key, &self.issuer).map_err(AuthorityError::Request)?;
        Ok(Signed { certificate: certificate.pem(), not_after })
    }

    /// A key and a certificate for a replica, which is client and server of its like.
    pub fn replica(&self, id: ReplicaId, now: Timestamp) -> Result<(Made, Timestamp), AuthorityError> {
        let mut params = CertificateParams::new(vec![id.host()]).map_err(AuthorityError::Own)?;
        params.distinguished_name = common_name("replica");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let not_after = finish(&mut params, now)?;
        let key = KeyPair::generate().map_err(AuthorityError::Own)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Own)?;
        let key = Zeroizing::new(key.serialize_pem());
        Ok((Made { key, certificate: certificate.pem() }, not_after))
    }
}

/// What all certificates but those of authorities have.
fn finish(params: &mut CertificateParams, now: Timestamp) -> Result<Timestamp, AuthorityError> {
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from(rand::random::<[u8; 16]>().to_vec()));
    between(params, now, LIFETIME)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn between(
    params: &mut CertificateParams,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<Timestamp, AuthorityError> {
    let wrong = || AuthorityError::Clock(now);
    let whole = |instant: Timestamp| OffsetDateTime::from_unix_timestamp(instant.as_second()).ok();
    let from = now.checked_sub(BEFORE).map_err(|_| wrong())?;
    let until = now.checked_add(lifetime).map_err(|_| wrong())?;
    params.not_before = whole(from).ok_or_else(wrong)?;
    params.not_after = whole(until).ok_or_else(wrong)?;
    Timestamp::from_second(until.as_second()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionId, Part, credential::Credential};
    use uuid::Uuid;

    fn gateway() -> PeerName {
        PeerName { connection: ConnectionId(Uuid::from_u128(7)), part: Part::Gateway }
    }

    #[test]
    fn of_a_request_nothing_but_the_public_key_is_used() {
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let authority = Authority::load(Authority::make(now).unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut asked = CertificateParams::new(vec!["vault.example".to_owned()]).unwrap();
        asked.distinguished_name = common_name("administrator");
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let request = asked.serialize_request(&key).unwrap().pem().unwrap();

        let signed = authority.sign(&request, &gateway(), now).unwrap();

        let held = Credential::parse(Zeroizing::new(key.serialize_pem()), signed.certificate).unwrap();
        assert_eq!(held.name(), gateway());
        assert_eq!(held.validity().until, signed.not_after);
        assert_eq!(signed.not_after, "2026-06-08T12:00:00Z".parse().unwrap());
        let der = pem_of(held.certificate());
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert_eq!(certificate.subject().to_string(), "CN=gateway");
        assert!(!certificate.is_ca());
    }

    #[test]
    fn what_is_no_request_or_is_not_signed_by_its_key_is_refused() {
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let authority = Authority::load(Authority::make(now).unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        let mut forged = request.der().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let forged = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, forged);

        for bad in [
            String::new(),
            "hello".to_owned(),
            authority.certificate().to_owned(),
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{forged}\n-----END CERTIFICATE REQUEST-----\n"),
        ] {
            let refused = authority.sign(&bad, &gateway(), now);
            assert!(matches!(refused, Err(AuthorityError::Request(_))), "{bad}");
        }
    }

    fn pem_of(certificate: &str) -> Vec<u8> {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap().to_vec()
    }
}
