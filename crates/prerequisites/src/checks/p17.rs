//! P17: no other Velero gets in the way.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, fails_as, informs, passed, unseen, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Severity, VeleroFacts, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P17",
    title: "No other Velero gets in the way.",
    reason: "It must not share the bucket prefix or our snapshot class; AKS allows none at all.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "Deployments, CustomResourceDefinitions and storage locations of velero.io",
    code: None,
    purposes: NOT_RESTORE,
    depends_on: &[],
    fixes: &[Fix::kubectl(
        "kubectl delete deployment -A -l component=velero; kubectl delete crd -l component=velero (see first what goes, with --dry-run=server)",
    )],
    tested_by: "unit test; scenario `preflight` with Velero's resources; scenario `preflight_fix`",
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
            Profile::Aks => fails(format!("Velero is there: {found}")).about(&velero.deployments).fix(
                "velero uninstall --force, or: kubectl delete deployment -A -l component=velero; kubectl delete crd -l component=velero",
            ),
            Profile::Cofferdam if facts.location.seen().is_none() && !velero.locations.is_empty() => {
                unseen(format!(
                    "Velero is there ({found}); without a storage location of ours nothing can be compared"
                ))
            }
            Profile::Cofferdam if facts.snapshots.seen().is_none() => unseen(format!(
                "Velero is there ({found}); whether it uses our snapshot class could not be seen"
            )),
            Profile::Cofferdam => beside(velero, &found),
        }
    })
}

/// What it takes from us.
fn collision(facts: &Facts, velero: &VeleroFacts) -> Option<Verdict> {
    let ours = facts.location.seen().map(|location| location.bucket_path.as_str());
    if let Some(theirs) = velero.locations.iter().find(|theirs| ours.is_some_and(|ours| holds(theirs, ours)))
    {
        let seen = format!("a Velero storage location uses {theirs} too");
        return Some(fails(seen).about(std::slice::from_ref(theirs)).fix(
            "Use another bucket, or a prefix outside of Velero's: --set configuration.backupStorageLocation.prefix=FOLDER",
        ));
    }
    let class = shared_class(facts)?;
    let fix = format!("kubectl label volumesnapshotclass {class} velero.io/csi-volumesnapshot-class-");
    Some(fails(format!("Velero takes snapshots with our class {class}")).fix(fix))
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
    fails_as(
        Severity::Warn,
        format!("{said}; it runs, so volumes are snapshotted twice and count twice against limits"),
    )
    .about(&velero.running)
    .number("storageLocations", velero.locations.len() as u64)
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
