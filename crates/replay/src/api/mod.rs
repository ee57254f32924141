//! The target cluster as a restore needs it: one trait, so that the same decisions run against an API server
//! and against a cluster in memory.

mod discovery;
mod error;
mod kube_api;
mod paths;
mod retrying;

pub use discovery::{Discovery, Resolved};
pub use error::{ApiError, Refusal};
pub use kube_api::KubeApi;
pub use retrying::{Pacing, Retrying};

use crate::item::{Place, ResourceType};
use async_trait::async_trait;
use serde_json::Value;

/// What a restore asks of an API server.
#[async_trait]
pub trait ClusterApi: Send + Sync + std::fmt::Debug {
    /// Every served resource type. A group whose server does not answer is missing from it, by name.
    async fn discover(&self) -> Result<Discovery, ApiError>;

    /// One object, or none.
    async fn get(&self, place: &Place) -> Result<Option<Value>, ApiError>;

    /// All objects of a type, in one namespace or everywhere.
    async fn list(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        shape: Shape,
    ) -> Result<Vec<Value>, ApiError>;

    /// Creates an object.
    async fn create(&self, place: &Place, body: &Value, write: &Write) -> Result<Written, ApiError>;

    /// Applies a JSON merge patch.
    async fn patch(&self, place: &Place, patch: &Value, write: &Write) -> Result<Written, ApiError>;

    /// Deletes an object if it still has this UID. Returns before it is gone.
    async fn delete(&self, place: &Place, uid: &str, owned: Owned, write: &Write) -> Result<(), ApiError>;

    /// The OpenAPI v3 document of one group and version, written as in `apiVersion`.
    async fn openapi(&self, api_version: &str) -> Result<Value, ApiError>;
}

/// What becomes of the objects that a deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// They are deleted, too.
    Goes,
    /// They stay, without this owner.
    Stays,
}

/// How much of each object a list returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Everything.
    Full,
    /// `metadata` only.
    Metadata,
}

/// Who writes, and whether it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The field manager that the API server records: `cofferdam/<restore uid>`.
    pub manager: String,
    /// True: the server checks, and stores nothing.
    pub dry_run: bool,
    /// True: the server answers with the whole object, so that changes by admission webhooks can be seen.
    pub whole: bool,
}

/// What the server said about a write.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// UID of the object.
    pub uid: String,
    /// Its resource version after the write.
    pub resource_version: String,
    /// What the server warned of, such as fields that it does not know and dropped.
    pub warnings: Vec<String>,
    /// The object as the server took it, if [`Write::whole`] asked for it.
    pub object: Option<Value>,
}
