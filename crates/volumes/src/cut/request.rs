//! Makes the VolumeSnapshot and VolumeGroupSnapshot objects, and requests them.

use super::{SnapshotRequest, judge::failed};
use crate::{
    api::{GroupApi, SnapshotSource, VolumeSnapshot, VolumeSnapshotSpec},
    decide::GroupPlan,
    error::{Tried, VolumesError, is_conflict, persistently, readable, status},
    labels::{self, BackupTag},
};
use kube::{Api, Client, ResourceExt, api::PostParams, core::DynamicObject};
use protection::{Problem, code};
use serde_json::json;

/// The VolumeSnapshot of one claim.
pub(super) fn snapshot(request: &SnapshotRequest, class: &str, tag: &BackupTag) -> VolumeSnapshot {
    let name = labels::snapshot_name(&tag.recovery_point, &request.claim.uid);
    let spec = VolumeSnapshotSpec {
        source: SnapshotSource {
            persistent_volume_claim_name: Some(request.claim.name.clone()),
            volume_snapshot_content_name: None,
        },
        volume_snapshot_class_name: Some(class.to_owned()),
    };
    let mut snapshot = VolumeSnapshot::new(&name, spec);
    snapshot.metadata.namespace = Some(request.claim.namespace.clone());
    snapshot.metadata.labels = Some(tag.claim_labels(&request.claim.uid));
    snapshot
}

/// The VolumeGroupSnapshot of one group.
pub(super) fn group(plan: &GroupPlan, class: &str, tag: &BackupTag, api: &GroupApi) -> DynamicObject {
    let name = labels::group_name(&tag.recovery_point, &plan.namespace, &plan.driver, &plan.value);
    let mut object = DynamicObject::new(&name, &api.snapshots()).within(&plan.namespace).data(json!({
        "spec": {
            "volumeGroupSnapshotClassName": class,
            "source": {"selector": {"matchLabels": {(plan.label.as_str()): plan.value}}},
        }
    }));
    object.metadata.labels = Some(tag.labels());
    object
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Requested {
    /// It stands, now or since before a crash.
    Stands {
        /// UID of the VolumeSnapshot.
        uid: String,
    },
    /// An older one of the same name is on its way out; try again later.
    OldOneGoing,
    /// It was refused for good.
    Refused(Problem),
}

/// Requests one snapshot; meeting our own from before a crash is success.
pub(super) async fn create_snapshot(client: &Client, snapshot: &VolumeSnapshot) -> Requested {
    let namespace = snapshot.namespace().unwrap_or_default();
    let snapshots = Api::<VolumeSnapshot>::namespaced(client.clone(), &namespace);
    let params = PostParams::default();
    match persistently(|| snapshots.create(&params, snapshot)).await {
        Ok(made) => Requested::Stands { uid: made.uid().unwrap_or_default() },
        Err(error) if is_conflict(&error) => match snapshots.get_opt(&snapshot.name_any()).await {
            Ok(Some(old)) if !old.is_going() => Requested::Stands { uid: old.uid().unwrap_or_default() },
            Ok(_) | Err(_) => Requested::OldOneGoing,
        },
        Err(error) => Requested::Refused(refused(&namespace, &error)),
    }
}

/// Requests one group; meeting our own from before a crash is success.
pub(super) async fn create_group(
    client: &Client,
    api: &GroupApi,
    group: &DynamicObject,
) -> Result<(), VolumesError> {
    let namespace = group.namespace().unwrap_or_default();
    let groups = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &api.snapshots());
    let params = PostParams::default();
    match persistently(|| groups.create(&params, group)).await {
        Err(error) if is_conflict(&error) => Ok(()),
        other => {
            other.map(drop).tried(|| format!("request the group snapshot {namespace}/{}", group.name_any()))
        }
    }
}

fn refused(namespace: &str, error: &kube::Error) -> Problem {
    let message = readable(error);
    let code = match status(error) {
        Some(404) => code::NAMESPACE_NOT_FOUND,
        Some(403) if message.contains("being terminated") => code::NAMESPACE_NOT_FOUND,
        Some(403) if message.contains("exceeded quota") => code::SNAPSHOT_LIMIT_REACHED,
        Some(400 | 403 | 422) => code::SNAPSHOT_DISALLOWED,
        _ => code::SNAPSHOT_FAILED,
    };
    failed(code, &format!("the API server refused the VolumeSnapshot in {namespace}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::ClaimKey;
    use protection::RecoveryPointId;
    use std::collections::BTreeSet;

    fn tag() -> BackupTag {
        BackupTag {
            recovery_point: RecoveryPointId::new("6f1c2a50-1111-4222-8333-944455556666"),
            instance: "shop".into(),
            resource_group: None,
        }
    }

    #[test]
    fn a_request_is_named_after_backup_and_claim_and_carries_our_labels() {
        let request = SnapshotRequest {
            claim: ClaimKey {
                namespace: "shop".into(),
                name: "data".into(),
                uid: "0b9d7a61-aaaa-4bbb-8ccc-dddddddddddd".into(),
            },
            driver: "d".into(),
            volume_handle: "v".into(),
            source_class: Default::default(),
        };

        let snapshot = snapshot(&request, "ours", &tag());

        let parsed = labels::parse_snapshot_name(&snapshot.name_any());
        assert_eq!(parsed, Some((tag().recovery_point, request.claim.uid)));
        assert_eq!(snapshot.labels()[labels::RECOVERY_POINT], tag().recovery_point.as_str());
        assert_eq!(snapshot.spec.source.persistent_volume_claim_name.as_deref(), Some("data"));
        assert_eq!(snapshot.spec.volume_snapshot_class_name.as_deref(), Some("ours"));
    }

    #[test]
    fn a_group_selects_by_the_users_own_label() {
        let plan = GroupPlan {
            namespace: "shop".into(),
            driver: "d".into(),
            label: "app".into(),
            value: "db".into(),
            source_class: Default::default(),
            members: BTreeSet::new(),
        };
        let api = GroupApi::choose(&["v1"]).unwrap();

        let object = group(&plan, "ours", &tag(), &api);

        let text = serde_json::to_value(&object).unwrap();
        assert_eq!(text["apiVersion"], "groupsnapshot.storage.k8s.io/v1");
        assert_eq!(text["kind"], "VolumeGroupSnapshot");
        assert_eq!(text["spec"]["source"]["selector"]["matchLabels"], json!({"app": "db"}));
    }
}
