//! Velero beside us.

use super::some;
use crate::catalogue::{Verdict, failed, passed, unseen, when_seen};
use crate::{Facts, Profile, Severity};

pub(crate) fn installation(facts: &Facts, profile: Profile) -> Verdict {
    when_seen(&facts.velero, |velero| {
        let ours = facts.location.seen().map(|location| location.bucket_path.as_str());
        if let Some(theirs) =
            velero.locations.iter().find(|theirs| ours.is_some_and(|ours| holds(theirs, ours)))
        {
            return failed(
                Severity::Block,
                format!("a Velero storage location uses {theirs} too"),
                "Use another bucket, or a prefix outside of Velero's: --set configuration.backupStorageLocation.prefix=FOLDER",
            );
        }
        if let Some(class) = shared_class(facts) {
            return failed(
                Severity::Block,
                format!("Velero takes snapshots with our class {class}"),
                format!("kubectl label volumesnapshotclass {class} velero.io/csi-volumesnapshot-class-"),
            );
        }
        if velero.deployments.is_empty() && !velero.crds {
            return passed("no Velero was found");
        }
        let found = if velero.deployments.is_empty() {
            "its CustomResourceDefinitions".to_owned()
        } else {
            some(&velero.deployments)
        };
        match profile {
            Profile::Generic if ours.is_none() && !velero.locations.is_empty() => unseen(format!(
                "Velero is there ({found}); without a storage location of ours nothing can be compared"
            )),
            Profile::Generic if facts.snapshots.seen().is_none() => unseen(format!(
                "Velero is there ({found}); whether it uses our snapshot class could not be seen"
            )),
            Profile::Generic => {
                passed(format!("Velero is there ({found}) and collides with nothing of ours"))
            }
            Profile::Aks => failed(
                Severity::Block,
                format!("Velero is there: {found}"),
                "velero uninstall --force, or: kubectl delete deployment -A -l component=velero; kubectl delete crd -l component=velero",
            ),
        }
    })
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

pub(crate) fn snapshot_class(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.snapshots, |snapshots| {
        let marked: Vec<String> =
            snapshots.classes.iter().filter(|c| c.velero && !c.ours).map(|c| c.name.clone()).collect();
        if marked.is_empty() {
            return passed("no snapshot class carries the label");
        }
        failed(
            Severity::Warn,
            format!("labelled: {}", some(&marked)),
            format!(
                "kubectl label volumesnapshotclass {} velero.io/csi-volumesnapshot-class-",
                marked.join(" ")
            ),
        )
    })
}

pub(crate) fn annotations(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.marks, |marks| {
        if marks.count == 0 {
            return passed(
                "none on namespaces, claims, volumes, pods, services, deployments, stateful sets and daemon sets",
            );
        }
        failed(
            Severity::Warn,
            format!("{} objects carry them: {}", marks.count, some(&marks.names)),
            "Remove the labels and annotations, or accept that they change nothing here.",
        )
    })
}
