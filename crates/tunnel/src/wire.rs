//! What goes over the connection: paths, headers, documents and limits. `docs/formats/cluster-link.md` shows them.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Path of the list of bindings on the reversed connection.
pub const BINDINGS_PATH: &str = "/_cofferdam/bindings";
/// Paths below this are for the gateway itself and never for the API server.
pub const OWN_PATHS: &str = "/_cofferdam/";
/// Header of a request: the binding in whose name it is made.
pub const BINDING_HEADER: &str = "cofferdam-binding";
/// Header of an answer that is the gateway's own: why it did not pass the request on.
pub const REFUSED_HEADER: &str = "cofferdam-refused";
/// Value of [`REFUSED_HEADER`] with 403: no such binding.
pub const REFUSED_BINDING: &str = "binding";
/// Value of [`REFUSED_HEADER`] with 502: the gateway cannot reach the API server.
pub const REFUSED_API_SERVER: &str = "api-server";
/// Headers of a request that go on to the API server.
pub const PASSED_HEADERS: [&str; 3] = ["accept", "content-type", "content-length"];
/// Header of a call that a replica forwards: the connection whose tunnel it is for.
pub const CONNECTION_HEADER: &str = "cofferdam-connection";
/// Header of a call that a replica forwards: after so many milliseconds nobody waits for the head of its answer any more.
pub const PATIENCE_HEADER: &str = "cofferdam-patience";
/// Header of an answer that is the forwarding replica's own: why the call did not reach the cluster.
pub const FAILED_HEADER: &str = "cofferdam-failed";
/// Where a part enrols.
pub const ENROL_PATH: &str = "/cluster/v1/enrol";
/// Where a part renews its certificate.
pub const RENEW_PATH: &str = "/cluster/v1/renew";
/// The most bindings that a cluster has.
pub const MAX_BINDINGS: usize = 8;
/// Both ends ask for a sign of life this often…
pub const PING: Duration = Duration::from_secs(10);
/// …and give up after so long without an answer: 30 s after the last one.
pub const PING_PATIENCE: Duration = Duration::from_secs(20);

/// One Trusted Access binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Its name, unique in the cluster without regard to case.
    pub name: String,
    /// ARM id of the Backup vault.
    pub source: String,
    /// Roles by their full names.
    pub roles: Vec<String>,
}

/// Body of `PUT /_cofferdam/bindings`: the complete list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bindings {
    /// All bindings of the cluster.
    pub bindings: Vec<Binding>,
}

/// Body of `POST /cluster/v1/enrol`.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// `<connection>.<secret>`.
    pub token: String,
    /// Who enrols.
    pub part: crate::Part,
    /// PKCS#10, PEM.
    pub request: String,
}

/// Body of `POST /cluster/v1/renew`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RenewRequest {
    /// PKCS#10, PEM.
    pub request: String,
}

/// The vault's answer to both.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolAnswer {
    /// PEM.
    pub certificate: String,
    /// RFC 3339.
    pub not_after: jiff::Timestamp,
    /// ARM id of the cluster.
    pub cluster: String,
    /// Tenant of the cluster.
    pub tenant_id: uuid::Uuid,
    /// The joining.
    pub connection: uuid::Uuid,
}
