//! The name under which clients reach the vault. Every absolute URL of an answer begins with it; what a request says
//! about its host is never believed.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::{fmt, str::FromStr};
use url::{Host, Url};

/// What cannot stand in a path as it is. A `%` is one: paths are decoded where they are read, and whole where they are
/// written. Headers and links are ASCII: everything else is encoded anyway.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// `https://HOST[:PORT]`, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    host: String,
    authority: String,
}

/// Why a text is no public URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no public URL: {1}; write https://HOST or https://HOST:PORT")]
pub struct PublicUrlError(String, &'static str);

impl PublicUrl {
    /// This machine, at a port.
    pub fn localhost(port: u16) -> Self {
        let authority = format!("localhost:{port}");
        Self { origin: format!("https://{authority}"), host: "localhost".to_owned(), authority }
    }

    /// `https://HOST[:PORT]`, without a slash at the end.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The name or address alone; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `HOST[:PORT]`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The URL of a path that begins with a slash and is not encoded.
    pub fn at(&self, path: &str) -> String {
        format!("{}{}", self.origin, utf8_percent_encode(path, IN_PATH))
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let wrong = |why| PublicUrlError(text.chars().take(200).collect(), why);
        let url = Url::parse(text).map_err(|_| wrong("it cannot be read as a URL"))?;
        if url.scheme() != "https" {
            return Err(wrong("clients insist on https"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it has a path, and the management API is served at the root"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user name or a password"));
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(wrong("it has no host")),
        };
        let shown = url.host_str().unwrap_or_default();
        let authority = match url.port() {
            Some(port) => format!("{shown}:{port}"),
            None => shown.to_owned(),
        };
        Ok(Self { origin: format!("https://{authority}"), host, authority })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_ascii_and_is_encoded_once() {
        let url = PublicUrl::localhost(1);

        assert_eq!(
            url.at("/größe(1)/a b?c#d%41=="),
            "https://localhost:1/gr%C3%B6%C3%9Fe(1)/a%20b%3Fc%23d%2541=="
        );
    }

    #[test]
    fn a_name_or_an_address_with_or_without_a_port_is_taken() {
        let table = [
            ("https://vault.example", "https://vault.example", "vault.example"),
            ("https://Vault.Example:8443/", "https://vault.example:8443", "vault.example"),
            ("https://127.0.0.1:8443", "https://127.0.0.1:8443", "127.0.0.1"),
            ("https://[::1]:8443", "https://[::1]:8443", "::1"),
        ];

        for (text, origin, host) in table {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.origin(), url.host()), (origin, host));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in [
            "",
            "vault:8443",
            "http://vault",
            "https://vault/path",
            "https://vault?x",
            "https://me:secret@vault",
        ] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}
