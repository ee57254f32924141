//! CSI's Controller service: volumes and their sizes. The snapshot half is in `snapshot`.

use super::convert::{self, page, volume_id_of};
use super::{Answer, snapshot, to_the_end};
use crate::error::Error;
use crate::faults::FaultsFile;
use crate::ids::{Handle, VolumeId};
use crate::pool::{self, Kind, NewVolume, Pool};
use crate::proto::csi::controller_server::Controller;
use crate::proto::csi::controller_service_capability::rpc::Type as Ability;
use crate::proto::csi::controller_service_capability::{self, Rpc};
use crate::proto::csi::validate_volume_capabilities_response::Confirmed;
use crate::proto::csi::*;
use crate::publish::Publisher;
use crate::server::Snapshots;
use std::sync::Arc;
use telemetry::Clock;
use tonic::{Request, Response, Status, async_trait};

/// Answers for one pool.
#[derive(Debug, Clone)]
pub struct ControllerService {
    /// Where volumes and snapshots are.
    pub pool: Pool,
    /// Knows what is in use.
    pub publisher: Publisher,
    /// What shall go wrong.
    pub faults: FaultsFile,
    /// Says when a lagging snapshot becomes ready.
    pub clock: Arc<dyn Clock>,
    /// Whether snapshots are supported.
    pub snapshots: Snapshots,
}

impl ControllerService {
    /// A snapshot as CSI shows it now.
    pub fn show(&self, snapshot: pool::Snapshot) -> Result<Snapshot, Error> {
        snapshot::show(snapshot, &self.faults, self.clock.as_ref())
    }

    fn need_snapshots(&self, what: &'static str) -> Result<(), Error> {
        match self.snapshots {
            Snapshots::Supported => Ok(()),
            Snapshots::Unsupported => Err(Error::Unsupported(what)),
        }
    }
}

const ALWAYS: [Ability; 6] = [
    Ability::CreateDeleteVolume,
    Ability::ListVolumes,
    Ability::GetCapacity,
    Ability::ExpandVolume,
    Ability::GetVolume,
    Ability::SingleNodeMultiWriter,
];
const WITH_SNAPSHOTS: [Ability; 4] =
    [Ability::CreateDeleteSnapshot, Ability::ListSnapshots, Ability::CloneVolume, Ability::GetSnapshot];

#[async_trait]
impl Controller for ControllerService {
    async fn controller_get_capabilities(
        &self,
        _: Request<ControllerGetCapabilitiesRequest>,
    ) -> Answer<ControllerGetCapabilitiesResponse> {
        let more: &[Ability] = match self.snapshots {
            Snapshots::Supported => &WITH_SNAPSHOTS,
            Snapshots::Unsupported => &[],
        };
        let capability = |one: &Ability| ControllerServiceCapability {
            r#type: Some(controller_service_capability::Type::Rpc(Rpc { r#type: (*one).into() })),
        };
        let capabilities = ALWAYS.iter().chain(more).map(capability).collect();
        Ok(Response::new(ControllerGetCapabilitiesResponse { capabilities }))
    }

    async fn create_volume(&self, request: Request<CreateVolumeRequest>) -> Answer<CreateVolumeResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let new = NewVolume {
                name: convert::name(request.name)?,
                kind: convert::capabilities(&request.volume_capabilities)?,
                asked: convert::asked(request.capacity_range.as_ref())?,
                source: convert::source(request.volume_content_source.as_ref())?,
                parameters: request.parameters.into_iter().collect(),
            };
            if new.source.is_some() {
                service.need_snapshots("volumes from snapshots or other volumes")?;
            }
            let volume = service.pool.create_volume(&new)?;
            Ok(CreateVolumeResponse { volume: Some(convert::volume(volume)) })
        });
        answer.await.map(Response::new)
    }

    async fn delete_volume(&self, request: Request<DeleteVolumeRequest>) -> Answer<DeleteVolumeResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            if let Handle::Ours(id) = VolumeId::parse(&request.volume_id)? {
                service.publisher.check_unused(&id)?;
                service.pool.delete_volume(&id)?;
            }
            Ok(DeleteVolumeResponse {})
        });
        answer.await.map(Response::new)
    }

    async fn validate_volume_capabilities(
        &self,
        request: Request<ValidateVolumeCapabilitiesRequest>,
    ) -> Answer<ValidateVolumeCapabilitiesResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let id = volume_id_of(&request.volume_id)?;
            let kind = convert::capabilities(&request.volume_capabilities)?;
            let has = service.pool.volume(&id)?.record.kind;
            if has != kind {
                let message = format!("the volume is a {has:?} volume");
                return Ok(ValidateVolumeCapabilitiesResponse { confirmed: None, message });
            }
            let confirmed = Confirmed {
                volume_context: request.volume_context,
                volume_capabilities: request.volume_capabilities,
                parameters: request.parameters,
                mutable_parameters: request.mutable_parameters,
            };
            Ok(ValidateVolumeCapabilitiesResponse { confirmed: Some(confirmed), message: String::new() })
        });
        answer.await.map(Response::new)
    }

    async fn list_volumes(&self, request: Request<ListVolumesRequest>) -> Answer<ListVolumesResponse> {
        let (pool, request) = (self.pool.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let (found, next_token) =
                page(pool.volumes()?, |v| v.id.to_string(), &request.starting_token, request.max_entries)?;
            let entry =
                |one| list_volumes_response::Entry { volume: Some(convert::volume(one)), status: None };
            Ok(ListVolumesResponse { entries: found.into_iter().map(entry).collect(), next_token })
        });
        answer.await.map(Response::new)
    }

    async fn controller_get_volume(
        &self,
        request: Request<ControllerGetVolumeRequest>,
    ) -> Answer<ControllerGetVolumeResponse> {
        let (pool, request) = (self.pool.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let volume = pool.volume(&volume_id_of(&request.volume_id)?)?;
            let status = Some(controller_get_volume_response::VolumeStatus::default());
            Ok(ControllerGetVolumeResponse { volume: Some(convert::volume(volume)), status })
        });
        answer.await.map(Response::new)
    }

    async fn get_capacity(&self, request: Request<GetCapacityRequest>) -> Answer<GetCapacityResponse> {
        let (pool, request) = (self.pool.clone(), request.into_inner());
        let answer = to_the_end(move || {
            if !request.volume_capabilities.is_empty() {
                convert::capabilities(&request.volume_capabilities)?;
            }
            let available_capacity = convert::bytes(pool.free_bytes()?);
            Ok(GetCapacityResponse { available_capacity, ..GetCapacityResponse::default() })
        });
        answer.await.map(Response::new)
    }

    async fn controller_expand_volume(
        &self,
        request: Request<ControllerExpandVolumeRequest>,
    ) -> Answer<ControllerExpandVolumeResponse> {
        let (pool, request) = (self.pool.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let id = volume_id_of(&request.volume_id)?;
            let asked = convert::asked(request.capacity_range.as_ref())?;
            if request.capacity_range.is_none() {
                return Err(Error::Invalid("the capacity range is missing".to_owned()));
            }
            let record = pool.expand_volume(&id, asked)?.record;
            Ok(ControllerExpandVolumeResponse {
                capacity_bytes: convert::bytes(record.capacity),
                node_expansion_required: record.kind == Kind::Block,
            })
        });
        answer.await.map(Response::new)
    }

    async fn create_snapshot(
        &self,
        request: Request<CreateSnapshotRequest>,
    ) -> Answer<CreateSnapshotResponse> {
        self.need_snapshots("snapshots")?;
        snapshot::create(self, request.into_inner()).await.map(Response::new)
    }

    async fn delete_snapshot(
        &self,
        request: Request<DeleteSnapshotRequest>,
    ) -> Answer<DeleteSnapshotResponse> {
        self.need_snapshots("snapshots")?;
        snapshot::delete(self, request.into_inner()).await.map(Response::new)
    }

    async fn list_snapshots(&self, request: Request<ListSnapshotsRequest>) -> Answer<ListSnapshotsResponse> {
        self.need_snapshots("snapshots")?;
        snapshot::list(self, request.into_inner()).await.map(Response::new)
    }

    async fn get_snapshot(&self, request: Request<GetSnapshotRequest>) -> Answer<GetSnapshotResponse> {
        self.need_snapshots("snapshots")?;
        snapshot::get(self, request.into_inner()).await.map(Response::new)
    }

    async fn controller_publish_volume(
        &self,
        _: Request<ControllerPublishVolumeRequest>,
    ) -> Answer<ControllerPublishVolumeResponse> {
        Err(unsupported("attaching"))
    }

    async fn controller_unpublish_volume(
        &self,
        _: Request<ControllerUnpublishVolumeRequest>,
    ) -> Answer<ControllerUnpublishVolumeResponse> {
        Err(unsupported("attaching"))
    }

    async fn controller_modify_volume(
        &self,
        _: Request<ControllerModifyVolumeRequest>,
    ) -> Answer<ControllerModifyVolumeResponse> {
        Err(unsupported("volume attributes classes"))
    }

    async fn controller_list_volume_health(
        &self,
        _: Request<ControllerListVolumeHealthRequest>,
    ) -> Answer<ControllerListVolumeHealthResponse> {
        Err(unsupported("volume health"))
    }

    async fn controller_get_volume_health(
        &self,
        _: Request<ControllerGetVolumeHealthRequest>,
    ) -> Answer<ControllerGetVolumeHealthResponse> {
        Err(unsupported("volume health"))
    }
}

fn unsupported(what: &'static str) -> Status {
    Error::Unsupported(what).into()
}
