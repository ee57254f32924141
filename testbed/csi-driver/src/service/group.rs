//! CSI's GroupController service: snapshots of several volumes at once.

use super::convert::{self, volume_id_of};
use super::{Answer, snapshot, to_the_end};
use crate::error::Error;
use crate::faults::FaultsFile;
use crate::ids::{GroupId, Handle};
use crate::pool::{self, NewGroup, Pool};
use crate::proto::csi::group_controller_server::GroupController;
use crate::proto::csi::group_controller_service_capability::{self, Rpc, rpc};
use crate::proto::csi::{
    CreateVolumeGroupSnapshotRequest, CreateVolumeGroupSnapshotResponse, DeleteVolumeGroupSnapshotRequest,
    DeleteVolumeGroupSnapshotResponse, GetVolumeGroupSnapshotRequest, GetVolumeGroupSnapshotResponse,
    GroupControllerGetCapabilitiesRequest, GroupControllerGetCapabilitiesResponse,
    GroupControllerServiceCapability, VolumeGroupSnapshot,
};
use std::sync::Arc;
use std::time::Duration;
use telemetry::Clock;
use tonic::{Request, Response, async_trait};

/// Answers for one pool.
#[derive(Debug, Clone)]
pub struct GroupService {
    /// Where the groups are.
    pub pool: Pool,
    /// What shall go wrong.
    pub faults: FaultsFile,
    /// Says when a lagging snapshot becomes ready.
    pub clock: Arc<dyn Clock>,
}

impl GroupService {
    fn show(&self, group: pool::Group) -> Result<VolumeGroupSnapshot, Error> {
        let shown =
            group.members.into_iter().map(|one| snapshot::show(one, &self.faults, self.clock.as_ref()));
        let snapshots = shown.collect::<Result<Vec<_>, _>>()?;
        Ok(VolumeGroupSnapshot {
            group_snapshot_id: group.id.to_string(),
            ready_to_use: snapshots.iter().all(|one| one.ready_to_use),
            snapshots,
            creation_time: Some(convert::time(group.record.created)),
        })
    }

    /// Waits and fails as planned for any of the volumes.
    fn suffer(&self, new: &NewGroup) -> Result<(), Error> {
        let mut delay = Duration::ZERO;
        let mut failure = None;
        for source in &new.sources {
            let faults = self.faults.snapshot(source.as_ref(), &new.name)?;
            delay = delay.max(faults.delay());
            failure = failure.or(faults.fail);
        }
        std::thread::sleep(delay);
        failure.map_or(Ok(()), |message| Err(Error::Planned(message)))
    }
}

#[async_trait]
impl GroupController for GroupService {
    async fn group_controller_get_capabilities(
        &self,
        _: Request<GroupControllerGetCapabilitiesRequest>,
    ) -> Answer<GroupControllerGetCapabilitiesResponse> {
        let all = Rpc { r#type: rpc::Type::CreateDeleteGetVolumeGroupSnapshot.into() };
        let able = Some(group_controller_service_capability::Type::Rpc(all));
        let capabilities = vec![GroupControllerServiceCapability { r#type: able }];
        Ok(Response::new(GroupControllerGetCapabilitiesResponse { capabilities }))
    }

    async fn create_volume_group_snapshot(
        &self,
        request: Request<CreateVolumeGroupSnapshotRequest>,
    ) -> Answer<CreateVolumeGroupSnapshotResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let new = NewGroup {
                name: convert::name(request.name)?,
                sources: request
                    .source_volume_ids
                    .iter()
                    .map(|id| volume_id_of(id))
                    .collect::<Result<_, _>>()?,
                parameters: request.parameters.into_iter().collect(),
            };
            if new.sources.is_empty() {
                return Err(Error::Invalid("no source volume is given".to_owned()));
            }
            service.suffer(&new)?;
            let group_snapshot = Some(service.show(service.pool.create_group(&new)?)?);
            Ok(CreateVolumeGroupSnapshotResponse { group_snapshot })
        });
        answer.await.map(Response::new)
    }

    async fn delete_volume_group_snapshot(
        &self,
        request: Request<DeleteVolumeGroupSnapshotRequest>,
    ) -> Answer<DeleteVolumeGroupSnapshotResponse> {
        let (pool, request) = (self.pool.clone(), request.into_inner());
        let answer = to_the_end(move || {
            if let Handle::Ours(id) = GroupId::parse(&request.group_snapshot_id)? {
                pool.delete_group(&id, &convert::snapshot_ids(&request.snapshot_ids)?)?;
            }
            Ok(DeleteVolumeGroupSnapshotResponse {})
        });
        answer.await.map(Response::new)
    }

    async fn get_volume_group_snapshot(
        &self,
        request: Request<GetVolumeGroupSnapshotRequest>,
    ) -> Answer<GetVolumeGroupSnapshotResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let id = GroupId::parse(&request.group_snapshot_id)?.or_not_found("group snapshot")?;
            let group = service.pool.group_with(&id, &convert::snapshot_ids(&request.snapshot_ids)?)?;
            Ok(GetVolumeGroupSnapshotResponse { group_snapshot: Some(service.show(group)?) })
        });
        answer.await.map(Response::new)
    }
}
