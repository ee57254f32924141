//! Roles of identities, and rights of whoever asks.

use super::{
    Ids, fact,
    ids::{covers, group},
    list,
};
use management::{Client, Request, versions};
use prerequisites::{Observed, RoleNeed, UserRight};
use serde_json::Value;

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const BLOB_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
const BLOB_OWNER: &str = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b";

const EXTENSION: &str = "Microsoft.KubernetesConfiguration/extensions/write";
const BINDING: &str = "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write";
const INSTANCE: &str = "Microsoft.DataProtection/backupVaults/backupInstances/write";
const ASSIGN: &str = "Microsoft.Authorization/roleAssignments/write";

/// Whose roles are asked for, and on which account.
#[derive(Debug, Clone, Default)]
pub(super) struct Identities {
    pub vault: Option<String>,
    pub cluster: Option<String>,
    pub extension: Option<String>,
    pub account: Option<String>,
}

/// A role that is asked for, and the roles that contain it.
struct Need<'a> {
    id: &'static str,
    role: &'static str,
    identity: &'static str,
    principal: &'a str,
    scope: &'a str,
    any_of: &'static [&'static str],
}

/// The roles that identities need for the operational tier, and whether they are there.
pub(super) async fn roles(client: &Client, ids: &Ids, who: &Identities) -> Observed<Vec<RoleNeed>> {
    let mut needs = Vec::new();
    let mut need = |id, role, identity, principal: &Option<String>, scope: &Option<String>, any_of| {
        if let (Some(principal), Some(scope)) = (principal.clone(), scope.clone()) {
            needs.push((id, role, identity, principal, scope, any_of));
        }
    };
    const READS: &[&str] = &[READER, CONTRIBUTOR, OWNER];
    need("R1", "Reader", "vault", &who.vault, &ids.cluster, READS);
    need("R2", "Reader", "vault", &who.vault, &ids.snapshot_group, READS);
    need("R3", "Contributor", "cluster", &who.cluster, &ids.snapshot_group, &[CONTRIBUTOR, OWNER]);
    let blobs: &[&str] = &[BLOB_CONTRIBUTOR, BLOB_OWNER];
    need("R4", "Storage Blob Data Contributor", "extension", &who.extension, &who.account, blobs);
    if needs.is_empty() {
        return Observed::NotObservable(
            "no identity is known whose roles could be read: neither the vault's nor the cluster's nor the extension's"
                .to_owned(),
        );
    }
    let asked = needs.iter().map(|(id, role, identity, principal, scope, any_of)| {
        held(client, Need { id, role, identity, principal, scope, any_of })
    });
    fact(futures::future::join_all(asked).await.into_iter().collect())
}

async fn held(client: &Client, need: Need<'_>) -> Result<RoleNeed, String> {
    let path = format!("{}/providers/Microsoft.Authorization/roleAssignments", need.scope);
    let mut request = Request::get(path, versions::ROLES);
    request.query.push(("$filter".to_owned(), format!("principalId eq '{}'", need.principal)));
    let assignments = list(client, &request).await?;
    let gives = |assignment: &Value| {
        let text = |path: &str| assignment.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let role = text("/properties/roleDefinitionId").rsplit('/').next().unwrap_or_default().to_lowercase();
        need.any_of.contains(&role.as_str())
            && text("/properties/principalId").eq_ignore_ascii_case(need.principal)
            && covers(text("/properties/scope"), need.scope)
    };
    Ok(RoleNeed {
        id: need.id,
        role: need.role,
        identity: need.identity,
        principal: need.principal.to_owned(),
        scope: need.scope.to_owned(),
        held: assignments.iter().any(gives),
    })
}

/// The rights of whoever asks. The right to assign roles is needed only where a role is missing: an owner may have
/// assigned them beforehand.
pub(super) async fn rights(
    client: &Client,
    ids: &Ids,
    who: &Identities,
    roles: Option<&Vec<RoleNeed>>,
) -> Observed<Vec<UserRight>> {
    let missing_at = |scope: &Option<String>| {
        let at = |role: &RoleNeed| !role.held && scope.as_deref() == Some(role.scope.as_str());
        roles.is_some_and(|roles| roles.iter().any(at))
    };
    let mut wanted: Vec<(&'static str, &'static str, Option<String>, &'static str)> = vec![
        ("U1", EXTENSION, ids.cluster.clone(), "Contributor"),
        ("U1", BINDING, ids.cluster.clone(), "Contributor"),
        ("U2", INSTANCE, ids.vault.clone(), "Backup Contributor"),
    ];
    for (id, scope) in [("U1", &ids.cluster), ("U3", &who.account), ("U4", &ids.snapshot_group)] {
        if missing_at(scope) {
            wanted.push((id, ASSIGN, scope.clone(), "Owner"));
        }
    }
    let wanted: Vec<_> =
        wanted.into_iter().filter_map(|(id, action, scope, role)| Some((id, action, scope?, role))).collect();
    if wanted.is_empty() {
        return Observed::NotObservable(
            "no scope was named (--cluster-id, --vault-id, --instance)".to_owned(),
        );
    }
    let mut rights = Vec::new();
    for (id, action, scope, role) in wanted {
        match may(client, &scope, action).await {
            Ok(held) => rights.push(UserRight { id, action, scope, role, held }),
            Err(why) => return Observed::NotObservable(why),
        }
    }
    Observed::Seen(rights)
}

async fn may(client: &Client, scope: &str, action: &str) -> Result<bool, String> {
    let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
    let permissions = match list(client, &Request::get(path, versions::ROLES)).await {
        Ok(permissions) => permissions,
        // Some resources answer only for their group.
        Err(why) => {
            let Some(group) = group(scope) else { return Err(why) };
            let path = format!("{group}/providers/Microsoft.Authorization/permissions");
            list(client, &Request::get(path, versions::ROLES)).await.map_err(|_| why)?
        }
    };
    Ok(permissions.iter().any(|permission| {
        let any = |name: &str| {
            let patterns = permission.get(name).and_then(Value::as_array);
            patterns.into_iter().flatten().filter_map(Value::as_str).any(|pattern| matches(pattern, action))
        };
        any("actions") && !any("notActions")
    }))
}

/// Whether an action fits a pattern, in which a star stands for anything.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| action.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        assert!(matches("*", ASSIGN));
        assert!(matches("Microsoft.Authorization/*/Write", ASSIGN));
        assert!(matches("microsoft.authorization/roleassignments/write", ASSIGN));
        assert!(!matches("*/read", ASSIGN));
        assert!(!matches("Microsoft.Authorization/roleAssignments", ASSIGN));
        assert!(!matches("Microsoft.Authorization/roleAssignments/write/action", ASSIGN));
    }
}
