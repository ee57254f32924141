//! What a person applies to connect a cluster. The vault knows no Kubernetes: the program that serves it supplies this.

pub use tunnel::EgressProxy;

use serde_json::Value;
use std::fmt;
use zeroize::Zeroizing;

/// How a cluster is connected.
pub struct ConnectSettings {
    /// URL of the vault.
    pub vault: String,
    /// Its certificate authorities, PEM.
    pub authorities: String,
    /// The one-time token.
    pub token: Zeroizing<String>,
    /// The image of agent and gateway, where the operator chose another one than the program's own.
    pub image: Option<String>,
    /// The egress proxy of agent and gateway, where there is one.
    pub proxy: Option<EgressProxy>,
}

/// Writes the documents that connect a cluster, in the order in which they are applied.
pub trait ConnectManifests: Send + Sync + fmt::Debug {
    /// The documents; none when this vault connects no clusters. An error says what the operator has to put right.
    fn documents(&self, settings: &ConnectSettings) -> Result<Vec<Value>, String>;
}

/// None: whoever connects a cluster has the documents from elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct NoManifests;

impl ConnectManifests for NoManifests {
    fn documents(&self, _: &ConnectSettings) -> Result<Vec<Value>, String> {
        Ok(Vec::new())
    }
}

impl fmt::Debug for ConnectSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectSettings")
            .field("vault", &self.vault)
            .field("image", &self.image)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
