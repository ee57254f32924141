//! The way out of this process: the egress proxy that its environment names, and what is said when it fails.

mod tls;

pub(crate) use tls::SecureProxy;

use crate::cloud::{innermost, is_untrusted};
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::error::Error;

/// A file with the authorities of a proxy that is itself reached over TLS, PEM. They count for the proxy alone.
pub const PROXY_AUTHORITIES_VARIABLE: &str = "COFFERDAM_PROXY_CA";

/// How the client of HTTP begins everything that it says about tunnels.
const TUNNEL: &str = "tunnel error";

/// What went wrong at a proxy: not at what lies behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyTrouble {
    /// What happened, and at which proxy.
    pub cause: String,
    /// What the person can do.
    pub remedy: &'static str,
    /// Whether trying again can help.
    pub temporary: bool,
}

impl ProxyTrouble {
    /// Whether a request failed at the proxy of the environment.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut at = error;
        while !at.to_string().starts_with(TUNNEL) {
            at = at.source()?;
        }
        let proxy = proxy_of_environment().unwrap_or_else(|| "of the environment".to_owned());
        Some(judge(&proxy, &innermost(error)))
    }
}

/// The proxy, without name and password, through which the environment has `url` reached.
fn proxy_to(url: &str) -> Option<String> {
    let destination: Uri = url.parse().ok()?;
    Matcher::from_env().intercept(&destination).map(|proxy| shown(&proxy))
}

/// What happened behind the proxy, if there is one on the way to `url`: that it was in between is worth knowing.
pub fn behind_proxy(url: &str, cause: String) -> String {
    match proxy_to(url) {
        Some(proxy) => {
            format!("{cause} (through the proxy {proxy}; one that looks into what passes cannot be used)")
        }
        None => cause,
    }
}

/// The proxy of most destinations: nobody excepts this one.
fn proxy_of_environment() -> Option<String> {
    let url = https_variable(|name| std::env::var(name).ok())?;
    let matcher = Matcher::builder().https(url).build();
    let anywhere = Uri::from_static("https://anywhere.invalid");
    matcher.intercept(&anywhere).map(|proxy| shown(&proxy))
}

fn shown(proxy: &Intercept) -> String {
    let uri = proxy.uri();
    let (scheme, host) = (uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default());
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

fn judge(proxy: &str, cause: &str) -> ProxyTrouble {
    let (cause, remedy, temporary) = if cause.contains("proxy authorization required") {
        (
            format!("the proxy {proxy} wants another name and password"),
            "Give the proxy's address with a name and a password that it accepts: `cofferdam cluster connect --reconnect --https-proxy-file FILE`.",
            false,
        )
    } else if cause == format!("{TUNNEL}: unsuccessful") {
        (
            format!("the proxy {proxy} refused a tunnel"),
            "Let the proxy allow this destination and its port, or reach it without: `--no-proxy`, or the setting proxy.except.",
            true,
        )
    } else if is_untrusted(cause) {
        (
            format!("the certificate of the proxy {proxy} is not trusted: {cause}"),
            "Give the authority that signed the proxy's certificate: `cofferdam cluster connect --reconnect --proxy-ca FILE`, or the setting proxy.authorities.",
            false,
        )
    } else {
        (
            format!("no tunnel through the proxy {proxy}: {cause}"),
            "Check the proxy's address, that it runs, and that the cluster's egress rules let it through; another one is given with `cofferdam cluster connect --reconnect --https-proxy URL`.",
            true,
        )
    };
    ProxyTrouble { cause, remedy, temporary }
}

/// The variable that names the proxy of HTTPS, as the client of HTTP looks for it.
fn https_variable(of: impl Fn(&str) -> Option<String>) -> Option<String> {
    let first = |names: [&str; 2]| names.into_iter().find_map(&of).filter(|url| !url.is_empty());
    first(["HTTPS_PROXY", "https_proxy"]).or_else(|| first(["ALL_PROXY", "all_proxy"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    /// An error as the client of HTTP has it: the tunnel's, and below it the one of the connection.
    #[derive(Debug)]
    struct FakeError(&'static str, Option<Box<FakeError>>);

    impl fmt::Display for FakeError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for FakeError {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|inner| inner as &(dyn Error + 'static))
        }
    }

    fn below(text: &'static str, inner: &'static str) -> FakeError {
        FakeError(
            "error sending request",
            Some(Box::new(FakeError(text, Some(Box::new(FakeError(inner, None)))))),
        )
    }

    #[test]
    fn what_happens_at_the_proxy_is_told_apart_from_what_happens_behind_it() {
        let failed = "tunnel error: failed to create underlying connection";

        let refused = ProxyTrouble::of(&below(failed, "Connection refused (os error 111)")).unwrap();
        let untrusted = ProxyTrouble::of(&below(failed, "invalid peer certificate: UnknownIssuer")).unwrap();
        let unknown =
            ProxyTrouble::of(&below("client error (Connect)", "tunnel error: proxy authorization required"));

        assert!(refused.temporary && refused.cause.contains("refused"), "{refused:?}");
        assert!(!untrusted.temporary && untrusted.remedy.contains("--proxy-ca"), "{untrusted:?}");
        assert!(unknown.unwrap().remedy.contains("--https-proxy-file"));
        assert_eq!(
            ProxyTrouble::of(&below("client error (Connect)", "Connection refused (os error 111)")),
            None
        );
        assert_eq!(
            ProxyTrouble::of(&below("client error (Connect)", "invalid peer certificate: UnknownIssuer")),
            None
        );
    }

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        let matcher = Matcher::builder().https("https://me:word@proxy.corp:3129".to_owned()).build();

        let proxy = matcher.intercept(&Uri::from_static("https://vault.example")).unwrap();

        assert_eq!(shown(&proxy), "https://proxy.corp:3129");
    }
}
