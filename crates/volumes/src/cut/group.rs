//! A group snapshot on its way: what is seen of it, whether it is cut, and how it is given up.

use super::{CutOutcome, CutSnapshot, SnapshotRequest, classify, judge::Patience};
use crate::{
    api::{DELETE, GroupApi, GroupContentStatus, GroupStatus},
    error::{Tried, VolumesError, is_absent},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::json;
use std::time::Duration;

/// Everything that was seen of one group.
#[derive(Debug, Clone, Default)]
pub(super) struct SeenGroup {
    pub status: GroupStatus,
    pub content: Option<GroupContentStatus>,
    /// How long ago it was requested.
    pub waited: Duration,
    /// How long ago its first failure was reported, when it reports one now.
    pub failing_for: Option<Duration>,
}

impl SeenGroup {
    /// The failure that is reported now; the content's says more.
    pub fn failure(&self) -> Option<&str> {
        let content = self.content.as_ref().and_then(|status| status.error.as_ref());
        content.or(self.status.error.as_ref())?.message.as_deref()
    }
}

/// What is known about one group.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum GroupVerdict {
    /// All members were cut at one instant.
    Cut(Vec<CutSnapshot>),
    /// It will not be; the claims are snapshotted one by one, because of this.
    FallBack(String),
    /// Not yet known.
    Waiting,
}

/// Judges one group. Pure.
pub(super) fn judge(seen: &SeenGroup, members: &[&SnapshotRequest], patience: &Patience) -> GroupVerdict {
    if let Some(cut) = seen.content.as_ref().and_then(|status| cut(status, members)) {
        return GroupVerdict::Cut(cut);
    }
    let failure = seen.failure();
    let given_up = seen.failing_for.is_some_and(|time| time >= patience.failing.min(patience.group));
    match failure {
        Some(message) if classify::is_groupless(message) || given_up => {
            GroupVerdict::FallBack(format!("the group snapshot failed: {message}"))
        }
        _ if seen.waited >= patience.group => GroupVerdict::FallBack(match failure {
            Some(message) => format!("the group snapshot failed: {message}"),
            None => format!("the group snapshot was not cut within {} s.", seen.waited.as_secs()),
        }),
        _ => GroupVerdict::Waiting,
    }
}

/// The members, when each of them was cut.
fn cut(status: &GroupContentStatus, members: &[&SnapshotRequest]) -> Option<Vec<CutSnapshot>> {
    let handle = status.volume_group_snapshot_handle.as_ref()?;
    members
        .iter()
        .map(|request| {
            let member = status.members.iter().find(|one| one.volume_handle == request.volume_handle)?;
            Some(CutSnapshot {
                claim: request.claim.clone(),
                driver: request.driver.clone(),
                volume_handle: request.volume_handle.clone(),
                handle: Some(member.snapshot_handle.clone()).filter(|handle| !handle.is_empty())?,
                cut: member.cut(status)?,
                restore_size: member
                    .restore_size
                    .and_then(|size| u64::try_from(size).ok())
                    .filter(|size| *size > 0),
                content: None,
                group: Some(handle.clone()),
            })
        })
        .collect()
}

/// Outcomes of the members of a group that was cut.
pub(super) fn outcomes(members: Vec<CutSnapshot>) -> impl Iterator<Item = (String, CutOutcome)> {
    members.into_iter().map(|member| (member.claim.uid.clone(), CutOutcome::Cut(member)))
}

/// Reads the group and its content.
pub(super) async fn look(
    client: &Client,
    api: &GroupApi,
    namespace: &str,
    name: &str,
) -> Result<(GroupStatus, Option<GroupContentStatus>), VolumesError> {
    let groups = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &api.snapshots());
    let group = groups.get_opt(name).await.tried(|| format!("read the group snapshot {namespace}/{name}"))?;
    let status = group.as_ref().map(GroupStatus::of).unwrap_or_default();
    let Some(content) = &status.bound_volume_group_snapshot_content_name else { return Ok((status, None)) };
    let contents = Api::<DynamicObject>::all_with(client.clone(), &api.contents());
    let found =
        contents.get_opt(content).await.tried(|| format!("read the group snapshot content {content}"))?;
    Ok((status, found.as_ref().map(GroupContentStatus::of)))
}

/// Gives a group up: whatever of it is cut later, the controllers delete again.
pub(crate) async fn abandon(
    client: &Client,
    api: &GroupApi,
    group: &DynamicObject,
) -> Result<(), VolumesError> {
    let namespace = group.namespace().unwrap_or_default();
    let name = group.name_any();
    let contents = Api::<DynamicObject>::all_with(client.clone(), &api.contents());
    let uid = group.uid().unwrap_or_default();
    let content = GroupStatus::of(group)
        .bound_volume_group_snapshot_content_name
        .unwrap_or_else(|| format!("groupsnapcontent-{uid}"));
    let patch = Patch::Merge(json!({"spec": {"deletionPolicy": DELETE}}));
    match contents.patch(&content, &PatchParams::default(), &patch).await {
        Err(error) if is_absent(&error) => {}
        other => drop(other.tried(|| format!("give up the group snapshot content {content}"))?),
    }
    let groups = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &api.snapshots());
    match groups.delete(&name, &DeleteParams::default()).await {
        Err(error) if is_absent(&error) => Ok(()),
        other => other.map(drop).tried(|| format!("give up the group snapshot {namespace}/{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::ClaimKey;

    fn request(volume: &str) -> SnapshotRequest {
        SnapshotRequest {
            claim: ClaimKey { namespace: "n".into(), name: volume.into(), uid: format!("uid-{volume}") },
            driver: "d".into(),
            volume_handle: volume.into(),
            source_class: Default::default(),
        }
    }

    fn content(value: serde_json::Value) -> SeenGroup {
        SeenGroup { content: serde_json::from_value(value).unwrap(), ..SeenGroup::default() }
    }

    #[test]
    fn a_group_is_cut_when_every_member_has_handle_and_time() {
        let (a, b) = (request("a"), request("b"));
        let one = json!({"volumeHandle": "a", "snapshotHandle": "sa", "creationTime": 1});
        let two = json!({"volumeHandle": "b", "snapshotHandle": "sb", "creationTime": 1});
        let rows = [
            (json!({"volumeGroupSnapshotHandle": "g", "volumeSnapshotInfoList": [one, two]}), true),
            (json!({"volumeGroupSnapshotHandle": "g", "volumeSnapshotInfoList": [one]}), false),
            (json!({"volumeSnapshotInfoList": [one, two]}), false),
            (json!({"volumeGroupSnapshotHandle": "g"}), false),
        ];

        for (status, is_cut) in rows {
            let verdict = judge(&content(status.clone()), &[&a, &b], &Patience::default());

            assert_eq!(matches!(verdict, GroupVerdict::Cut(_)), is_cut, "{status}");
        }
    }

    #[test]
    fn a_group_that_cannot_be_cut_falls_back() {
        let a = request("a");
        let failing = |message: &str, seconds: u64| SeenGroup {
            failing_for: Some(Duration::from_secs(seconds)),
            ..content(json!({"error": {"message": message}}))
        };
        let silent = SeenGroup { waited: Duration::from_secs(30), ..SeenGroup::default() };
        let rows = [
            (
                failing("rpc error: code = Unimplemented desc = unknown service csi.v1.GroupController", 0),
                true,
            ),
            (failing("rpc error: code = Internal desc = busy", 1), false),
            (failing("rpc error: code = Internal desc = busy", 30), true),
            (silent, true),
            (SeenGroup::default(), false),
        ];

        for (seen, falls_back) in rows {
            let verdict = judge(&seen, &[&a], &Patience::default());

            assert_eq!(matches!(verdict, GroupVerdict::FallBack(_)), falls_back, "{seen:?}");
        }
    }
}
