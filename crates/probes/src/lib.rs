//! The observers behind the catalogue of prerequisites: they look, `prerequisites` judges.
//!
//! Every observer answers `Seen` or says why it could not look; none of them decides.

mod cluster;
mod location;
mod marks;
mod policies;
mod rights;
mod snapshots;
mod velero;
mod volumes;

use kube::Client;
use prerequisites::{Facts, Observed};
use serde_json::Value;
use std::sync::Arc;
use storage::Store;
use telemetry::Clock;

/// What to look at.
#[derive(Debug)]
pub struct Subject {
    /// Namespace that the extension uses or will use.
    pub namespace: String,
    /// The extension's pod (`apiVersion`, `kind`, `metadata`, `spec`), for the dry run; its image is the
    /// one that nodes must be able to fetch.
    pub pod: Option<Value>,
    /// The rights that the extension needs: the rules of its cluster role.
    pub rules: Vec<k8s_openapi::api::rbac::v1::PolicyRule>,
    /// The storage location, opened at its root (beside the repository's folder).
    pub location: Option<Location>,
}

/// A storage location to look at.
#[derive(Debug)]
pub struct Location {
    /// The root of the location: where the owner marker lies.
    pub root: Arc<dyn Store>,
    /// `<bucket>/<prefix>`, to compare with the locations of a Velero.
    pub bucket_path: String,
}

/// Looks at everything that the catalogue judges. `client` is whoever runs the checks.
pub async fn observe(client: Observed<Client>, subject: &Subject, clock: &dyn Clock) -> Facts {
    let client = match client {
        Observed::Seen(client) => client,
        Observed::NotObservable(why) => return unreachable_cluster(&why, subject).await,
    };
    let cluster = cluster::observe(&client, &subject.namespace).await;
    let uid = cluster.seen().map(|c| c.uid.clone());
    let (missing_rights, snapshots, volumes, velero, policies, registry, location) = futures::join!(
        rights::observe(&client, &subject.rules),
        snapshots::observe(&client, clock),
        volumes::observe(&client),
        velero::observe(&client),
        policies::observe(&client, subject),
        policies::registry(&client, subject),
        location::observe(subject.location.as_ref(), uid.as_deref()),
    );
    Facts { cluster, missing_rights, snapshots, volumes, velero, policies, registry, location }
}

async fn unreachable_cluster(why: &str, subject: &Subject) -> Facts {
    fn no<T>(why: &str) -> Observed<T> {
        Observed::NotObservable(format!("the cluster could not be reached: {why}"))
    }
    Facts {
        cluster: no(why),
        missing_rights: no(why),
        snapshots: no(why),
        volumes: no(why),
        velero: no(why),
        policies: no(why),
        registry: no(why),
        location: location::observe(subject.location.as_ref(), None).await,
    }
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
        other => other.to_string(),
    }
}

fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
