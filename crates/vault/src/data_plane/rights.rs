//! Whether a principal's roles grant what is asked of data.

use arm::ResourceId;
use blobs::DataAction;
use identity::{Action, Assignment, Decision, RoleDefinition, decide};

/// Whether one of these actions is granted.
pub fn granted(
    principal: &str,
    assignments: &[Assignment],
    any_of: &[DataAction],
    on: &ResourceId,
    roles: &[RoleDefinition],
) -> bool {
    any_of.iter().any(|action| {
        let name = action.as_str();
        let action = if action.is_data() { Action::data(name) } else { Action::control(name) };
        decide(principal, &action, on, assignments, roles) != Decision::Denied
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acct";

    fn may(role: &str, at: &str, action: DataAction) -> bool {
        let roles = identity::builtin::roles();
        let role = roles.iter().find(|one| one.name == role).unwrap().id.clone();
        let assignment = Assignment { principal: "p".into(), role, scope: at.parse().unwrap() };
        let on = format!("{ACCOUNT}/blobServices/default/containers/box").parse().unwrap();
        granted("p", &[assignment], &[action], &on, &roles)
    }

    #[test]
    fn a_role_holds_from_the_container_up_to_the_subscription_and_nowhere_else() {
        let role = "Storage Blob Data Contributor";
        let container = format!("{ACCOUNT}/blobServices/default/containers/box");

        for at in ["/subscriptions/s", "/subscriptions/s/resourceGroups/g", ACCOUNT, &container] {
            assert!(may(role, at, DataAction::BlobWrite), "{at}");
        }
        for at in ["/subscriptions/t", &container.replace("/box", "/box2"), &ACCOUNT.replace("/acct", "/acc")]
        {
            assert!(!may(role, at, DataAction::BlobWrite), "{at}");
        }
    }

    /// Every built-in role × every action on stored data, assigned at the subscription: the table stands in a file of its
    /// own, so that a change of it is seen in review. `INSTA_UPDATE=always` writes it anew.
    #[test]
    fn each_role_may_do_exactly_this_with_stored_data() {
        let mut table = String::new();
        for role in identity::builtin::roles() {
            table.push_str(&format!("{}\n", role.name));
            for action in DataAction::ALL {
                if may(&role.name, "/subscriptions/s", action) {
                    table.push_str(&format!("    {action:?}\n"));
                }
            }
        }

        insta::assert_snapshot!("each_role_with_stored_data", table);
    }

    #[test]
    fn who_governs_an_account_does_not_see_its_blobs() {
        assert!(may("Owner", ACCOUNT, DataAction::ContainerRead));
        assert!(!may("Owner", ACCOUNT, DataAction::BlobRead));
        assert!(may("Storage Blob Data Reader", ACCOUNT, DataAction::BlobRead));
        assert!(!may("Storage Blob Data Reader", ACCOUNT, DataAction::BlobDelete));
    }
}
