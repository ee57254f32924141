//! What a vault and an agent tell each other about extensions. Reference: `docs/formats/cluster-link.md`.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What should be there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// Changes when anything here changes.
    pub revision: String,
    /// Where the extensions find the vault.
    pub vault: VaultPlace,
    /// The extensions.
    #[serde(default)]
    pub extensions: Vec<DesiredExtension>,
}

/// Where the vault is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names are those of the contract
pub struct VaultPlace {
    pub url: String,
    pub tenant_id: String,
    /// Certificates in PEM form.
    pub authorities: String,
}

/// One extension as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredExtension {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Grows with each change.
    pub generation: i64,
    /// Whether it should be there.
    pub wanted: Wanted,
    /// Version.
    pub version: String,
    /// Where its package is.
    pub package: PackagePlace,
    /// Namespace; empty for that of the package.
    pub namespace: String,
    /// Settings.
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// Settings that nobody shall read.
    #[serde(default)]
    pub protected_settings: BTreeMap<String, Value>,
    /// The identity of its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ExtensionIdentity>,
}

/// Whether something should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Wanted {
    Present,
    Absent,
}

/// Where a package is, and which bytes it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackagePlace {
    /// `registry.example/cofferdam/backup:0.1.0`; the tag is for people.
    pub reference: String,
    /// Digest of the manifest.
    pub digest: Digest,
}

/// The identity of an extension's pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ExtensionIdentity {
    pub client_id: String,
    pub principal_id: String,
    pub audience: String,
}

/// What an agent says about its cluster and the extensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of the agent.
    pub agent_version: String,
    /// The cluster.
    pub cluster: ClusterFacts,
    /// The extensions.
    pub extensions: Vec<ExtensionReport>,
}

/// What an agent sees of its cluster. Fields that could not be seen are absent or empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFacts {
    /// UID of the namespace `kube-system`.
    pub uid: String,
    /// `v1.35.4`.
    pub kubernetes_version: String,
    /// What the version or the nodes give away.
    pub distribution: String,
    /// Who issues the tokens of ServiceAccounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_issuer: Option<String>,
    /// The keys that those tokens are checked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_keys: Option<Value>,
    /// How many nodes.
    pub nodes: u64,
    /// Their architectures.
    pub architectures: Vec<String>,
    /// Their operating systems.
    pub operating_systems: Vec<String>,
    /// Names of the CSI drivers.
    pub csi_drivers: Vec<String>,
    /// How many VolumeSnapshotClasses.
    pub snapshot_classes: u64,
}

/// How one extension is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionReport {
    /// Its name.
    pub name: String,
    /// The generation that this is about.
    pub generation: i64,
    /// How it is.
    pub state: ExtensionState,
    /// The version that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What was noticed.
    #[serde(default)]
    pub statuses: Vec<Status>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
}

/// How an extension is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ExtensionState {
    Installing,
    Installed,
    Failed,
    Removing,
    Removed,
}

/// How grave a status is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Level {
    Error,
    Warning,
    Information,
}

/// Something that was noticed about an extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names are those of the management API
pub struct Status {
    pub code: String,
    pub display_status: String,
    pub level: Level,
    pub message: String,
    /// RFC 3339; empty until it is reported.
    #[serde(default)]
    pub time: String,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ErrorInfo {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub details: Vec<ErrorInfo>,
}

impl Status {
    /// A status without a time.
    pub fn new(code: &str, display: &str, level: Level, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            display_status: display.to_owned(),
            level,
            message: message.into(),
            time: String::new(),
        }
    }
}

impl ErrorInfo {
    /// An error without details.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), details: Vec::new() }
    }
}
