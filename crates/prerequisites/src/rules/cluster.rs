//! Version, drivers and rights.

use super::some;
use crate::catalogue::{Verdict, failed, passed, when_seen};
use crate::{Facts, Profile, Severity, VolumeKind};
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
        let used: BTreeSet<&String> = facts
            .volumes
            .seen()
            .into_iter()
            .flatten()
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
    when_seen(&facts.missing_rights, |missing| {
        if missing.is_empty() {
            return passed("every right that the extension needs is granted or can be granted");
        }
        failed(
            Severity::Block,
            format!("missing: {}", some(missing)),
            "kubectl auth can-i --list; ask a cluster administrator to run `cofferdam install`.",
        )
    })
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
