//! What this installation speaks to, by the names that it really uses. Pure.

use extension::{grants::URL_VARIABLE, locations::LocationRecord};
use prerequisites::{Endpoint, EndpointKind};
use serde_json::Value;
use url::Url;

/// The registry that images without one come from.
const USUAL_REGISTRY: &str = "registry-1.docker.io";
/// Where tokens come from when Azure's webhook says so.
const AZURE_AUTHORITY: &str = "https://login.microsoftonline.com/";
/// The service of the API server, by the name with which pods reach it.
const API_SERVER: &str = "kubernetes.default.svc";

/// What is known of an installation.
#[derive(Debug, Default)]
pub struct Known<'a> {
    /// The extension's pod.
    pub pod: Option<&'a Value>,
    /// Its storage location.
    pub record: Option<&'a LocationRecord>,
    /// The vault's certificate authorities.
    pub of_vault: Option<String>,
    /// The cluster's.
    pub of_cluster: Option<String>,
    /// The region of a cluster of Azure, where its control plane of extensions is to be reached.
    pub region: Option<String>,
    /// Whether a node without the image may still have to fetch it.
    pub fetches: bool,
}

/// Everything that is spoken to, each once.
pub fn endpoints(known: &Known<'_>) -> Vec<Endpoint> {
    let vault = known.pod.and_then(|pod| variable(pod, URL_VARIABLE));
    let mut all = vec![named(EndpointKind::Dns, API_SERVER, 53)];
    // Without its authority the API server's own certificate would look like somebody else's.
    if let Some(authorities) = &known.of_cluster {
        all.push(Endpoint {
            tls: true,
            path: "/version".to_owned(),
            authorities: Some(authorities.clone()),
            ..named(EndpointKind::ApiServer, API_SERVER, 443)
        });
    }
    all.extend(vault.as_deref().and_then(|url| at(EndpointKind::Vault, url, known.of_vault.clone())));
    all.extend(token(known, vault.as_deref()));
    all.extend(store(known, vault.is_some()));
    if let Some(image) =
        known.pod.and_then(|pod| pod.pointer("/spec/containers/0/image")).and_then(Value::as_str)
        && let Some(registry) = at(EndpointKind::Registry, &format!("https://{}", registry(image)), None)
    {
        all.push(Endpoint { path: "/v2/".to_owned(), needed: known.fetches, ..registry });
    }
    if let Some(region) = &known.region {
        let host = format!("{region}.dp.kubernetesconfiguration.azure.com");
        all.push(Endpoint { needed: false, ..named(EndpointKind::ControlPlane, &host, 443) });
    }
    all
}

fn named(kind: EndpointKind, host: &str, port: u16) -> Endpoint {
    Endpoint {
        kind,
        host: host.to_owned(),
        port,
        tls: false,
        path: String::new(),
        authorities: None,
        needed: true,
    }
}

/// That of a URL.
fn at(kind: EndpointKind, url: &str, authorities: Option<String>) -> Option<Endpoint> {
    let url = Url::parse(url).ok()?;
    let tls = url.scheme() == "https";
    Some(Endpoint {
        tls,
        path: url.path().to_owned(),
        authorities,
        ..named(kind, url.host_str()?.trim_matches(['[', ']']), url.port_or_known_default()?)
    })
}

/// Where the pod's identity gets its tokens.
fn token(known: &Known<'_>, vault: Option<&str>) -> Option<Endpoint> {
    let pod = known.pod?;
    let label = pod.pointer("/metadata/labels/azure.workload.identity~1use").and_then(Value::as_str);
    let of_azure = (label == Some("true")).then(|| AZURE_AUTHORITY.to_owned());
    let authority = variable(pod, "AZURE_AUTHORITY_HOST").or(of_azure)?;
    let tenant = variable(pod, "AZURE_TENANT_ID").unwrap_or_else(|| "common".to_owned());
    let of_vault = vault.is_some_and(|vault| authority.trim_end_matches('/') == vault.trim_end_matches('/'));
    let authorities = known.of_vault.clone().filter(|_| of_vault);
    let path = format!("/{tenant}/v2.0/.well-known/openid-configuration");
    Some(Endpoint { path, ..at(EndpointKind::Token, &authority, authorities)? })
}

/// The location: the vault's data plane, or a store of its own.
fn store(known: &Known<'_>, has_vault: bool) -> Option<Endpoint> {
    let settings = &known.record?.settings;
    let served = has_vault && settings.names_an_endpoint();
    let kind = if served { EndpointKind::DataPlane } else { EndpointKind::Store };
    let authorities = settings.ca_cert().map(str::to_owned);
    let authorities = authorities.or_else(|| known.of_vault.clone().filter(|_| served));
    at(kind, &settings.endpoint()?, authorities)
}

/// The registry of an image: what stands before the first slash, if it looks like a host.
fn registry(image: &str) -> String {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => match first {
            "docker.io" => USUAL_REGISTRY.to_owned(),
            other => other.to_owned(),
        },
        _ => USUAL_REGISTRY.to_owned(),
    }
}

fn variable(pod: &Value, name: &str) -> Option<String> {
    let all = pod.pointer("/spec/containers/0/env")?.as_array()?;
    let found = all.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(name))?;
    found.get("value")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use extension::locations::{DEFAULT, Role};
    use serde_json::json;

    fn pod(image: &str, variables: &[(&str, &str)]) -> Value {
        let variables: Vec<Value> =
            variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({"metadata": {}, "spec": {"containers": [{"image": image, "env": variables}]}})
    }

    fn record(pairs: &[(&str, &str)]) -> LocationRecord {
        let settings = pairs
            .iter()
            .map(|(key, value)| (format!("configuration.backupStorageLocation.{key}"), (*value).to_owned()))
            .collect();
        LocationRecord::from_settings(DEFAULT, Role::Own, &settings).unwrap()
    }

    fn shown(known: &Known<'_>) -> Vec<String> {
        let one = |it: &Endpoint| {
            let scheme = if it.tls { "https" } else { "name" };
            format!(
                "{:?} {scheme}://{}{}{}",
                it.kind,
                it.address(),
                it.path,
                if it.needed { "" } else { " ?" }
            )
        };
        endpoints(known).iter().map(one).collect()
    }

    #[test]
    fn an_extension_with_a_vault_speaks_to_it_to_its_data_plane_and_to_whoever_gives_tokens() {
        let pod = pod(
            "registry.example:5000/cofferdam:1",
            &[
                ("COFFERDAM_VAULT_URL", "https://vault.example:8443"),
                ("AZURE_AUTHORITY_HOST", "https://vault.example:8443/"),
                ("AZURE_TENANT_ID", "t"),
            ],
        );
        let record = record(&[
            ("bucket", "b"),
            ("config.storageAccount", "a"),
            ("config.resourceGroup", "g"),
            ("config.subscriptionId", "00000000-0000-0000-0000-000000000000"),
            ("config.storageAccountURI", "https://vault.example:8443/a/"),
        ]);
        let known = Known {
            pod: Some(&pod),
            record: Some(&record),
            of_vault: Some("pem".into()),
            of_cluster: Some("ca".into()),
            fetches: true,
            ..Known::default()
        };

        let found = shown(&known);

        assert_eq!(
            found,
            [
                "Dns name://kubernetes.default.svc:53",
                "ApiServer https://kubernetes.default.svc:443/version",
                "Vault https://vault.example:8443/",
                "Token https://vault.example:8443/t/v2.0/.well-known/openid-configuration",
                "DataPlane https://vault.example:8443/a/",
                "Registry https://registry.example:5000/v2/",
            ]
        );
        assert!(endpoints(&known)[2..5].iter().all(|one| one.authorities.as_deref() == Some("pem")));
    }

    #[test]
    fn without_a_vault_the_store_is_reached_under_its_own_name_and_a_held_image_needs_no_registry() {
        let pod = pod("cofferdam:1", &[]);
        let record = record(&[
            ("provider", "aws"),
            ("bucket", "b"),
            ("config.region", "eu-west-1"),
            ("config.s3ForcePathStyle", "true"),
        ]);
        let known = Known {
            pod: Some(&pod),
            record: Some(&record),
            region: Some("westeurope".into()),
            ..Known::default()
        };

        assert_eq!(
            shown(&known),
            [
                "Dns name://kubernetes.default.svc:53",
                "Store https://s3.eu-west-1.amazonaws.com:443/",
                "Registry https://registry-1.docker.io:443/v2/ ?",
                "ControlPlane name://westeurope.dp.kubernetesconfiguration.azure.com:443 ?",
            ]
        );
    }

    #[test]
    fn the_registry_of_an_image_is_known_by_its_first_part() {
        for (image, host) in [
            ("cofferdam:1", USUAL_REGISTRY),
            ("team/cofferdam", USUAL_REGISTRY),
            ("docker.io/team/cofferdam", USUAL_REGISTRY),
            ("mcr.example/a/b:1", "mcr.example"),
            ("localhost:5000/a", "localhost:5000"),
        ] {
            assert_eq!(registry(image), host, "{image}");
        }
    }
}
