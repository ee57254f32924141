//! Velero beside us.

use super::some;
use crate::catalogue::{Verdict, failed, passed, when_seen};
use crate::{Facts, Profile, Severity};

pub(crate) fn installation(facts: &Facts, profile: Profile) -> Verdict {
    when_seen(&facts.velero, |velero| {
        let shared = facts.location.seen().filter(|ours| velero.locations.contains(&ours.bucket_path));
        if let Some(ours) = shared {
            return failed(
                Severity::Block,
                format!("a Velero storage location uses {} too", ours.bucket_path),
                "Give one of the two another bucket or prefix.",
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
            Profile::Generic => {
                passed(format!("Velero is there ({found}) and collides with nothing of ours"))
            }
            Profile::Aks => failed(
                Severity::Block,
                format!("Velero is there: {found}"),
                "velero uninstall; kubectl delete crd -l component=velero",
            ),
        }
    })
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
    when_seen(&facts.velero, |velero| {
        if velero.marked == 0 {
            return passed("none among the objects looked at");
        }
        failed(
            Severity::Warn,
            format!("{} objects carry them: {}", velero.marked, some(&velero.marked_names)),
            "Remove the labels and annotations, or accept that they change nothing here.",
        )
    })
}
