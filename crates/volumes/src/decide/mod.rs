//! Decides for each selected claim how its data is protected: by a CSI snapshot, by a copy of its files, or
//! not at all, with the reason and the remedy. Pure.

mod classes;
mod groups;
mod reasons;

pub use classes::{ClassChoice, choose_class, choose_group_class};
pub use groups::{GroupPlan, Neighbour, fell_back, plan_groups};
pub use reasons::{Because, NotProtected};

use crate::{api::GroupApi, api::VolumeSnapshotClass};
use protection::claims::{
    AccessMode, ClaimPhase, ClaimVolume, CsiSource, SelectedClaim, VolumeFacts, VolumeSource,
};
use resources::VolumeType;
use std::collections::{BTreeMap, BTreeSet};

/// What the backup's configuration says about volumes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// `snapshotVolumes`: whether volume data is protected at all.
    pub snapshot_volumes: bool,
    /// `includedVolumeTypes`: limits to these drivers; empty means every CSI driver.
    pub included_types: Vec<VolumeType>,
    /// `fileCopyVolumes`: whether files are copied where the driver cannot snapshot.
    pub file_copy: bool,
    /// `volumeGroupLabel`: claims that share a value of it are cut at one instant.
    pub group_label: Option<String>,
    /// `snapshotResourceGroup`.
    pub resource_group: Option<String>,
    /// Snapshot class that the operator chose per driver.
    pub classes: BTreeMap<String, String>,
}

/// What the cluster offers for volumes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Storage {
    /// Whether `snapshot.storage.k8s.io/v1` is served.
    pub snapshots_served: bool,
    /// Whether group snapshots are served, and in which version.
    pub groups: Option<GroupApi>,
    /// Drivers that are installed, by `CSIDriver` object or on a node.
    pub drivers: BTreeSet<String>,
    /// All VolumeSnapshotClasses.
    pub classes: Vec<VolumeSnapshotClass>,
    /// All VolumeGroupSnapshotClasses.
    pub group_classes: Vec<VolumeSnapshotClass>,
}

/// How a claim's data is protected.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// By a CSI snapshot.
    Snapshot(Box<SnapshotPlan>),
    /// By a copy of its files, or of its blocks.
    FileCopy,
    /// Not.
    NotProtected(NotProtected),
}

/// What a snapshot is made with.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotPlan {
    /// The CSI driver.
    pub driver: String,
    /// The driver's handle of the volume.
    pub volume_handle: String,
    /// The class whose parameters and secret references ours copies.
    pub source_class: VolumeSnapshotClass,
}

/// A claim and its method.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The claim.
    pub claim: SelectedClaim,
    /// How its data is protected.
    pub method: Method,
}

/// Decides on every claim.
pub fn decide_all(claims: Vec<SelectedClaim>, storage: &Storage, policy: &Policy) -> Vec<Decision> {
    claims.into_iter().map(|claim| Decision { method: decide(&claim, storage, policy), claim }).collect()
}

/// Decides on one claim. The first rule that applies wins; the order is that of `docs/volumes.md`.
pub fn decide(claim: &SelectedClaim, storage: &Storage, policy: &Policy) -> Method {
    match protectable(claim, policy) {
        Err(reason) => Method::NotProtected(reason),
        Ok((volume, csi)) => by_driver(claim, volume, csi, storage, policy),
    }
}

/// The CSI volume behind the claim, unless something already rules it out.
fn protectable<'a>(
    claim: &'a SelectedClaim,
    policy: &Policy,
) -> Result<(&'a VolumeFacts, &'a CsiSource), NotProtected> {
    if !policy.snapshot_volumes {
        return Err(reasons::switched_off());
    }
    let volume = match (&claim.volume, claim.phase) {
        (ClaimVolume::Missing { name }, _) => return Err(reasons::volume_missing(name)),
        (_, ClaimPhase::Lost) => return Err(reasons::lost()),
        (ClaimVolume::Unbound, _) | (_, ClaimPhase::Pending) => return Err(reasons::not_bound()),
        (ClaimVolume::Bound(volume), ClaimPhase::Bound) => volume,
    };
    let csi = match &volume.source {
        VolumeSource::Csi(csi) => csi,
        VolumeSource::InTree { kind, migrated_to } => {
            return Err(reasons::in_tree(kind, migrated_to.as_deref(), &volume.name));
        }
    };
    let class = claim.storage_class.as_deref().filter(|class| !class.is_empty());
    if class.is_none() && volume.storage_class.is_empty() {
        return Err(reasons::without_class(&volume.name));
    }
    if !is_included(csi, &policy.included_types) {
        return Err(reasons::type_not_included(&csi.driver, &policy.included_types));
    }
    Ok((volume, csi))
}

fn by_driver(
    claim: &SelectedClaim,
    volume: &VolumeFacts,
    csi: &CsiSource,
    storage: &Storage,
    policy: &Policy,
) -> Method {
    let missing = if !storage.snapshots_served {
        reasons::snapshots_not_served(&csi.driver)
    } else {
        match choose_class(&csi.driver, &storage.classes, &policy.classes) {
            ClassChoice::Chosen(class) => {
                return Method::Snapshot(Box::new(SnapshotPlan {
                    driver: csi.driver.clone(),
                    volume_handle: csi.volume_handle.clone(),
                    source_class: class.clone(),
                }));
            }
            ClassChoice::Ambiguous(names) => {
                return Method::NotProtected(reasons::ambiguous_class(&csi.driver, &names));
            }
            ClassChoice::ConfiguredMissing(name) => {
                return Method::NotProtected(reasons::configured_class_missing(&csi.driver, &name));
            }
            ClassChoice::None => reasons::no_class(&csi.driver),
        }
    };
    if !policy.file_copy {
        return Method::NotProtected(missing);
    }
    if claim.access_modes.contains(&AccessMode::ReadWriteOncePod) {
        return Method::NotProtected(reasons::one_pod_only(&csi.driver));
    }
    if volume.deleting {
        return Method::NotProtected(reasons::volume_going(&volume.name));
    }
    Method::FileCopy
}

/// Whether the driver is one of the types that the configuration limits to.
fn is_included(csi: &CsiSource, types: &[VolumeType]) -> bool {
    let nfs =
        csi.volume_attributes.get("protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("nfs"));
    types.is_empty()
        || types.iter().any(|kind| match kind {
            VolumeType::AzureDisk => csi.driver == "disk.csi.azure.com",
            VolumeType::AzureFileShareSMB => csi.driver == "file.csi.azure.com" && !nfs,
        })
}

#[cfg(test)]
mod tests;
