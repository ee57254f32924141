//! The cluster that is restored into, beside the one that is backed up.

use crate::{discovery, nodes, seen, workload};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, ResourceQuota};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{Observed, Target};
use std::collections::BTreeSet;
use telemetry::Clock;

use crate::pages::each_metadata;
use crate::quantity::milli;

pub(crate) async fn observe(
    source: &Client,
    target: &Client,
    namespace: &str,
    deployment: &str,
    clock: &dyn Clock,
) -> Observed<Option<Target>> {
    let extension = match workload::extension(target, namespace, deployment, clock).await {
        Observed::Seen(extension) => extension,
        Observed::NotObservable(why) => return Observed::NotObservable(format!("in the target, {why}")),
    };
    let compared = compare(source, target).await;
    seen("comparing source and target", compared.map(|compared| Some(Target { extension, ..compared })))
}

async fn compare(source: &Client, target: &Client) -> Result<Target, kube::Error> {
    let (ours, theirs) = futures::try_join!(discovery::backed_up(source), discovery::names(target))?;
    let theirs: BTreeSet<String> = theirs.into_iter().collect();
    let (asked, free) = futures::try_join!(asked(source), free(target))?;
    let claim = |meta: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
        Some(format!("{}/{}", meta.namespace?, meta.name?))
    };
    let (here, there) = futures::try_join!(
        each_metadata::<PersistentVolumeClaim, BTreeSet<String>>(source, claim),
        each_metadata::<PersistentVolumeClaim, BTreeSet<String>>(target, claim),
    )?;
    Ok(Target {
        extension: None,
        missing_resources: ours.into_iter().filter(|name| !theirs.contains(name)).collect(),
        cpu: (asked.cpu, free.cpu),
        memory: (asked.memory, free.memory),
        full_quotas: full_quotas(target).await?,
        claims_there: here.intersection(&there).cloned().collect(),
    })
}

/// What all pods of the source ask for.
async fn asked(client: &Client) -> Result<nodes::Asked, kube::Error> {
    let all = nodes::asked(client).await?;
    Ok(all.values().fold(nodes::Asked::default(), |sum, one| sum.and(*one)))
}

/// What all open nodes of the target have free.
async fn free(client: &Client) -> Result<nodes::Asked, kube::Error> {
    let nodes = match nodes::observe(client, None).await {
        Observed::Seen(nodes) => nodes.all,
        Observed::NotObservable(why) => return Err(kube::Error::Service(why.into())),
    };
    let open = nodes.iter().filter(|node| node.takes_pods);
    Ok(open.fold(nodes::Asked::default(), |sum, node| {
        sum.and(nodes::Asked {
            cpu: node.free_cpu.unwrap_or_default(),
            memory: node.free_memory.unwrap_or_default(),
            ..nodes::Asked::default()
        })
    }))
}

/// Quotas of which something is used up.
async fn full_quotas(client: &Client) -> Result<Vec<String>, kube::Error> {
    let quotas: Api<ResourceQuota> = Api::all(client.clone());
    let quotas = quotas.list(&ListParams::default()).await?;
    let is_full = |quota: &&ResourceQuota| {
        let Some(status) = &quota.status else { return false };
        let used = |name: &String| status.used.as_ref()?.get(name).map(|used| milli(&used.0));
        let mut hard = status.hard.iter().flatten();
        hard.any(|(name, most)| used(name).is_some_and(|used| used >= milli(&most.0)))
    };
    let full = quotas.items.iter().filter(is_full);
    Ok(full.map(|quota| format!("{}/{}", quota.namespace().unwrap_or_default(), quota.name_any())).collect())
}
