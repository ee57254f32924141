//! What a deletion would take away: as the recovery point itself says, else as the status of its backup does.

use crate::{commands::location::locations, exit::Failure, output};
use extension::{
    grants::GrantPurpose,
    locations::Access,
    points::{self, OpenPoint},
};
use jiff::Timestamp;
use kube::{Client, ResourceExt};
use protection::point::VolumeProtection;
use resources::{Backup, RecoveryPointRef};
use serde::Serialize;
use std::{collections::BTreeSet, time::Duration};

/// How long the store may take to answer before the status has to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// Namespaces and snapshots that the text names; beyond it they are counted.
const NAMED: usize = 20;

/// A recovery point that would be deleted.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    recovery_point: Option<RecoveryPointRef>,
    deleted: bool,
    backup: String,
    instance: String,
    started: Option<Timestamp>,
    /// Those with objects; those that were asked for when only the status is known.
    namespaces: Vec<String>,
    objects: u64,
    bytes: u64,
    stored: u64,
    file_copies: u64,
    snapshot_count: u64,
    /// Not known when only the status is.
    snapshots: Vec<Snapshot>,
    /// Why the store could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_read: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    namespace: String,
    claim: String,
    driver: String,
    handle: String,
    bytes: u64,
}

/// Looks the recovery point up. Without a readable store, what the backup's status says is shown.
pub async fn of(
    point: &RecoveryPointRef,
    backup: Option<&Backup>,
    client: &Client,
    namespace: &str,
) -> Result<Preview, Failure> {
    let read = match tokio::time::timeout(PATIENCE, stored(point, client, namespace)).await {
        Ok(read) => read,
        Err(_) => Err(Failure::failed(format!("location {} did not answer in time", point.location))
            .next(format!("See why: `cofferdam location show {}`.", point.location))),
    };
    let preview = match (read, backup) {
        (Ok(Some(preview)), _) => preview,
        (Ok(None), _) => {
            let RecoveryPointRef { location, id } = point;
            return Err(Failure::precondition(format!("location {location} holds no recovery point {id}"))
                .next(format!("See what there is: `cofferdam recovery-point list --location {location}`."))
                .next("If an earlier deletion stopped half-way, repeat with --yes: it goes on."));
        }
        (Err(failure), Some(backup)) => {
            Preview { not_read: Some(failure.message().to_owned()), ..from_status(backup) }
        }
        (Err(failure), None) => return Err(failure),
    };
    Ok(Preview { recovery_point: Some(point.clone()), ..preview })
}

/// What the recovery point holds; nothing when it is not there.
async fn stored(
    point: &RecoveryPointRef,
    client: &Client,
    namespace: &str,
) -> Result<Option<Preview>, Failure> {
    let locations = locations(client, namespace).await?;
    let repo = locations.open(&point.location, Access::Read, &GrantPurpose::Upkeep).await?.repo;
    let Some(found) = points::find(&repo, &point.id).await? else { return Ok(None) };
    let (bytes, stored) = (found.bytes.unwrap_or_default(), found.stored.unwrap_or_default());
    let open = OpenPoint::open(&repo, found).await?;
    let manifest = open.manifest().await?;
    let namespaces: BTreeSet<String> =
        open.index().await?.into_iter().filter_map(|entry| entry.namespace).collect();
    let copied = |protection: &VolumeProtection| matches!(protection, VolumeProtection::Files { .. });
    let file_copies = manifest.volumes.iter().filter(|volume| copied(&volume.protection)).count() as u64;
    let snapshots: Vec<Snapshot> = manifest
        .volumes
        .into_iter()
        .filter_map(|volume| match volume.protection {
            VolumeProtection::Snapshot { handle, restore_size, .. } => Some(Snapshot {
                namespace: volume.namespace,
                claim: volume.claim,
                driver: volume.driver.unwrap_or_default(),
                handle,
                bytes: restore_size.unwrap_or(volume.capacity),
            }),
            VolumeProtection::Files { .. } | VolumeProtection::None { .. } => None,
        })
        .collect();
    Ok(Some(Preview {
        backup: manifest.backup.name,
        instance: manifest.instance,
        started: Some(manifest.started),
        namespaces: namespaces.into_iter().collect(),
        objects: manifest.counts.values().sum(),
        bytes,
        stored,
        file_copies,
        snapshot_count: snapshots.len() as u64,
        snapshots,
        ..Preview::default()
    }))
}

fn from_status(backup: &Backup) -> Preview {
    let status = backup.status.clone().unwrap_or_default();
    Preview {
        backup: backup.name_any(),
        instance: backup.spec.backup_instance.clone(),
        started: status.start_time.map(|time| time.0),
        namespaces: backup.spec.included_namespaces.clone(),
        objects: status.objects,
        bytes: status.bytes_read,
        stored: status.bytes_added,
        file_copies: status.volumes.file_copies,
        snapshot_count: status.volumes.snapshots,
        ..Preview::default()
    }
}

/// The preview for people.
pub fn text(preview: &Preview) -> String {
    let mut lines = Vec::new();
    if let Some(point) = &preview.recovery_point {
        lines.push(format!("recovery point  {} in location {}", point.id, point.location));
    }
    let started = preview.started.map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    lines.push(format!("backup          {} of instance {}", preview.backup, preview.instance));
    lines.push(format!("begun           {}", started.as_deref().unwrap_or("?")));
    let namespaces = match (preview.namespaces.as_slice(), &preview.not_read) {
        ([], Some(_)) => "all".to_owned(),
        ([], None) => "none".to_owned(),
        (names, _) => output::first(names, NAMED),
    };
    lines.push(format!("namespaces      {namespaces}"));
    lines.push(format!("objects         {}", preview.objects));
    let (bytes, stored) = (output::bytes(preview.bytes), output::bytes(preview.stored));
    lines.push(format!("size            {bytes}; it added {stored} to the repository"));
    lines.push(format!("file copies     {}", preview.file_copies));
    lines.push(match preview.snapshot_count {
        0 => "snapshots       none".to_owned(),
        count => format!("snapshots       {count}, deleted with it"),
    });
    for snapshot in preview.snapshots.iter().take(NAMED) {
        let Snapshot { namespace, claim, driver, handle, bytes } = snapshot;
        lines.push(format!("  {namespace}/{claim}: {handle} of {driver}, {}", output::bytes(*bytes)));
    }
    if preview.snapshots.len() > NAMED {
        lines.push(format!("  and {} more (all with -o json)", preview.snapshots.len() - NAMED));
    }
    if let Some(why) = &preview.not_read {
        lines.push(format!("This is what the backup's status says; the store could not be asked: {why}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use resources::{BackupSpec, BackupStatus, VolumeCounts};

    #[test]
    fn without_the_store_the_status_says_what_would_go() {
        let mut backup = Backup::new("old", BackupSpec::default());
        let volumes = VolumeCounts { snapshots: 2, ..VolumeCounts::default() };
        backup.status = Some(BackupStatus { objects: 7, volumes, ..BackupStatus::default() });

        let shown = text(&Preview { not_read: Some("no way".to_owned()), ..from_status(&backup) });

        for expected in
            ["old of instance default", "namespaces      all", "objects         7", "2, deleted", "no way"]
        {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
    }

    #[test]
    fn snapshots_are_named_and_long_lists_are_counted() {
        let snapshot = |at: usize| Snapshot {
            namespace: "shop".to_owned(),
            claim: format!("data-{at}"),
            driver: "csi.example".to_owned(),
            handle: format!("handle-{at}"),
            bytes: 1024,
        };
        let snapshots: Vec<Snapshot> = (0..NAMED + 3).map(snapshot).collect();

        let shown = text(&Preview { snapshots, ..Preview::default() });

        assert!(shown.contains("  shop/data-0: handle-0 of csi.example, 1.00 KiB\n"), "{shown}");
        assert!(shown.ends_with("and 3 more (all with -o json)"), "{shown}");
    }
}
