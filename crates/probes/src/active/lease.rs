//! A run's sign of life: a Lease in the namespace of probes, there before anything else that the run makes and renewed
//! until everything is gone.

use super::{
    Hindered, RunId,
    namespace::{self, Found},
    place::{LABEL, NAMESPACE, VALUE},
    signs::{Sign, Signs, Verdict},
};
use crate::is_absent;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// How long a Lease lasts without a renewal, in seconds.
const LASTS: u16 = 20;
const RENEW: Duration = Duration::from_secs(4);
/// No Lease is waited for longer than this, whatever it says.
const LONGEST_LASTS: u16 = 60;
/// How long an earlier namespace of probes may take to go, and the look at other runs to be answered.
const LONGEST: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(500);

/// A run that shows that it lives, until this is dropped.
#[derive(Debug)]
pub struct Life(JoinSet<Hindered>);

impl Life {
    /// Returns when another run has taken this one for dead, and why.
    pub async fn lost(&mut self) -> Hindered {
        match self.0.join_next().await {
            Some(Ok(why)) => why,
            Some(Err(_)) | None => Hindered("the Lease of this run is not renewed any more".to_owned()),
        }
    }
}

fn leases(client: &Client) -> Api<Lease> {
    Api::namespaced(client.clone(), NAMESPACE)
}

/// Makes the namespace of probes where it is missing, and the run's Lease in it.
pub async fn begin(client: &Client, run: &RunId, clock: Arc<dyn Clock>) -> Result<Life, Hindered> {
    let began = Instant::now();
    // Who may not see Leases does not make the namespace either: nobody would take it away.
    any(client).await?;
    while let Err(why) = tried(client, run, clock.as_ref()).await? {
        if began.elapsed() > LONGEST {
            return Err(Hindered(why));
        }
        sleep(POLL).await;
    }
    namespace::ready(client).await;
    let mut renewing = JoinSet::new();
    renewing.spawn(renewed(leases(client), run.lease(), clock));
    Ok(Life(renewing))
}

/// One try; inside, why it has to be tried again.
///
/// Another run may remove the namespace at the same time. It does so only at the version at which it saw the namespace
/// before it looked for Leases. So the Lease is made first, and then the namespace is changed: either the other run has seen
/// the Lease, or its removal does not come through, or the namespace is on its way out here and this is tried again.
async fn tried(client: &Client, run: &RunId, clock: &dyn Clock) -> Result<Result<(), String>, Hindered> {
    let again = |why: &str| Ok(Err(format!("{why}: kubectl get namespace {NAMESPACE} -o yaml says more")));
    let uid = match namespace::find(client).await? {
        Found::Nothing => match namespace::make(client).await? {
            Some(uid) => uid,
            None => return again("another run makes the namespace of probes"),
        },
        Found::Ours { uid, .. } => uid,
        Found::Going { .. } => return again("the namespace of earlier probes is still there"),
        Found::Theirs => return Err(namespace::theirs()),
    };
    match leases(client).create(&PostParams::default(), &record(run, clock)).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => {
            // In a namespace that is about to go nothing is made, and in one that is gone neither.
            let stands = matches!(namespace::find(client).await?, Found::Ours { uid: now, .. } if now == uid);
            return if stands {
                Err(Hindered::by("making a Lease in the namespace of probes")(error))
            } else {
                again("the namespace of earlier probes is still there")
            };
        }
    }
    match namespace::mark(client, &uid, run).await? {
        true => Ok(Ok(())),
        false => again("the namespace of probes was taken away"),
    }
}

fn record(run: &RunId, clock: &dyn Clock) -> Lease {
    let now = MicroTime(clock.now());
    Lease {
        metadata: ObjectMeta { name: Some(run.lease()), labels: Some(run.labels()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: Some(run.as_str().to_owned()),
            lease_duration_seconds: Some(i32::from(LASTS)),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    }
}

/// Renews a Lease until it is taken away. What fails otherwise is tried again: if that lasts, it is taken away.
async fn renewed(api: Api<Lease>, name: String, clock: Arc<dyn Clock>) -> Hindered {
    loop {
        sleep(RENEW).await;
        let patch = Patch::Merge(json!({"spec": {"renewTime": MicroTime(clock.now())}}));
        match timeout(RENEW, api.patch(&name, &PatchParams::default(), &patch)).await {
            Ok(Err(error)) if is_absent(&error) => {
                return Hindered(format!(
                    "the Lease of this run could not be renewed for {LASTS} s, and another run has removed it with its probes; run it again"
                ));
            }
            Ok(Ok(_) | Err(_)) | Err(_) => {}
        }
    }
}

/// All Leases of runs.
async fn all(client: &Client) -> Result<Vec<Sign>, Hindered> {
    let ours = ListParams::default().labels(&format!("{LABEL}={VALUE}"));
    let found = leases(client).list(&ours).await.map_err(Hindered::by("looking for other runs of probes"))?;
    Ok(found.items.iter().map(sign).collect())
}

fn sign(lease: &Lease) -> Sign {
    let lasts = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    let lasts = lasts.and_then(|seconds| u16::try_from(seconds).ok()).unwrap_or(LASTS);
    Sign {
        name: lease.name_any(),
        run: RunId::of(lease.labels()),
        version: lease.resource_version().unwrap_or_default(),
        lasts: Duration::from_secs(lasts.min(LONGEST_LASTS).into()),
    }
}

/// Whether there is any Lease of a run.
pub(super) async fn any(client: &Client) -> Result<bool, Hindered> {
    Ok(!all(client).await?.is_empty())
}

/// Looks at other runs until it is known which of them live, and removes the Leases of those that do not.
pub(super) async fn living(client: &Client, me: &RunId) -> Result<BTreeSet<RunId>, Hindered> {
    let (mut signs, began) = (Signs::default(), Instant::now());
    loop {
        match all(client).await {
            Ok(mut seen) => {
                seen.retain(|sign| sign.run.as_ref() != Some(me));
                let verdict = signs.look(&seen, Instant::now());
                if !verdict.open {
                    return buried(client, verdict).await;
                }
            }
            Err(why) if began.elapsed() > LONGEST => return Err(why),
            Err(_) => signs.blind(),
        }
        if began.elapsed() > LONGEST {
            return Err(Hindered(format!(
                "it could not be seen within {} s which other runs of probes live",
                LONGEST.as_secs()
            )));
        }
        sleep(POLL).await;
    }
}

/// A Lease goes by the version that was seen: whoever renews at this very moment keeps it, and all that is theirs.
async fn buried(client: &Client, verdict: Verdict) -> Result<BTreeSet<RunId>, Hindered> {
    let mut living = verdict.living;
    for sign in verdict.dead {
        let seen = Preconditions { resource_version: Some(sign.version), uid: None };
        match leases(client).delete(&sign.name, &DeleteParams::default().preconditions(seen)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(kube::Error::Api(status)) if status.code == 409 => living.extend(sign.run),
            Err(error) => return Err(Hindered::by("removing the Lease of a run that is dead")(error)),
        }
    }
    Ok(living)
}

/// Removes the Lease of a run.
pub(super) async fn remove(client: &Client, run: &RunId) -> Result<(), Hindered> {
    match leases(client).delete(&run.lease(), &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(Hindered::by("removing the Lease of this run")(error)),
    }
}
