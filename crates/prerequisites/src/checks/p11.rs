//! P11: Kubernetes is young enough for CSI drivers, and they are there.

use super::{ALWAYS, list, some};
use crate::verdict::{fails, fails_as, passed, unseen, when_seen};
use crate::{Check, Facts, Fix, Observed, Profile, Scope, Severity, Verdict, VolumeKind, Weight};
use std::collections::BTreeSet;

const OLDEST: (u32, u32, u32) = (1, 21, 1);

pub(crate) static CHECK: Check = Check {
    id: "P11",
    title: "The cluster runs Kubernetes 1.21.1 or later and has a CSI driver for each used volume.",
    reason: "Snapshots of volumes are made by CSI drivers.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "/version, CSIDriver objects, the volumes behind claims",
    code: None,
    causes: &[],
    purposes: ALWAYS,
    depends_on: &[],
    fixes: &[Fix::az("az aks upgrade --name {cluster} -g {group} --kubernetes-version VERSION")],
    tested_by: "unit test; scenario `preflight` with a driver that is not there",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.cluster, |cluster| {
        if cluster.version < OLDEST {
            return fails(format!("the API server reports {}", cluster.git_version))
                .fix("Upgrade the cluster to a supported Kubernetes version.");
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
            return passed(format!("{}, CSI drivers: {}", cluster.git_version, list(&cluster.csi_drivers)));
        }
        fails_as(
            Severity::Warn,
            format!("volumes use drivers that the cluster does not register: {}", some(&absent)),
        )
        .about(&absent)
        .fix(format!("Install the CSI driver again: {}.", some(&absent)))
    })
}
