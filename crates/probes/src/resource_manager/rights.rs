//! Roles of identities, and rights of whoever asks, both by the one table of roles.

use super::{Ids, fact, given::Given};
use arm::ResourceId;
use identity::{
    Action, builtin,
    required::{
        ASSIGN_ROLES, Need, PERSON_ROLES, PersonPlace, PersonRole, Places, Principals, Purpose, needs,
    },
};
use prerequisites::{Observed, RoleNeed, UserRight};

/// What sets a backup up, and is asked of everybody who does.
const SETS_UP: [&str; 3] = [
    "Microsoft.KubernetesConfiguration/extensions/write",
    "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write",
    "Microsoft.DataProtection/backupVaults/backupInstances/write",
];
/// What a restore takes besides.
const RESTORES: [&str; 3] = [
    "Microsoft.DataProtection/backupVaults/backupInstances/validateRestore/action",
    "Microsoft.DataProtection/backupVaults/backupInstances/restore/action",
    "Microsoft.ContainerService/managedClusters/read",
];
const CONTAINER: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/write";

/// Whose roles are asked for, and on which accounts.
#[derive(Debug, Clone, Default)]
pub(super) struct Identities {
    pub vault: Option<String>,
    pub cluster: Option<String>,
    pub extension: Option<String>,
    /// Where the extension writes.
    pub account: Option<String>,
    /// The container there is missing, and somebody has to make it.
    pub lacks_container: bool,
    /// Its container there.
    pub container: Option<String>,
    /// The container to which the extension of the cluster writes that was backed up.
    pub source_store: Option<String>,
}

/// The roles that identities need, and whether they are there.
pub(super) async fn roles(given: &Given<'_>, ids: &Ids, who: &Identities) -> Observed<Vec<RoleNeed>> {
    let needs = match wanted(ids, who) {
        Ok(needs) => needs,
        Err(why) => return Observed::NotObservable(why),
    };
    let asked = needs.iter().filter_map(|need| {
        let principal = need.principal.clone()?;
        Some(async move {
            RoleNeed {
                id: need.row.id,
                role: need.grant().role(),
                identity: need.row.whose.noun(),
                principal,
                scope: need.scope.as_str().to_owned(),
                code: need.row.code,
                held: fact(given.held(need).await.map(|held| held.is_met())),
            }
        })
    });
    let seen = futures::future::join_all(asked).await;
    match seen.is_empty() {
        true => Observed::NotObservable(
            "no identity is known whose roles could be read: neither the vault's nor the cluster's nor the extension's"
                .to_owned(),
        ),
        false => Observed::Seen(seen),
    }
}

/// The rows of the table that what was named needs, each once. Bindings are facts of their own.
fn wanted(ids: &Ids, who: &Identities) -> Result<Vec<Need>, String> {
    let places = Places {
        snapshot_group: optional(&ids.snapshot_group)?,
        store: optional(&who.account)?,
        container: optional(&who.container)?,
        source_store: optional(&who.source_store)?,
        staging_group: optional(&ids.staging_group)?,
        staging_account: optional(&ids.staging)?,
        share_account: optional(&ids.shares)?,
        ..Places::of(parsed(ids.cluster()?)?)
    };
    let principals = Principals {
        vault: who.vault.clone(),
        cluster: who.cluster.clone(),
        extension: who.extension.clone(),
    };
    let restore = ids
        .restores()
        .then_some(Purpose::Restore { vault_tier: ids.staging.is_some() || ids.staging_group.is_some() });
    let backup =
        (ids.vault_tier || restore.is_none()).then_some(Purpose::Backup { vault_tier: ids.vault_tier });
    let mut all: Vec<Need> = Vec::new();
    for purpose in restore.into_iter().chain(backup) {
        for need in needs(purpose, &places, &principals) {
            let is_known = all.iter().any(|one| one.row.id == need.row.id && one.scope == need.scope);
            if !is_known && !need.is_binding() {
                all.push(need);
            }
        }
    }
    Ok(all)
}

/// The rights of whoever asks. The right to assign roles is needed only where a role is missing: an owner may have
/// assigned them beforehand.
pub(super) async fn rights(
    given: &Given<'_>,
    ids: &Ids,
    who: &Identities,
    roles: Option<&Vec<RoleNeed>>,
) -> Observed<Vec<UserRight>> {
    let mut rights = Vec::new();
    for row in PERSON_ROLES {
        let scope = match scope(row.place, ids, who) {
            Ok(Some(scope)) => scope,
            Ok(None) => continue,
            Err(why) => return Observed::NotObservable(why),
        };
        for action in row.actions.iter().copied().filter(|action| is_due(action, &scope, ids, who, roles)) {
            match given.may(action, &scope).await {
                Ok(held) => {
                    let scope = scope.as_str().to_owned();
                    rights.push(UserRight { id: row.id, action, scope, role: least(row, action), held });
                }
                Err(why) => return Observed::NotObservable(why),
            }
        }
    }
    match rights.is_empty() {
        true => {
            Observed::NotObservable("no scope was named (--cluster-id, --vault-id, --instance)".to_owned())
        }
        false => Observed::Seen(rights),
    }
}

/// Whether somebody needs it now.
fn is_due(
    action: &str,
    scope: &ResourceId,
    ids: &Ids,
    who: &Identities,
    roles: Option<&Vec<RoleNeed>>,
) -> bool {
    match action {
        ASSIGN_ROLES => roles
            .into_iter()
            .flatten()
            .any(|role| matches!(role.held, Observed::Seen(false)) && is_granted_at(&role.scope, scope)),
        CONTAINER => who.lacks_container,
        action if RESTORES.contains(&action) => ids.restores(),
        action => SETS_UP.contains(&action),
    }
}

/// Whether who may grant roles at `scope` is asked to grant one at `place`: there, or on a container of an account.
fn is_granted_at(place: &str, scope: &ResourceId) -> bool {
    let place = place.to_lowercase();
    let rest = place.strip_prefix(scope.folded());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("/blobservices/"))
}

/// Where it is asked. A vault that is there is asked itself, not its group: whoever has the role on it alone may do all of
/// this.
fn scope(place: PersonPlace, ids: &Ids, who: &Identities) -> Result<Option<ResourceId>, String> {
    optional(match place {
        PersonPlace::Cluster => &ids.cluster,
        PersonPlace::VaultGroup => &ids.vault,
        PersonPlace::StorageAccount => &who.account,
        PersonPlace::SnapshotGroup => &ids.snapshot_group,
        PersonPlace::SourceCluster => &ids.source,
        // What it guards is asked for when it is done; none of it is a prerequisite.
        PersonPlace::ResourceGuard => &None,
    })
}

/// The least role of a row that is enough for an action.
fn least(row: &'static PersonRole, action: &str) -> &'static str {
    let (roles, wanted) = (builtin::roles(), Action::control(action));
    let grants = |name: &&&str| roles.iter().any(|role| role.name == **name && role.grants(&wanted));
    row.instead.iter().find(grants).copied().unwrap_or(row.role)
}

fn parsed(id: &str) -> Result<ResourceId, String> {
    id.parse().map_err(|error| format!("{id}: {error}"))
}

fn optional(id: &Option<String>) -> Result<Option<ResourceId>, String> {
    id.as_deref().map(parsed).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::required::IDENTITY_ROLES;

    const GROUP: &str = "/subscriptions/s/resourceGroups/g";

    fn resource(kind: &str, name: &str) -> Option<String> {
        Some(format!("{GROUP}/providers/{kind}/{name}"))
    }

    /// Everything is named that any row is about.
    fn everything() -> (Ids, Identities) {
        let ids = Ids {
            cluster: resource("Microsoft.ContainerService/managedClusters", "two"),
            source: resource("Microsoft.ContainerService/managedClusters", "one"),
            vault: resource("Microsoft.DataProtection/backupVaults", "v"),
            snapshot_group: Some(GROUP.to_owned()),
            staging_group: Some(format!("{GROUP}2")),
            staging: resource("Microsoft.Storage/storageAccounts", "staging"),
            shares: resource("Microsoft.Storage/storageAccounts", "shares"),
            vault_tier: true,
            ..Ids::default()
        };
        let of = |name: &str| Some(name.to_owned());
        let who = Identities {
            vault: of("v"),
            cluster: of("c"),
            extension: of("e"),
            account: resource("Microsoft.Storage/storageAccounts", "own"),
            ..Identities::default()
        };
        (ids, who)
    }

    fn rows(ids: &Ids, who: &Identities) -> Vec<&'static str> {
        wanted(ids, who).unwrap().iter().map(|need| need.row.id).collect()
    }

    #[test]
    fn no_row_of_the_table_is_left_out_when_all_that_it_is_about_is_named() {
        let (ids, who) = everything();

        let mut asked = rows(&ids, &who);
        asked.sort_by_key(|id| id[1..].parse::<u8>().unwrap());

        let all: Vec<&str> = IDENTITY_ROLES
            .iter()
            .filter(|row| matches!(row.grant, identity::required::Grant::Role(_)))
            .map(|row| row.id)
            .collect();
        assert_eq!(asked, all);
    }

    #[test]
    fn a_backup_alone_asks_for_no_role_of_the_vault_tier_or_of_shares() {
        let (ids, who) = everything();
        let ids =
            Ids { source: None, staging_group: None, staging: None, shares: None, vault_tier: false, ..ids };

        assert_eq!(rows(&ids, &who), ["R1", "R2", "R3", "R4"]);
        assert_eq!(rows(&ids, &Identities { account: None, ..who }), ["R1", "R2", "R3"]);
        assert!(wanted(&Ids { cluster: None, ..ids }, &Identities::default()).is_err());
    }

    #[test]
    fn the_least_role_is_named_that_is_enough() {
        let of = |id: &str| PERSON_ROLES.iter().find(|row| row.id == id).unwrap();

        assert_eq!(least(of("U1"), SETS_UP[0]), "Contributor");
        assert_eq!(least(of("U1"), ASSIGN_ROLES), "User Access Administrator");
        assert_eq!(least(of("U2"), SETS_UP[2]), "Backup Contributor");
        assert_eq!(least(of("U3"), CONTAINER), "Storage Account Contributor");
    }
}
