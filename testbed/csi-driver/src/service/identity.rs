//! CSI's Identity service: who the driver is and what it can do.

use super::Answer;
use crate::proto::csi::identity_server::Identity;
use crate::proto::csi::plugin_capability::{self, Service, VolumeExpansion, service, volume_expansion};
use crate::proto::csi::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest, GetPluginInfoResponse,
    PluginCapability, ProbeRequest, ProbeResponse,
};
use crate::server::Snapshots;
use tonic::{Request, Response, async_trait};

/// Answers for one driver.
#[derive(Debug)]
pub struct IdentityService {
    name: String,
    snapshots: Snapshots,
}

impl IdentityService {
    /// The service of the driver called `name`.
    pub fn new(name: &str, snapshots: Snapshots) -> Self {
        Self { name: name.to_owned(), snapshots }
    }
}

#[async_trait]
impl Identity for IdentityService {
    async fn get_plugin_info(&self, _: Request<GetPluginInfoRequest>) -> Answer<GetPluginInfoResponse> {
        Ok(Response::new(GetPluginInfoResponse {
            name: self.name.clone(),
            vendor_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..GetPluginInfoResponse::default()
        }))
    }

    async fn get_plugin_capabilities(
        &self,
        _: Request<GetPluginCapabilitiesRequest>,
    ) -> Answer<GetPluginCapabilitiesResponse> {
        let service = |one: service::Type| plugin_capability::Type::Service(Service { r#type: one.into() });
        let online = VolumeExpansion { r#type: volume_expansion::Type::Online.into() };
        let mut able =
            vec![service(service::Type::ControllerService), plugin_capability::Type::VolumeExpansion(online)];
        if self.snapshots == Snapshots::Supported {
            able.push(service(service::Type::GroupControllerService));
        }
        let capabilities = able.into_iter().map(|one| PluginCapability { r#type: Some(one) }).collect();
        Ok(Response::new(GetPluginCapabilitiesResponse { capabilities }))
    }

    async fn probe(&self, _: Request<ProbeRequest>) -> Answer<ProbeResponse> {
        Ok(Response::new(ProbeResponse { ready: Some(true) }))
    }
}
