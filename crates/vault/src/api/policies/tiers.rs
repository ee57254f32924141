//! Which tiers a policy may use. This vault has the operational tier alone: what asks for the vault tier is refused with
//! the code that the original has for regions without it, so that nobody believes in copies that nobody makes.

use arm::{
    ArmError,
    dataprotection::{BackupPolicy, PolicyRule, StoreType},
};

/// The documented code.
pub const NOT_SUPPORTED: &str = "DppUserErrorVaultTierPolicyNotSupported";

/// Refuses a policy of which some rule copies to the vault tier, or says how long copies live there. `before` is what
/// stands before the policy's fields in the request.
pub fn check(policy: &BackupPolicy, before: &str) -> Result<(), ArmError> {
    let Some((rule, path)) = first_use(policy) else { return Ok(()) };
    let target = format!("{before}{path}");
    let message = format!(
        "{target}: the rule '{rule}' keeps recovery points in the VaultStore, and this vault has no vault tier. Remove the \
         VaultStore from the rule's lifecycles and targetDataStoreCopySettings; recovery points stay in the \
         OperationalStore for as long as the rule says there."
    );
    Err(ArmError::new(400, NOT_SUPPORTED, message).about(target))
}

/// The first rule that uses the vault tier, with the path of where it does.
fn first_use(policy: &BackupPolicy) -> Option<(&str, String)> {
    for (number, rule) in policy.policy_rules.iter().enumerate() {
        let PolicyRule::AzureRetentionRule(rule) = rule else { continue };
        for (cycle_number, cycle) in rule.lifecycles.iter().enumerate() {
            let path = format!("policyRules[{number}].lifecycles[{cycle_number}]");
            if cycle.source_data_store.data_store_type == StoreType::VaultStore {
                return Some((&rule.name, format!("{path}.sourceDataStore.dataStoreType")));
            }
            let copies = &cycle.target_data_store_copy_settings;
            let copy =
                copies.iter().position(|copy| copy.data_store.data_store_type == StoreType::VaultStore);
            if let Some(copy) = copy {
                let path = format!("{path}.targetDataStoreCopySettings[{copy}].dataStore.dataStoreType");
                return Some((&rule.name, path));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::policies::rules::tests::documented;
    use serde_json::{Value, json};

    fn refusal(policy: &Value) -> Option<ArmError> {
        check(&BackupPolicy::of(policy).unwrap(), "properties.").err()
    }

    #[test]
    fn a_rule_that_copies_to_the_vault_tier_is_refused_with_the_documented_code() {
        let mut policy = documented();
        policy["policyRules"][1]["lifecycles"][0]["targetDataStoreCopySettings"] = json!([{
            "copyAfter": {"objectType": "ImmediateCopyOption"},
            "dataStore": {"objectType": "DataStoreInfoBase", "dataStoreType": "VaultStore"}}]);

        let error = refusal(&policy).unwrap();

        assert_eq!((error.status, error.code.as_str()), (400, "DppUserErrorVaultTierPolicyNotSupported"));
        let path =
            "properties.policyRules[1].lifecycles[0].targetDataStoreCopySettings[0].dataStore.dataStoreType";
        assert_eq!(error.target.as_deref(), Some(path));
        assert!(error.message.contains("'Daily'") && error.message.contains("Remove"), "{}", error.message);
    }

    #[test]
    fn so_is_a_life_in_the_vault_tier_even_where_nothing_else_is_said() {
        let mut policy = documented();
        // As the one-step command of the original's client writes its strategy for disaster recovery.
        policy["policyRules"][1]["lifecycles"] = json!([{
            "deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P90D"},
            "sourceDataStore": {"objectType": "DataStoreInfoBase", "dataStoreType": "VaultStore"}}]);

        let error = refusal(&policy).unwrap();

        let path = "properties.policyRules[1].lifecycles[0].sourceDataStore.dataStoreType";
        assert_eq!((error.code.as_str(), error.target.as_deref()), (NOT_SUPPORTED, Some(path)));
        assert_eq!(refusal(&documented()), None, "what stays in the operational tier is taken");
    }
}
