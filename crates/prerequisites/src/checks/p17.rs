//! P17: no other Velero gets in the way.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, fails_as, informs, passed, unseen, when_seen};
use crate::written::{Sameness, sameness};
use crate::{Check, Facts, Fix, Profile, Scope, Severity, VeleroFacts, Verdict, Weight, WrittenPlace};

pub(crate) static CHECK: Check = Check {
    id: "P17",
    title: "No other Velero gets in the way.",
    reason: "It must not share the bucket prefix or our snapshot class; AKS allows none at all.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "Deployments, CustomResourceDefinitions, storage locations and schedules of velero.io",
    code: None,
    causes: &[],
    purposes: NOT_RESTORE,
    depends_on: &[],
    fixes: &[
        Fix::person(
            "`velero uninstall` does all of the following at once. See first what goes: each command with --dry-run=server. They are in this order because Velero itself lets go of its restores only as long as it runs; backups in its store stay",
        ),
        Fix::kubectl(
            "kubectl delete restores.velero.io,datauploads.velero.io,datadownloads.velero.io -A --all",
        ),
        Fix::kubectl("kubectl delete deployment,daemonset -A -l component=velero"),
        Fix::kubectl("kubectl delete namespace,clusterrolebinding -l component=velero"),
        Fix::kubectl("kubectl delete crd -l component=velero"),
    ],
    tested_by: "unit test; scenario `preflight` with Velero's resources; scenario `preflight_velero` with a real one; scenarios `preflight_others` and `preflight_fix` with what it leaves",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    when_seen(&facts.velero, |velero| {
        if let Some(collision) = collision(facts, velero) {
            return collision;
        }
        if velero.deployments.is_empty() && !velero.crds {
            return passed("no Velero was found");
        }
        let found = match velero.deployments.is_empty() {
            true => "its CustomResourceDefinitions".to_owned(),
            false => some(&velero.deployments),
        };
        match profile {
            Profile::Aks => {
                fails(format!("Velero is there: {found}")).about(&velero.deployments).fix(REMOVAL)
            }
            Profile::Cofferdam if facts.location.seen().is_none() && !velero.locations.is_empty() => {
                unseen(format!(
                    "Velero is there ({found}); without a storage location of ours nothing can be compared"
                ))
            }
            Profile::Cofferdam if facts.snapshots.seen().is_none() => unseen(format!(
                "Velero is there ({found}); whether it uses our snapshot class could not be seen"
            )),
            Profile::Cofferdam => doubtful(facts, velero).unwrap_or_else(|| beside(velero, &found)),
        }
    })
}

/// All of it in one line; the catalogue has its steps one by one.
const REMOVAL: &str = "velero uninstall, or step by step, each first with --dry-run=server: kubectl delete restores.velero.io,datauploads.velero.io,datadownloads.velero.io -A --all (as long as it runs); kubectl delete deployment,daemonset -A -l component=velero; kubectl delete namespace,clusterrolebinding -l component=velero; kubectl delete crd -l component=velero";

/// Its storage locations around, in or at our place, by whether their store is ours.
fn at_our_place<'a>(facts: &'a Facts, velero: &'a VeleroFacts, wanted: Sameness) -> Option<&'a WrittenPlace> {
    let ours = facts.location.seen()?;
    velero.locations.iter().find(|theirs| {
        holds(&theirs.path, &ours.bucket_path)
            && sameness(theirs.store.as_ref(), ours.store.as_ref()) == wanted
    })
}

/// What it takes from us.
fn collision(facts: &Facts, velero: &VeleroFacts) -> Option<Verdict> {
    if let Some(theirs) = at_our_place(facts, velero, Sameness::Same) {
        let seen = format!("a Velero storage location uses {} too", theirs.path);
        return Some(fails(seen).about(std::slice::from_ref(&theirs.path)).fix(
            "Use another bucket, or a prefix outside of Velero's: --set configuration.backupStorageLocation.prefix=FOLDER",
        ));
    }
    let class = shared_class(facts)?;
    let fix = format!("kubectl label volumesnapshotclass {class} velero.io/csi-volumesnapshot-class-");
    Some(fails(format!("Velero takes snapshots with our class {class}")).fix(fix))
}

/// A place of the same name at another address, which may be the same all the same.
fn doubtful(facts: &Facts, velero: &VeleroFacts) -> Option<Verdict> {
    let theirs = at_our_place(facts, velero, Sameness::Maybe)?;
    let (store, ours) = (theirs.store.as_ref()?.shown(), facts.location.seen()?.store.as_ref()?.shown());
    let seen = format!(
        "a Velero storage location uses {} of {store}; ours of that name is at {ours}, which can be another address of the same store",
        theirs.path
    );
    Some(fails_as(Severity::Warn, seen).about(std::slice::from_ref(&theirs.path)).at(store).fix(
        "If both addresses lead to one store, use another bucket or a prefix outside of Velero's: --set configuration.backupStorageLocation.prefix=FOLDER",
    ))
}

/// It is there and takes nothing from us. One that runs backs up the same objects and snapshots the same volumes.
fn beside(velero: &VeleroFacts, found: &str) -> Verdict {
    let said = format!(
        "Velero is there ({found}) and collides with nothing of ours: {} storage locations of it, none of them ours",
        velero.locations.len()
    );
    if velero.running.is_empty() {
        return informs(said);
    }
    let interference = match velero.schedules {
        Some(0) => "it runs and has no schedule at work: it backs up only what somebody asks it for".to_owned(),
        Some(many) => format!(
            "it runs, with {many} schedules at work: volumes that both back up are snapshotted twice and count twice against limits"
        ),
        None => "it runs, and its schedules could not be seen: volumes that both back up are snapshotted twice and count twice against limits".to_owned(),
    };
    let verdict = fails_as(Severity::Warn, format!("{said}; {interference}"))
        .about(&velero.running)
        .number("storageLocations", velero.locations.len() as u64);
    match velero.schedules {
        Some(schedules) => verdict.number("schedules", schedules),
        None => verdict,
    }
    .fix("If both shall run, leave it; else: velero uninstall")
}

/// Whether one place is the other or lies inside it. Velero marks a bucket as broken in which it meets folders
/// that are not its own.
fn holds(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (outer.trim_end_matches('/'), inner.trim_end_matches('/'));
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn shared_class(facts: &Facts) -> Option<&str> {
    let classes = &facts.snapshots.seen()?.classes;
    classes.iter().find(|class| class.ours && class.velero).map(|class| class.name.as_str())
}
