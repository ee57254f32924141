//! Whether a principal may do something, from its assignments. What nothing grants is denied.

use crate::action::Action;
use crate::role::{RoleDefinition, RoleId};
use arm::ResourceId;

/// A role given to a principal on a scope and on all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Object id of the principal.
    pub principal: String,
    /// Which role.
    pub role: RoleId,
    /// Where.
    pub scope: ResourceId,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Granted by this assignment: its role and scope.
    Granted {
        /// The role.
        role: RoleId,
        /// Where it was assigned.
        scope: ResourceId,
    },
    /// Granted by nothing.
    Denied,
}

/// Whether the assignments let the principal do this on that resource.
pub fn decide(
    principal: &str,
    action: &Action,
    on: &ResourceId,
    assignments: &[Assignment],
    roles: &[RoleDefinition],
) -> Decision {
    let granting = assignments.iter().find(|assignment| {
        assignment.principal == principal
            && assignment.scope.covers(on)
            && roles.iter().any(|role| role.id == assignment.role && role.grants(action))
    });
    match granting {
        Some(by) => Decision::Granted { role: by.role.clone(), scope: by.scope.clone() },
        None => Decision::Denied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin::roles;

    const GROUP: &str = "/subscriptions/s/resourceGroups/backup";
    const VAULT: &str =
        "/subscriptions/s/resourceGroups/backup/providers/Microsoft.DataProtection/backupVaults/v";

    fn may(action: &str, on: &str, role: &str, scope: &str) -> bool {
        let roles = roles();
        let role = roles.iter().find(|one| one.name == role).unwrap().id.clone();
        let assignment = Assignment { principal: "p".into(), role, scope: scope.parse().unwrap() };
        let decision = decide("p", &Action::control(action), &on.parse().unwrap(), &[assignment], &roles);
        decision != Decision::Denied
    }

    #[test]
    fn a_role_holds_on_its_scope_and_below() {
        let read = "Microsoft.DataProtection/backupVaults/read";
        let neighbour = VAULT.replace("/backup/", "/backup2/");

        assert!(may(read, VAULT, "Reader", "/subscriptions/s"));
        assert!(may(
            read,
            VAULT,
            "Reader",
            &GROUP.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions")
        ));
        assert!(may(read, VAULT, "Reader", VAULT));
        assert!(!may(read, &neighbour, "Reader", GROUP));
        assert!(!may(read, GROUP, "Reader", VAULT));
        assert!(!may("Microsoft.DataProtection/backupVaults/write", VAULT, "Reader", "/subscriptions/s"));
    }

    #[test]
    fn what_belongs_to_another_principal_grants_nothing() {
        let owner = roles().iter().find(|one| one.name == "Owner").unwrap().id.clone();
        let theirs = Assignment { principal: "q".into(), role: owner, scope: GROUP.parse().unwrap() };

        let decision = decide("p", &Action::control("x/read"), &VAULT.parse().unwrap(), &[theirs], &roles());

        assert_eq!(decision, Decision::Denied);
    }

    #[test]
    fn an_owner_of_an_account_cannot_read_its_blobs() {
        let owner = roles().iter().find(|one| one.name == "Owner").unwrap().id.clone();
        let mine = Assignment { principal: "p".into(), role: owner, scope: GROUP.parse().unwrap() };
        let read = Action::data("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read");

        assert_eq!(decide("p", &read, &VAULT.parse().unwrap(), &[mine], &roles()), Decision::Denied);
    }
}
