//! P6: the storage location can be used.

use super::{ALWAYS, assign, some};
use crate::codes;
use crate::verdict::{fails, passed, unseen};
use crate::{
    Cause, Check, Facts, Fix, LocationFacts, Observed, Profile, Refusal, RoleNeed, Scope, StoreProbe,
    Verdict, Weight,
};

/// What the extension notes at a location that it can use.
const NOTED_READY: &str = "Ready";

pub(crate) static CHECK: Check = Check {
    id: "P6",
    title: "The storage location accepts writing, reading, listing and deleting.",
    reason: "Recovery points are written there, and locks are removed again.",
    scope: Scope::Storage,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "a probe object; without credentials, resource manager: role assignments of the extension's identity",
    code: Some(codes::LOCATION_MISSING_PERMISSIONS),
    causes: &[
        Cause::new(codes::LOCATION_NOT_FOUND, "the bucket does not exist"),
        Cause::new(codes::LOCATION_READ_ONLY, "it can be read and not written"),
        Cause::new(codes::STORE_FULL, "there is no space or quota left"),
        Cause::new(codes::CLOCK_SKEW, "a clock is wrong"),
        Cause::new(
            codes::LOCATION_NOT_READY,
            "it fails otherwise, and what the extension notes has no code of its own",
        ),
    ],
    purposes: ALWAYS,
    depends_on: &[],
    fixes: &[
        Fix::cofferdam(
            "cofferdam role assignment create --assignee-object-id {extension-principal} --role \"Storage Blob Data Contributor\" --scope {account-id}",
        ),
        Fix::az(
            "az role assignment create --assignee-object-id {extension-principal} --assignee-principal-type ServicePrincipal --role \"Storage Blob Data Contributor\" --scope {account-id}",
        ),
    ],
    tested_by: "unit test; scenario `preflight` with real stores; tests `vault_preflight`, `vault_preflight_fix` and `vault_roles_in_one_click` and scenario `vault_owned` for the role",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    match &facts.location {
        Observed::NotObservable(why) => by_role(facts, why),
        Observed::Seen(location) => match &location.probe {
            StoreProbe::Works => passed(format!("a probe object went in and out of {}", location.describe)),
            StoreProbe::WorksRetained => passed(format!(
                "a probe object went into {}; a retention rule keeps it for now",
                location.describe
            )),
            StoreProbe::Reads => {
                passed(format!("listing and reading {} work; nothing is written", location.describe))
            }
            StoreProbe::NotTried(why) => unseen(why.clone()),
            StoreProbe::OutOfReach(cause) => out_of_reach(location, cause),
            StoreProbe::Failed { operation, refusal, cause, remedy } => {
                fails(format!("{operation} on {} failed: {cause}", location.describe))
                    .at(location.describe.clone())
                    .code(codes::of_note(cause).unwrap_or_else(|| code_of(*refusal)))
                    .fix(remedy.clone())
            }
        },
    }
}

/// The codes with which a backup would end.
fn code_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoBucket => codes::LOCATION_NOT_FOUND,
        Refusal::ReadOnly => codes::LOCATION_READ_ONLY,
        Refusal::NoPermission => codes::LOCATION_MISSING_PERMISSIONS,
        Refusal::Full => codes::STORE_FULL,
        Refusal::WrongClock => codes::CLOCK_SKEW,
        Refusal::NotReady => codes::LOCATION_NOT_READY,
    }
}

/// The store was not looked at; the role of the extension's identity is the next best thing, on its own account and on that
/// which it restores from.
fn by_role(facts: &Facts, why: &str) -> Verdict {
    let roles = facts.arm.seen().and_then(|arm| arm.roles.seen());
    let roles: Vec<&RoleNeed> = roles.into_iter().flatten().filter(|role| role.id == "R4").collect();
    let missing: Vec<&RoleNeed> = roles.iter().copied().filter(|role| role.is_missing()).collect();
    let said = |roles: &[&RoleNeed]| roles.iter().map(|role| role.describe()).collect::<Vec<_>>();
    if !missing.is_empty() {
        let scopes: Vec<String> = missing.iter().map(|role| role.scope.clone()).collect();
        let commands: Vec<String> = missing.iter().map(|role| assign(facts, role)).collect();
        return fails(format!("missing: {}", some(&said(&missing)))).about(&scopes).fix(commands.join("; "));
    }
    let not_seen = roles.iter().find_map(|role| match &role.held {
        Observed::NotObservable(not) => Some(format!("{why}; {} was not seen: {not}", role.describe())),
        Observed::Seen(_) => None,
    });
    match (roles.is_empty(), not_seen) {
        (true, _) => unseen(why),
        (false, Some(not_seen)) => unseen(not_seen),
        (false, None) => {
            passed(format!("{} is assigned; the store itself was not looked at: {why}", some(&said(&roles))))
        }
    }
}

/// The machine of a person need not reach the store; the extension must, and has perhaps said so.
fn out_of_reach(location: &LocationFacts, cause: &str) -> Verdict {
    match location.noted.as_deref() {
        Some(NOTED_READY) => passed(format!(
            "the extension uses {}; from here it is not reachable: {cause}",
            location.describe
        )),
        Some(noted) => fails(format!("the extension cannot use {}: {noted}", location.describe))
            .at(location.describe.clone())
            .code(codes::of_note(noted).unwrap_or(codes::LOCATION_NOT_READY))
            .fix("Mend what the extension says; it looks again within seconds."),
        None => unseen(format!(
            "{} is not reachable from here: {cause}; the extension looks from inside the cluster",
            location.describe
        )),
    }
}
