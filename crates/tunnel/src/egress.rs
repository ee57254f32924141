//! An egress proxy as a person describes it, judged before it stands in a manifest.

use crate::tls::Trust;
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

const LONGEST_URL: usize = 2_048;
const LONGEST_EXCEPT: usize = 4_096;
/// A chain or two.
const LONGEST_AUTHORITIES: usize = 64 * 1_024;

/// The way out of a cluster. Its URL may hold a password: it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct EgressProxy {
    url: Zeroizing<String>,
    except: String,
    authorities: Option<String>,
}

/// Which part of the description is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EgressPart {
    /// The URL.
    Url,
    /// What is reached without it.
    Except,
    /// Who signed its certificate.
    Authorities,
}

/// What is wrong with a description. The text repeats nothing of the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EgressProblem {
    /// In which part.
    pub part: EgressPart,
    /// What, and what is expected.
    pub reason: String,
}

impl EgressProxy {
    /// Judges a description. `authorities` are needed where the proxy itself is reached over TLS with a certificate of a
    /// private authority.
    pub fn new(url: &str, except: Option<&str>, authorities: Option<&str>) -> Result<Self, EgressProblem> {
        let secure = judge_url(url)?;
        let except = except.unwrap_or_default();
        judge_except(except)?;
        if let Some(pem) = authorities {
            judge_authorities(pem, secure)?;
        }
        Ok(Self {
            url: Zeroizing::new(url.to_owned()),
            except: except.to_owned(),
            authorities: authorities.map(str::to_owned),
        })
    }

    /// `HTTPS_PROXY`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `NO_PROXY`; perhaps empty.
    pub fn except(&self) -> &str {
        &self.except
    }

    /// The proxy's own authorities, PEM.
    pub fn authorities(&self) -> Option<&str> {
        self.authorities.as_deref()
    }

    /// Whether the URL holds a name or a password.
    pub fn has_credential(&self) -> bool {
        Url::parse(&self.url).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
    }
}

impl fmt::Debug for EgressProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressProxy").field("except", &self.except).finish_non_exhaustive()
    }
}

/// Whether it is reached over TLS.
fn judge_url(text: &str) -> Result<bool, EgressProblem> {
    let wrong = |reason: &str| problem(EgressPart::Url, reason);
    if text.len() > LONGEST_URL {
        return Err(wrong("it has more than 2,048 characters"));
    }
    let shape = "it is no address of a proxy; write http://[name:password@]host[:port] or the same with https, without path";
    // A URL's reader leaves line feeds and tabs out: what is in the manifest would not be what was judged.
    let url = Url::parse(text).ok().filter(|_| text.bytes().all(|b| b.is_ascii_graphic()));
    let url = url.ok_or_else(|| wrong(shape))?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    match (url.scheme(), url.host_str()) {
        ("http", Some(_)) if plain => Ok(false),
        ("https", Some(_)) if plain => Ok(true),
        _ => Err(wrong(shape)),
    }
}

fn judge_except(text: &str) -> Result<(), EgressProblem> {
    let wrong = |reason: &str| Err(problem(EgressPart::Except, reason));
    if text.len() > LONGEST_EXCEPT {
        return wrong("it has more than 4,096 characters");
    }
    let fits = |one: &str| {
        !one.is_empty() && one.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/*[]".contains(&b))
    };
    if !text.is_empty() && !text.split(',').all(fits) {
        return wrong(
            "write names, domains, addresses and networks with commas between them and no spaces, such as vault.corp,.internal,10.0.0.0/8",
        );
    }
    Ok(())
}

fn judge_authorities(pem: &str, secure: bool) -> Result<(), EgressProblem> {
    let wrong = |reason: String| problem(EgressPart::Authorities, &reason);
    if !secure {
        return Err(wrong(
            "only a proxy that is itself reached over TLS, https://…, has a certificate; leave it out"
                .to_owned(),
        ));
    }
    if pem.len() > LONGEST_AUTHORITIES {
        return Err(wrong("it has more than 65,536 characters".to_owned()));
    }
    Trust::from_pem(pem)
        .map(drop)
        .map_err(|error| wrong(format!("it holds no certificates in PEM form: {error}")))
}

fn problem(part: EgressPart, reason: &str) -> EgressProblem {
    EgressProblem { part, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_that_cannot_be_meant_is_refused_by_its_part_and_without_its_password() {
        let long = format!("http://{}", "p".repeat(LONGEST_URL));
        let urls = [
            "",
            "proxy:3128",
            "socks5://me:word@proxy",
            "http://me:word@proxy/path",
            "http://",
            &long,
            "http://me:word@pro\nxy",
            "http://me:word@proxy?x",
        ];

        for url in urls {
            let refused = EgressProxy::new(url, None, None).unwrap_err();
            assert_eq!(refused.part, EgressPart::Url, "{url}");
            assert!(!refused.to_string().contains("me:word"), "{refused}");
        }
        for except in ["a b", "a,,b", "a\nb", "a;b", &"x".repeat(LONGEST_EXCEPT + 1)] {
            let refused = EgressProxy::new("http://proxy:3128", Some(except), None).unwrap_err();
            assert_eq!(refused.part, EgressPart::Except, "{except}");
        }
        for (url, pem) in
            [("https://proxy", "no certificate"), ("http://proxy", "-----BEGIN CERTIFICATE-----")]
        {
            let refused = EgressProxy::new(url, None, Some(pem)).unwrap_err();
            assert_eq!(refused.part, EgressPart::Authorities, "{url}");
        }
    }

    #[test]
    fn a_description_is_kept_as_it_was_given_and_its_password_is_not_shown() {
        let proxy = EgressProxy::new(
            "http://me:word@proxy:3128",
            Some("vault.corp,.internal,10.0.0.0/8,[::1]"),
            None,
        )
        .unwrap();

        assert_eq!((proxy.url(), proxy.authorities()), ("http://me:word@proxy:3128", None));
        assert_eq!(proxy.except(), "vault.corp,.internal,10.0.0.0/8,[::1]");
        assert!(proxy.has_credential());
        assert!(!EgressProxy::new("http://proxy:3128", None, None).unwrap().has_credential());
        assert!(!format!("{proxy:?}").contains("word"));
    }
}
