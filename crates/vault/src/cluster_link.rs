//! How the vault reaches the API server of a cluster: through the tunnel that the cluster's gateway opened, in the name of
//! a Trusted Access binding. The vault knows no Kubernetes beyond paths and JSON.

use arm::ResourceId;
use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use std::fmt;

/// A request to an API server.
#[derive(Debug, Clone)]
pub struct ClusterRequest {
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Type of the body; `application/json` unless it is a patch.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// What an API server answered.
#[derive(Debug, Clone)]
pub struct ClusterAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, at most [`LARGEST_ANSWER`] bytes.
    pub body: Bytes,
}

/// Bytes of an answer that the vault takes in at most.
pub const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// No gateway of this cluster is connected, here or to a replica that can be reached.
    #[error(
        "the cluster is not connected; see whether its gateway runs and reaches the vault: kubectl -n kube-system logs deployment/cofferdam-gateway"
    )]
    NotConnected,
    /// Too much is waiting for this cluster.
    #[error("too many calls wait for this cluster; try again")]
    Busy,
    /// The cluster's gateway does not know the binding.
    #[error(
        "Trusted Access was refused by the cluster; create the role binding: az aks trustedaccess rolebinding create"
    )]
    Refused,
    /// The gateway does not reach its API server.
    #[error("the cluster's gateway does not reach its API server: {0}")]
    ApiServer(String),
    /// The connection broke before the answer was there. Whether the request was carried out is not known.
    #[error("the connection to the cluster broke: {0}")]
    Cut(String),
    /// The answer is too large.
    #[error("the API server's answer is larger than {LARGEST_ANSWER} bytes")]
    TooLarge,
}

/// The way to all clusters.
#[async_trait]
pub trait ClusterLink: Send + Sync + fmt::Debug {
    /// The connections that this replica holds.
    fn connected(&self) -> Vec<String>;

    /// The connections that any replica holds, as far as this one knows.
    fn known(&self) -> Vec<String> {
        self.connected()
    }

    /// Sends a request in the name of a binding, and waits for the whole answer.
    async fn call(
        &self,
        connection: &str,
        binding: &str,
        request: ClusterRequest,
    ) -> Result<ClusterAnswer, LinkError>;

    /// The Trusted Access bindings of a cluster were changed: its gateway, wherever it is connected, has to be told.
    fn bindings_changed(&self, _cluster: &ResourceId) {}

    /// A connection was replaced or ended: it must be cut at once.
    fn disconnected(&self, _connection: &str) {}
}

/// No cluster at all.
#[derive(Debug, Clone, Copy)]
pub struct NoClusters;

#[async_trait]
impl ClusterLink for NoClusters {
    fn connected(&self) -> Vec<String> {
        Vec::new()
    }

    async fn call(&self, _: &str, _: &str, _: ClusterRequest) -> Result<ClusterAnswer, LinkError> {
        Err(LinkError::NotConnected)
    }
}

impl ClusterRequest {
    /// Reads something.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), content_type: "application/json", body: Bytes::new() }
    }

    /// Creates something.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        let body = body.to_string().into();
        Self { method: Method::POST, path: path.into(), content_type: "application/json", body }
    }

    /// Changes some of something.
    pub fn merge(path: impl Into<String>, body: &Value) -> Self {
        let body = body.to_string().into();
        Self { method: Method::PATCH, path: path.into(), content_type: "application/merge-patch+json", body }
    }

    /// Deletes something.
    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }
}

impl ClusterAnswer {
    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
