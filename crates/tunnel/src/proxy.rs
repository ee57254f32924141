//! The egress proxy of the environment: which destinations go through it, and with which credentials.

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

/// `HTTPS_PROXY` and `NO_PROXY`, as curl reads them.
#[derive(Debug)]
pub struct Proxy(Matcher);

/// A proxy to go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Via {
    pub secure: bool,
    pub host: String,
    pub port: u16,
    pub authorization: Option<HeaderValue>,
}

impl Proxy {
    /// From the environment of this process: `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, in upper or lower case.
    pub fn from_env() -> Self {
        Self(Matcher::from_env())
    }

    /// From values such as those variables have.
    pub fn of(https: &str, except: &str) -> Self {
        Self(Matcher::builder().https(https.to_owned()).no(except.to_owned()).build())
    }

    /// No proxy at all.
    pub fn none() -> Self {
        Self(Matcher::builder().build())
    }

    pub(crate) fn for_host(&self, host: &str, port: u16) -> Option<Via> {
        let shown = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let destination: Uri = format!("https://{shown}:{port}").parse().ok()?;
        let proxy = self.0.intercept(&destination)?;
        let uri = proxy.uri();
        let secure = uri.scheme_str() == Some("https");
        Some(Via {
            secure,
            host: uri.host()?.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authorization: proxy.basic_auth().cloned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_of_the_environment_is_used_except_where_it_shall_not_be() {
        let proxy =
            Proxy::of("https://someone:p%40ss@proxy.example:3129", "internal.example,10.0.0.0/8,.corp");

        let via = proxy.for_host("vault.example", 8443).unwrap();
        assert_eq!((via.secure, via.host.as_str(), via.port), (true, "proxy.example", 3129));
        assert_eq!(via.authorization.unwrap(), "Basic c29tZW9uZTpwQHNz");
        for spared in ["internal.example", "vault.internal.example", "10.1.2.3", "vault.corp"] {
            assert_eq!(proxy.for_host(spared, 443), None, "{spared}");
        }
        assert!(proxy.for_host("11.1.2.3", 443).is_some());
        assert!(proxy.for_host("fd00::1", 443).is_some());
    }

    #[test]
    fn a_proxy_without_scheme_speaks_http_and_none_is_none() {
        let via = Proxy::of("127.0.0.1:3128", "").for_host("vault.example", 443).unwrap();

        assert_eq!((via.secure, via.port, via.authorization), (false, 3128, None));
        assert_eq!(Proxy::none().for_host("vault.example", 443), None);
    }
}
