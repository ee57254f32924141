//! Kubelet's plugin registration service: kubelet finds the socket and asks what is behind it.

use super::Answer;
use crate::proto::registration::registration_server::Registration;
use crate::proto::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};
use std::path::Path;
use tonic::{Request, Response, async_trait};

/// Answers for one driver.
#[derive(Debug)]
pub struct RegistrationService {
    info: PluginInfo,
}

impl RegistrationService {
    /// The service that announces `driver` at the socket `endpoint`.
    pub fn new(driver: &str, endpoint: &Path) -> Self {
        let info = PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: driver.to_owned(),
            endpoint: endpoint.display().to_string(),
            supported_versions: vec!["1.0.0".to_owned()],
        };
        Self { info }
    }
}

#[async_trait]
impl Registration for RegistrationService {
    async fn get_info(&self, _: Request<InfoRequest>) -> Answer<PluginInfo> {
        Ok(Response::new(self.info.clone()))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Answer<RegistrationStatusResponse> {
        let status = request.into_inner();
        if status.plugin_registered {
            tracing::info!("kubelet has registered the driver");
        } else {
            tracing::error!(reason = status.error, "kubelet has refused the driver");
        }
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}
