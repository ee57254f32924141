//! Which instance uses a policy.

use crate::api::Each;
use crate::store::{Store, StoreError, Stored};
use arm::ResourceId;
use serde_json::Value;

/// The first instance of a vault, deleted ones that can come back included, that uses a policy.
pub async fn user_of(
    store: &dyn Store,
    vault: &ResourceId,
    policy: &ResourceId,
) -> Result<Option<ResourceId>, StoreError> {
    for kind in crate::api::vaults::INSTANCES {
        let mut each = Each::of(store, kind, vault);
        while let Some(Stored { id, document, .. }) = each.next().await? {
            if names(&document, policy) {
                return Ok(Some(id));
            }
        }
    }
    Ok(None)
}

/// Whether a document names the policy as `policyId`, wherever in it.
fn names(document: &Value, policy: &ResourceId) -> bool {
    match document {
        Value::Object(object) => object.iter().any(|(name, value)| {
            let is_it = || {
                value.as_str().and_then(|text| text.parse().ok()).is_some_and(|id: ResourceId| id == *policy)
            };
            (name.eq_ignore_ascii_case("policyId") && is_it()) || names(value, policy)
        }),
        Value::Array(list) => list.iter().any(|value| names(value, policy)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_is_found_in_any_case_and_its_namesakes_are_not() {
        let policy: ResourceId =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v/backupPolicies/p".parse().unwrap();
        let instance = |id: &str| json!({"properties": {"policyInfo": {"policyId": id}}});

        assert!(names(&instance(&policy.to_string().to_uppercase().replace("/SUB", "/sub")), &policy));
        assert!(names(&json!([{"policy_id": 1}, {"policyId": policy}]), &policy));
        assert!(!names(&instance(&format!("{policy}2")), &policy));
        assert!(!names(&json!({"policyName": policy}), &policy));
    }
}
