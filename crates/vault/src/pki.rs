//! The vault's own certificate authority and its server certificate, for installations that bring none.

use crate::directory::{DataDirectory, DirectoryError, Readers};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The authority's certificate, which clients must trust.
pub const CA_FILE: &str = "tls/ca.crt";
const CA_KEY_FILE: &str = "tls/ca.key";
/// The authority's files in the data directory.
pub const AUTHORITY_FILES: [&str; 2] = [CA_FILE, CA_KEY_FILE];
const SERVER_FILE: &str = "tls/server.crt";
const SERVER_KEY_FILE: &str = "tls/server.key";
const RECORD_FILE: &str = "tls/server.json";
const CA_YEARS: i64 = 10;
const SERVER_DAYS: i64 = 397;
const RENEW_DAYS_BEFORE: i64 = 30;

/// What went wrong with keys and certificates.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A certificate could not be made.
    #[error("could not make {0}: {1}")]
    Make(&'static str, rcgen::Error),
    /// A file does not hold what it should.
    #[error(
        "{0} cannot be used: {1}; remove the folder tls of the data directory to have all made anew (clients must then trust the new authority)"
    )]
    File(&'static str, String),
    /// What the operator gave cannot be used.
    #[error("the certificate {certificate} and the key {key} cannot be used: {why}", certificate = .certificate.display(), key = .key.display())]
    Given {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        why: String,
    },
    /// The date cannot be reckoned with.
    #[error("the clock of this machine shows a time that no certificate can hold: {0}")]
    Clock(Date),
    /// The file could not be read or written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// An authority.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Authority {
    /// Its certificate, as PEM.
    pub certificate: String,
    /// Its private key, as PEM.
    pub key: String,
}

/// What the server certificate was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    names: Vec<String>,
    until: Date,
}

/// The certificate that the server shows, made or renewed where that is needed; and the path of the authority's.
pub fn certificate(
    directory: &DataDirectory,
    host: &str,
    now: Timestamp,
) -> Result<(CertifiedKey, PathBuf), PkiError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let names = names(host);
    let made = directory.read(RECORD_FILE)?.and_then(|text| serde_json::from_str::<Record>(&text).ok());
    let has_authority = directory.read(CA_FILE)?.is_some() && directory.read(CA_KEY_FILE)?.is_some();
    if !has_authority {
        make_authority(directory, today)?;
    }
    if !has_authority || needs_new(made.as_ref(), &names, today) {
        make_server(directory, names, today)?;
    }
    Ok((load(directory)?, directory.path(CA_FILE)))
}

/// Certificate and private key of the authority, as PEM; made where there are none.
pub fn own_authority(directory: &DataDirectory, now: Timestamp) -> Result<Authority, PkiError> {
    if directory.read(CA_FILE)?.is_none() || directory.read(CA_KEY_FILE)?.is_none() {
        make_authority(directory, now.to_zoned(TimeZone::UTC).date())?;
    }
    let certificate = directory.read(CA_FILE)?.unwrap_or_default();
    let key = directory.read(CA_KEY_FILE)?.unwrap_or_default();
    Ok(Authority { certificate, key })
}

/// Takes over an authority that other replicas use; the server certificate is then made anew.
pub fn adopt(directory: &DataDirectory, authority: &Authority) -> Result<(), PkiError> {
    let known = directory.read(CA_FILE)?.as_ref() == Some(&authority.certificate)
        && directory.read(CA_KEY_FILE)?.as_ref() == Some(&authority.key);
    if !known {
        // First what says that the server certificate is good: killed from here on, all is made anew.
        directory.write(RECORD_FILE, "", Readers::Everyone)?;
        directory.write(CA_KEY_FILE, &authority.key, Readers::Owner)?;
        directory.write(CA_FILE, &authority.certificate, Readers::Everyone)?;
    }
    Ok(())
}

/// Whether the certificate does not serve any more: other names, or its end is near.
fn needs_new(made: Option<&Record>, names: &[String], today: Date) -> bool {
    let Some(made) = made else { return true };
    let renewal = made.until.saturating_sub(RENEW_DAYS_BEFORE.days());
    made.names != names || today >= renewal
}

fn names(host: &str) -> Vec<String> {
    let mut names = vec![host.to_owned()];
    for local in ["localhost", "127.0.0.1", "::1"] {
        if local != host {
            names.push(local.to_owned());
        }
    }
    names
}

fn make_authority(directory: &DataDirectory, today: Date) -> Result<(), PkiError> {
    let failed = |error| PkiError::Make("the certificate authority", error);
    let mut params = authority();
    between(&mut params, today, today.saturating_add(CA_YEARS.years()))?;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    directory.write(CA_KEY_FILE, &key.serialize_pem(), Readers::Owner)?;
    directory.write(CA_FILE, &certificate.pem(), Readers::Everyone)?;
    Ok(())
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("Cofferdam vault authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn make_server(directory: &DataDirectory, names: Vec<String>, today: Date) -> Result<(), PkiError> {
    let failed = |error| PkiError::Make("the server certificate", error);
    let key = directory.read(CA_KEY_FILE)?.unwrap_or_default();
    let key = KeyPair::from_pem(&key).map_err(|error| PkiError::File(CA_KEY_FILE, error.to_string()))?;
    let issuer = Issuer::new(authority(), key);
    let until = today.saturating_add(SERVER_DAYS.days());
    let mut params = CertificateParams::new(names.clone()).map_err(failed)?;
    params.distinguished_name = common_name("Cofferdam vault");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    between(&mut params, today, until)?;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    // The record is written last: without it all is made again.
    directory.write(SERVER_KEY_FILE, &key.serialize_pem(), Readers::Owner)?;
    directory.write(SERVER_FILE, &certificate.pem(), Readers::Everyone)?;
    let record = serde_json::json!(Record { names, until }).to_string();
    directory.write(RECORD_FILE, &record, Readers::Everyone)?;
    Ok(())
}

fn load(directory: &DataDirectory) -> Result<CertifiedKey, PkiError> {
    let certificate = directory.read(SERVER_FILE)?.unwrap_or_default();
    let key = Zeroizing::new(directory.read(SERVER_KEY_FILE)?.unwrap_or_default());
    pair(&certificate, &key).map_err(|error| PkiError::File(SERVER_FILE, error))
}

/// A certificate chain and its private key, both PEM, that belong together.
pub fn pair(certificate: &str, key: &str) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    if chain.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| format!("the key: {error}"))?;
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| rustls::crypto::aws_lc_rs::default_provider().into());
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| error.to_string())
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// From the day before, for clients whose clocks are behind.
fn between(params: &mut CertificateParams, today: Date, until: Date) -> Result<(), PkiError> {
    let date = |day: Date| match (u8::try_from(day.month()), u8::try_from(day.day())) {
        (Ok(month), Ok(of_month)) if day.year() >= 1970 => {
            Ok(rcgen::date_time_ymd(day.year().into(), month, of_month))
        }
        _ => Err(PkiError::Clock(day)),
    };
    params.not_before = date(today.saturating_sub(1.days()))?;
    params.not_after = date(until)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(until: &str) -> Record {
        Record { names: names("vault.example"), until: until.parse().unwrap() }
    }

    #[test]
    fn a_certificate_is_made_anew_for_other_names_and_a_month_before_its_end() {
        let today = "2026-06-01".parse().unwrap();
        let own = names("vault.example");

        assert!(needs_new(None, &own, today));
        assert!(!needs_new(Some(&record("2027-01-01")), &own, today));
        assert!(needs_new(Some(&record("2027-01-01")), &names("other.example"), today));
        assert!(needs_new(Some(&record("2026-06-30")), &own, today));
    }

    #[test]
    fn a_second_start_shows_the_same_certificate() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(&parent.path().join("vault")).unwrap();
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let later = "2027-06-10T00:00:00Z".parse().unwrap();

        let (first, _) = certificate(&directory, "localhost", now).unwrap();
        let (second, _) = certificate(&directory, "localhost", now).unwrap();
        let authority = directory.read(CA_FILE).unwrap();
        let (renewed, _) = certificate(&directory, "localhost", later).unwrap();

        assert_eq!(first.cert, second.cert);
        assert_ne!(first.cert, renewed.cert);
        assert_eq!(authority, directory.read(CA_FILE).unwrap(), "clients trust the authority");
    }
}
