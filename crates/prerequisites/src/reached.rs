//! How far a probe inside of the cluster came with each endpoint of an installation. It goes over a wire: the probe runs in a
//! pod.

use crate::Endpoint;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// How far a connection goes, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// The name is looked up.
    Dns,
    /// A connection is opened.
    Tcp,
    /// A tunnel is asked for at a proxy.
    Proxy,
    /// TLS.
    Tls,
    /// A request is answered.
    Http,
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Proxy => "proxy",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
        }
    }
}

/// What stopped it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trouble {
    /// The name service says that there is no such name.
    NameNotKnown,
    /// The name service does not answer, or not with an answer.
    NoNameService(String),
    /// The name leads to an address that cannot be right, such as one of this very pod.
    WrongAddress,
    /// The other end refused.
    Refused,
    /// The connection was torn down.
    Reset,
    /// Nothing came back: somebody on the way drops it.
    TimedOut,
    /// There is no way to the address.
    NoRoute,
    /// A proxy does not let it pass: its status.
    ProxyRefused(u16),
    /// Somebody on the way answers in place of the endpoint: a status, or where it sends to.
    Portal(String),
    /// A certificate whose issuer is not trusted: somebody reads what passes.
    Intercepted {
        /// Who signed it.
        issuer: String,
    },
    /// A certificate of a trusted issuer for another name.
    OtherName {
        /// The names in it.
        names: String,
    },
    /// A certificate that is not valid now.
    NotValidNow,
    /// Another failure of TLS.
    Tls(String),
    /// An answer that the endpoint itself does not give to such a request.
    Http(u16),
    /// The rest, in the system's words.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameNotKnown => f.write_str("the name is not known"),
            Self::NoNameService(why) => write!(f, "the name service gives no answer ({why})"),
            Self::WrongAddress => f.write_str("the name leads to an address that cannot be right"),
            Self::Refused => f.write_str("refused"),
            Self::Reset => f.write_str("reset: somebody tears the connection down"),
            Self::TimedOut => f.write_str("timed out: somebody drops the packets"),
            Self::NoRoute => f.write_str("no way to the address"),
            Self::ProxyRefused(407) => f.write_str("the proxy demands a sign-in (407)"),
            Self::ProxyRefused(status) => write!(f, "the proxy does not let it pass ({status})"),
            Self::Portal(what) => write!(f, "somebody on the way answers in its place ({what})"),
            Self::Intercepted { issuer } => {
                write!(f, "intercepted: its certificate is signed by {issuer}, which is not trusted")
            }
            Self::OtherName { names } => write!(f, "another one answers: its certificate is that of {names}"),
            Self::NotValidNow => f.write_str("its certificate is not valid now"),
            Self::Tls(why) => write!(f, "TLS failed: {why}"),
            Self::Http(status) => write!(f, "it answers {status}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// How far a probe came with one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sight {
    /// What its name leads to, the first few addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The proxy that it goes through, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// The steps that were passed, with what each took, in milliseconds.
    #[serde(default)]
    pub passed: Vec<(Stage, u32)>,
    /// Where it ended, if it ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<(Stage, Trouble)>,
}

impl Sight {
    /// Whether every address of the name is one of a private network.
    pub fn is_private(&self) -> bool {
        !self.addresses.is_empty() && self.addresses.iter().all(is_private)
    }
}

/// Addresses that no public name leads to: a private DNS zone answered.
pub fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// An endpoint, and how far a probe inside of the cluster came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Which.
    pub endpoint: Endpoint,
    /// How far.
    pub sight: Sight,
}

impl Reached {
    /// What went wrong, in one sentence; nothing when all went well.
    pub fn problem(&self) -> Option<String> {
        let (stage, trouble) = self.sight.failed.as_ref()?;
        let mut text =
            format!("{} {}: {} {trouble}", self.endpoint.kind.name(), self.endpoint.address(), stage.name());
        if let Some(via) = &self.sight.via {
            text.push_str(&format!(", through the proxy {via}"));
        }
        let literal = self.endpoint.host.parse::<IpAddr>().is_ok();
        if *stage != Stage::Dns && !literal && !self.sight.addresses.is_empty() {
            let addresses: Vec<String> = self.sight.addresses.iter().map(ToString::to_string).collect();
            text.push_str(&format!(", at {}", addresses.join(", ")));
            if self.sight.is_private() && !is_internal(&self.endpoint.host) {
                text.push_str(", a private address: a private DNS zone answers for this name");
            }
        }
        Some(text)
    }
}

/// Names that private networks give out themselves.
fn is_internal(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    !host.contains('.') || matches!(last, "svc" | "local" | "internal" | "test" | "lan" | "corp" | "home")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EndpointKind;

    fn reached(host: &str, addresses: &[&str], failed: (Stage, Trouble)) -> Reached {
        Reached {
            endpoint: Endpoint {
                kind: EndpointKind::Store,
                host: host.into(),
                port: 443,
                tls: true,
                path: "/".into(),
                authorities: None,
                needed: true,
            },
            sight: Sight {
                addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
                failed: Some(failed),
                ..Sight::default()
            },
        }
    }

    #[test]
    fn a_private_answer_for_a_public_name_is_told_and_one_for_an_internal_name_is_not() {
        let dropped = || (Stage::Tcp, Trouble::TimedOut);

        let public = reached("a.blob.core.windows.net", &["10.1.2.3"], dropped()).problem().unwrap();
        let internal = reached("store.corp", &["10.1.2.3"], dropped()).problem().unwrap();
        let real = reached("a.blob.core.windows.net", &["20.1.2.3"], dropped()).problem().unwrap();

        assert!(public.starts_with("object store a.blob.core.windows.net:443: TCP timed out"), "{public}");
        assert!(public.contains("a private DNS zone answers"), "{public}");
        assert!(!internal.contains("private DNS") && !real.contains("private DNS"), "{internal} {real}");
    }

    #[test]
    fn addresses_of_private_networks_are_known() {
        for private in ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "fd00::1"] {
            assert!(is_private(&private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:4860::1"] {
            assert!(!is_private(&public.parse().unwrap()), "{public}");
        }
    }
}
