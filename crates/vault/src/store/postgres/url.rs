//! Where the database is. Its password is never shown.

use crate::store::StoreError;
use sqlx::postgres::PgConnectOptions;
use std::{fmt, net::IpAddr, path::Path, str::FromStr};
use url::Url;

/// Certificates that this machine trusts, as distributions place them.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…&sslrootcert=…`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Url);

/// Why a text is no such URL. It does not repeat the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the database's URL cannot be used: {0}; write postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct DatabaseUrlError(String);

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let url = Url::parse(text.trim()).map_err(|error| DatabaseUrlError(error.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            let wrong = format!("it begins with {}://", url.scheme());
            return Err(DatabaseUrlError(wrong));
        }
        let url = Self(url);
        url.options().map_err(|error| DatabaseUrlError(error.to_string()))?;
        Ok(url)
    }
}

impl DatabaseUrl {
    /// As the driver takes it. Over a network TLS is verified unless the URL says otherwise.
    pub(super) fn options(&self) -> Result<PgConnectOptions, StoreError> {
        let mut url = self.0.clone();
        if !self.has("sslmode") && !self.is_local() {
            url.query_pairs_mut().append_pair("sslmode", "verify-full");
        }
        if !self.has("sslrootcert")
            && let Some(file) = AUTHORITIES.iter().find(|file| Path::new(file).is_file())
        {
            url.query_pairs_mut().append_pair("sslrootcert", file);
        }
        let options = PgConnectOptions::from_str(url.as_str());
        let options = options.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(options.application_name("cofferdam-vault"))
    }

    fn has(&self, name: &str) -> bool {
        self.0.query_pairs().any(|(key, _)| key == name)
    }

    /// Whether nothing leaves this machine: a Unix socket, or a loopback address.
    fn is_local(&self) -> bool {
        let named = self.0.query_pairs().find(|(key, _)| key == "host" || key == "hostaddr");
        let host = named.map(|(_, host)| host.into_owned());
        let host = host.unwrap_or_else(|| self.0.host_str().unwrap_or_default().to_lowercase());
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host.is_empty()
            || host == "localhost"
            || host.starts_with('/')
            || host.starts_with("%2f")
            || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or("localhost");
        write!(f, "the PostgreSQL database {} at {host}", self.0.path().trim_start_matches('/'))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::postgres::PgSslMode;

    #[test]
    fn a_database_over_the_network_must_prove_who_it_is_unless_the_url_says_otherwise() {
        let table = [
            ("postgres://u:p@db.example/vault", PgSslMode::VerifyFull),
            ("postgres://u:p@10.0.0.1/vault", PgSslMode::VerifyFull),
            ("postgres://u:p@db.example/vault?sslmode=disable", PgSslMode::Disable),
            ("postgres://u@127.0.0.1:5432/vault", PgSslMode::Prefer),
            ("postgres://u@[::1]/vault", PgSslMode::Prefer),
            ("postgres://u@localhost/vault", PgSslMode::Prefer),
            ("postgres:///vault?host=/run/postgresql&user=u", PgSslMode::Prefer),
            ("postgres://u@%2Frun%2Fpostgresql/vault", PgSslMode::Prefer),
            ("postgres://u@localhost/vault?host=db.example", PgSslMode::VerifyFull),
        ];

        for (text, mode) in table {
            let options = text.parse::<DatabaseUrl>().unwrap().options().unwrap();
            assert_eq!(format!("{:?}", options.get_ssl_mode()), format!("{mode:?}"), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://u:hunter2@db.example:5433/vault".parse().unwrap();
        let wrong = "mysql://u:hunter2@db".parse::<DatabaseUrl>().unwrap_err();
        let odd = "postgres://u:hunter2@db:x/y".parse::<DatabaseUrl>().unwrap_err();

        for shown in [format!("{url} {url:?}"), wrong.to_string(), odd.to_string()] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(url.to_string(), "the PostgreSQL database vault at db.example");
    }
}
