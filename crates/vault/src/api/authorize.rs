//! Whether a caller may do what it asks for.

use arm::ResourceId;
use identity::{Action, Assignment, Decision, RoleDefinition, decide};

/// What a caller must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A token.
    SignIn,
    /// Any role in the subscription, or below it. Lists then show what each role lets the caller see.
    AnyRole,
    /// A role that grants this action.
    Action(&'static str),
    /// A role that grants this action of the namespace in the path.
    NamespaceAction(&'static str),
}

impl Needs {
    /// The action, for messages and the audit log.
    pub fn action(self, namespace: &str) -> String {
        match self {
            Self::SignIn => String::new(),
            Self::AnyRole => "Microsoft.Resources/subscriptions/read".to_owned(),
            Self::Action(action) => action.to_owned(),
            Self::NamespaceAction(action) => format!("{namespace}/{action}"),
        }
    }
}

/// Whether the caller's assignments are enough. Without a scope there is nothing that a role could hold for.
pub fn permitted(
    needs: Needs,
    namespace: &str,
    scope: Option<&ResourceId>,
    principal: &str,
    assignments: &[Assignment],
    roles: &[RoleDefinition],
) -> bool {
    match (needs, scope) {
        (Needs::SignIn, _) => true,
        (_, None) => false,
        (Needs::AnyRole, Some(scope)) => assignments
            .iter()
            .any(|one| one.principal == principal && (scope.covers(&one.scope) || one.scope.covers(scope))),
        (Needs::Action(_) | Needs::NamespaceAction(_), Some(scope)) => {
            let action = Action::control(needs.action(namespace));
            decide(principal, &action, scope, assignments, roles) != Decision::Denied
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{At, OPERATIONS, Op};
    use std::collections::BTreeSet;

    const SUBSCRIPTION: &str = "/subscriptions/s";
    const GROUP: &str = "/subscriptions/s/resourceGroups/g";

    /// What each role lets its bearer do, with the role assigned at the group or at the subscription.
    fn allowed(role: &str, at: &str) -> BTreeSet<String> {
        let roles = identity::builtin::roles();
        let id = roles.iter().find(|one| one.name == role).unwrap().id.clone();
        let assignments = [Assignment { principal: "p".into(), role: id, scope: at.parse().unwrap() }];
        let on = |operation: &crate::api::Operation| -> Option<ResourceId> {
            match operation.at {
                At::Tenant => None,
                At::Subscription => Some(SUBSCRIPTION.parse().unwrap()),
                At::Path | At::Scope => Some(GROUP.parse().unwrap()),
            }
        };
        OPERATIONS
            .iter()
            .filter(|operation| operation.needs != Needs::SignIn)
            .filter(|operation| {
                let scope = on(operation);
                permitted(
                    operation.needs,
                    "Microsoft.DataProtection",
                    scope.as_ref(),
                    "p",
                    &assignments,
                    &roles,
                )
            })
            .map(|operation| format!("{:?}", operation.op))
            .collect()
    }

    fn names(ops: &[Op]) -> BTreeSet<String> {
        ops.iter().map(|op| format!("{op:?}")).collect()
    }

    const ANY_ROLE: [Op; 3] = [Op::SubscriptionGet, Op::LocationsList, Op::GroupsList];
    const READ: [Op; 8] = [
        Op::GroupGet,
        Op::GroupExists,
        Op::ProvidersList,
        Op::ProviderGet,
        Op::RoleDefinitionsList,
        Op::RoleDefinitionGet,
        Op::RoleAssignmentsList,
        Op::RoleAssignmentGet,
    ];
    const WRITE_GROUPS: [Op; 3] = [Op::GroupPut, Op::GroupPatch, Op::GroupDelete];
    const REGISTER: [Op; 2] = [Op::ProviderRegister, Op::ProviderUnregister];
    const ASSIGN: [Op; 2] = [Op::RoleAssignmentPut, Op::RoleAssignmentDelete];
    const SEE_ROLES_AND_GROUPS: [Op; 6] = [
        Op::GroupGet,
        Op::GroupExists,
        Op::RoleDefinitionsList,
        Op::RoleDefinitionGet,
        Op::RoleAssignmentsList,
        Op::RoleAssignmentGet,
    ];

    /// Every operation × every built-in role, assigned at the subscription.
    #[test]
    fn each_role_may_call_exactly_these_operations() {
        let all = [&READ[..], &WRITE_GROUPS, &REGISTER, &ASSIGN].concat();
        let table: [(&str, Vec<Op>); 15] = [
            ("Owner", all.clone()),
            ("Contributor", [&READ[..], &WRITE_GROUPS, &REGISTER].concat()),
            ("Reader", READ.to_vec()),
            ("User Access Administrator", [&READ[..], &ASSIGN].concat()),
            ("Backup Contributor", [&SEE_ROLES_AND_GROUPS[..], &[Op::ProviderRegister]].concat()),
            ("Backup Operator", SEE_ROLES_AND_GROUPS.to_vec()),
            ("Backup Reader", SEE_ROLES_AND_GROUPS.to_vec()),
            ("Backup MUA Admin", SEE_ROLES_AND_GROUPS.to_vec()),
            ("Backup MUA Operator", SEE_ROLES_AND_GROUPS.to_vec()),
            ("Storage Blob Data Owner", vec![]),
            ("Storage Blob Data Contributor", vec![]),
            ("Storage Blob Data Reader", vec![]),
            ("Storage Account Contributor", SEE_ROLES_AND_GROUPS.to_vec()),
            ("Disk Snapshot Contributor", SEE_ROLES_AND_GROUPS.to_vec()),
            ("Data Operator for Managed Disks", vec![]),
        ];

        let known: BTreeSet<String> = identity::builtin::roles().into_iter().map(|role| role.name).collect();
        assert_eq!(known, table.iter().map(|(name, _)| (*name).to_owned()).collect(), "a role lacks its row");
        for (role, ops) in table {
            let expected = names(&[&ANY_ROLE[..], &ops].concat());
            assert_eq!(allowed(role, SUBSCRIPTION), expected, "{role}");
        }
    }

    #[test]
    fn a_role_at_a_group_says_nothing_about_the_subscription() {
        let at_subscription = names(&[&REGISTER[..], &[Op::ProvidersList, Op::ProviderGet]].concat());

        let owner = allowed("Owner", GROUP);

        assert!(owner.is_disjoint(&at_subscription), "{owner:?}");
        assert!(owner.is_superset(&names(&[&ANY_ROLE[..], &WRITE_GROUPS, &ASSIGN].concat())));
    }

    #[test]
    fn what_belongs_to_another_or_to_nobody_grants_nothing() {
        let roles = identity::builtin::roles();
        let owner = roles.iter().find(|one| one.name == "Owner").unwrap().id.clone();
        let scope: ResourceId = SUBSCRIPTION.parse().unwrap();
        let theirs = [Assignment { principal: "q".into(), role: owner, scope: scope.clone() }];

        for operation in OPERATIONS.iter().filter(|operation| operation.needs != Needs::SignIn) {
            for scope in [None, Some(&scope)] {
                assert!(!permitted(operation.needs, "N", scope, "p", &theirs, &roles), "{operation:?}");
            }
        }
    }
}
