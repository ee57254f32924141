//! P38: disks can go into the vault tier.

use super::{UNITS, some};
use crate::verdict::{fails, not_applicable, passed, unseen, when_seen};
use crate::{Check, ClusterVolume, Disk, Facts, Fix, Observed, Profile, Scope, Verdict, VolumeKind, Weight};

const LARGEST: u64 = 1 << 40;
const MOST: usize = 100;
const DRIVER: &str = "disk.csi.azure.com";

pub(crate) static CHECK: Check = Check {
    id: "P38",
    title: "Disks meet the conditions of the vault tier.",
    reason: "The original copies at most 100 disks of at most 1 TiB, with public access and without disk encryption sets.",
    scope: Scope::Cluster,
    cofferdam: Weight::NotApplicable("Cofferdam copies volumes of every size and driver into its vault tier"),
    aks: Weight::Warns,
    observed_by: "volumes of disk.csi.azure.com; resource manager: each disk's access and encryption",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::az("az disk update --ids DISK --public-network-access Enabled --data-access-auth-mode None"),
        Fix::person("Keep such volumes in the operational tier."),
    ],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.volumes, |volumes| {
        let disks: Vec<&ClusterVolume> = volumes
            .iter()
            .filter(|volume| matches!(&volume.kind, VolumeKind::Csi(driver) if driver == DRIVER))
            .collect();
        if disks.is_empty() {
            return not_applicable("no claim has an Azure disk");
        }
        let mut wrong: Vec<String> = disks
            .iter()
            .filter(|disk| disk.bytes > LARGEST)
            .map(|disk| format!("{} is larger than 1 TiB", disk.claim))
            .collect();
        if disks.len() > MOST {
            wrong.push(format!("{} disks are more than {MOST}", disks.len()));
        }
        let from_arm = facts.arm.seen().map(|arm| &arm.disks);
        if let Some(Observed::Seen(seen)) = from_arm {
            wrong.extend(seen.iter().flat_map(conditions));
        }
        match (wrong.is_empty(), from_arm) {
            (false, _) => fails(some(&wrong)).about(&wrong),
            (true, Some(Observed::Seen(_))) => passed(format!("{} disks meet them", disks.len())),
            (true, Some(Observed::NotObservable(why))) => unseen(format!("sizes are right; {why}")),
            (true, None) => unseen(
                "sizes are right; access and encryption of the disks only a resource manager knows (--arm)",
            ),
        }
    })
}

fn conditions(disk: &Disk) -> Vec<String> {
    let mut wrong = Vec::new();
    if disk.public.as_deref() == Some("Disabled") {
        wrong.push(format!("the disk of {} has no public access", disk.claim));
    }
    if disk.encryption_set {
        wrong.push(format!("the disk of {} uses a disk encryption set", disk.claim));
    }
    if disk.auth_mode.as_deref().is_some_and(|mode| mode != "None") {
        wrong.push(format!("the disk of {} asks for a sign-in to its data", disk.claim));
    }
    wrong
}
