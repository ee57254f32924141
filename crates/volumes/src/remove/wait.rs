//! Waits until deleted contents are really gone; a content that stays means that its snapshot may stay.

use super::{Fate, Kept, Removal};
use crate::{
    api::VolumeSnapshotContent,
    contents::ContentFacts,
    error::{Tried, VolumesError, persistently},
    leftovers::Leftovers,
    remind::{Reminders, remind},
};
use kube::{Api, Client, ResourceExt, core::DynamicObject};
use protection::{Problem, code};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const FIRST_POLL: Duration = Duration::from_millis(200);
const LAST_POLL: Duration = Duration::from_secs(2);

/// Waits for singles and groups, and tells what was deleted from what stayed.
pub(super) async fn until_gone(
    client: &Client,
    left: &Leftovers,
    singles: &[(&ContentFacts, Fate)],
    end: Instant,
    removal: &mut Removal,
) -> Result<(), VolumesError> {
    let single = |content: &ContentFacts| {
        singles.iter().any(|(one, fate)| one.name == content.name && *fate == Fate::Delete)
    };
    let kept: Vec<Option<String>> = removal.kept.iter().map(|one| one.handle.clone()).collect();
    let member = |content: &ContentFacts| {
        !singles.iter().any(|(one, _)| one.name == content.name) && !kept.contains(&content.handle)
    };
    let mut open: Vec<&ContentFacts> =
        left.contents.iter().filter(|content| single(content) || member(content)).collect();
    let mut pause = FIRST_POLL;
    let mut reminders = Reminders::new();
    while !open.is_empty() {
        let mut still = Vec::new();
        for content in open {
            if is_gone(client, content).await? {
                removal.deleted.extend(content.handle.clone());
            } else {
                still.push(content);
            }
        }
        open = still;
        if Instant::now() >= end {
            removal.kept.extend(open.into_iter().map(stuck));
            break;
        }
        if !open.is_empty() {
            if let Some(times) = reminders.due() {
                for content in &open {
                    remind(client, &content.name, times).await?;
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_POLL);
        }
    }
    groups_gone(client, left, end, removal).await
}

/// Whether the object is gone; another of the same name counts as gone.
async fn is_gone(client: &Client, content: &ContentFacts) -> Result<bool, VolumesError> {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let name = &content.name;
    let found = persistently(|| contents.get_metadata_opt(name)).await;
    let found = found.tried(|| format!("read the snapshot content {name}"))?;
    Ok(found.and_then(|one| one.metadata.uid).as_ref() != Some(&content.uid))
}

async fn groups_gone(
    client: &Client,
    left: &Leftovers,
    end: Instant,
    removal: &mut Removal,
) -> Result<(), VolumesError> {
    let Some(api) = &left.group_api else { return Ok(()) };
    let contents = Api::<DynamicObject>::all_with(client.clone(), &api.contents());
    for content in left.groups.iter().filter_map(|group| group.content.as_ref()) {
        let name = content.name_any();
        loop {
            let found = persistently(|| contents.get_metadata_opt(&name)).await;
            let found = found.tried(|| format!("read the group snapshot content {name}"))?;
            let Some(found) = found.filter(|one| one.metadata.uid == content.metadata.uid) else { break };
            if found.metadata.deletion_timestamp.is_none() {
                break;
            }
            if Instant::now() >= end {
                removal.kept.push(stuck_group(&name, content));
                break;
            }
            sleep(LAST_POLL).await;
        }
    }
    Ok(())
}

fn stuck(content: &ContentFacts) -> Kept {
    let handle = content.handle.as_deref().unwrap_or("without handle");
    Kept {
        driver: content.driver.clone(),
        handle: content.handle.clone(),
        retry: true,
        problem: Problem::warning(
            code::DELETE_FAILED,
            format!("The driver {} has not deleted the snapshot {handle} yet.", content.driver),
        )
        .about(format!("volumesnapshotcontents.snapshot.storage.k8s.io/{}", content.name))
        .fix(format!(
            "See why with `kubectl describe volumesnapshotcontent {}`; the deletion goes on.",
            content.name
        )),
    }
}

fn stuck_group(name: &str, content: &DynamicObject) -> Kept {
    let driver = content.data.pointer("/spec/driver").and_then(|driver| driver.as_str()).unwrap_or_default();
    Kept {
        driver: driver.to_owned(),
        handle: None,
        retry: true,
        problem: Problem::warning(
            code::DELETE_FAILED,
            format!("The driver {driver} has not deleted the group snapshot behind {name} yet."),
        )
        .about(format!("volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io/{name}"))
        .fix(format!(
            "See why with `kubectl describe volumegroupsnapshotcontent {name}`; the deletion goes on."
        )),
    }
}
