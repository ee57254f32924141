//! What principals may do with data: their assignments, remembered for a few seconds. A refusal is never given on the word
//! of memory alone, so a role counts as soon as it is assigned.

use super::known::{BELIEVED, REMEMBERED};
use crate::store::{Store, StoreError};
use arm::ResourceId;
use blobs::DataAction;
use identity::{Action, Assignment, Decision, RoleDefinition, decide};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Instant};

/// What is known of a principal.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What it was assigned.
    pub assignments: Vec<Assignment>,
    /// The resource whose managed identity it is.
    pub resource: Option<ResourceId>,
}

/// Remembers.
#[derive(Debug, Default)]
pub struct Rights(Mutex<HashMap<String, (Instant, Arc<Facts>)>>);

impl Rights {
    /// What is known of a principal, and whether that was just read.
    pub async fn of(&self, store: &dyn Store, principal: &str) -> Result<(Arc<Facts>, bool), StoreError> {
        if let Some((at, facts)) = self.0.lock().get(principal)
            && at.elapsed() < BELIEVED
        {
            return Ok((facts.clone(), false));
        }
        self.fresh(store, principal).await.map(|facts| (facts, true))
    }

    /// What is known of a principal, read now.
    pub async fn fresh(&self, store: &dyn Store, principal: &str) -> Result<Arc<Facts>, StoreError> {
        let begun = Instant::now();
        let assigned = store.assignments_of(principal).await?;
        let facts = Arc::new(Facts {
            assignments: assigned.into_iter().map(|record| record.assignment).collect(),
            resource: store.principal(principal).await?.and_then(|found| found.resource),
        });
        let mut remembered = self.0.lock();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(principal.to_owned(), (begun, facts.clone()));
        Ok(facts)
    }
}

/// Whether one of these actions is granted.
pub fn granted(
    principal: &str,
    facts: &Facts,
    any_of: &[DataAction],
    on: &ResourceId,
    roles: &[RoleDefinition],
) -> bool {
    any_of.iter().any(|action| {
        let name = action.as_str();
        let action = if action.is_data() { Action::data(name) } else { Action::control(name) };
        decide(principal, &action, on, &facts.assignments, roles) != Decision::Denied
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
        let facts = Facts { assignments: vec![assignment], resource: None };
        let on = format!("{ACCOUNT}/blobServices/default/containers/box").parse().unwrap();
        granted("p", &facts, &[action], &on, &roles)
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

    #[test]
    fn who_governs_an_account_does_not_see_its_blobs() {
        assert!(may("Owner", ACCOUNT, DataAction::ContainerRead));
        assert!(!may("Owner", ACCOUNT, DataAction::BlobRead));
        assert!(may("Storage Blob Data Reader", ACCOUNT, DataAction::BlobRead));
        assert!(!may("Storage Blob Data Reader", ACCOUNT, DataAction::BlobDelete));
    }
}
