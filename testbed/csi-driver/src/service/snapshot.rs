//! The snapshot half of CSI's Controller service, with the planned faults.

use super::controller::ControllerService;
use super::convert::{self, page};
use super::to_the_end;
use crate::error::Error;
use crate::faults::FaultsFile;
use crate::ids::{Handle, SnapshotId, VolumeId};
use crate::pool::{self, NewSnapshot};
use crate::proto::csi::{
    self, CreateSnapshotRequest, CreateSnapshotResponse, DeleteSnapshotRequest, DeleteSnapshotResponse,
    GetSnapshotRequest, GetSnapshotResponse, ListSnapshotsRequest, ListSnapshotsResponse,
    list_snapshots_response,
};
use telemetry::Clock;
use tonic::Status;

/// Cuts a snapshot. The work goes on when the caller gives up waiting, so that its retry finds the result.
pub async fn create(
    service: &ControllerService,
    request: CreateSnapshotRequest,
) -> Result<CreateSnapshotResponse, Status> {
    let service = service.clone();
    to_the_end(move || {
        let new = NewSnapshot {
            name: convert::name(request.name)?,
            source: convert::volume_id_of(&request.source_volume_id)?,
            parameters: request.parameters.into_iter().collect(),
        };
        let faults = service.faults.snapshot(new.source.as_ref(), &new.name)?;
        std::thread::sleep(faults.delay());
        if let Some(message) = faults.fail {
            return Err(Error::Planned(message));
        }
        let cut = service.pool.create_snapshot(&new)?;
        let snapshot = Some(service.show(cut)?);
        Ok(CreateSnapshotResponse { snapshot })
    })
    .await
}

/// Deletes a snapshot.
pub async fn delete(
    service: &ControllerService,
    request: DeleteSnapshotRequest,
) -> Result<DeleteSnapshotResponse, Status> {
    let pool = service.pool.clone();
    to_the_end(move || {
        if let Handle::Ours(id) = SnapshotId::parse(&request.snapshot_id)? {
            pool.delete_snapshot(&id)?;
        }
        Ok(DeleteSnapshotResponse {})
    })
    .await
}

/// Shows one snapshot.
pub async fn get(
    service: &ControllerService,
    request: GetSnapshotRequest,
) -> Result<GetSnapshotResponse, Status> {
    let service = service.clone();
    to_the_end(move || {
        let id = SnapshotId::parse(&request.snapshot_id)?.or_not_found("snapshot")?;
        let snapshot = Some(service.show(service.pool.snapshot(&id)?)?);
        Ok(GetSnapshotResponse { snapshot })
    })
    .await
}

/// Lists snapshots: all, one, or those of one volume.
pub async fn list(
    service: &ControllerService,
    request: ListSnapshotsRequest,
) -> Result<ListSnapshotsResponse, Status> {
    let service = service.clone();
    to_the_end(move || {
        let found = matching(&service, &request)?;
        let (found, next_token) =
            page(found, |s| s.id.to_string(), &request.starting_token, request.max_entries)?;
        let entries = found
            .into_iter()
            .map(|one| service.show(one).map(|one| list_snapshots_response::Entry { snapshot: Some(one) }))
            .collect::<Result<_, _>>()?;
        Ok(ListSnapshotsResponse { entries, next_token })
    })
    .await
}

/// The snapshots that a list request means; an id that does not exist means none.
fn matching(
    service: &ControllerService,
    request: &ListSnapshotsRequest,
) -> Result<Vec<pool::Snapshot>, Error> {
    let mut found = if request.snapshot_id.is_empty() {
        service.pool.snapshots()?
    } else {
        match SnapshotId::parse(&request.snapshot_id)? {
            Handle::Ours(id) => service.pool.find_snapshot(&id)?.into_iter().collect(),
            Handle::Foreign(_) => Vec::new(),
        }
    };
    if !request.source_volume_id.is_empty() {
        let source = VolumeId::parse(&request.source_volume_id)?;
        found.retain(|one| Handle::Ours(one.record.source.clone()) == source);
    }
    Ok(found)
}

/// A snapshot as CSI shows it, ready unless a fault says otherwise.
pub fn show(
    snapshot: pool::Snapshot,
    faults: &FaultsFile,
    clock: &dyn Clock,
) -> Result<csi::Snapshot, Error> {
    let faults = faults.snapshot(snapshot.record.source.as_ref(), &snapshot.record.name)?;
    let ready = faults.ready(snapshot.record.created, clock.now());
    Ok(convert::snapshot(snapshot, ready))
}
