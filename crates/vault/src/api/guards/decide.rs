//! What a Resource Guard may be, and whether an operation has its consent.

use super::{Critical, KIND, critical::is_always_guarded};
use crate::api::resource::etag;
use arm::{ArmError, ResourceId, dataprotection::GuardGiven};
use identity::{Action, Assignment, Decision, RoleDefinition, decide};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LONGEST_DESCRIPTION: usize = 1_024;
const MOST_EXCLUSIONS: usize = 100;

/// What is kept of a guard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardRecord {
    /// Where.
    pub location: String,
    /// Labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// A note.
    #[serde(default)]
    pub description: Option<String>,
    /// Names of operations that it leaves out.
    #[serde(default)]
    pub exclusions: Vec<String>,
}

/// Whose consent could count: an object id, with what it was assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// Object id.
    pub principal: String,
    /// Its assignments.
    pub assignments: Vec<Assignment>,
}

impl GuardRecord {
    /// Whether it guards an operation.
    pub fn guards(&self, operation: Critical) -> bool {
        let excluded = |name: &String| Critical::of(name) == Some(operation);
        !operation.can_be_excluded() || !self.exclusions.iter().any(excluded)
    }

    /// What it guards.
    pub fn guarded(&self) -> impl Iterator<Item = Critical> + '_ {
        Critical::all().filter(|one| self.guards(*one))
    }
}

/// 3 to 63 letters, digits and hyphens, a letter first.
pub fn check_name(name: &str) -> Result<(), ArmError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if begins && (3..=63).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let message = format!(
        "The Resource Guard name '{name}' cannot be used: 3 to 63 letters, digits and hyphens are needed, with a letter \
         first."
    );
    Err(ArmError::new(400, "UserErrorInvalidResourceGuardName", message))
}

/// The exclusions and the note of a request. What guards Recovery Services vaults is kept and means nothing here.
pub fn checked(given: &GuardGiven) -> Result<(), ArmError> {
    let list = "properties.vaultCriticalOperationExclusionList";
    if given.description.as_ref().is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
        let reason = format!("has more than {LONGEST_DESCRIPTION} characters");
        return Err(ArmError::invalid_field("properties.description", reason));
    }
    let exclusions = given.exclusions.as_deref().unwrap_or_default();
    if exclusions.len() > MOST_EXCLUSIONS {
        return Err(ArmError::invalid_field(list, format!("has more than {MOST_EXCLUSIONS} entries")));
    }
    for (at, name) in exclusions.iter().enumerate() {
        let path = format!("{list}[{at}]");
        if is_always_guarded(name) {
            return Err(never_excluded(name).about(path.as_str()));
        }
        let foreign = name.to_lowercase().starts_with("microsoft.recoveryservices/");
        if Critical::of(name).is_none() && !foreign {
            let shown: String = name.chars().take(100).collect();
            let reason = format!("is '{shown}', which no guard guards; known are {}", excludable());
            return Err(ArmError::invalid_field(&path, reason));
        }
    }
    Ok(())
}

fn never_excluded(name: &str) -> ArmError {
    let message = format!(
        "The operation '{name}' is guarded by every Resource Guard and cannot be in \
         vaultCriticalOperationExclusionList: whoever could do it alone could take the guard's protection away. Leave it \
         out of the list; what can be in it: {}.",
        excludable()
    );
    ArmError::new(400, "BMSUserErrorInvalidCriticalOperationExclusionList", message)
}

fn excludable() -> String {
    let names: Vec<&str> = Critical::all().filter(|one| one.can_be_excluded()).map(Critical::name).collect();
    names.join(", ")
}

/// Whether an operation has the consent of a guard: one of the requests is the guard's for it, and one of those who
/// stand behind the call may approve that request.
pub fn approved(
    guard: &ResourceId,
    operation: Critical,
    requests: &[String],
    approvers: &[Approver],
    roles: &[RoleDefinition],
) -> Result<(), ArmError> {
    let wanted = format!("{guard}/{}/default", operation.requests());
    let Ok(wanted) = wanted.parse::<ResourceId>() else {
        return Err(ArmError::new(
            403,
            "UserErrorResourceGuardNotFound",
            format!("The guard '{guard}' is no resource."),
        ));
    };
    if !requests.iter().any(|text| text.parse::<ResourceId>().is_ok_and(|id| id == wanted)) {
        let message = format!(
            "The operation '{}' is guarded by the Resource Guard '{guard}'. Name the request '{wanted}' in \
             resourceGuardOperationRequests, with the consent of someone who has Backup MUA Operator on the guard.",
            operation.name()
        );
        let error = ArmError::new(403, "UserErrorResourceGuardOperationRequestsMissing", message);
        return Err(error.about(wanted.as_str()));
    }
    let action = Action::control(operation.approval());
    let grants = |one: &Approver| {
        decide(&one.principal, &action, &wanted, &one.assignments, roles) != Decision::Denied
    };
    if approvers.iter().any(grants) {
        return Ok(());
    }
    let who: Vec<&str> = approvers.iter().map(|one| one.principal.as_str()).collect();
    let message = format!(
        "The operation '{}' is guarded by the Resource Guard '{guard}', and nobody who stands behind this call (object ids: \
         {}) may approve '{wanted}'. Have the owner of the guard assign Backup MUA Operator there, or send the token of \
         someone who has it in x-ms-authorization-auxiliary.",
        operation.name(),
        who.join(", ")
    );
    Err(ArmError::new(403, "UserErrorResourceGuardOperationNotApproved", message).about(wanted.as_str()))
}

/// As clients read it.
pub fn shown(id: &ResourceId, record: &GuardRecord, version: i64) -> Value {
    let one = |operation: Critical| {
        json!({
            "vaultCriticalOperation": operation.name(),
            "requestResourceType": format!("{KIND}/{}", operation.requests()),
        })
    };
    json!({
        "id": id,
        "name": id.name(),
        "type": KIND,
        "location": record.location,
        "tags": record.tags,
        "eTag": etag(version),
        "properties": {
            "provisioningState": "Succeeded",
            "allowAutoApprovals": true,
            "resourceGuardOperations": record.guarded().map(one).collect::<Vec<_>>(),
            "vaultCriticalOperationExclusionList": record.exclusions,
            "description": record.description,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: &str =
        "/subscriptions/s/resourceGroups/guards/providers/Microsoft.DataProtection/resourceGuards/guard";

    fn with(role: &str, scope: &str) -> Approver {
        let roles = identity::builtin::roles();
        let role = roles.iter().find(|one| one.name == role).unwrap().id.clone();
        let assignment = Assignment { principal: "p".into(), role, scope: scope.parse().unwrap() };
        Approver { principal: "p".into(), assignments: vec![assignment] }
    }

    fn code(operation: Critical, requests: &[&str], approvers: &[Approver]) -> String {
        let requests: Vec<String> = requests.iter().map(|one| (*one).to_owned()).collect();
        let ended =
            approved(&GUARD.parse().unwrap(), operation, &requests, approvers, &identity::builtin::roles());
        ended.map_or_else(|error| error.code, |()| "approved".to_owned())
    }

    #[test]
    fn consent_needs_the_right_request_and_someone_who_may_approve_it() {
        let request = format!("{GUARD}/deleteBackupInstanceRequests/default");
        let other = format!("{GUARD}/deleteResourceGuardProxyRequests/default");
        let elsewhere = request.replace("/guard/", "/another/");
        let operator = &[with("Backup MUA Operator", GUARD)];
        let missing = "UserErrorResourceGuardOperationRequestsMissing";
        let denied = "UserErrorResourceGuardOperationNotApproved";
        let delete = Critical::DeleteInstance;

        assert_eq!(code(delete, &[], operator), missing);
        assert_eq!(code(delete, &[&other, &elsewhere, "nonsense"], operator), missing);
        assert_eq!(code(delete, &[&request], &[]), denied);
        assert_eq!(code(delete, &[&request], operator), "approved");
        assert_eq!(code(delete, &[&other, &request], operator), "approved");
    }

    #[test]
    fn only_roles_that_approve_do() {
        let request = format!("{GUARD}/deleteBackupInstanceRequests/default");
        for (role, scope, expected) in [
            ("Backup MUA Operator", GUARD, true),
            ("Backup MUA Operator", "/subscriptions/s", true),
            ("Backup MUA Admin", GUARD, true),
            ("Owner", GUARD, true),
            ("Reader", GUARD, false),
            ("Backup Contributor", "/subscriptions/s", false),
            ("Backup Operator", "/subscriptions/s", false),
            ("Backup MUA Operator", "/subscriptions/s/resourceGroups/other", false),
        ] {
            let ended = code(Critical::DeleteInstance, &[&request], &[with(role, scope)]);
            assert_eq!(ended == "approved", expected, "{role} at {scope}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_guarded_and_what_would_disarm_the_guard_always_is() {
        let mut guard = GuardRecord::default();
        assert_eq!(guard.guarded().count(), Critical::all().count());

        // As kept by a version that did not refuse all of them.
        guard.exclusions = [Critical::Restore, Critical::RemoveGuard, Critical::ReduceSoftDelete]
            .map(|one| one.name().to_uppercase())
            .into();

        let left_out: Vec<_> = Critical::all().filter(|one| !guard.guards(*one)).collect();
        assert_eq!(left_out, [Critical::Restore]);
    }

    #[test]
    fn exclusions_are_checked() {
        let given =
            |name: &str| GuardGiven { exclusions: Some(vec![name.to_owned()]), ..GuardGiven::default() };

        let code = |name: &str| checked(&given(name)).map_or_else(|error| error.code, |()| "fine".to_owned());
        let never = "BMSUserErrorInvalidCriticalOperationExclusionList";
        for one in Critical::all() {
            let is_never = [Critical::RemoveGuard, Critical::ReduceSoftDelete].contains(&one);
            let expected = if is_never { never } else { "fine" };
            assert_eq!(code(one.name()), expected);
            assert_eq!(code(&one.name().to_uppercase()), expected);
        }
        assert_eq!(code("Microsoft.RecoveryServices/vaults/backupSecurityPIN/action"), "fine");
        assert_eq!(code("Microsoft.RecoveryServices/vaults/backupResourceGuardProxies/write"), "fine");
        assert_eq!(code("Microsoft.RecoveryServices/vaults/backupResourceGuardProxies/delete"), never);
        assert_eq!(code("Microsoft.RecoveryServices/vaults/backupconfig/write"), never);
        assert_eq!(code("Microsoft.DataProtection/backupVaults/read"), "InvalidRequestContent");
    }
}
