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
    use crate::api::{At, operations};
    use std::collections::BTreeSet;

    const SUBSCRIPTION: &str = "/subscriptions/s";
    const GROUP: &str = "/subscriptions/s/resourceGroups/g";

    /// What each role lets its bearer do, with the role assigned at the group or at the subscription.
    fn allowed(role: &str, at: &str) -> BTreeSet<&'static str> {
        let roles = identity::builtin::roles();
        let id = roles.iter().find(|one| one.name == role).unwrap().id.clone();
        let assignments = [Assignment { principal: "p".into(), role: id, scope: at.parse().unwrap() }];
        let on = |operation: &crate::api::Operation| -> Option<ResourceId> {
            match operation.at {
                At::Tenant => None,
                At::Subscription => Some(SUBSCRIPTION.parse().unwrap()),
                At::Group | At::Path | At::Above | At::Scope => Some(GROUP.parse().unwrap()),
            }
        };
        operations()
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
            .map(|operation| operation.name)
            .collect()
    }

    /// Every operation × every built-in role, assigned at the subscription: the table stands in a file of its own, so
    /// that a change of it is seen in review. `INSTA_UPDATE=always` writes it anew.
    #[test]
    fn each_role_may_call_exactly_these_operations() {
        let mut table = String::new();
        for role in identity::builtin::roles() {
            table.push_str(&format!("{}\n", role.name));
            for name in allowed(&role.name, SUBSCRIPTION) {
                table.push_str(&format!("    {name}\n"));
            }
        }

        insta::assert_snapshot!("each_role_may_call", table);
    }

    #[test]
    fn a_role_at_a_group_says_nothing_about_the_subscription() {
        let at_subscription =
            BTreeSet::from(["Providers_List", "Providers_Get", "Providers_Register", "Providers_Unregister"]);

        let owner = allowed("Owner", GROUP);

        assert!(owner.is_disjoint(&at_subscription), "{owner:?}");
        assert!(
            owner.contains("ResourceGroups_Delete") && owner.contains("RoleAssignments_Create"),
            "{owner:?}"
        );
    }

    #[test]
    fn what_belongs_to_another_or_to_nobody_grants_nothing() {
        let roles = identity::builtin::roles();
        let owner = roles.iter().find(|one| one.name == "Owner").unwrap().id.clone();
        let scope: ResourceId = SUBSCRIPTION.parse().unwrap();
        let theirs = [Assignment { principal: "q".into(), role: owner, scope: scope.clone() }];

        for operation in operations().filter(|operation| operation.needs != Needs::SignIn) {
            for scope in [None, Some(&scope)] {
                assert!(!permitted(operation.needs, "N", scope, "p", &theirs, &roles), "{operation:?}");
            }
        }
    }
}
