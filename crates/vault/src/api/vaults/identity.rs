//! With which managed identities a vault acts, and what a call makes of them. An identity of its own is made once: a
//! request that asks for it again, as command lines do at each update, keeps its object id and with it all its roles.

use super::record::{SystemIdentity, UserIdentity, VaultIdentity};
use crate::{
    api::{Call, Failure, Needs},
    store::{Change, Principal, PrincipalKind},
};
use arm::{ArmError, ResourceId, dataprotection::IdentityGiven};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

const ASSIGN: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
/// More identities a vault does not have.
const MOST: usize = 20;

/// Whether a request says all, or what changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// PUT: identities that it does not name go.
    All,
    /// PATCH: identities that it does not name stay.
    Changes,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// Whether the vault has one of its own in the end.
    pub system: bool,
    /// Those of resources that it keeps.
    pub kept: BTreeMap<String, UserIdentity>,
    /// Those of resources that it gets.
    pub new: Vec<ResourceId>,
}

/// What a request makes of the identities.
pub fn decide(is: &VaultIdentity, given: Option<&IdentityGiven>, says: Says) -> Result<Steps, ArmError> {
    let Some(given) = given else {
        return Ok(Steps { system: is.system.is_some(), kept: is.user.clone(), new: Vec::new() });
    };
    let wrong = |reason: String| ArmError::invalid_field("identity.userAssignedIdentities", reason);
    let mut steps = Steps { system: given.kind.system, ..Steps::default() };
    let named = given.user.clone().unwrap_or_default();
    let wanted: Vec<&String> = named.iter().filter(|(_, wanted)| **wanted).map(|(id, _)| id).collect();
    if !given.kind.user {
        return if wanted.is_empty() {
            Ok(steps)
        } else {
            Err(wrong("must be absent unless the type names UserAssigned".to_owned()))
        };
    }
    let keeps_others = says == Says::Changes || given.user.is_none();
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    for (id, identity) in &is.user {
        let said = named.iter().find(|(name, _)| same(name, id)).map(|(_, wanted)| *wanted);
        if said.unwrap_or(keeps_others) {
            steps.kept.insert(id.clone(), identity.clone());
        }
    }
    for text in wanted {
        let id: ResourceId = text.parse().map_err(|error: arm::IdError| wrong(error.to_string()))?;
        if !id.kind().is(KIND) {
            return Err(wrong(format!("names '{id}', which is no user-assigned identity")));
        }
        if !steps.kept.keys().any(|kept| same(kept, text)) && !steps.new.contains(&id) {
            steps.new.push(id);
        }
    }
    match steps.kept.len() + steps.new.len() {
        0 => Err(wrong("needs at least one identity, since the type names UserAssigned".to_owned())),
        all if all > MOST => Err(wrong(format!("has {all} entries; at most {MOST} are taken"))),
        _ => Ok(steps),
    }
}

/// The identities after a request, and the changes that lead there.
pub async fn apply(
    call: &Call<'_>,
    vault: &ResourceId,
    is: &VaultIdentity,
    steps: Steps,
) -> Result<(VaultIdentity, Vec<Change>), Failure> {
    let mut changes = Vec::new();
    let system = match (&is.system, steps.system) {
        (Some(kept), true) => Some(kept.clone()),
        (None, true) => {
            let made = own_principal(call, vault);
            let identity = SystemIdentity { principal_id: made.object_id.clone() };
            changes.push(Change::AddPrincipal(made));
            Some(identity)
        }
        (Some(gone), false) => {
            changes.push(Change::RemovePrincipal(gone.principal_id.clone()));
            None
        }
        (None, false) => None,
    };
    let mut user = steps.kept;
    for id in steps.new {
        let identity = user_identity(call, &id).await?;
        user.insert(id.to_string(), identity);
    }
    Ok((VaultIdentity { system, user }, changes))
}

/// A new identity of a resource's own.
pub fn own_principal(call: &Call<'_>, resource: &ResourceId) -> Principal {
    Principal {
        object_id: Uuid::new_v4().to_string(),
        client_id: Uuid::new_v4().to_string(),
        name: resource.name().to_owned(),
        kind: PrincipalKind::ManagedIdentity,
        resource: Some(resource.clone()),
        created_at: call.now,
    }
}

/// The identity of a resource. Whoever gives it to a vault or a cluster must have the right to give it away.
pub async fn user_identity(call: &Call<'_>, id: &ResourceId) -> Result<UserIdentity, Failure> {
    if !call.may(Needs::Action(ASSIGN), id) {
        let message = format!(
            "The client with object id '{}' has permission to perform action '{}' on '{}', but not '{ASSIGN}' on the \
             linked scope '{id}'. Have a role such as Managed Identity Operator or Contributor assigned there.",
            call.caller.object_id,
            call.operation.needs.action(""),
            call.scope()?
        );
        return Err(ArmError::new(403, "LinkedAuthorizationFailed", message).about(id.as_str()).into());
    }
    let missing = || {
        let message = format!(
            "The user-assigned identity '{id}' does not exist. Create it, or take it out of the request."
        );
        ArmError::new(400, "FailedIdentityOperation", message).about("identity.userAssignedIdentities")
    };
    let stored = call.app.store.resource(id).await?.ok_or_else(missing)?;
    let found = |name: &str| -> Option<String> {
        let inside = stored.document.get("properties").and_then(|inside| inside.get(name));
        stored.document.get(name).or(inside).and_then(Value::as_str).map(str::to_owned)
    };
    match (found("principalId"), found("clientId")) {
        (Some(principal_id), Some(client_id)) => Ok(UserIdentity { principal_id, client_id }),
        _ => Err(missing().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arm::dataprotection::IdentityKind;

    const A: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a";
    const B: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/b";

    fn given(kind: &str, user: Option<&[(&str, bool)]>) -> IdentityGiven {
        let user = user.map(|user| user.iter().map(|(id, wanted)| ((*id).to_owned(), *wanted)).collect());
        IdentityGiven { kind: IdentityKind::of(kind).unwrap(), user }
    }

    fn both() -> VaultIdentity {
        let a = UserIdentity { principal_id: "pa".into(), client_id: "ca".into() };
        VaultIdentity {
            system: Some(SystemIdentity { principal_id: "p".into() }),
            user: BTreeMap::from([(A.to_owned(), a)]),
        }
    }

    fn after(
        is: &VaultIdentity,
        given: Option<&IdentityGiven>,
        says: Says,
    ) -> (bool, Vec<String>, Vec<String>) {
        let steps = decide(is, given, says).unwrap();
        (steps.system, steps.kept.into_keys().collect(), steps.new.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_request_that_says_nothing_changes_nothing() {
        assert_eq!(after(&both(), None, Says::All), (true, vec![A.to_owned()], vec![]));
        assert_eq!(after(&VaultIdentity::default(), None, Says::All), (false, vec![], vec![]));
    }

    #[test]
    fn the_type_decides_what_stays() {
        let table = [
            ("SystemAssigned", true, vec![]),
            ("None", false, vec![]),
            ("UserAssigned", false, vec![A.to_owned()]),
            ("SystemAssigned,UserAssigned", true, vec![A.to_owned()]),
        ];
        for (kind, system, kept) in table {
            assert_eq!(after(&both(), Some(&given(kind, None)), Says::All), (system, kept, vec![]), "{kind}");
        }
    }

    #[test]
    fn a_put_names_all_and_a_patch_names_changes() {
        let b = given("UserAssigned", Some(&[(B, true)]));
        let a_again = A.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions");

        assert_eq!(after(&both(), Some(&b), Says::All), (false, vec![], vec![B.to_owned()]));
        assert_eq!(after(&both(), Some(&b), Says::Changes), (false, vec![A.to_owned()], vec![B.to_owned()]));
        let swap = given("UserAssigned", Some(&[(A, false), (B, true)]));
        assert_eq!(after(&both(), Some(&swap), Says::Changes), (false, vec![], vec![B.to_owned()]));
        let same = given("UserAssigned", Some(&[(&a_again, true)]));
        assert_eq!(after(&both(), Some(&same), Says::All), (false, vec![A.to_owned()], vec![]));
    }

    #[test]
    fn identities_that_cannot_be_are_refused() {
        let vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";
        for wrong in [
            given("UserAssigned", None),
            given("UserAssigned", Some(&[])),
            given("SystemAssigned", Some(&[(A, true)])),
            given("UserAssigned", Some(&[("mine", true)])),
            given("UserAssigned", Some(&[(vault, true)])),
        ] {
            let error = decide(&VaultIdentity::default(), Some(&wrong), Says::All).unwrap_err();
            assert_eq!(error.target.as_deref(), Some("identity.userAssignedIdentities"), "{wrong:?}");
        }
        assert!(decide(&both(), Some(&given("UserAssigned", Some(&[(A, false)]))), Says::Changes).is_err());
    }
}
