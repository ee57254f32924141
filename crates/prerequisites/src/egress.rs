//! What an installation has to reach: its own endpoints, and the 25 host rules that AKS backup names, with their wildcards
//! resolved to the names of this installation.

use crate::{Endpoint, EndpointKind};
use serde::Serialize;
use std::collections::BTreeSet;

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

impl Port {
    fn of(endpoint: &Endpoint) -> Self {
        let speech = if endpoint.tls { Speech::Https } else { Speech::Http };
        Self { speech, number: endpoint.port }
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

/// The rules of an installation: one for each endpoint, whatever it is needed for. What is only looked up needs none.
pub fn rules(endpoints: &[Endpoint]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.kind.is_name_only()) {
        let (what, port) = (endpoint.kind.name().to_owned(), Port::of(endpoint));
        let same = rules.iter_mut().find(|rule| rule.host == endpoint.host && rule.ports == [port]);
        match same {
            Some(rule) if rule.what.contains(&what) => {}
            Some(rule) => rule.what.push(what),
            None => rules.push(Rule {
                what: vec![what],
                host: endpoint.host.clone(),
                ports: vec![port],
                names: Vec::new(),
            }),
        }
    }
    rules
}

/// The 25 host rules. A pattern is resolved to the names of this installation, and to those of the other rules, that it
/// covers.
pub fn aks_rules(endpoints: &[Endpoint]) -> Vec<Rule> {
    let is_outside = |one: &&Endpoint| one.kind != EndpointKind::Dns && one.ip().is_none();
    let own = endpoints.iter().filter(is_outside).map(|one| one.host.clone());
    let listed = AKS.iter().map(|(host, _)| (*host).to_owned()).filter(|host| !host.starts_with('*'));
    let known: BTreeSet<String> = own.chain(listed).collect();
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

/// What a pod tries to see the 25 host rules, beside the endpoints that it tries anyway: every name that they come down to for
/// this installation, and that none of those has.
pub fn aks_hosts(known: &[Endpoint], tried: &[Endpoint]) -> Vec<Endpoint> {
    let mut all: Vec<Endpoint> = Vec::new();
    for rule in aks_rules(&[known, tried].concat()) {
        for host in rule.hosts() {
            let is_there = tried.iter().chain(&all).any(|one| one.host == host);
            // Without TLS where it is served so: what they are named for is fetched over it.
            let plain = rule.ports.iter().find(|port| port.speech == Speech::Http);
            if let Some(port) = plain.or(rule.ports.first()).filter(|_| !is_there) {
                let tls = port.speech == Speech::Https;
                let named = Endpoint::named(EndpointKind::HostRule, host, port.number);
                all.push(Endpoint { tls, path: "/".to_owned(), ..named });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(kind: EndpointKind, url: &str) -> Endpoint {
        Endpoint::of_url(kind, url).unwrap()
    }

    #[test]
    fn what_is_needed_for_several_things_is_one_rule_and_what_is_only_looked_up_is_none() {
        let all = rules(&[
            Endpoint::named(EndpointKind::Dns, "kubernetes.default.svc", 53),
            endpoint(EndpointKind::Vault, "https://v.example"),
            endpoint(EndpointKind::Token, "https://v.example/t/oauth2"),
            endpoint(EndpointKind::Store, "http://v.example:9000"),
            endpoint(EndpointKind::Vault, "https://v.example"),
            Endpoint::control_plane("westeurope").unwrap(),
        ]);

        let shown: Vec<(String, Port)> =
            all.iter().map(|rule| (rule.what.join("+"), rule.ports[0])).collect();
        let port = |speech, number| Port { speech, number };
        let both = ("vault+token endpoint".to_owned(), port(Speech::Https, 443));
        assert_eq!(shown, [both, ("object store".to_owned(), port(Speech::Http, 9000))]);
    }

    #[test]
    fn all_25_host_rules_are_there_and_patterns_have_the_names_of_this_installation_or_say_so() {
        let endpoints = [
            endpoint(EndpointKind::Store, "https://backups1.blob.core.windows.net"),
            endpoint(EndpointKind::ApiServer, "https://shop-dns-1.hcp.westeurope.azmk8s.io"),
            endpoint(EndpointKind::Registry, "https://acr1.azurecr.io"),
            endpoint(EndpointKind::Vault, "https://10.0.0.1"),
            Endpoint::control_plane("West Europe").unwrap(),
        ];
        let names = |all: &[Rule], host: &str| {
            let rule = all.iter().find(|rule| rule.host == host).unwrap();
            (rule.names.clone(), rule.is_nameless())
        };

        let all = aks_rules(&endpoints);
        let bare = aks_rules(&[]);

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

    #[test]
    fn every_host_rule_comes_down_to_names_that_are_tried_once_and_as_they_are_served() {
        let tried = [
            endpoint(EndpointKind::Store, "https://backups1.blob.core.windows.net"),
            endpoint(EndpointKind::Registry, "https://mcr.microsoft.com/v2/"),
        ];
        let known = [endpoint(EndpointKind::ApiServer, "https://shop-dns-1.hcp.westeurope.azmk8s.io")];

        let hosts = aks_hosts(&known, &tried);

        let named = AKS.iter().filter(|(host, _)| !host.starts_with('*')).count();
        assert_eq!(
            hosts.len(),
            named,
            "with the API server, and without the registry, which is tried as what it is"
        );
        assert!(hosts.iter().all(|one| one.kind == EndpointKind::HostRule && one.needed));
        let address = |host: &str| {
            let one = hosts.iter().find(|one| one.host == host).unwrap();
            (one.port, one.tls)
        };
        assert_eq!(address("shop-dns-1.hcp.westeurope.azmk8s.io"), (443, true));
        assert_eq!(address("data.mcr.microsoft.com"), (443, true));
        assert_eq!(address("ocsp.digicert.com"), (80, false));
    }
}
