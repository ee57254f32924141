//! Removes what probes have made: before a run what belongs to no run that lives, after it what is the run's own.

use super::{
    Hindered, RunId, job, lease, namespace,
    place::{LABEL, NAMESPACE, VALUE},
    volume,
};
use crate::is_absent;
use k8s_openapi::api::{batch::v1::Job, core::v1::PersistentVolumeClaim};
use kube::{
    Api, Client,
    api::{ListParams, ObjectMeta},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, sleep};

/// How long what was removed may take to go.
const LONGEST: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(300);

/// Something that a run has made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thing {
    kind: Kind,
    namespace: String,
    name: String,
    /// Whose it is; nobody's where nothing says so.
    run: Option<RunId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Job,
    Snapshot,
    Claim,
}

impl Thing {
    fn of(kind: Kind, metadata: &ObjectMeta) -> Self {
        let labels = metadata.labels.as_ref();
        Self {
            kind,
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            run: labels.and_then(RunId::of),
        }
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Job => "job",
            Kind::Snapshot => "volumesnapshot",
            Kind::Claim => "persistentvolumeclaim",
        };
        write!(f, "{kind}/{}/{}", self.namespace, self.name)
    }
}

/// What belongs to no run that lives.
fn ownerless(things: Vec<Thing>, living: &BTreeSet<RunId>, me: &RunId) -> Vec<Thing> {
    let is_owned = |thing: &Thing| thing.run.as_ref().is_some_and(|run| run == me || living.contains(run));
    things.into_iter().filter(|thing| !is_owned(thing)).collect()
}

/// Removes what belongs to no run that lives, here and in the extension's namespace; says what there was. Where other runs
/// have left their Lease, it waits until it is renewed or has run out.
pub async fn sweep(client: &Client, extension: &str, me: &RunId) -> Result<Vec<String>, Hindered> {
    // In this order: a run has its Lease before it makes anything, so whoever made what is there is seen afterwards.
    let there = things(client, extension).await?;
    let living = lease::living(client, me).await?;
    let mut left = ownerless(there, &living, me);
    if !left.is_empty() {
        // A run that has ended in the meantime has taken its own away, and its Lease after that.
        let still = things(client, extension).await?;
        left.retain(|thing| still.contains(thing));
    }
    remove(client, extension, &left).await?;
    Ok(left.iter().map(Thing::to_string).collect())
}

/// Removes what a run has made, its Lease, and the namespace of probes unless another run is there.
pub async fn end(client: &Client, extension: &str, me: &RunId) -> Result<(), Hindered> {
    let mut own = things(client, extension).await?;
    own.retain(|thing| thing.run.as_ref() == Some(me));
    let removed = remove(client, extension, &own).await;
    let released = lease::remove(client, me).await;
    let left = namespace::leave(client).await;
    removed.and(released).and(left)
}

/// All that runs have made and that is still there.
async fn things(client: &Client, extension: &str) -> Result<Vec<Thing>, Hindered> {
    let ours = ListParams::default().labels(&format!("{LABEL}={VALUE}"));
    let mut all = Vec::new();
    for place in BTreeSet::from([extension, NAMESPACE]) {
        let jobs: Api<Job> = Api::namespaced(client.clone(), place);
        let jobs = jobs.list_metadata(&ours).await.map_err(Hindered::by("looking for earlier probes"))?;
        all.extend(jobs.items.iter().map(|one| Thing::of(Kind::Job, &one.metadata)));
    }
    match volume::snapshots(client, NAMESPACE).list_metadata(&ours).await {
        Ok(cuts) => all.extend(cuts.items.iter().map(|one| Thing::of(Kind::Snapshot, &one.metadata))),
        Err(error) if is_absent(&error) => {}
        Err(error) => return Err(Hindered::by("looking for earlier snapshots of probes")(error)),
    }
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), NAMESPACE);
    let claims =
        claims.list_metadata(&ours).await.map_err(Hindered::by("looking for earlier claims of probes"))?;
    all.extend(claims.items.iter().map(|one| Thing::of(Kind::Claim, &one.metadata)));
    Ok(all)
}

/// Removes these, Jobs first: a volume that a pod uses stays.
async fn remove(client: &Client, extension: &str, these: &[Thing]) -> Result<(), Hindered> {
    if these.is_empty() {
        return Ok(());
    }
    let of = |kind: Kind| these.iter().filter(move |thing| thing.kind == kind);
    let jobs = of(Kind::Job).map(|job| job::remove(client, &job.namespace, &job.name));
    futures::future::try_join_all(jobs).await?;
    let names = |kind: Kind| of(kind).map(|thing| thing.name.as_str()).collect::<Vec<_>>();
    let (cuts, claims) = (names(Kind::Snapshot), names(Kind::Claim));
    let behind = volume::remove(client, NAMESPACE, &cuts, &claims, LONGEST).await;
    let began = Instant::now();
    loop {
        let there = things(client, extension).await;
        let mut left = behind.clone();
        match there {
            Ok(there) => {
                let still = there.iter().filter(|one| these.contains(one)).map(Thing::to_string);
                left.extend(still);
                if left.is_empty() {
                    return Ok(());
                }
            }
            Err(why) => left.push(why.0),
        }
        if began.elapsed() > LONGEST || !behind.is_empty() {
            return Err(Hindered(format!("of earlier probes these are still there: {}", left.join(", "))));
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
