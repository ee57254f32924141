//! What the checks look at: the settings on the command line, else what is installed.

use super::{PreflightArgs, active, tools::tools};
use crate::{
    cluster::ClusterArgs, commands::install::Wish, commands::repository::static_credential, exit::Failure,
    wait,
};
use ::identity::stores::not_enforced;
use extension::{
    checks::{account, bucket_path, needed, pod_of, store_name},
    locations::{CredentialKind, LocationRecord, Role, STATE, open_store, was_initialised},
    manifests::{InstallSettings, NAME, render},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Secret},
    rbac::v1::ClusterRole,
};
use kube::{Api, Client, ResourceExt};
use prerequisites::{
    Endpoint, EndpointKind, Facts, Judged, Observed, Profile, Purpose, Report, evaluate, judge,
};
use probes::{Account, Location, Subject, Survey, observe};
use std::{sync::Arc, time::Duration};
use storage::credential::CredentialSource;
use telemetry::{Clock, SystemClock};

/// How long the API server may take to say what is installed.
const PATIENCE: Duration = Duration::from_secs(3);
/// The check that a pod would be let in.
pub const ADMISSION: &str = "P20";

/// What is to be judged.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The installation as the settings describe it.
    pub install: &'a InstallSettings,
    /// The arguments behind it.
    pub wish: &'a Wish,
    /// The location to look at when the settings describe none.
    pub location: &'a str,
    /// Whether whoever asks is about to install.
    pub installing: bool,
}

/// What was seen, and what it means.
#[derive(Debug)]
pub struct Seen {
    /// What was seen.
    pub facts: Facts,
    /// What it means, check by check.
    pub judged: Vec<Judged>,
    /// What no check can mend and everybody should know.
    pub notes: Vec<String>,
}

/// Observes and judges what an installation depends on.
pub async fn look(cluster: &ClusterArgs, wanted: &Wanted<'_>, profile: Profile) -> Result<Report, Failure> {
    let client = observed(cluster.client().await);
    let Described { subject, .. } = subject(client.seen(), &cluster.namespace, wanted).await?;
    let facts = observe(client, &subject, &SystemClock).await;
    Ok(evaluate(&facts, profile, Purpose::Install))
}

/// Asks admission about the pod once its namespace is there: before that, nobody can say what it will do.
pub async fn admission(
    cluster: &ClusterArgs,
    wanted: &Wanted<'_>,
    profile: Profile,
) -> Result<Report, Failure> {
    let client = cluster.client().await?;
    let Described { subject, .. } = subject(Some(&client), &cluster.namespace, wanted).await?;
    let facts = probes::admission(&client, &subject).await;
    let mut report = evaluate(&facts, profile, Purpose::Install);
    report.findings.retain(|finding| finding.id == ADMISSION);
    Ok(report)
}

/// Observes and judges the whole catalogue, with a live line on terminals.
pub async fn survey(
    cluster: &ClusterArgs,
    wanted: &Wanted<'_>,
    args: &PreflightArgs,
    profile: Profile,
) -> Result<Seen, Failure> {
    let client = observed(cluster.client().await);
    let target = match &args.target_kubeconfig {
        None => None,
        Some(file) => {
            let theirs = ClusterArgs { kubeconfig: Some(file.clone()), context: None, ..cluster.clone() };
            Some(observed(theirs.client().await))
        }
    };
    let Described { subject, notes } = subject(client.seen(), &cluster.namespace, wanted).await?;
    let (arm, named) = args.arm.open().await?;
    let with = |given: &[String], named: &[String]| [given, named].concat();
    let bar = wait::bar();
    let it = Survey {
        subject: &subject,
        deployment: NAME,
        namespaces: &with(&args.include_namespaces, &named.namespaces),
        hooks: &with(&args.backup_hook, &named.hooks),
        target,
        arm,
        shown: &|what| bar.set_message(format!("looked at: {what}")),
    };
    let surveyed = Box::pin(probes::survey(client.clone(), it, &SystemClock));
    let (mut facts, tools) = futures::join!(surveyed, tools(profile));
    facts.tools = tools;
    if args.active.is_wanted() {
        let asked = active::Asked {
            args: &args.active,
            subject: &subject,
            location: wanted.install.location.as_ref(),
            profile,
            proxy_authorities: wanted.install.proxy.authorities.as_deref(),
            vault_authorities: wanted.install.vault.as_ref().map(|vault| vault.authorities.as_str()),
            api_server: cluster.config().await.ok().and_then(|config| {
                Endpoint::of_url(EndpointKind::ApiServer, &config.cluster_url.to_string())
            }),
            bar: &bar,
        };
        Box::pin(active::look(&client, asked, &mut facts)).await?;
    }
    if let Some(file) = &args.target_kubeconfig {
        facts.names.0.insert("target-kubeconfig", file.display().to_string());
    }
    bar.finish_and_clear();
    let judged = judge(&facts, profile, Purpose::Preflight);
    Ok(Seen { facts, judged, notes })
}

fn observed(client: Result<Client, Failure>) -> Observed<Client> {
    match client {
        Ok(client) => Observed::Seen(client),
        Err(failure) => Observed::NotObservable(failure.message().to_owned()),
    }
}

/// What is looked at, and what its description alone says.
struct Described {
    subject: Subject,
    notes: Vec<String>,
}

async fn subject(
    client: Option<&Client>,
    namespace: &str,
    wanted: &Wanted<'_>,
) -> Result<Described, Failure> {
    let installed = match client {
        Some(client) => installed(client, namespace).await,
        None => None,
    };
    let pod = match &installed {
        Some(deployment) if wanted.wish.image.is_none() && !wanted.installing => pod_of(deployment),
        _ => planned(wanted.install),
    };
    let (account, restore) = match (&installed, client) {
        (Some(_), Some(client)) if !wanted.installing => {
            (Account::Extension(account(namespace)), restores(client).await)
        }
        _ => (Account::Asker, wanted.install.restore),
    };
    let (location, notes) = location(client, namespace, wanted).await?;
    let subject = Subject {
        namespace: namespace.to_owned(),
        pod,
        needed: needed(account, namespace, restore),
        location,
    };
    Ok(Described { subject, notes })
}

/// The pod of an extension that is to be installed.
pub(super) fn planned(install: &InstallSettings) -> Option<serde_json::Value> {
    let documents = render(install).ok()?;
    documents.iter().find(|d| d.get("kind").is_some_and(|kind| kind == "Deployment")).and_then(pod_of)
}

/// The Deployment of an installed extension.
async fn installed(client: &Client, namespace: &str) -> Option<serde_json::Value> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let mut deployment = soon(api.get_opt(NAME)).await??;
    deployment.metadata.managed_fields = None;
    serde_json::to_value(deployment).ok()
}

/// Whether the extension was installed with the rights for restores.
async fn restores(client: &Client) -> bool {
    let api: Api<ClusterRole> = Api::all(client.clone());
    let name = format!("{NAME}-{}", extension::manifests::Scope::Restore.name());
    // Not readable: then the rights are asked for and what is missing is named.
    soon(api.get_opt(&name)).await.is_none_or(|role| role.is_some())
}

async fn location(
    client: Option<&Client>,
    namespace: &str,
    wanted: &Wanted<'_>,
) -> Result<(Observed<Location>, Vec<String>), Failure> {
    let map = match client {
        Some(client) => noted(client, namespace, wanted.location).await,
        None => None,
    };
    let recorded = map.as_ref().map(LocationRecord::decode);
    let record = match (&wanted.install.location, recorded) {
        (Some(record), _) => record.clone(),
        (None, Some(Ok(record))) => record,
        (None, Some(Err(bad))) => return Ok((Observed::NotObservable(bad.to_string()), Vec::new())),
        (None, None) => {
            let why = "no storage location is given (--set) and none is installed".to_owned();
            return Ok((Observed::NotObservable(why), Vec::new()));
        }
    };
    let notes = unenforced(&record).into_iter().collect();
    // What the extension noted counts only for the location that it looked at.
    let noted = map.as_ref().filter(|map| LocationRecord::decode(map).is_ok_and(|known| known == record));
    let initialised =
        record.role == Role::Own && noted.is_some_and(|map| was_initialised(map, &record.settings));
    let noted = noted.and_then(|map| map.annotations().get(STATE).cloned());
    let opened = open(client, namespace, wanted, &record).await?;
    let seen = match opened {
        Observed::NotObservable(why) => Observed::NotObservable(match noted {
            Some(noted) => format!("{why}; the extension says: {noted}"),
            None => why,
        }),
        Observed::Seen(root) => Observed::Seen(Location {
            root,
            bucket_path: bucket_path(&record.settings),
            store: store_name(&record.settings),
            writes: record.role == Role::Own,
            unrelated_allowed: record.allow_unrelated,
            initialised,
            noted,
            inside: false,
        }),
    };
    Ok((seen, notes))
}

/// What is said of a store outside with a fixed credential: an account that a resource manager knows has roles.
fn unenforced(record: &LocationRecord) -> Option<String> {
    let CredentialKind::Secret(secret) = &record.credential else { return None };
    let named = |key: &str| record.settings.config.contains_key(key);
    let is_known = ["subscriptionId", "resourceGroup", "storageAccount"].into_iter().all(named);
    (!is_known).then(|| not_enforced(secret))
}

async fn noted(client: &Client, namespace: &str, location: &str) -> Option<ConfigMap> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    soon(api.get_opt(&LocationRecord::config_map_name(location))).await.flatten()
}

/// An answer of the API server, if it comes soon. What the checks then look at themselves says why it did not.
async fn soon<T>(asked: impl Future<Output = Result<T, kube::Error>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
}

/// Opens the store with the credential on the command line, else with that in the cluster.
async fn open(
    client: Option<&Client>,
    namespace: &str,
    wanted: &Wanted<'_>,
    record: &LocationRecord,
) -> Result<Observed<Arc<dyn storage::Store>>, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let no = |why: &str| Ok(Observed::NotObservable(why.to_owned()));
    if !wanted.wish.credential_files.is_empty() {
        let source: Arc<dyn CredentialSource> =
            static_credential(&record.settings, &wanted.wish.credential_files)?;
        let opened = record.settings.open(source, clock).await;
        return Ok(opened
            .map_or_else(|error| Observed::NotObservable(error.to_string()), |l| Observed::Seen(l.root)));
    }
    match (&record.credential, client) {
        (CredentialKind::WorkloadIdentity, _) => {
            no("the location is opened with the identity of the extension's pod, which nobody else has")
        }
        (CredentialKind::None, _) => no("the directory is one of the extension's pod"),
        (CredentialKind::Secret(_), None) => no("the credential lies in the cluster; pass --credential-file"),
        (CredentialKind::Secret(_), Some(client)) => {
            let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
            match tokio::time::timeout(PATIENCE, open_store(record, &secrets, None, &clock)).await {
                Ok(Ok(opened)) => Ok(Observed::Seen(opened.root)),
                Ok(Err(error)) => no(&error.to_string()),
                Err(_) => no("the API server did not hand out the credential in time"),
            }
        }
    }
}
