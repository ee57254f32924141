//! Who is at the other end: the name that a certificate of the cluster authority gives its bearer.

use rustls::pki_types::CertificateDer;
use std::{fmt, str::FromStr};
use uuid::Uuid;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const SCHEME: &str = "cofferdam://";

/// One joining of a cluster to its vault; a cluster that is connected anew gets another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub Uuid);

/// What in the cluster speaks to the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Installs extensions and reports.
    Agent,
    /// Carries the vault's requests to the API server.
    Gateway,
}

/// `cofferdam://<connection>/<part>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerName {
    /// Which joining.
    pub connection: ConnectionId,
    /// Which part.
    pub part: Part,
}

/// A certificate or a text that names no part of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It cannot be read.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    /// It has no URI, or several.
    #[error("the certificate names {0} URIs instead of one")]
    Count(usize),
    /// Another form.
    #[error("{0:?} is not of the form cofferdam://<connection>/<agent or gateway>")]
    Form(String),
}

impl PeerName {
    /// The name in a certificate. Whether the certificate is genuine is the handshake's matter.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, NameError> {
        let unreadable = |error: &dyn fmt::Display| NameError::Unreadable(error.to_string());
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| unreadable(&error))?;
        let names = certificate.subject_alternative_name().map_err(|error| unreadable(&error))?;
        let uris: Vec<&str> = names
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            })
            .collect();
        match uris.as_slice() {
            [uri] => uri.parse(),
            others => Err(NameError::Count(others.len())),
        }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Part {
    /// As it is written in names and requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.connection, self.part)
    }
}

impl FromStr for PeerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || NameError::Form(text.chars().take(100).collect());
        let rest = text.strip_prefix(SCHEME).ok_or_else(form)?;
        let (connection, part) = rest.split_once('/').ok_or_else(form)?;
        let part = match part {
            "agent" => Part::Agent,
            "gateway" => Part::Gateway,
            _ => return Err(form()),
        };
        let name = Self { connection: ConnectionId(connection.parse().map_err(|_| form())?), part };
        // One spelling only: what compares names as texts elsewhere must not be fooled.
        if name.to_string() == text { Ok(name) } else { Err(form()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_exactly_one_spelling() {
        let guid = "3f2b0b6e-6d5c-4b9e-9f0e-0123456789ab";
        let good = format!("cofferdam://{guid}/gateway");

        assert_eq!(good.parse::<PeerName>().unwrap().to_string(), good);
        for bad in [
            format!("cofferdam://{guid}/"),
            format!("cofferdam://{guid}/vault"),
            format!("cofferdam://{guid}/gateway/agent"),
            format!("cofferdam://{}/gateway", guid.to_uppercase()),
            format!("cofferdam://{}/gateway", guid.replace('-', "")),
            format!("https://{guid}/gateway"),
            "cofferdam:///gateway".to_owned(),
        ] {
            assert_eq!(bad.parse::<PeerName>(), Err(NameError::Form(bad)));
        }
    }
}
