//! What this installation reaches: by what is installed, else by the settings on the command line; and what only the
//! resource manager knows, its region and its storage account.

use super::EgressArgs;
use crate::{cluster::ClusterArgs, commands::install::wished, exit::Failure, managed::folder};
use extension::locations::LocationRecord;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Container, Service},
    discovery::v1::EndpointSlice,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use prerequisites::{Observed, egress::Endpoint};
use std::{net::IpAddr, time::Duration};
use storage::location::{LocationSettings, Provider};

const PATIENCE: Duration = Duration::from_secs(9);
/// The names of what runs in kube-system.
const SYSTEM: [&str; 2] = [agent::NAME, gateway::NAME];

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub endpoints: Vec<Endpoint>,
    pub region: Option<String>,
    pub inside: Inside,
    /// What could not be seen, a sentence each.
    pub unseen: Vec<String>,
}

/// What pods reach inside of the cluster.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// Where the API server listens, behind its service.
    pub api_server: Vec<(IpAddr, u16)>,
    /// The service of names.
    pub dns: Vec<IpAddr>,
    /// The ports of the pods behind it.
    pub dns_ports: Vec<u16>,
    /// Which of ours run in kube-system.
    pub system_parts: Vec<String>,
}

/// Looks.
pub(super) async fn installation(args: &EgressArgs, cluster: &ClusterArgs) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    settings(args, cluster, &mut seen)?;
    match cluster.client().await {
        Err(failure) => seen.unseen.push(format!("the cluster was not looked at: {}", failure.message())),
        Ok(client) => {
            if let Ok(config) = cluster.config().await {
                seen.add(Endpoint::of_url("API server", &config.cluster_url.to_string()));
            }
            match tokio::time::timeout(PATIENCE, installed(&client, &cluster.namespace, &mut seen)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    seen.unseen.push(format!("the cluster was not looked at to its end: {error}"))
                }
                Err(_) => {
                    seen.unseen.push(format!("the cluster did not answer within {} s", PATIENCE.as_secs()))
                }
            }
        }
    }
    resource_manager(args, &mut seen).await?;
    Ok(seen)
}

impl Seen {
    fn add(&mut self, endpoint: Option<Endpoint>) {
        self.endpoints.extend(endpoint);
    }
}

/// What the settings on the command line say, before anything is installed.
fn settings(args: &EgressArgs, cluster: &ClusterArgs, seen: &mut Seen) -> Result<(), Failure> {
    let (install, _) = wished(&args.wish, cluster)?;
    if let Some(vault) = &install.vault {
        seen.add(Endpoint::of_url("vault", &vault.url));
        seen.add(Endpoint::of_url("token endpoint", &vault.url));
    }
    if let Some(location) = &install.location {
        seen.endpoints.extend(stores(&location.settings));
    }
    if args.wish.image.is_some() {
        seen.add(Endpoint::of_image("image registry", &install.image));
    }
    seen.add(install.proxy.https.as_deref().and_then(|url| Endpoint::of_url("proxy", url)));
    Ok(())
}

async fn installed(client: &Client, namespace: &str, seen: &mut Seen) -> Result<(), kube::Error> {
    let own: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let system: Api<Deployment> = Api::namespaced(client.clone(), "kube-system");
    let any = ListParams::default();
    for deployment in own.list(&any.clone().labels("app.kubernetes.io/part-of=cofferdam")).await? {
        of_deployment(&deployment, seen);
    }
    for name in SYSTEM {
        if let Some(deployment) = system.get_opt(name).await? {
            of_deployment(&deployment, seen);
            seen.inside.system_parts.push(name.to_owned());
        }
    }
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    for map in maps.list(&any).await? {
        if map.name_any().starts_with(&LocationRecord::config_map_name(""))
            && let Ok(record) = LocationRecord::decode(&map)
        {
            seen.endpoints.extend(stores(&record.settings));
        }
    }
    names(client, seen).await?;
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    for slice in slices.list(&any.labels("kubernetes.io/service-name=kubernetes")).await? {
        let ports = slice.ports.iter().flatten().filter_map(|port| u16::try_from(port.port?).ok());
        let ports: Vec<u16> = ports.collect();
        for address in
            slice.endpoints.iter().flat_map(|one| &one.addresses).filter_map(|one| one.parse().ok())
        {
            seen.inside.api_server.extend(ports.iter().map(|port| (address, *port)));
        }
    }
    Ok(())
}

/// The cluster's own service of names.
async fn names(client: &Client, seen: &mut Seen) -> Result<(), kube::Error> {
    let services: Api<Service> = Api::namespaced(client.clone(), "kube-system");
    for service in services.list(&ListParams::default().labels("k8s-app=kube-dns")).await? {
        let addresses = service.spec.iter().flat_map(|spec| spec.cluster_ips.iter().flatten());
        seen.inside.dns.extend(addresses.filter_map(|address| address.parse::<IpAddr>().ok()));
        let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "kube-system");
        let of = ListParams::default().labels(&format!("kubernetes.io/service-name={}", service.name_any()));
        for slice in slices.list(&of).await? {
            let of_names = slice
                .ports
                .into_iter()
                .flatten()
                .filter(|port| port.name.as_deref().is_some_and(|name| name.starts_with("dns")));
            seen.inside.dns_ports.extend(of_names.filter_map(|port| u16::try_from(port.port?).ok()));
        }
    }
    seen.inside.dns_ports.sort_unstable();
    seen.inside.dns_ports.dedup();
    Ok(())
}

/// A Deployment of ours says by its arguments and variables whom it speaks to.
fn of_deployment(deployment: &Deployment, seen: &mut Seen) {
    let spec = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    for container in spec.iter().flat_map(|spec| &spec.containers) {
        seen.endpoints.extend(of_container(container));
    }
}

fn of_container(container: &Container) -> Vec<Endpoint> {
    let arguments = container.args.iter().chain(&container.command).flatten();
    let mut all: Vec<Endpoint> = arguments
        .filter_map(|argument| match argument.split_once('=')? {
            ("--vault", url) => Endpoint::of_url("vault", url),
            ("--registry", url) => Endpoint::of_url("package registry", url),
            _ => None,
        })
        .collect();
    for variable in container.env.iter().flatten() {
        let Some(value) = variable.value.as_deref() else { continue };
        let what = match variable.name.as_str() {
            "COFFERDAM_VAULT_URL" => "vault",
            "AZURE_AUTHORITY_HOST" => "token endpoint",
            "HTTPS_PROXY" => "proxy",
            _ => continue,
        };
        all.extend(Endpoint::of_url(what, value));
    }
    all.extend(container.image.as_deref().and_then(|image| Endpoint::of_image("image registry", image)));
    all
}

/// Where a location lies.
fn stores(settings: &LocationSettings) -> Vec<Endpoint> {
    let text = |key: &str| settings.config.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let urls = match settings.provider {
        Provider::Local => Vec::new(),
        Provider::Azure => {
            let account = text("storageAccount").unwrap_or_default();
            let usual = format!("https://{account}.blob.core.windows.net");
            vec![text("storageAccountURI").map_or(usual, str::to_owned)]
        }
        Provider::Aws => {
            let region = text("region").unwrap_or_default();
            let usual = match text("s3ForcePathStyle") {
                Some("true") => format!("https://s3.{region}.amazonaws.com"),
                _ => format!("https://{}.s3.{region}.amazonaws.com", settings.bucket),
            };
            vec![text("s3Url").map_or(usual, str::to_owned)]
        }
        Provider::Gcp => {
            vec!["https://storage.googleapis.com".to_owned(), "https://oauth2.googleapis.com".to_owned()]
        }
    };
    urls.iter().filter_map(|url| Endpoint::of_url("store", url)).collect()
}

/// Region and account of Azure; and the vault that somebody is signed in to.
async fn resource_manager(args: &EgressArgs, seen: &mut Seen) -> Result<(), Failure> {
    let signed_in = folder().ok().and_then(|folder| folder.profile().ok());
    let knows_vault = seen.endpoints.iter().any(|one| one.what == "vault");
    if let (Some(profile), false) = (signed_in.filter(|_| args.arm.arm.is_none()), knows_vault) {
        seen.add(Endpoint::of_url("vault", &profile.cloud.resource_manager));
        seen.add(Endpoint::of_url("token endpoint", &profile.endpoints.token));
    }
    let arm = match args.arm.open().await?.0 {
        Observed::Seen(arm) => arm,
        Observed::NotObservable(why) if args.arm.arm.is_some() => {
            seen.unseen.push(why);
            return Ok(());
        }
        Observed::NotObservable(_) => return Ok(()),
    };
    let facts = probes::resource_manager::observe(&arm, None).await;
    match &facts.cluster {
        Observed::Seen(cluster) => seen.region = Some(cluster.location.clone()),
        Observed::NotObservable(why) => seen.unseen.push(format!("the region is not known: {why}")),
    }
    let names = probes::resource_manager::names(&arm, &facts);
    if names.0.contains_key("azure") {
        let account = names.0.get("account").map(|name| format!("https://{name}.blob.core.windows.net"));
        seen.add(account.and_then(|url| Endpoint::of_url("store", &url)));
        seen.add(Endpoint::of_url("token endpoint", "https://login.microsoftonline.com"));
    } else {
        seen.add(Endpoint::of_url("vault", &arm.url));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hosts(endpoints: &[Endpoint]) -> Vec<String> {
        endpoints.iter().map(|one| format!("{} {}:{}", one.what, one.host, one.port.number)).collect()
    }

    #[test]
    fn a_part_says_by_its_arguments_variables_and_image_whom_it_reaches() {
        let container: Container = serde_json::from_value(json!({
            "name": "c", "image": "registry.example/cofferdam:1",
            "args": ["agent", "--vault=https://v.example:8443", "--registry=https://packages.example", "--vault-ca=/etc/x"],
            "env": [{"name": "AZURE_AUTHORITY_HOST", "value": "https://v.example:8443/"},
                {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "OTHER", "value": "https://elsewhere.example"}]
        }))
        .unwrap();

        assert_eq!(
            hosts(&of_container(&container)),
            [
                "vault v.example:8443",
                "package registry packages.example:443",
                "token endpoint v.example:8443",
                "image registry registry.example:443"
            ]
        );
    }

    #[test]
    fn a_location_is_reached_where_its_settings_say_or_where_its_provider_is() {
        let store = |provider, config: &[(&str, &str)]| {
            hosts(&stores(&LocationSettings {
                provider,
                bucket: "b".into(),
                prefix: storage::StorePath::root(),
                config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            }))
        };

        assert_eq!(store(Provider::Azure, &[("storageAccount", "a")]), ["store a.blob.core.windows.net:443"]);
        let at = [("storageAccount", "a"), ("storageAccountURI", "https://v.example:8443/a")];
        assert_eq!(store(Provider::Azure, &at), ["store v.example:8443"]);
        assert_eq!(
            store(Provider::Aws, &[("region", "eu-west-1")]),
            ["store b.s3.eu-west-1.amazonaws.com:443"]
        );
        assert_eq!(store(Provider::Aws, &[("s3Url", "http://10.0.0.9:9000")]), ["store 10.0.0.9:9000"]);
        assert_eq!(store(Provider::Local, &[]), [""; 0]);
    }
}
