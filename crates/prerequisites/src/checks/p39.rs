//! P39: Azure Files shares can be backed up.

use super::{UNITS, some};
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, ClusterVolume, Facts, Fix, Profile, Scope, Verdict, VolumeKind, Weight};

const DRIVER: &str = "file.csi.azure.com";
const OLDEST: (u32, u32, u32) = (1, 32, 0);

pub(crate) static CHECK: Check = Check {
    id: "P39",
    title: "Azure Files volumes are SMB shares on a version that snapshots them.",
    reason: "The original backs up SMB shares from Kubernetes 1.32 on, NFS shares not. How many files a share holds, and its firewall, are not seen here.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "volumes of file.csi.azure.com and their protocol, /version",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &["P11"],
    fixes: &[
        Fix::cofferdam("cofferdam backup create --file-copy-volumes"),
        Fix::az("az aks upgrade --name {cluster} -g {group} --kubernetes-version 1.32"),
    ],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.volumes, |volumes| {
        let shares: Vec<&ClusterVolume> = volumes
            .iter()
            .filter(|volume| matches!(&volume.kind, VolumeKind::Csi(driver) if driver == DRIVER))
            .collect();
        if shares.is_empty() {
            return not_applicable("no claim has an Azure Files share");
        }
        when_seen(&facts.cluster, |cluster| {
            if cluster.version < OLDEST {
                return fails(format!("{} shares on {}", shares.len(), cluster.git_version));
            }
            let nfs: Vec<String> = shares
                .iter()
                .filter(|share| share.protocol.as_deref().is_some_and(|p| p.eq_ignore_ascii_case("nfs")))
                .map(|share| share.claim.clone())
                .collect();
            match nfs.is_empty() {
                true => passed(format!("{} shares, all SMB", shares.len())),
                false => fails(format!("NFS shares: {}", some(&nfs))).about(&nfs),
            }
        })
    })
}
