//! The approvals that a call names, for a Resource Guard that guards it.

use crate::api::Call;
use arm::{ArmError, Fields};

/// The field in which approvals stand.
pub const APPROVALS: &str = "resourceGuardOperationRequests";

/// The approvals that a body names; it may be left out.
pub fn approvals(call: &Call<'_>) -> Result<Vec<String>, ArmError> {
    match call.optional_json()? {
        Some(body) => Fields::of(&body)?.text_list(APPROVALS),
        None => Ok(Vec::new()),
    }
}
