//! Everything that the catalogue judges, looked at at once: what `cofferdam preflight` does.

use crate::contain::{MANY, PROBE, STORE, within};
use crate::patience::patient;
use crate::resource_manager::{self, ResourceManager};
use crate::{
    Subject, cluster, configured, counts, location, marks, mend, network, nodes, policies, rights, snapshots,
    target, velero, volumes, webhooks, workload,
};
use futures::future::BoxFuture;
use kube::Client;
use prerequisites::{Facts, Names, Observed};
use std::future::Future;
use telemetry::Clock;

/// What to look at beside the extension's own subject.
pub struct Survey<'a> {
    /// The extension's namespace, pod, rights and location.
    pub subject: &'a Subject,
    /// Name of the extension's Deployment, and of its lease.
    pub deployment: &'a str,
    /// Namespaces that a configuration names.
    pub namespaces: &'a [String],
    /// Hooks that it names, as `<namespace>/<name>`.
    pub hooks: &'a [String],
    /// The cluster that is restored into, if one was named.
    pub target: Option<Observed<Client>>,
    /// The resource manager, or why there is none.
    pub arm: Observed<ResourceManager>,
    /// Called with a word whenever something was looked at.
    pub shown: &'a (dyn Fn(&str) + Sync),
}

/// Looks at everything but the machine that this runs on. `client` is whoever runs the checks.
pub async fn survey(client: Observed<Client>, it: Survey<'_>, clock: &dyn Clock) -> Facts {
    let mut facts = match &client {
        Observed::Seen(client) => of_cluster(&patient(client), &it, clock).await,
        Observed::NotObservable(why) => {
            let facts = Facts::unseen(&format!("the cluster could not be reached: {why}"));
            let location = location::observe(&it.subject.location, None);
            Facts { location: within("looking at the store", STORE, location).await, ..facts }
        }
    };
    let mut names = Names::default();
    facts.arm = match &it.arm {
        Observed::NotObservable(why) => Observed::NotObservable(why.clone()),
        Observed::Seen(arm) => {
            let seen = resource_manager::observe(arm, facts.volumes.seen().map(Vec::as_slice)).await;
            (it.shown)("resource manager");
            names = resource_manager::names(arm, &seen);
            Observed::Seen(seen)
        }
    };
    names.0.insert("namespace", it.subject.namespace.clone());
    facts.names = names;
    facts
}

async fn of_cluster(client: &Client, it: &Survey<'_>, clock: &dyn Clock) -> Facts {
    let subject = it.subject;
    let namespace = subject.namespace.as_str();
    let shown = it.shown;
    let uid = cluster::uid(client).await;
    let one = |what: &'static str| move || shown(what);
    let before = async {
        futures::join!(
            told(one("version"), within("reading the version", MANY, cluster::observe(client, namespace))),
            told(
                one("rights"),
                within("asking for access reviews", MANY, rights::observe(client, &subject.needed))
            ),
            told(
                one("snapshots"),
                within("looking at the snapshot API", MANY, snapshots::observe(client, clock))
            ),
            told(one("volumes"), within("listing claims and volumes", MANY, volumes::observe(client))),
            told(one("Velero"), within("looking for Velero", MANY, velero::observe(client))),
            told(
                one("Velero's definitions"),
                within("looking at Velero's definitions", MANY, mend::definitions(client))
            ),
            told(
                one("snapshotters"),
                within("looking for snapshotters", MANY, snapshots::snapshotters(client))
            ),
            told(one("marks"), within("looking for velero.io labels", MANY, marks::observe(client))),
            told(
                one("admission"),
                within("looking at admission policies", MANY, policies::observe(client, subject))
            ),
            told(one("image"), within("looking for the image", MANY, policies::registry(client, subject))),
            told(
                one("store"),
                within("looking at the store", STORE, location::observe(&subject.location, uid.as_deref()))
            ),
        )
    };
    let extension = workload::extension(client, namespace, it.deployment, clock);
    let target = async {
        match &it.target {
            None => Observed::Seen(None),
            Some(Observed::NotObservable(why)) => {
                Observed::NotObservable(format!("the target could not be reached: {why}"))
            }
            Some(Observed::Seen(theirs)) => {
                target::observe(client, &patient(theirs), namespace, it.deployment, clock).await
            }
        }
    };
    let after = async {
        futures::join!(
            told(one("extension"), within("looking at the extension's pods", MANY, extension)),
            told(one("agents"), within("looking at kube-system", MANY, workload::system(client))),
            told(
                one("original"),
                within("looking for the original's extension", PROBE, workload::original(client))
            ),
            told(one("nodes"), within("listing nodes", MANY, nodes::observe(client, subject.pod.as_ref()))),
            told(
                one("namespaces"),
                within("listing namespaces", MANY, configured::namespaces(client, it.namespaces))
            ),
            told(one("objects"), within("counting objects", MANY, counts::observe(client))),
            told(one("webhooks"), within("looking at admission webhooks", MANY, webhooks::observe(client))),
            told(
                one("network"),
                within("listing network policies", PROBE, network::policies(client, namespace))
            ),
            told(
                one("identity"),
                within("looking for pod-managed identity", MANY, network::pod_identity(client, namespace))
            ),
            told(one("hooks"), within("looking for hooks", MANY, configured::hooks(client, it.hooks))),
            told(one("target"), within("comparing source and target", MANY, target)),
        )
    };
    let (before, after) = futures::join!(before, after);
    let mut facts = Facts::unseen("it was not looked at");
    (
        facts.cluster,
        facts.rights,
        facts.snapshots,
        facts.volumes,
        facts.velero,
        facts.definitions,
        facts.snapshotters,
        facts.marks,
        facts.policies,
        facts.registry,
        facts.location,
    ) = before;
    (
        facts.extension,
        facts.system,
        facts.original,
        facts.nodes,
        facts.namespaces,
        facts.objects,
        facts.webhooks,
        facts.network_policies,
        facts.pod_identity,
        facts.hooks,
        facts.target,
    ) = after;
    facts
}

/// Says that something was looked at. Each probe lies on the heap: all of them side by side are too large for the stack of a
/// worker's thread, which is where the extension looks.
fn told<'a, T>(
    shown: impl FnOnce() + Send + 'a,
    probe: impl Future<Output = T> + Send + 'a,
) -> BoxFuture<'a, T> {
    let probe = Box::pin(probe);
    Box::pin(async move {
        let seen = probe.await;
        shown();
        seen
    })
}
