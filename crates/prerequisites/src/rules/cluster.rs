//! Version, drivers and rights.

use super::some;
use crate::catalogue::{Verdict, failed, passed, unseen, when_seen};
use crate::{Facts, Observed, Profile, Severity, VolumeKind, Whose};
use std::collections::BTreeSet;

const OLDEST: (u32, u32) = (1, 21);

pub(crate) fn version_and_drivers(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.cluster, |cluster| {
        if cluster.version < OLDEST {
            return failed(
                Severity::Block,
                format!("the API server reports {}", cluster.git_version),
                "Upgrade the cluster to a supported Kubernetes version.",
            );
        }
        let volumes = match &facts.volumes {
            Observed::Seen(volumes) => volumes,
            Observed::NotObservable(why) => {
                return unseen(format!(
                    "{}; which drivers are used is not known: {why}",
                    cluster.git_version
                ));
            }
        };
        let used: BTreeSet<&String> = volumes
            .iter()
            .filter_map(|volume| match &volume.kind {
                VolumeKind::Csi(driver) => Some(driver),
                VolumeKind::InTree(_) | VolumeKind::Unbound => None,
            })
            .collect();
        let absent: Vec<String> =
            used.into_iter().filter(|driver| !cluster.csi_drivers.contains(driver)).cloned().collect();
        if absent.is_empty() {
            passed(format!("{}, CSI drivers: {}", cluster.git_version, list(&cluster.csi_drivers)))
        } else {
            failed(
                Severity::Warn,
                format!("volumes use drivers that the cluster does not register: {}", some(&absent)),
                format!("Install the CSI driver again: {}.", some(&absent)),
            )
        }
    })
}

pub(crate) fn rights(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.rights, |rights| {
        let (who, fix) = match &rights.whose {
            Whose::Extension(user) => (user, "cofferdam install".to_owned()),
            Whose::Asking(user) => (user, grant(user)),
        };
        if rights.missing.is_empty() {
            return passed(format!("{who} holds every right that the extension needs"));
        }
        failed(Severity::Block, format!("{who} lacks: {}", some(&rights.missing)), fix)
    })
}

/// Only somebody who holds a right can grant it.
fn grant(user: &str) -> String {
    let subject = match user.strip_prefix("system:serviceaccount:") {
        Some(account) => format!("--serviceaccount={account}"),
        None => format!("--user={user}"),
    };
    format!(
        "Have a cluster administrator run cofferdam install, or: kubectl create clusterrolebinding cofferdam-installer --clusterrole=cluster-admin {subject}"
    )
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
