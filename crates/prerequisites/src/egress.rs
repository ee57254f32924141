//! What an installation has to reach: its own endpoints, and the 25 host rules that AKS backup names, with their wildcards
//! resolved to the names of this installation.

use serde::Serialize;
use std::{collections::BTreeSet, net::IpAddr};

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speech {
    /// TLS.
    Https,
    /// Without it.
    Http,
    /// Names, by UDP and TCP.
    Dns,
}

/// A port, and what is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Port {
    /// What is spoken.
    pub speech: Speech,
    /// The number.
    pub number: u16,
}

/// Something that this installation reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What for, such as `vault`.
    pub what: String,
    /// Its name, or its address.
    pub host: String,
    /// Where it listens.
    pub port: Port,
}

impl Endpoint {
    /// The endpoint of a URL such as `https://host:8443/path`; nothing if it is none.
    pub fn of_url(what: &str, url: &str) -> Option<Self> {
        let (speech, rest) = match url.split_once("://")? {
            ("https", rest) => (Speech::Https, rest),
            ("http", rest) => (Speech::Http, rest),
            _ => return None,
        };
        let usual = if speech == Speech::Https { 443 } else { 80 };
        let authority = rest.split(['/', '?', '#']).next()?;
        // A name and a password before the host are nobody's business.
        let authority = authority.rsplit('@').next()?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(inside) => {
                let (host, after) = inside.split_once(']')?;
                (host, after.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let number = match port {
            Some(port) => port.parse().ok()?,
            None => usual,
        };
        let is_host =
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c));
        is_host.then(|| Self {
            what: what.to_owned(),
            host: host.to_lowercase(),
            port: Port { speech, number },
        })
    }

    /// The registry of an image such as `registry.example:5000/backup/cofferdam:1`.
    pub fn of_image(what: &str, image: &str) -> Option<Self> {
        let first = image.split_once('/').map(|(first, _)| first);
        let names_registry = |first: &&str| first.contains(['.', ':']) || *first == "localhost";
        let registry = first.filter(names_registry).unwrap_or("docker.io");
        Self::of_url(what, &format!("https://{registry}"))
    }

    /// The address, where the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// What for.
    pub what: Vec<String>,
    /// A name, an address, or a pattern such as `*.azurecr.io`.
    pub host: String,
    /// Where.
    pub ports: Vec<Port>,
    /// The names of this installation that a pattern stands for; of other rules none.
    pub names: Vec<String>,
}

impl Rule {
    /// Whether the host is a pattern.
    pub fn is_pattern(&self) -> bool {
        self.host.starts_with("*.")
    }

    /// Whether it is a pattern for which nobody knows a name.
    pub fn is_nameless(&self) -> bool {
        self.is_pattern() && self.names.is_empty()
    }

    /// The names, or the address, that the rule comes down to.
    pub fn hosts(&self) -> Vec<&str> {
        match self.is_pattern() {
            true => self.names.iter().map(String::as_str).collect(),
            false => vec![&self.host],
        }
    }
}

const TLS: &[Port] = &[Port { speech: Speech::Https, number: 443 }];
/// Revocation lists and the like are signed themselves, and are served without TLS too.
const SIGNED: &[Port] =
    &[Port { speech: Speech::Http, number: 80 }, Port { speech: Speech::Https, number: 443 }];

/// The host rules of AKS backup, in the order of its page.
const AKS: [(&str, &[Port]); 25] = [
    ("*.microsoft.com", TLS),
    ("mcr.microsoft.com", TLS),
    ("data.mcr.microsoft.com", TLS),
    ("crl.microsoft.com", SIGNED),
    ("mscrl.microsoft.com", SIGNED),
    ("oneocsp.microsoft.com", SIGNED),
    ("*.azure.com", TLS),
    ("management.azure.com", TLS),
    ("gcs.prod.monitoring.core.windows.net", TLS),
    ("*.prod.warm.ingest.monitor.core.windows.net", TLS),
    ("*.blob.core.windows.net", TLS),
    ("*.azmk8s.io", TLS),
    ("ocsp.digicert.com", SIGNED),
    ("cacerts.digicert.com", SIGNED),
    ("crl3.digicert.com", SIGNED),
    ("crl4.digicert.com", SIGNED),
    ("ocsp.digicert.cn", SIGNED),
    ("cacerts.digicert.cn", SIGNED),
    ("cacerts.geotrust.com", SIGNED),
    ("cdp.geotrust.com", SIGNED),
    ("status.geotrust.com", SIGNED),
    ("ocsp.msocsp.com", SIGNED),
    ("*.azurecr.io", TLS),
    ("docker.io", TLS),
    ("*.dp.kubernetesconfiguration.azure.com", TLS),
];

/// The rules of an installation: one for each endpoint, whatever it is needed for.
pub fn rules(endpoints: &[Endpoint]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for endpoint in endpoints {
        let same = rules.iter_mut().find(|rule| rule.host == endpoint.host && rule.ports == [endpoint.port]);
        match same {
            Some(rule) if rule.what.contains(&endpoint.what) => {}
            Some(rule) => rule.what.push(endpoint.what.clone()),
            None => rules.push(Rule {
                what: vec![endpoint.what.clone()],
                host: endpoint.host.clone(),
                ports: vec![endpoint.port],
                names: Vec::new(),
            }),
        }
    }
    rules
}

/// The 25 host rules. A pattern is resolved to the names of this installation, and to those of the other rules, that it
/// covers; `region` names the control plane of extensions there.
pub fn aks_rules(endpoints: &[Endpoint], region: Option<&str>) -> Vec<Rule> {
    let plain =
        region.map(|region| region.replace(' ', "").to_lowercase()).filter(|region| !region.is_empty());
    let control_plane = plain.map(|region| format!("{region}.dp.kubernetesconfiguration.azure.com"));
    let own = endpoints.iter().filter(|one| one.address().is_none()).map(|one| one.host.clone());
    let listed = AKS.iter().map(|(host, _)| (*host).to_owned()).filter(|host| !host.starts_with('*'));
    let known: BTreeSet<String> = own.chain(listed).chain(control_plane).collect();
    AKS.iter()
        .map(|(host, ports)| Rule {
            what: vec!["AKS backup".to_owned()],
            host: (*host).to_owned(),
            ports: ports.to_vec(),
            names: match host.strip_prefix('*') {
                Some(suffix) => known.iter().filter(|name| name.ends_with(suffix)).cloned().collect(),
                None => Vec::new(),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(what: &str, url: &str) -> Endpoint {
        Endpoint::of_url(what, url).unwrap()
    }

    #[test]
    fn a_url_is_a_host_a_port_and_what_is_spoken_there() {
        let port = |speech, number| Port { speech, number };
        let table = [
            ("https://v.example", "v.example", port(Speech::Https, 443)),
            ("https://V.example:8443/a/b?c", "v.example", port(Speech::Https, 8443)),
            ("http://10.0.0.1:9000", "10.0.0.1", port(Speech::Http, 9000)),
            ("https://[fd00::1]:6443/", "fd00::1", port(Speech::Https, 6443)),
            ("http://name:secret@proxy:3128", "proxy", port(Speech::Http, 3128)),
        ];

        for (url, host, port) in table {
            assert_eq!(endpoint("x", url), Endpoint { what: "x".into(), host: host.into(), port }, "{url}");
        }
        for bad in
            ["v.example", "ftp://v.example", "https://", "https://v:port", "https://a b", "https://a\nb"]
        {
            assert_eq!(Endpoint::of_url("x", bad), None, "{bad}");
        }
    }

    #[test]
    fn an_image_without_a_registry_comes_from_the_usual_one() {
        let host = |image: &str| Endpoint::of_image("image", image).unwrap();

        assert_eq!(host("acr1.azurecr.io/backup/cofferdam:1").host, "acr1.azurecr.io");
        assert_eq!(host("registry:5000/cofferdam:1").port.number, 5000);
        assert_eq!(host("cofferdam:1").host, "docker.io");
        assert_eq!(host("library/cofferdam:1").host, "docker.io");
    }

    #[test]
    fn what_is_needed_for_several_things_is_one_rule() {
        let all = rules(&[
            endpoint("vault", "https://v.example"),
            endpoint("token endpoint", "https://v.example/t/oauth2"),
            endpoint("store", "https://v.example:9000"),
            endpoint("vault", "https://v.example"),
        ]);

        let shown: Vec<(String, u16)> =
            all.iter().map(|rule| (rule.what.join("+"), rule.ports[0].number)).collect();
        assert_eq!(shown, [("vault+token endpoint".to_owned(), 443), ("store".to_owned(), 9000)]);
    }

    #[test]
    fn all_25_host_rules_are_there_and_patterns_have_the_names_of_this_installation_or_say_so() {
        let endpoints = [
            endpoint("store", "https://backups1.blob.core.windows.net"),
            endpoint("API server", "https://shop-dns-1.hcp.westeurope.azmk8s.io"),
            endpoint("image registry", "https://acr1.azurecr.io"),
            endpoint("another", "https://10.0.0.1"),
        ];
        let names = |all: &[Rule], host: &str| {
            let rule = all.iter().find(|rule| rule.host == host).unwrap();
            (rule.names.clone(), rule.is_nameless())
        };

        let all = aks_rules(&endpoints, Some("West Europe"));
        let bare = aks_rules(&[], None);

        assert_eq!((all.len(), bare.len()), (25, 25));
        assert_eq!(all.iter().map(|rule| &rule.host).collect::<BTreeSet<_>>().len(), 25);
        for (pattern, name) in [
            ("*.blob.core.windows.net", "backups1.blob.core.windows.net"),
            ("*.azmk8s.io", "shop-dns-1.hcp.westeurope.azmk8s.io"),
            ("*.azurecr.io", "acr1.azurecr.io"),
            ("*.dp.kubernetesconfiguration.azure.com", "westeurope.dp.kubernetesconfiguration.azure.com"),
        ] {
            assert_eq!(names(&all, pattern), (vec![name.to_owned()], false));
            assert_eq!(names(&bare, pattern), (vec![], true));
        }
        assert_eq!(
            names(&all, "*.azure.com").0,
            ["management.azure.com", "westeurope.dp.kubernetesconfiguration.azure.com"]
        );
        assert!(names(&all, "*.prod.warm.ingest.monitor.core.windows.net").1);
        assert_eq!(
            all.iter().find(|rule| rule.host == "mcr.microsoft.com").unwrap().hosts(),
            ["mcr.microsoft.com"]
        );
    }
}
