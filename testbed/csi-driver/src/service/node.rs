//! CSI's Node service: publishes volumes for the pods of this node.

use super::convert::{self, volume_id_of};
use super::{Answer, to_the_end};
use crate::btrfs;
use crate::error::Error;
use crate::ids::{Handle, VolumeId};
use crate::pool::{Kind, Pool};
use crate::proto::csi::node_server::Node;
use crate::proto::csi::node_service_capability::rpc::Type as Ability;
use crate::proto::csi::node_service_capability::{self, Rpc};
use crate::proto::csi::volume_usage::Unit;
use crate::proto::csi::*;
use crate::publish::{Publisher, Wish};
use rustix::mount::MountFlags;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tonic::{Request, Response, Status, async_trait};

/// Answers for one node.
#[derive(Debug, Clone)]
pub struct NodeService {
    pool: Pool,
    publisher: Publisher,
    node: String,
    /// Held while mounts change: whether a loop device has users is looked at and acted on as one.
    mounting: Arc<Mutex<()>>,
}

impl NodeService {
    /// The service of the node called `node`, as kubelet knows it.
    pub fn new(pool: Pool, publisher: Publisher, node: String) -> Self {
        Self { pool, publisher, node, mounting: Arc::default() }
    }

    fn alone<T>(&self, work: impl FnOnce(&Publisher) -> Result<T, Error>) -> Result<T, Error> {
        let _held = self.mounting.lock().unwrap_or_else(PoisonError::into_inner);
        work(&self.publisher)
    }

    fn need_published(&self, volume: &VolumeId, at: &Path) -> Result<(), Error> {
        if self.publisher.is_at(volume, at)? {
            return Ok(());
        }
        Err(Error::NotFound { what: "published volume", id: format!("{volume} at {}", at.display()) })
    }

    fn stats(&self, volume: &VolumeId) -> Result<VolumeUsage, Error> {
        let record = self.pool.volume(volume)?.record;
        let total = record.capacity;
        let (used, available) = match record.kind {
            Kind::Block => (0, 0),
            Kind::Filesystem => {
                let used = btrfs::usage(&self.pool.volume_tree(volume))?.referenced;
                (used, total.saturating_sub(used).min(self.pool.free_bytes()?))
            }
        };
        Ok(VolumeUsage {
            total: convert::bytes(total),
            used: convert::bytes(used),
            available: convert::bytes(available),
            unit: Unit::Bytes.into(),
        })
    }
}

#[async_trait]
impl Node for NodeService {
    async fn node_get_info(&self, _: Request<NodeGetInfoRequest>) -> Answer<NodeGetInfoResponse> {
        Ok(Response::new(NodeGetInfoResponse {
            node_id: self.node.clone(),
            ..NodeGetInfoResponse::default()
        }))
    }

    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Answer<NodeGetCapabilitiesResponse> {
        let able = [Ability::GetVolumeStats, Ability::ExpandVolume, Ability::SingleNodeMultiWriter];
        let capability = |one: Ability| NodeServiceCapability {
            r#type: Some(node_service_capability::Type::Rpc(Rpc { r#type: one.into() })),
        };
        Ok(Response::new(NodeGetCapabilitiesResponse {
            capabilities: able.into_iter().map(capability).collect(),
        }))
    }

    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Answer<NodePublishVolumeResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let handle = VolumeId::parse(&request.volume_id)?;
            let target = path("target", request.target_path)?;
            let capability = convert::capability(request.volume_capability.as_ref())?;
            let volume = handle.or_not_found("volume")?;
            let read_only = if request.readonly { MountFlags::RDONLY } else { MountFlags::empty() };
            let wish = Wish {
                volume,
                target,
                kind: capability.kind,
                sharing: capability.sharing,
                flags: capability.flags | read_only,
            };
            service.alone(|publisher| publisher.publish(&wish))?;
            Ok(NodePublishVolumeResponse {})
        });
        answer.await.map(Response::new)
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Answer<NodeUnpublishVolumeResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let target = path("target", request.target_path)?;
            if let Handle::Ours(volume) = VolumeId::parse(&request.volume_id)? {
                service.alone(|publisher| publisher.unpublish(&volume, &target))?;
            }
            Ok(NodeUnpublishVolumeResponse {})
        });
        answer.await.map(Response::new)
    }

    async fn node_get_volume_stats(
        &self,
        request: Request<NodeGetVolumeStatsRequest>,
    ) -> Answer<NodeGetVolumeStatsResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let at = path("volume", request.volume_path)?;
            let volume = volume_id_of(&request.volume_id)?;
            service.need_published(&volume, &at)?;
            let usage = vec![service.stats(&volume)?];
            Ok(NodeGetVolumeStatsResponse { usage })
        });
        answer.await.map(Response::new)
    }

    async fn node_expand_volume(
        &self,
        request: Request<NodeExpandVolumeRequest>,
    ) -> Answer<NodeExpandVolumeResponse> {
        let (service, request) = (self.clone(), request.into_inner());
        let answer = to_the_end(move || {
            let at = path("volume", request.volume_path)?;
            let volume = volume_id_of(&request.volume_id)?;
            service.need_published(&volume, &at)?;
            let record = service.pool.volume(&volume)?.record;
            if record.kind == Kind::Block {
                service.alone(|publisher| publisher.grow(&volume))?;
            }
            Ok(NodeExpandVolumeResponse { capacity_bytes: convert::bytes(record.capacity) })
        });
        answer.await.map(Response::new)
    }

    async fn node_stage_volume(&self, _: Request<NodeStageVolumeRequest>) -> Answer<NodeStageVolumeResponse> {
        Err(unsupported("staging"))
    }

    async fn node_unstage_volume(
        &self,
        _: Request<NodeUnstageVolumeRequest>,
    ) -> Answer<NodeUnstageVolumeResponse> {
        Err(unsupported("staging"))
    }

    async fn node_get_volume_health(
        &self,
        _: Request<NodeGetVolumeHealthRequest>,
    ) -> Answer<NodeGetVolumeHealthResponse> {
        Err(unsupported("volume health"))
    }

    async fn node_get_storage_health(
        &self,
        _: Request<NodeGetStorageHealthRequest>,
    ) -> Answer<NodeGetStorageHealthResponse> {
        Err(unsupported("storage health"))
    }
}

/// A path that a request must carry.
fn path(what: &str, text: String) -> Result<PathBuf, Error> {
    if text.is_empty() { Err(Error::Invalid(format!("the {what} path is missing"))) } else { Ok(text.into()) }
}

fn unsupported(what: &'static str) -> Status {
    Error::Unsupported(what).into()
}
