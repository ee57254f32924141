//! What an installation speaks to. It goes over a wire: a probe of it runs in a pod.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What an endpoint is to the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndpointKind {
    /// The cluster's own name service: the name is looked up, nothing else.
    Dns,
    /// The cluster's API server.
    ApiServer,
    /// The vault.
    Vault,
    /// The vault's data plane.
    DataPlane,
    /// Where tokens come from.
    Token,
    /// The registry of the product's image.
    Registry,
    /// The object store.
    Store,
    /// The control plane of AKS extensions: its name is looked up, nothing else.
    ControlPlane,
    /// Where packages of extensions come from.
    PackageRegistry,
    /// What stands between the cluster and the rest.
    Proxy,
    /// A host that AKS backup names in its firewall rules: whether it is reached counts, not what it answers.
    HostRule,
}

impl EndpointKind {
    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::ApiServer => "API server",
            Self::Vault => "vault",
            Self::DataPlane => "data plane",
            Self::Token => "token endpoint",
            Self::Registry => "image registry",
            Self::Store => "object store",
            Self::ControlPlane => "control plane of extensions",
            Self::PackageRegistry => "package registry",
            Self::Proxy => "proxy",
            Self::HostRule => "host rule",
        }
    }

    /// Whether only its name is looked up.
    pub fn is_name_only(self) -> bool {
        matches!(self, Self::Dns | Self::ControlPlane)
    }

    /// Answers of HTTP that only the endpoint itself gives to somebody who does not sign in.
    pub fn accepts(self, status: u16) -> bool {
        match self {
            // Nothing is asked of them.
            Self::Dns | Self::ControlPlane | Self::Proxy | Self::HostRule => true,
            Self::ApiServer | Self::Registry => matches!(status, 200 | 401 | 403),
            Self::PackageRegistry => matches!(status, 200 | 401 | 403 | 404),
            Self::Vault | Self::DataPlane | Self::Token => {
                matches!(status, 200 | 400 | 401 | 403 | 404 | 409)
            }
            Self::Store => matches!(status, 200 | 400 | 401 | 403 | 404 | 405 | 409),
        }
    }
}

/// Something that the installation speaks to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// What it is.
    pub kind: EndpointKind,
    /// Its name, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// What is asked for by HTTP.
    pub path: String,
    /// Certificate authorities, as PEM, that are trusted beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// Whether the installation fails without it.
    pub needed: bool,
}

/// The registry that images without one come from.
const USUAL_REGISTRY: &str = "registry-1.docker.io";

impl Endpoint {
    /// One that is known by its name alone; without TLS, and nothing is asked for.
    pub fn named(kind: EndpointKind, host: &str, port: u16) -> Self {
        Self {
            kind,
            host: host.to_owned(),
            port,
            tls: false,
            path: String::new(),
            authorities: None,
            needed: true,
        }
    }

    /// That of a URL such as `https://host:8443/path`; nothing if it is none.
    pub fn of_url(kind: EndpointKind, url: &str) -> Option<Self> {
        let (tls, rest) = match url.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
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
        let port = match port {
            Some(port) => port.parse().ok()?,
            None if tls => 443,
            None => 80,
        };
        let is_host =
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c));
        // The path is asked for as it stands here.
        let is_path = path.chars().all(|c| c.is_ascii_graphic());
        (is_host && is_path).then(|| Self {
            tls,
            path: format!("/{path}"),
            ..Self::named(kind, &host.to_lowercase(), port)
        })
    }

    /// The registry of an image such as `registry.example:5000/backup/cofferdam:1`: what stands before the first slash, if
    /// it looks like a host.
    pub fn of_image(image: &str) -> Option<Self> {
        let first = image.split_once('/').map(|(first, _)| first);
        let registry = first.filter(|first| first.contains(['.', ':']) || *first == "localhost");
        let registry = registry.filter(|registry| *registry != "docker.io").unwrap_or(USUAL_REGISTRY);
        let found = Self::of_url(EndpointKind::Registry, &format!("https://{registry}"))?;
        Some(Self { path: "/v2/".to_owned(), ..found })
    }

    /// The control plane of extensions in a region of Azure such as `West Europe`.
    pub fn control_plane(region: &str) -> Option<Self> {
        let region = region.replace(' ', "").to_lowercase();
        let host = format!("{region}.dp.kubernetesconfiguration.azure.com");
        let found = Self { needed: false, ..Self::named(EndpointKind::ControlPlane, &host, 443) };
        (!region.is_empty()).then_some(found)
    }

    /// Its address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_a_port_and_what_is_asked_for_there() {
        let table = [
            ("https://v.example", "v.example", 443, true, "/"),
            ("https://V.example:8443/a/b?c", "v.example", 8443, true, "/a/b"),
            ("http://10.0.0.1:9000", "10.0.0.1", 9000, false, "/"),
            ("https://[fd00::1]:6443/", "fd00::1", 6443, true, "/"),
            ("http://name:secret@proxy:3128", "proxy", 3128, false, "/"),
            ("https://v.example?c=/d", "v.example", 443, true, "/"),
        ];

        for (url, host, port, tls, path) in table {
            let found = Endpoint::of_url(EndpointKind::Vault, url).unwrap();
            let shown = (found.host.as_str(), found.port, found.tls, found.path.as_str());
            assert_eq!(shown, (host, port, tls, path), "{url}");
        }
        for bad in [
            "v.example",
            "ftp://v.example",
            "https://",
            "https://v:port",
            "https://a b",
            "https://a\nb",
            "https://a/b\nc",
        ] {
            assert_eq!(Endpoint::of_url(EndpointKind::Vault, bad), None, "{bad}");
        }
    }

    #[test]
    fn the_registry_of_an_image_is_known_by_its_first_part() {
        for (image, host, port) in [
            ("cofferdam:1", USUAL_REGISTRY, 443),
            ("team/cofferdam", USUAL_REGISTRY, 443),
            ("docker.io/team/cofferdam", USUAL_REGISTRY, 443),
            ("acr1.azurecr.io/backup/cofferdam:1", "acr1.azurecr.io", 443),
            ("registry:5000/cofferdam:1", "registry", 5000),
            ("localhost:5000/a", "localhost", 5000),
        ] {
            let found = Endpoint::of_image(image).unwrap();
            assert_eq!(
                (found.host.as_str(), found.port, found.path.as_str()),
                (host, port, "/v2/"),
                "{image}"
            );
        }
    }

    #[test]
    fn a_region_has_its_control_plane_however_it_is_written() {
        let host = |region: &str| Endpoint::control_plane(region).map(|found| found.host);

        let wanted = Some("westeurope.dp.kubernetesconfiguration.azure.com".to_owned());
        assert_eq!((host("West Europe"), host("westeurope")), (wanted.clone(), wanted));
        assert_eq!(host(" "), None);
    }
}
