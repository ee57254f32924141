//! What this installation reaches: by what is installed, else by the settings on the command line; and what only the
//! resource manager knows, its region and its storage account.

use super::super::{
    installed::{locations, parts},
    reach::{AZURE_AUTHORITY, Installation, Part, Whose, let_out},
    subject::planned,
};
use super::EgressArgs;
use crate::{cluster::ClusterArgs, commands::install::wished, exit::Failure, managed::folder};
use extension::manifests::InstallSettings;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{Api, Client, ResourceExt, api::ListParams};
use prerequisites::{Endpoint, EndpointKind, Observed};
use std::{net::IpAddr, time::Duration};

const PATIENCE: Duration = Duration::from_secs(9);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What there is, or will be.
    pub installation: Installation,
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
    let (install, _) = wished(&args.wish, cluster)?;
    seen.installation.parts.extend(wished_part(args, &install));
    seen.installation.locations.extend(install.location.clone());
    match cluster.client().await {
        Err(failure) => seen.unseen.push(format!("the cluster was not looked at: {}", failure.message())),
        Ok(client) => {
            if let Ok(config) = cluster.config().await {
                seen.tell(EndpointKind::ApiServer, &config.cluster_url.to_string());
            }
            let look = installed(&client, &cluster.namespace, &install, &mut seen);
            match tokio::time::timeout(PATIENCE, look).await {
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
    /// What nothing in the cluster says.
    fn tell(&mut self, kind: EndpointKind, url: &str) {
        self.installation.told.extend(Endpoint::of_url(kind, url));
    }
}

/// The extension as the settings on the command line describe it, before anything is installed.
fn wished_part(args: &EgressArgs, install: &InstallSettings) -> Option<Part> {
    let image = args.wish.image.is_some();
    let says_something =
        image || install.vault.is_some() || install.client_id.is_some() || install.proxy.https.is_some();
    let pod = planned(install).filter(|_| says_something)?;
    Some(Part { whose: Whose::Extension, pod, image })
}

async fn installed(
    client: &Client,
    namespace: &str,
    install: &InstallSettings,
    seen: &mut Seen,
) -> Result<(), kube::Error> {
    let (found, system) = parts(client, namespace).await?;
    seen.installation.parts.extend(found);
    seen.inside.system_parts = system;
    let found = locations(client, namespace).await?.with(install.location.as_ref());
    seen.installation.locations = found.records;
    seen.unseen.extend(found.unread);
    names(client, seen).await?;
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    for slice in slices.list(&ListParams::default().labels("kubernetes.io/service-name=kubernetes")).await? {
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

/// Region and account of Azure; and the vault that somebody is signed in to.
async fn resource_manager(args: &EgressArgs, seen: &mut Seen) -> Result<(), Failure> {
    let signed_in = folder().ok().and_then(|folder| folder.profile().ok());
    let knows_vault = let_out(&seen.installation).iter().any(|one| one.kind == EndpointKind::Vault);
    if let (Some(profile), false) = (signed_in.filter(|_| args.arm.arm.is_none()), knows_vault) {
        seen.tell(EndpointKind::Vault, &profile.cloud.resource_manager);
        seen.tell(EndpointKind::Token, &profile.endpoints.token);
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
        Observed::Seen(cluster) => seen.installation.region = Some(cluster.location.clone()),
        Observed::NotObservable(why) => seen.unseen.push(format!("the region is not known: {why}")),
    }
    let names = probes::resource_manager::names(&arm, &facts);
    if names.0.contains_key("azure") {
        if let Some(account) = names.0.get("account") {
            seen.tell(EndpointKind::Store, &format!("https://{account}.blob.core.windows.net"));
        }
        seen.tell(EndpointKind::Token, AZURE_AUTHORITY);
    } else {
        seen.tell(EndpointKind::Vault, &arm.url);
    }
    Ok(())
}
