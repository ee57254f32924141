//! The observers behind the catalogue of prerequisites: they look, `prerequisites` judges.
//!
//! Every observer answers `Seen` or says why it could not look; none of them decides. They only read, but for those of
//! [`active`], which need somebody's consent.

pub mod active;
mod cluster;
mod configured;
mod contain;
mod counts;
mod discovery;
pub mod egress;
#[cfg(test)]
mod fake;
mod location;
mod marks;
pub mod mend;
mod network;
mod nodes;
mod pages;
mod patience;
mod policies;
mod quantity;
pub mod resource_manager;
mod rights;
mod snapshots;
mod survey;
mod target;
mod velero;
mod volumes;
mod webhooks;
mod workload;

pub use location::put_and_take;
pub use survey::{Survey, survey};

use contain::{MANY, STORE, within};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::Client;
use prerequisites::{Facts, Observed, StoreName};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use storage::Store;
use telemetry::Clock;

/// How long a new namespace may take to get its account.
const SETTLES: Duration = Duration::from_secs(15);

/// What to look at.
#[derive(Debug)]
pub struct Subject {
    /// Namespace that the extension uses or will use.
    pub namespace: String,
    /// The extension's pod (`apiVersion`, `kind`, `metadata`, `spec`), for the dry run; its image is the
    /// one that nodes must be able to fetch.
    pub pod: Option<Value>,
    /// The rights that the extension needs, and whose rights are looked at.
    pub needed: Needed,
    /// The storage location, or why there is none to look at.
    pub location: Observed<Location>,
}

/// Rights that the extension needs.
#[derive(Debug)]
pub struct Needed {
    /// Whose rights are looked at.
    pub account: Account,
    /// Rights in the whole cluster: the rules of its cluster roles.
    pub rules: Vec<PolicyRule>,
    /// Rights in single namespaces: the rules of its roles.
    pub in_namespaces: Vec<(String, Vec<PolicyRule>)>,
}

/// Whose rights are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// Whoever runs the checks: only somebody who holds a right can grant it.
    Asker,
    /// The installed extension's account, asked about by somebody else.
    Extension(String),
    /// The extension's own account, which runs the checks.
    ThisExtension(String),
}

/// A storage location to look at.
#[derive(Debug)]
pub struct Location {
    /// The root of the location: where the owner marker lies.
    pub root: Arc<dyn Store>,
    /// `<bucket>/<prefix>`, to compare with the locations of a Velero.
    pub bucket_path: String,
    /// The store that the bucket is in, for the same.
    pub store: Option<StoreName>,
    /// Whether recovery points will be written.
    pub writes: bool,
    /// Whether the settings say that unrelated files may stay.
    pub unrelated_allowed: bool,
    /// Whether the extension noted that it had made a repository there.
    pub initialised: bool,
    /// What the extension noted about it.
    pub noted: Option<String>,
    /// Whether this process runs where the extension does; if not, a store out of reach proves nothing.
    pub inside: bool,
}

/// Looks at everything that the catalogue judges. `client` is whoever runs the checks.
pub async fn observe(client: Observed<Client>, subject: &Subject, clock: &dyn Clock) -> Facts {
    let client = match client {
        Observed::Seen(client) => client,
        Observed::NotObservable(why) => {
            let facts = Facts::unseen(&format!("the cluster could not be reached: {why}"));
            return Facts { location: location::observe(&subject.location, None).await, ..facts };
        }
    };
    let client = &patience::patient(&client);
    let cluster = cluster::observe(client, &subject.namespace).await;
    let uid = cluster.seen().map(|c| c.uid.clone());
    let (rights, snapshots, volumes, velero, marks, policies, registry, webhooks, original, location) = futures::join!(
        within("asking for access reviews", MANY, rights::observe(client, &subject.needed)),
        within("looking at the snapshot API", MANY, snapshots::observe(client, clock)),
        within("listing claims and volumes", MANY, volumes::observe(client)),
        within("looking for Velero", MANY, velero::observe(client)),
        within("looking for velero.io labels", MANY, marks::observe(client)),
        within("looking at admission policies", MANY, policies::observe(client, subject)),
        within("looking for the image", MANY, policies::registry(client, subject)),
        within("looking at admission webhooks", MANY, webhooks::observe(client)),
        within("looking for the original's extension", MANY, workload::original(client)),
        within("looking at the store", STORE, location::observe(&subject.location, uid.as_deref())),
    );
    Facts {
        cluster,
        rights,
        snapshots,
        volumes,
        velero,
        marks,
        policies,
        registry,
        webhooks,
        original,
        location,
        ..Facts::unseen("it was not looked at")
    }
}

/// Asks admission alone about the pod, in a namespace that was made a moment ago.
pub async fn admission(client: &Client, subject: &Subject) -> Facts {
    let client = &patience::patient(client);
    let (cluster, policies) = futures::join!(
        cluster::observe(client, &subject.namespace),
        policies::settled(client, subject, SETTLES),
    );
    Facts { cluster, policies, ..Facts::unseen("it was not looked at") }
}

/// Looks only at what can stop a single backup and is cheap to see: rights, the snapshot API, the location, a
/// colliding Velero. Nothing of it grows with the cluster.
pub async fn glance(client: &Client, subject: &Subject, cluster: &str, clock: &dyn Clock) -> Facts {
    let (rights, snapshots, velero, location) = futures::join!(
        rights::observe(client, &subject.needed),
        snapshots::observe(client, clock),
        velero::observe(client),
        location::observe(&subject.location, Some(cluster)),
    );
    Facts { rights, snapshots, velero, location, ..Facts::unseen("it was not looked at") }
}

/// Looks at what can stop an installation before its rights and its location are there: the version, the drivers of
/// volumes, the snapshot API, another Velero, admission. Of volumes only what stores them is held; nothing else of it
/// grows with the cluster's applications.
pub async fn before_install(client: &Client, namespace: &str, clock: &dyn Clock) -> Facts {
    let subject = Subject {
        namespace: namespace.to_owned(),
        pod: None,
        needed: Needed { account: Account::Asker, rules: Vec::new(), in_namespaces: Vec::new() },
        location: Observed::NotObservable("it was not looked at".to_owned()),
    };
    let (cluster, snapshots, volumes, velero, policies, original) = futures::join!(
        cluster::observe(client, namespace),
        snapshots::observe(client, clock),
        volumes::in_use(client),
        velero::observe(client),
        policies::observe(client, &subject),
        workload::original(client),
    );
    Facts { cluster, snapshots, volumes, velero, policies, original, ..Facts::unseen("it was not looked at") }
}

/// Turns an answer of the API server into a fact; an error becomes the reason.
fn seen<T>(what: &str, answer: Result<T, kube::Error>) -> Observed<T> {
    match answer {
        Ok(value) => Observed::Seen(value),
        Err(error) => Observed::NotObservable(format!("{what}: {}", short(&error))),
    }
}

/// The API server's own words, or the transport's.
fn short(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        kube::Error::Service(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
