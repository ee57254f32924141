//! Whether a name is free, and what this vault can protect.

use super::{KIND, decide};
use crate::{
    api::{Call, Failure},
    reply::Reply,
};
use arm::{ArmError, Fields, ResourceId, dataprotection::CLUSTERS};
use serde_json::json;

/// Whether a vault of a name can be made in the group.
pub async fn name(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    let fields = Fields::of(&body)?;
    let name = fields.required_text("name")?;
    if let Some(kind) =
        fields.text("type")?.filter(|kind| !kind.is_empty() && !kind.eq_ignore_ascii_case(KIND))
    {
        let shown: String = kind.chars().take(100).collect();
        return Err(fields.wrong("type", format!("is '{shown}'; names of {KIND} can be checked")).into());
    }
    if let Err(error) = decide::check_name(name) {
        return Ok(Reply::json(
            200,
            json!({"nameAvailable": false, "reason": "Invalid", "message": error.message}),
        ));
    }
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let group =
        ResourceId::group(call.params.get("subscription"), call.params.get("group")).map_err(wrong)?;
    let id = group.with(KIND, name).map_err(wrong)?;
    let body = if call.app.store.resource(&id).await?.is_some() {
        let message = format!("A Backup vault '{name}' exists in the resource group '{}'.", group.name());
        json!({"nameAvailable": false, "reason": "AlreadyExists", "message": message})
    } else {
        json!({"nameAvailable": true, "reason": null, "message": null})
    };
    Ok(Reply::json(200, body))
}

/// Whether a kind of datasource can be protected.
pub fn feature(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    let fields = Fields::of(&body)?;
    let kind = fields.text("featureType")?.unwrap_or("DataSourceType");
    let name = fields.text("featureName")?.filter(|name| !name.is_empty()).unwrap_or(CLUSTERS);
    let offered = kind.eq_ignore_ascii_case("DataSourceType") && name.eq_ignore_ascii_case(CLUSTERS);
    let status = if offered { "GenerallyAvailable" } else { "NotSupported" };
    Ok(Reply::json(
        200,
        json!({
            "objectType": "FeatureValidationResponse",
            "featureType": "DataSourceType",
            "features": [{"featureName": name, "supportStatus": status, "exposureControlledFeatures": []}],
        }),
    ))
}
