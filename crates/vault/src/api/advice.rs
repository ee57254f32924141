//! What a caller is told who was refused: which role on which scope is missing, who can grant it, and the command.

use super::role_assignments::type_of;
use crate::app::App;
use arm::{ArmError, ResourceId, error::AdditionalInfo};
use identity::required::{Principal, advice};
use serde_json::json;

/// The refusal with its way out. A refusal stays one when nothing can be advised.
pub async fn advised(
    app: &App,
    error: ArmError,
    who: &str,
    action: &str,
    on: Option<&ResourceId>,
) -> ArmError {
    let Some(told) = on.and_then(|on| advice(action, on, &app.roles)) else { return error };
    // Who it is only decides a word of the command: a store that fails here takes nothing from the answer.
    let principal = app.store.principal(who).await.ok().flatten();
    let kind = match principal.map(|principal| type_of(principal.kind)) {
        Some("User") => Principal::User,
        _ => Principal::Service,
    };
    let [ours, with_az] = told.commands(who, kind);
    let mut error = error;
    error.additional_info.push(AdditionalInfo {
        kind: "recommendedAction".to_owned(),
        info: json!({"recommendedAction": [told.sentence(), ours, with_az]}),
    });
    error
}
