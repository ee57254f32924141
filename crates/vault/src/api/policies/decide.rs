//! What a policy may be, and what a PUT makes of it.

use super::{KIND, Plan, parsed};
use crate::protect::quotas::Quotas;
use arm::{
    ArmError, Fields, ResourceId,
    dataprotection::{BackupPolicy, ImmutabilityState},
};
use serde_json::{Value, json};

/// What is kept of a policy: its `properties`, in one form.
pub type Kept = Value;

/// What a PUT asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What is to be kept.
    pub properties: Kept,
    /// What it means.
    pub plan: Plan,
    /// Requests to a Resource Guard that the client was granted.
    pub guard_requests: Vec<String>,
}

/// Requests to a Resource Guard that approve one call.
const MOST_REQUESTS: usize = 100;

/// Reads a PUT.
pub fn wanted(name: &str, body: &Value, quotas: &Quotas) -> Result<Wanted, ArmError> {
    check_name(name)?;
    let given = Fields::of(body)?;
    let fields = given.required_object("properties")?;
    // Its fields are named from the body on; read from the object itself, paths would begin inside it.
    let mut faults = arm::Faults::default();
    let policy = BackupPolicy::read(&fields, &mut faults);
    let requests = fields.short_texts("resourceGuardOperationRequests", MOST_REQUESTS, arm::id::LONGEST);
    let requests = faults.get(requests).unwrap_or_default();
    if faults.is_empty() {
        super::tiers::check(&policy, "properties.")?;
    }
    let plan = faults.is_empty().then(|| super::rules::read(&policy, "properties.", quotas, &mut faults));
    faults.end()?;
    let unread = || ArmError::invalid_field("properties", "cannot be read");
    let properties = serde_json::to_value(&policy).map_err(|_| unread())?;
    let guard_requests = requests.into_iter().map(str::to_owned).collect();
    Ok(Wanted { properties, plan: plan.ok_or_else(unread)?, guard_requests })
}

/// 3 to 150 letters, digits and hyphens.
fn check_name(name: &str) -> Result<(), ArmError> {
    if (3..=150).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Ok(());
    }
    let message =
        format!("The policy name '{name}' cannot be used: 3 to 150 letters, digits and hyphens are needed.");
    Err(ArmError::new(400, "UserErrorInvalidPolicyName", message))
}

/// Whether a vault lets a policy become another one. `true` when recovery points would live shorter.
pub fn shortens(before: &Kept, after: &Plan, immutability: ImmutabilityState) -> Result<bool, ArmError> {
    // What is kept was read when it was put.
    let Some(tag) = parsed(before).ok().and_then(|before| after.shortens(&before)) else {
        return Ok(false);
    };
    if immutability == ImmutabilityState::Disabled {
        return Ok(true);
    }
    let message = format!(
        "The vault is immutable: recovery points with the tag '{tag}' must not live shorter than they do. \
         Make a new policy for other instances, or keep the duration."
    );
    Err(ArmError::new(400, "UserErrorRetentionReductionBlockedByImmutability", message))
}

/// A policy that cannot go.
pub fn in_use(policy: &ResourceId, instance: &ResourceId) -> ArmError {
    let message = format!(
        "The policy '{}' is used, by the backup instance '{}' for one. Give its instances another policy, or delete them.",
        policy.name(),
        instance.name()
    );
    ArmError::new(409, "UserErrorBackupPolicyInUse", message)
}

/// As clients read it.
pub fn shown(id: &ResourceId, kept: &Kept) -> Value {
    json!({"id": id, "name": id.name(), "type": KIND, "properties": kept})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::policies::rules::tests::documented;

    fn read(name: &str, body: &Value) -> Result<Wanted, ArmError> {
        wanted(name, body, &Quotas::default())
    }

    #[test]
    fn names_are_checked() {
        let body = json!({"properties": documented()});
        for name in ["abc", "a-policy-1", &"x".repeat(150)] {
            assert!(read(name, &body).is_ok(), "{name}");
        }
        for name in ["ab", "a_b_c", "käse", &"x".repeat(151)] {
            assert_eq!(read(name, &body).unwrap_err().code, "UserErrorInvalidPolicyName", "{name}");
        }
    }

    #[test]
    fn faults_are_named_from_the_body_on() {
        let mut body = json!({"properties": documented()});
        body["properties"]["policyRules"][0]["trigger"]["schedule"]["timeZone"] = json!("Mars");

        let error = read("abc", &body).unwrap_err();

        assert_eq!(error.target.as_deref(), Some("properties.policyRules[0].trigger.schedule.timeZone"));
        assert_eq!(read("abc", &json!({})).unwrap_err().target.as_deref(), Some("properties"));
    }

    #[test]
    fn what_the_command_line_adds_is_taken() {
        let mut body = json!({"properties": documented()});
        body["properties"]["name"] = json!("AKSPolicy1");
        body["properties"]["policyRules"][2]["lifecycles"][0]["targetDataStoreCopySettings"] = json!(null);
        body["properties"]["policyRules"][0]["trigger"]["taggingCriteria"][0]["tagInfo"] =
            json!({"tagName": "Daily"});

        let wanted = read("abc", &body).unwrap();

        assert_eq!(
            wanted.properties.pointer("/policyRules/0/trigger/taggingCriteria/0/tagInfo/id"),
            Some(&json!("Daily_"))
        );
        assert_eq!(parsed(&wanted.properties).unwrap(), wanted.plan, "what is kept means the same");
    }

    #[test]
    fn an_immutable_vault_lets_no_retention_become_shorter() {
        let before = documented();
        let mut shorter = documented();
        shorter["policyRules"][2]["lifecycles"][0]["deleteAfter"]["duration"] = json!("P1D");
        let (same, shorter) = (parsed(&before).unwrap(), parsed(&shorter).unwrap());

        for state in [ImmutabilityState::Unlocked, ImmutabilityState::Locked] {
            assert_eq!(shortens(&before, &same, state), Ok(false));
            let error = shortens(&before, &shorter, state).unwrap_err();
            assert_eq!(error.code, "UserErrorRetentionReductionBlockedByImmutability");
        }
        assert_eq!(shortens(&before, &shorter, ImmutabilityState::Disabled), Ok(true));
    }
}
