//! The egress proxy that the agent was started with, as it is handed on to the packages that ask for it.

use packages::Digest;
use std::{collections::BTreeMap, fmt};
use zeroize::Zeroizing;

/// The way out of the cluster. The URL may hold a password: it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Egress {
    https: Zeroizing<String>,
    except: String,
    authorities: Option<String>,
}

impl Egress {
    /// What these variables say, as the manifest of a connection sets them; `authorities` are those of the proxy.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>, authorities: Option<&str>) -> Option<Self> {
        let text = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|t| !t.is_empty());
        Some(Self {
            https: Zeroizing::new(text("HTTPS_PROXY")?),
            except: text("NO_PROXY").unwrap_or_default(),
            // Packages end the text themselves.
            authorities: authorities.map(|pem| pem.trim_end().to_owned()).filter(|pem| !pem.is_empty()),
        })
    }

    /// Tells one way out from another, and nothing about either. Kept in the Secret of the inventory, not shown: who could
    /// read it could try out passwords.
    pub(crate) fn digest(&self) -> String {
        let parts = [self.https.as_str(), &self.except, self.authorities.as_deref().unwrap_or_default()];
        let lengths = parts.map(|part| part.len().to_string()).join(",");
        let text = Zeroizing::new(format!("{lengths},{}", parts.concat()));
        Digest::of(text.as_bytes()).to_string()
    }

    /// Adds what packages get to see, by the names of `docs/formats/extension-package.md`.
    pub(crate) fn tell(&self, values: &mut BTreeMap<&'static str, String>) {
        values.insert("httpsProxy", self.https.to_string());
        values.insert("noProxy", self.except.clone());
        if let Some(authorities) = &self.authorities {
            values.insert("proxyAuthorities", authorities.clone());
        }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("except", &self.except).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(https: &str, except: &str, authorities: Option<&str>) -> Egress {
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some(https.to_owned()),
            "NO_PROXY" => Some(except.to_owned()),
            _ => None,
        };
        Egress::from_env(variable, authorities).unwrap()
    }

    #[test]
    fn any_difference_makes_another_way_out() {
        let ways = [
            of("http://a:1", "b", None),
            of("http://a:1b", "", None),
            of("http://a:1", "", Some("b")),
            of("http://a:1", "", None),
        ];

        let digests: std::collections::BTreeSet<String> = ways.iter().map(Egress::digest).collect();

        assert_eq!(digests.len(), ways.len());
        assert_eq!(ways[0].digest(), of(" http://a:1\n", "b", Some(" ")).digest());
    }

    #[test]
    fn without_a_proxy_nothing_is_handed_on_and_a_password_is_not_shown() {
        let none = Egress::from_env(|name| (name == "NO_PROXY").then(|| "a".to_owned()), Some("PEM"));

        assert_eq!(none, None);
        assert!(!format!("{:?}", of("http://me:word@a:1", "", None)).contains("word"));
    }
}
