//! What an assignment may be, which ones a list shows, and which one must stay.

use crate::{
    api::call::invalid_filter,
    store::{AssignmentRecord, Change, PrincipalKind},
};
use arm::{ArmError, Fields, Filter, ResourceId, filter::Term};
use identity::{RoleDefinition, RoleId};
use serde_json::Value;

/// What a PUT asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which role.
    pub role: RoleId,
    /// For whom, a GUID in lower case.
    pub principal: String,
    /// What kind of principal the client believes it is.
    pub principal_type: Option<String>,
    /// A note.
    pub description: Option<String>,
}

/// Characters of a note, as the original takes them.
const LONGEST_DESCRIPTION: usize = 1_024;
/// A role's id below a subscription.
const LONGEST_ID: usize = arm::id::LONGEST;
const LONGEST_TYPE: usize = 100;
const ROLE_PATH: &str = "/providers/Microsoft.Authorization/roleDefinitions/";

/// Reads a PUT. The name is the client's: a GUID.
pub fn wanted(name: &str, body: &Value) -> Result<Wanted, ArmError> {
    if uuid::Uuid::parse_str(name).is_err() {
        let message = format!("The role assignment name '{name}' is no GUID; make one for each assignment.");
        return Err(ArmError::new(400, "InvalidRoleAssignmentId", message));
    }
    let fields = Fields::of(body)?.required_object("properties")?;
    let role = fields.required_short_text("roleDefinitionId", LONGEST_ID)?;
    let role = match role.to_lowercase().rsplit_once(&ROLE_PATH.to_lowercase()) {
        Some((_, guid)) if uuid::Uuid::parse_str(guid).is_ok() => RoleId::new(guid),
        _ => return Err(fields.wrong("roleDefinitionId", format!("is '{role}'; write …{ROLE_PATH}<guid>"))),
    };
    let principal = fields.required_short_text("principalId", LONGEST_TYPE)?;
    if uuid::Uuid::parse_str(principal).is_err() {
        return Err(
            fields.wrong("principalId", format!("is '{principal}'; the object id of a principal is needed"))
        );
    }
    if fields.text("condition")?.is_some_and(|condition| !condition.is_empty()) {
        return Err(fields.wrong(
            "condition",
            "cannot be enforced by this vault; leave it out, or assign at a narrower scope",
        ));
    }
    Ok(Wanted {
        role,
        principal: principal.to_lowercase(),
        principal_type: fields.short_text("principalType", LONGEST_TYPE)?.map(str::to_owned),
        description: fields.short_text("description", LONGEST_DESCRIPTION)?.map(str::to_owned),
    })
}

/// How role assignments call a kind of principal.
pub fn type_of(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Application | PrincipalKind::ManagedIdentity => "ServicePrincipal",
        PrincipalKind::User => "User",
    }
}

/// What a client believes of a principal must be so.
pub fn check_type(principal: &str, is: &str, believed: Option<&str>) -> Result<(), ArmError> {
    match believed {
        Some(believed) if !believed.eq_ignore_ascii_case(is) => {
            let message = format!(
                "The PrincipalId '{principal}' has type '{is}', which is different from specified PrincipalType \
                 '{believed}'."
            );
            Err(ArmError::new(400, "UnmatchedPrincipalType", message).about("properties.principalType"))
        }
        _ => Ok(()),
    }
}

/// Whether a list at a scope shows an assignment. Without a filter it shows those above, at and below the scope.
pub fn listed(filter: &Filter, scope: &ResourceId, record: &AssignmentRecord) -> Result<bool, ArmError> {
    let is = &record.assignment;
    let (above, below) = (is.scope.covers(scope), scope.covers(&is.scope));
    let mut fits = above || below;
    for term in filter.terms() {
        fits &= match term {
            Term::Named { name, .. } if name.eq_ignore_ascii_case("atScope") => above,
            Term::Named { name, argument: Some(who) } if name.eq_ignore_ascii_case("assignedTo") => {
                is.principal.eq_ignore_ascii_case(who)
            }
            Term::Equals { field, value } if field.eq_ignore_ascii_case("principalId") => {
                is.principal.eq_ignore_ascii_case(value)
            }
            Term::Equals { field: name, .. } | Term::Named { name, .. } => {
                let reason = format!(
                    "'{name}' is not known here; known are atScope(), principalId eq '…' and assignedTo('…')"
                );
                return Err(invalid_filter(&reason));
            }
        };
    }
    Ok(fits)
}

/// The roles that let their bearers assign roles.
pub fn administrators(roles: &[RoleDefinition]) -> Vec<RoleId> {
    let assigns = identity::Action::control("Microsoft.Authorization/roleAssignments/write");
    roles.iter().filter(|role| role.grants(&assigns)).map(|role| role.id.clone()).collect()
}

/// What makes a commit that takes these assignments away a conflict if nobody could assign roles in the subscription
/// afterwards. Whatever was decided before, two deletions at once cannot both pass it.
pub fn keep_administrator(
    taken: &[AssignmentRecord],
    subscription: &ResourceId,
    roles: &[RoleDefinition],
) -> Option<Change> {
    let administrators = administrators(roles);
    let administers = taken.iter().any(|record| {
        record.assignment.scope == *subscription && administrators.contains(&record.assignment.role)
    });
    administers.then(|| Change::KeepAssigned(subscription.clone(), administrators))
}

/// The refusal of what would leave nobody who can assign roles.
pub fn last_administrator() -> ArmError {
    let message = "This is the last assignment by which someone can assign roles in the subscription. Assign Owner \
                   or User Access Administrator to someone else first.";
    ArmError::new(400, "CannotDeleteLastRbacAdminAssignment", message)
}

/// Whether nobody could assign roles in the subscription any more without this assignment.
pub fn is_last_administrator(
    name: &str,
    subscription: &ResourceId,
    all: &[AssignmentRecord],
    roles: &[RoleDefinition],
) -> bool {
    let administrators = administrators(roles);
    let administers = |record: &&AssignmentRecord| {
        record.assignment.scope == *subscription && administrators.contains(&record.assignment.role)
    };
    let mut administrators = all.iter().filter(administers);
    administrators.next().is_some_and(|only| only.name == name) && administrators.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::Assignment;
    use serde_json::json;

    const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    const SOMEONE: &str = "11111111-1111-4111-8111-111111111111";

    fn record(name: &str, role: &str, scope: &str) -> AssignmentRecord {
        let assignment =
            Assignment { principal: SOMEONE.into(), role: RoleId::new(role), scope: scope.parse().unwrap() };
        AssignmentRecord { name: name.into(), assignment, document: json!({}) }
    }

    #[test]
    fn a_put_is_read_whatever_the_case_of_its_role() {
        let role = format!(
            "/subscriptions/S/PROVIDERS/microsoft.authorization/RoleDefinitions/{}",
            OWNER.to_uppercase()
        );
        let body = json!({"properties": {"RoleDefinitionId": role, "principalId": SOMEONE.to_uppercase(), "condition": null}});

        let wanted = wanted(SOMEONE, &body).unwrap();

        assert_eq!((wanted.role.as_str(), wanted.principal.as_str()), (OWNER, SOMEONE));
        assert_eq!(wanted.principal_type, None);
    }

    #[test]
    fn a_note_has_at_most_1024_characters() {
        let body = |length: usize| {
            let role = format!("{ROLE_PATH}{OWNER}");
            json!({"properties": {"roleDefinitionId": role, "principalId": SOMEONE, "description": "ß".repeat(length)}})
        };

        let error = wanted(SOMEONE, &body(1_025)).unwrap_err();

        assert_eq!(error.message, "properties.description: has 1025 characters; at most 1024 are taken");
        assert!(wanted(SOMEONE, &body(1_024)).is_ok());
    }

    #[test]
    fn each_fault_of_a_put_is_named() {
        let role = format!("{ROLE_PATH}{OWNER}");
        let target = |name: &str, properties: Value| {
            let error = wanted(name, &json!({"properties": properties})).unwrap_err();
            error.target.unwrap_or(error.code)
        };

        assert_eq!(target("mine", json!({})), "InvalidRoleAssignmentId");
        assert_eq!(target(SOMEONE, json!(null)), "properties");
        assert_eq!(target(SOMEONE, json!({})), "properties.roleDefinitionId");
        assert_eq!(target(SOMEONE, json!({"roleDefinitionId": "Owner"})), "properties.roleDefinitionId");
        assert_eq!(target(SOMEONE, json!({"roleDefinitionId": role})), "properties.principalId");
        assert_eq!(
            target(SOMEONE, json!({"roleDefinitionId": role, "principalId": "me"})),
            "properties.principalId"
        );
        let conditional = json!({"roleDefinitionId": role, "principalId": SOMEONE, "condition": "x"});
        assert_eq!(target(SOMEONE, conditional), "properties.condition");
    }

    #[test]
    fn a_list_shows_what_its_filter_says() {
        let group: ResourceId = "/subscriptions/s/resourceGroups/g".parse().unwrap();
        let above = record("above", READER, "/subscriptions/s");
        let below = record("below", READER, "/subscriptions/s/resourceGroups/g/providers/N/t/r");
        let beside = record("beside", READER, "/subscriptions/s/resourceGroups/g2");
        let shown = |filter: &str| {
            let filter: Filter = filter.parse().unwrap();
            [&above, &below, &beside].map(|one| listed(&filter, &group, one).unwrap())
        };

        assert_eq!(shown(""), [true, true, false]);
        assert_eq!(shown("atScope()"), [true, false, false]);
        assert_eq!(shown(&format!("principalId eq '{SOMEONE}'")), [true, true, false]);
        assert_eq!(shown("atScope() and assignedTo('nobody')"), [false, false, false]);
        assert!(listed(&"roleName eq 'x'".parse().unwrap(), &group, &above).is_err());
    }

    #[test]
    fn the_last_one_who_can_assign_roles_stays() {
        let subscription: ResourceId = "/subscriptions/s".parse().unwrap();
        let roles = identity::builtin::roles();
        let one = record("one", OWNER, "/subscriptions/s");
        let others = [
            record("r", READER, "/subscriptions/s"),
            record("g", OWNER, "/subscriptions/s/resourceGroups/g"),
        ];
        let two = record("two", OWNER, "/subscriptions/S");

        let alone = [&others[..], std::slice::from_ref(&one)].concat();
        let both = [&others[..], &[one, two]].concat();

        assert!(is_last_administrator("one", &subscription, &alone, &roles));
        assert!(!is_last_administrator("r", &subscription, &alone, &roles));
        assert!(!is_last_administrator("one", &subscription, &both, &roles));
    }
}
