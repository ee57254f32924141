//! Why a claim's data is not protected, and what a person can do about it.

use protection::{Problem, claims::SelectedClaim, code, point::VolumeProtection};
use resources::VolumeType;

/// A claim whose data is not protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotProtected {
    /// The documented code.
    pub code: &'static str,
    /// Why, as a sentence.
    pub reason: String,
    /// What to do, as a sentence.
    pub remedy: String,
    /// Whether the person asked for it.
    pub because: Because,
}

/// Whether leaving a volume out was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// The configuration says that no volume data is wanted: information.
    Chosen,
    /// It cannot be protected as things are: a warning.
    Unable,
}

impl NotProtected {
    /// The finding as the backup's result lists it.
    pub fn problem(&self, claim: &SelectedClaim) -> Problem {
        let problem = match self.because {
            Because::Chosen => Problem::information(self.code, &self.reason),
            Because::Unable => Problem::warning(self.code, &self.reason),
        };
        problem.about(claim.target()).fix(&self.remedy)
    }

    /// The same in the recovery point's manifest.
    pub fn protection(&self) -> VolumeProtection {
        VolumeProtection::None { code: self.code.to_owned(), reason: self.reason.clone() }
    }
}

fn unable(code: &'static str, reason: impl Into<String>, remedy: impl Into<String>) -> NotProtected {
    NotProtected { code, reason: reason.into(), remedy: remedy.into(), because: Because::Unable }
}

pub(super) fn switched_off() -> NotProtected {
    NotProtected {
        code: code::VOLUME_NOT_PROTECTED,
        reason: "Volume data is not part of this backup: snapshotVolumes is false.".into(),
        remedy: "Set snapshotVolumes to true to protect it.".into(),
        because: Because::Chosen,
    }
}

pub(super) fn not_bound() -> NotProtected {
    unable(
        code::PVC_NOT_BOUND,
        "The claim is Pending: it has no volume yet, so there is no data to protect.",
        "Let a pod use the claim, or find out with `kubectl describe pvc` why it is not bound.",
    )
}

pub(super) fn lost() -> NotProtected {
    unable(
        code::PVC_HAS_NO_VOLUME,
        "The claim is Lost: its volume no longer exists.",
        "Restore the claim from an older recovery point, or delete it.",
    )
}

pub(super) fn volume_missing(name: &str) -> NotProtected {
    unable(
        code::PV_NOT_FOUND,
        format!("The claim names the volume {name}, which the cluster does not have."),
        "Re-create the PersistentVolume over the same storage, or delete the claim.",
    )
}

pub(super) fn volume_going(name: &str) -> NotProtected {
    unable(
        code::VOLUME_NOT_PROTECTED,
        format!("The volume {name} is being deleted."),
        "Nothing, if that is intended.",
    )
}

pub(super) fn in_tree(kind: &str, migrated_to: Option<&str>, volume: &str) -> NotProtected {
    let reason = format!("The volume {volume} is of the in-tree kind {kind}, which has no snapshots.");
    let remedy = match (kind, migrated_to.or(successor(kind))) {
        ("hostPath" | "local", _) => {
            "Move the data to a volume of a CSI driver: this kind lives on one node only.".to_owned()
        }
        (_, Some(driver)) => format!(
            "Migrate to CSI: make a new volume with the driver {driver} and copy the data, or re-create the \
             PersistentVolume over the same storage with spec.csi."
        ),
        (_, None) => "Migrate to CSI: move the data to a volume of a CSI driver with snapshots.".to_owned(),
    };
    unable(code::VOLUME_NOT_PROTECTED, reason, remedy)
}

/// The CSI driver that replaces an in-tree kind.
fn successor(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "azureDisk" => "disk.csi.azure.com",
        "azureFile" => "file.csi.azure.com",
        "awsElasticBlockStore" => "ebs.csi.aws.com",
        "gcePersistentDisk" => "pd.csi.storage.gke.io",
        "cinder" => "cinder.csi.openstack.org",
        "vsphereVolume" => "csi.vsphere.vmware.com",
        "portworxVolume" => "pxd.portworx.com",
        "rbd" => "rbd.csi.ceph.com",
        "cephfs" => "cephfs.csi.ceph.com",
        "nfs" => "nfs.csi.k8s.io",
        _ => return None,
    })
}

pub(super) fn without_class(volume: &str) -> NotProtected {
    unable(
        code::STORAGE_CLASS_MISSING,
        format!(
            "The static volume {volume} has no storage class, so no snapshot class can be chosen for it."
        ),
        "Set storageClassName on the claim and on the volume.",
    )
}

pub(super) fn type_not_included(driver: &str, types: &[VolumeType]) -> NotProtected {
    let types: Vec<String> = types.iter().map(|kind| format!("{kind:?}")).collect();
    unable(
        code::VOLUME_NOT_PROTECTED,
        format!("includedVolumeTypes limits this backup to {}; the driver is {driver}.", types.join(", ")),
        "Empty includedVolumeTypes to protect every CSI driver.",
    )
}

pub(super) fn snapshots_not_served(driver: &str) -> NotProtected {
    unable(
        code::VOLUME_NOT_PROTECTED,
        format!("The cluster does not serve snapshot.storage.k8s.io/v1, so {driver} cannot be snapshotted."),
        "Install the snapshot CRDs and the snapshot controller, or set fileCopyVolumes to copy the files.",
    )
}

pub(super) fn no_class(driver: &str) -> NotProtected {
    unable(
        code::VOLUME_NOT_PROTECTED,
        format!("The driver {driver} has no VolumeSnapshotClass."),
        "Create a VolumeSnapshotClass for the driver if it can snapshot, or set fileCopyVolumes to copy the \
         files.",
    )
}

pub(super) fn ambiguous_class(driver: &str, names: &[String]) -> NotProtected {
    unable(
        code::VOLUME_NOT_PROTECTED,
        format!(
            "The driver {driver} has several VolumeSnapshotClasses ({}) and no single default.",
            names.join(", ")
        ),
        "Annotate one of them with snapshot.storage.kubernetes.io/is-default-class=true, or name it in the \
         extension's settings.",
    )
}

pub(super) fn configured_class_missing(driver: &str, name: &str) -> NotProtected {
    unable(
        code::VOLUME_NOT_PROTECTED,
        format!(
            "The settings name the VolumeSnapshotClass {name} for {driver}; the driver has no such class."
        ),
        "Correct the setting, or create the class.",
    )
}

pub(super) fn one_pod_only(driver: &str) -> NotProtected {
    unable(
        code::VOLUME_NOT_PROTECTED,
        format!(
            "The driver {driver} has no snapshots, and a ReadWriteOncePod volume cannot be read by a second pod."
        ),
        "Use ReadWriteOnce, or a driver with snapshots.",
    )
}
