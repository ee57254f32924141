//! P23: the identities of vault, cluster and extension hold their roles.

use super::{ROLES, assign, some};
use crate::verdict::{fails, passed, unseen, when_seen};
use crate::{ArmVault, Cause, Check, Facts, Fix, Observed, Profile, RoleNeed, Scope, Verdict, Weight};

const NO_IDENTITY: &str = "UserErrorVaultIdentityNotFound";

pub(crate) static CHECK: Check = Check {
    id: "P23",
    title: "The identities of vault and cluster hold their roles.",
    reason: "The vault reads the cluster and the snapshot resource group; the cluster writes snapshots there.",
    scope: Scope::Subscription,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: roleAssignments of each identity at each scope, and what their roles grant",
    code: Some("UserErrorMissingPermissions"),
    causes: &[
        Cause::new("KubernetesBackupListExtensionsError", "R1 is what is missing"),
        Cause::new("UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup", "R2 is what is missing"),
        Cause::new("UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup", "R3 is what is missing"),
        Cause::new(NO_IDENTITY, "the vault has no identity"),
    ],
    purposes: &[],
    depends_on: &["P14"],
    fixes: &[
        Fix::cofferdam(
            "cofferdam role assignment create --assignee-object-id PRINCIPAL --role ROLE --scope SCOPE",
        ),
        Fix::az(
            "az role assignment create --assignee-object-id PRINCIPAL --assignee-principal-type ServicePrincipal --role ROLE --scope SCOPE",
        ),
    ],
    tested_by: ROLES,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        if let Some(vault) = arm.vault.seen().and_then(Option::as_ref)
            && vault.principal.is_none()
        {
            return without_identity(vault);
        }
        when_seen(&arm.roles, |roles| {
            // R4 is P6's, R13 is P3's.
            let asked: Vec<&RoleNeed> =
                roles.iter().filter(|role| !["R4", "R13"].contains(&role.id)).collect();
            let missing: Vec<&RoleNeed> = asked.iter().copied().filter(|role| role.is_missing()).collect();
            let not_seen: Vec<String> = asked.iter().filter_map(|role| not_seen(role)).collect();
            match (missing.is_empty(), not_seen.is_empty()) {
                (false, _) => lacking(facts, &missing, &not_seen),
                (true, false) => unseen(some(&not_seen)),
                (true, true) if asked.is_empty() => {
                    unseen("no identity is known whose roles could be looked at (--vault-id, --instance)")
                }
                (true, true) => passed(format!("all {} roles are assigned", asked.len())),
            }
        })
    })
}

fn lacking(facts: &Facts, missing: &[&RoleNeed], not_seen: &[String]) -> Verdict {
    let said: Vec<String> = missing.iter().map(|role| role.describe()).collect();
    let commands: Vec<String> = missing.iter().take(5).map(|role| assign(facts, role)).collect();
    let further = match not_seen {
        [] => String::new(),
        some_more => format!("; not seen: {}", some(some_more)),
    };
    // One code for all that is missing is told; of several, the check's own stands for them.
    let mut codes = missing.iter().map(|role| role.code);
    let first = codes.next().flatten();
    let code = first.filter(|first| codes.all(|code| code == Some(*first)));
    fails(format!("missing: {}{further}", some(&said))).about(&said).fix(commands.join("; ")).code(code)
}

fn not_seen(role: &RoleNeed) -> Option<String> {
    match &role.held {
        Observed::NotObservable(why) => Some(format!("{}: {why}", role.describe())),
        Observed::Seen(_) => None,
    }
}

/// Nothing can be given to it, and what it lacks is not what comes first.
fn without_identity(vault: &ArmVault) -> Verdict {
    fails(format!("the vault {} has no managed identity that roles could be given to (R1, R2)", vault.id))
        .about(std::slice::from_ref(&vault.id))
        .code(NO_IDENTITY)
        .fix("Give the vault an identity: cofferdam vault update --type SystemAssigned, or az dataprotection backup-vault update --type SystemAssigned; then its roles: cofferdam roles apply.")
}
