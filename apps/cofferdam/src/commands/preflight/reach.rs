//! What an installation speaks to, by the names that it really uses: one list, of which `preflight egress` makes rules and
//! `--active` tries what the extension's pods reach. Pure.

use extension::{grants::URL_VARIABLE, locations::LocationRecord};
use prerequisites::{Endpoint, EndpointKind, Profile, egress};
use serde_json::Value;
use storage::location::Provider;

/// Where tokens come from when Azure's webhook says so.
pub const AZURE_AUTHORITY: &str = "https://login.microsoftonline.com/";
/// Where a person's credential of Google is exchanged for a token.
const GOOGLE_TOKENS: &str = "https://oauth2.googleapis.com";
/// The service of the API server, by the name with which pods reach it.
const API_SERVER: &str = "kubernetes.default.svc";

/// Who speaks to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The extension, and its nodes for it.
    Extension,
    /// Agent and gateway in kube-system, and whoever runs commands.
    Other,
}

/// A part of an installation.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which.
    pub whose: Whose,
    /// Its pod.
    pub pod: Value,
    /// Whether its image is the one that will run: settings may leave it open.
    pub image: bool,
}

/// What is known of an installation, or of one that is to come.
#[derive(Debug, Default)]
pub struct Installation {
    /// What runs, or will.
    pub parts: Vec<Part>,
    /// The storage locations.
    pub locations: Vec<LocationRecord>,
    /// The vault's certificate authorities.
    pub of_vault: Option<String>,
    /// The cluster's.
    pub of_cluster: Option<String>,
    /// The region of a cluster of Azure, where its control plane of extensions is to be reached.
    pub region: Option<String>,
    /// Whether a node without the image may still have to fetch it.
    pub fetches: bool,
    /// What nothing in the cluster says: the API server's address outside, and what a resource manager knows.
    pub told: Vec<Endpoint>,
}

/// Something that is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reach {
    whose: Whose,
    endpoint: Endpoint,
}

/// What a pod of the extension tries: whatever the extension speaks to, but a proxy, which is on the way to the rest; under the
/// rules of AKS the hosts of its firewall rules too.
pub fn probed(it: &Installation, profile: Profile) -> Vec<Endpoint> {
    let of_extension = reaches(it).into_iter().filter(|one| one.whose == Whose::Extension);
    let mut all: Vec<Endpoint> = of_extension.map(|one| one.endpoint).collect();
    all.retain(|one| match one.kind {
        EndpointKind::Proxy | EndpointKind::PackageRegistry => false,
        // Not every credential needs it: whether it is reached says nothing.
        EndpointKind::Token => one.needed,
        _ => true,
    });
    if profile == Profile::Aks {
        all.extend(egress::aks_hosts(&let_out(it), &all));
    }
    all
}

/// What has to be let out of the cluster: whatever anybody speaks to, but what is inside of it.
pub fn let_out(it: &Installation) -> Vec<Endpoint> {
    let mut all: Vec<Endpoint> = reaches(it).into_iter().map(|one| one.endpoint).collect();
    all.retain(|one| one.host != API_SERVER);
    all
}

/// Everything that is spoken to, each once.
fn reaches(it: &Installation) -> Vec<Reach> {
    let mut all: Vec<Reach> = Vec::new();
    let mut add = |whose: Whose, endpoints: Vec<Endpoint>| {
        for endpoint in endpoints {
            let one = Reach { whose, endpoint };
            if !all.contains(&one) {
                all.push(one);
            }
        }
    };
    add(Whose::Extension, inside(it));
    for part in &it.parts {
        add(part.whose, of_part(&part.pod, it));
    }
    let has_vault = it.parts.iter().any(|part| part.whose == Whose::Extension && vault(&part.pod).is_some());
    for location in &it.locations {
        add(Whose::Extension, stores(location, it, has_vault));
    }
    for part in it.parts.iter().filter(|part| part.image) {
        add(part.whose, registries(&part.pod, it));
    }
    add(Whose::Other, it.told.clone());
    add(Whose::Extension, it.region.as_deref().and_then(Endpoint::control_plane).into_iter().collect());
    all
}

/// Names, and the API server behind its service.
fn inside(it: &Installation) -> Vec<Endpoint> {
    let mut all = vec![Endpoint::named(EndpointKind::Dns, API_SERVER, 53)];
    // Without its authority the API server's own certificate would look like somebody else's.
    if let Some(authorities) = &it.of_cluster {
        all.push(Endpoint {
            tls: true,
            path: "/version".to_owned(),
            authorities: Some(authorities.clone()),
            ..Endpoint::named(EndpointKind::ApiServer, API_SERVER, 443)
        });
    }
    all
}

/// A part says by its arguments and variables whom it speaks to.
fn of_part(pod: &Value, it: &Installation) -> Vec<Endpoint> {
    let vault = vault(pod);
    let mut all: Vec<Endpoint> = Vec::new();
    all.extend(vault.as_deref().and_then(|url| at(EndpointKind::Vault, url, it.of_vault.clone())));
    all.extend(token(pod, it, vault.as_deref()));
    let packages =
        arguments(pod, "--registry").filter_map(|url| Endpoint::of_url(EndpointKind::PackageRegistry, url));
    all.extend(packages);
    let proxy = variable(pod, "HTTPS_PROXY");
    all.extend(proxy.as_deref().and_then(|url| Endpoint::of_url(EndpointKind::Proxy, url)));
    all
}

fn vault(pod: &Value) -> Option<String> {
    variable(pod, URL_VARIABLE).or_else(|| arguments(pod, "--vault").next().map(str::to_owned))
}

fn at(kind: EndpointKind, url: &str, authorities: Option<String>) -> Option<Endpoint> {
    Some(Endpoint { authorities, ..Endpoint::of_url(kind, url)? })
}

/// Where the pod's identity gets its tokens.
fn token(pod: &Value, it: &Installation, vault: Option<&str>) -> Option<Endpoint> {
    let label = pod.pointer("/metadata/labels/azure.workload.identity~1use").and_then(Value::as_str);
    let of_azure = (label == Some("true")).then(|| AZURE_AUTHORITY.to_owned());
    let authority = variable(pod, "AZURE_AUTHORITY_HOST").or(of_azure)?;
    let tenant = variable(pod, "AZURE_TENANT_ID").unwrap_or_else(|| "common".to_owned());
    let of_vault = vault.is_some_and(|vault| authority.trim_end_matches('/') == vault.trim_end_matches('/'));
    let authorities = it.of_vault.clone().filter(|_| of_vault);
    let path = format!("/{tenant}/v2.0/.well-known/openid-configuration");
    Some(Endpoint { path, ..at(EndpointKind::Token, &authority, authorities)? })
}

/// A location: the vault's data plane, or a store of its own.
fn stores(record: &LocationRecord, it: &Installation, has_vault: bool) -> Vec<Endpoint> {
    let settings = &record.settings;
    let served = has_vault && settings.names_an_endpoint();
    let kind = if served { EndpointKind::DataPlane } else { EndpointKind::Store };
    let authorities = settings.ca_cert().map(str::to_owned);
    let authorities = authorities.or_else(|| it.of_vault.clone().filter(|_| served));
    let mut all: Vec<Endpoint> =
        settings.endpoint().and_then(|url| at(kind, &url, authorities)).into_iter().collect();
    if settings.provider == Provider::Gcp {
        let tokens = Endpoint::of_url(EndpointKind::Token, GOOGLE_TOKENS);
        all.extend(tokens.map(|one| Endpoint { needed: false, ..one }));
    }
    all
}

fn registries(pod: &Value, it: &Installation) -> Vec<Endpoint> {
    let images = containers(pod).filter_map(|container| container.get("image")?.as_str());
    let found = images.filter_map(Endpoint::of_image);
    found.map(|one| Endpoint { needed: it.fetches, ..one }).collect()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten()
}

/// What follows `NAME=` among the arguments.
fn arguments<'a>(pod: &'a Value, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lists = containers(pod).flat_map(|one| [one.get("args"), one.get("command")]);
    let words = lists.flatten().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    words.filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
}

fn variable(pod: &Value, name: &str) -> Option<String> {
    let all = containers(pod).filter_map(|container| container.get("env")?.as_array()).flatten();
    let mut named = all.filter(|one| one.get("name").and_then(Value::as_str) == Some(name));
    named.find_map(|one| one.get("value")?.as_str().map(str::to_owned))
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
