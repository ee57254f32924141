//! What must hold before a claim can be filled on this cluster, as far as it can be seen without writing.
//! Deciding is pure.

use super::{FillRequest, text};
use crate::{
    error::{Tried, VolumesError},
    storage::observe_storage,
};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::{Api, Client, ResourceExt, api::ListParams};
use protection::{Problem, code, point::VolumeProtection};
use std::collections::BTreeMap;

/// A storage class, as far as filling a claim needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFacts {
    /// The CSI driver.
    pub provisioner: String,
    /// Whether volumes are made only when a pod needs them.
    pub waits_for_consumer: bool,
    /// Whether it is the default class.
    pub default: bool,
}

/// The cluster that claims are filled on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Target {
    /// What it offers for snapshots.
    pub storage: crate::decide::Storage,
    /// Its storage classes.
    pub classes: BTreeMap<String, ClassFacts>,
}

/// Sees the target cluster; nothing is written.
pub async fn observe_target(client: &Client) -> Result<Target, VolumesError> {
    let classes = Api::<StorageClass>::all(client.clone());
    let listed = classes.list(&ListParams::default()).await.tried(|| "list the storage classes".into())?;
    let classes = listed.items.into_iter().map(|class| {
        let facts = ClassFacts {
            waits_for_consumer: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
            default: class
                .annotations()
                .get("storageclass.kubernetes.io/is-default-class")
                .is_some_and(|value| value == "true"),
            provisioner: class.provisioner.clone(),
        };
        (class.name_any(), facts)
    });
    Ok(Target { classes: classes.collect(), storage: observe_storage(client).await? })
}

/// The class that will make the claim's volume, or why the claim cannot be filled on this cluster.
pub fn check_claim<'a>(request: &FillRequest, target: &'a Target) -> Result<&'a ClassFacts, Problem> {
    let snapshot = match (&request.record.protection, request.snapshot()) {
        (VolumeProtection::None { reason, .. }, _) => {
            return Err(no_data(request, format!("The recovery point holds no data for it: {reason}"))
                .fix("Restore it empty, or fill it by hand."));
        }
        (_, None) => {
            return Err(no_data(request, "The recovery point names no CSI driver for its data.".into()));
        }
        (_, Some(snapshot)) => snapshot,
    };
    let (driver, handle) = snapshot;
    if !target.storage.snapshots_served {
        return Err(unreachable(request, "the cluster does not serve snapshot.storage.k8s.io/v1".into())
            .fix("Install the snapshot CRDs and the snapshot controller."));
    }
    if !target.storage.drivers.contains(driver) {
        let why = format!("the driver {driver} of the snapshot {handle} is not installed");
        return Err(
            unreachable(request, why).fix(format!("Install the CSI driver {driver} on this cluster."))
        );
    }
    let class = claim_class(request, target)?;
    if class.provisioner != driver {
        let why = format!(
            "Its storage class belongs to {}, its snapshot to {driver}: one driver cannot read the other's snapshots.",
            class.provisioner
        );
        return Err(no_data(request, why)
            .fix(format!("Change storageClassName to a class of {driver} with a resource modifier.")));
    }
    check_mode(request)?;
    Ok(class)
}

/// The class that will make the volume into which copied files go, or why that cannot be.
pub fn check_copy<'a>(request: &FillRequest, target: &'a Target) -> Result<&'a ClassFacts, Problem> {
    let class = claim_class(request, target)?;
    check_mode(request)?;
    Ok(class)
}

fn check_mode(request: &FillRequest) -> Result<(), Problem> {
    let asked = if text(&request.claim, "/spec/volumeMode") == "Block" { "Block" } else { "Filesystem" };
    let taken = if request.record.block { "Block" } else { "Filesystem" };
    if asked == taken {
        return Ok(());
    }
    let why = format!("The claim asks for volumeMode {asked}, its data is of a {taken} volume.");
    Err(no_data(request, why).fix("Leave volumeMode as it was."))
}

/// The class that the claim names, or the default class.
fn claim_class<'a>(request: &FillRequest, target: &'a Target) -> Result<&'a ClassFacts, Problem> {
    let missing = |why: String| {
        Problem::error(code::STORAGE_CLASS_MISSING, why)
            .about(request.target())
            .fix("Create the class, or change storageClassName with a resource modifier.")
    };
    match request.claim.pointer("/spec/storageClassName").and_then(serde_json::Value::as_str) {
        Some("") => {
            Err(missing("The claim refuses every storage class, so no volume can be made for it.".into()))
        }
        Some(name) => target
            .classes
            .get(name)
            .ok_or_else(|| missing(format!("The cluster has no storage class {name}."))),
        None => target.classes.values().find(|class| class.default).ok_or_else(|| {
            missing("The claim names no storage class and the cluster has no default.".into())
        }),
    }
}

pub(super) fn no_data(request: &FillRequest, why: String) -> Problem {
    Problem::error(code::DATA_NOT_RESTORED, why).about(request.target())
}

pub(super) fn unreachable(request: &FillRequest, why: String) -> Problem {
    Problem::error(
        code::SNAPSHOT_NOT_REACHABLE,
        format!("The data cannot be reached from this cluster: {why}."),
    )
    .about(request.target())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Storage;
    use protection::point::VolumeRecord;
    use serde_json::{Value, json};

    pub(crate) fn request(claim: Value) -> FillRequest {
        FillRequest {
            claim,
            record: VolumeRecord {
                namespace: "shop".into(),
                claim: "data".into(),
                persistent_volume: None,
                driver: Some("d".into()),
                storage_class: Some("fast".into()),
                block: false,
                capacity: 1,
                protection: VolumeProtection::Snapshot {
                    handle: "h".into(),
                    cut: "2026-01-01T00:00:00Z".parse().unwrap(),
                    restore_size: Some(1),
                    content: "c".into(),
                    group: None,
                },
            },
            restore_uid: "r".into(),
            field_manager: "cofferdam/r".into(),
        }
    }

    fn target() -> Target {
        let class = |provisioner: &str, default| ClassFacts {
            provisioner: provisioner.into(),
            waits_for_consumer: false,
            default,
        };
        Target {
            storage: Storage {
                snapshots_served: true,
                drivers: ["d".to_owned(), "e".to_owned()].into(),
                ..Storage::default()
            },
            classes: [("fast".into(), class("d", false)), ("other".into(), class("e", true))].into(),
        }
    }

    fn claim(spec: Value) -> Value {
        json!({"metadata": {"namespace": "shop", "name": "data"}, "spec": spec})
    }

    #[test]
    fn a_claim_that_cannot_be_filled_is_named_with_its_reason() {
        let no_driver =
            Target { storage: Storage { drivers: ["e".to_owned()].into(), ..target().storage }, ..target() };
        let no_snapshots =
            Target { storage: Storage { snapshots_served: false, ..target().storage }, ..target() };
        let no_default = Target { classes: [].into(), ..target() };
        let fast = json!({"storageClassName": "fast"});
        let rows = [
            (fast.clone(), target(), None),
            (fast.clone(), no_driver, Some(code::SNAPSHOT_NOT_REACHABLE)),
            (fast, no_snapshots, Some(code::SNAPSHOT_NOT_REACHABLE)),
            (json!({"storageClassName": "gone"}), target(), Some(code::STORAGE_CLASS_MISSING)),
            (json!({"storageClassName": ""}), target(), Some(code::STORAGE_CLASS_MISSING)),
            (json!({"storageClassName": "other"}), target(), Some(code::DATA_NOT_RESTORED)),
            (json!({}), target(), Some(code::DATA_NOT_RESTORED)),
            (json!({}), no_default, Some(code::STORAGE_CLASS_MISSING)),
            (
                json!({"storageClassName": "fast", "volumeMode": "Block"}),
                target(),
                Some(code::DATA_NOT_RESTORED),
            ),
            (json!({"storageClassName": "fast", "volumeMode": "Filesystem"}), target(), None),
        ];

        for (spec, target, expected) in rows {
            let checked = check_claim(&request(claim(spec.clone())), &target);

            assert_eq!(checked.err().map(|problem| problem.code).as_deref(), expected, "{spec}");
        }
    }
}
