//! The blob service of an account: there is one, and nothing about it can be changed.

use super::accounts;
use crate::{
    api::{Call, Failure},
    reply::Reply,
};
use arm::{ArmError, Fields};
use serde_json::{Value, json};

/// Features that are off, by the path of their switch.
const OFF: [(&str, &str); 5] = [
    ("deleteRetentionPolicy", "enabled"),
    ("containerDeleteRetentionPolicy", "enabled"),
    ("restorePolicy", "enabled"),
    ("changeFeed", "enabled"),
    ("lastAccessTimeTrackingPolicy", "enable"),
];

/// The only one.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::json(200, json!({"value": [service(call).await?]})))
}

/// How it is.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::json(200, service(call).await?))
}

/// Takes what describes it as it is; anything else is refused, because it would not be done.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    check(&call.json()?)?;
    get(call).await
}

fn check(body: &Value) -> Result<(), ArmError> {
    let Some(properties) = Fields::of(body)?.object("properties")? else { return Ok(()) };
    let refused =
        |name: &str| properties.wrong(name, "is not offered by this vault; leave it out or switch it off");
    for (policy, switch) in OFF {
        if let Some(policy_fields) = properties.object(policy)?
            && policy_fields.flag(switch)? == Some(true)
        {
            return Err(refused(policy));
        }
    }
    for name in ["isVersioningEnabled", "automaticSnapshotPolicyEnabled"] {
        if properties.flag(name)? == Some(true) {
            return Err(refused(name));
        }
    }
    if let Some(cors) = properties.object("cors")?
        && cors.items("corsRules")?.is_some_and(|rules| !rules.is_empty())
    {
        return Err(refused("cors"));
    }
    Ok(())
}

async fn service(call: &Call<'_>) -> Result<Value, Failure> {
    let account = accounts::of_path(call).await?;
    let tier = account.document.sku.split('_').next().unwrap_or_default().to_owned();
    Ok(json!({
        "id": format!("{}/blobServices/default", account.id),
        "name": "default",
        "type": "Microsoft.Storage/storageAccounts/blobServices",
        "sku": {"name": account.document.sku, "tier": tier},
        "properties": {
            "cors": {"corsRules": []},
            "deleteRetentionPolicy": {"enabled": false},
            "containerDeleteRetentionPolicy": {"enabled": false},
            "isVersioningEnabled": false,
            "changeFeed": {"enabled": false},
            "restorePolicy": {"enabled": false},
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_that_would_not_be_done() {
        for fine in [
            json!({}),
            json!({"properties": {"cors": {"corsRules": []}, "deleteRetentionPolicy": {"enabled": false}, "defaultServiceVersion": "2020-06-12"}}),
        ] {
            assert!(check(&fine).is_ok(), "{fine}");
        }
        for wrong in [
            json!({"properties": {"deleteRetentionPolicy": {"enabled": true, "days": 7}}}),
            json!({"properties": {"isVersioningEnabled": true}}),
            json!({"properties": {"cors": {"corsRules": [{}]}}}),
            json!({"properties": {"changeFeed": {"enabled": "yes"}}}),
        ] {
            assert_eq!(check(&wrong).unwrap_err().code, "InvalidRequestContent", "{wrong}");
        }
    }
}
