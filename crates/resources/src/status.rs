//! What the statuses of all operations share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Seen, not begun.
    #[default]
    Accepted,
    /// Under way.
    InProgress,
    /// Being stopped on request.
    Cancelling,
    /// Done, nothing left out.
    Completed,
    /// Done; what was left out stands in the problems.
    CompletedWithWarnings,
    /// Not done.
    Failed,
    /// Stopped on request.
    Cancelled,
}

impl Phase {
    /// Whether the operation will not move any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithWarnings | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for Phase {
    /// As the status spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A reference to an object in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedName {
    /// Object name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Object namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
}

/// A recovery point and the location that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPointRef {
    /// Name of a storage location that the extension knows.
    #[serde(default = "default_location")]
    #[schemars(length(min = 1, max = 63))]
    pub location: String,
    /// The recovery point's id.
    #[schemars(length(min = 1, max = 63))]
    pub id: String,
}

pub(crate) fn default_location() -> String {
    "default".to_owned()
}

/// One problem as a status carries it; see `protection::Problem`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusProblem {
    /// `Information`, `Warning` or `Error`.
    pub severity: String,
    /// The documented code.
    pub code: String,
    /// What was wrong.
    pub message: String,
    /// The object concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the person can do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended_action: Vec<String>,
}
