//! Commands that grant what is missing, to be run as they are or to be handed to whoever may.

use super::{
    identities::{BACKUP_OPERATOR, Grant},
    needs::Need,
};
use arm::ResourceId;
use std::fmt;

/// What kind of principal a role is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// A person.
    User,
    /// An application or a managed identity.
    Service,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "User",
            Self::Service => "ServicePrincipal",
        })
    }
}

/// Gives a role, in the words that both command lines take.
pub(super) fn assignment(program: &str, to: &str, kind: Principal, role: &str, scope: &ResourceId) -> String {
    format!(
        "{program} role assignment create --assignee-object-id {to} --assignee-principal-type {kind} --role {} --scope {}",
        quoted(role),
        quoted(scope.as_str())
    )
}

/// The command of our own command line that meets a need; none while there is no identity.
pub fn ours(need: &Need, vault: &ResourceId) -> Option<String> {
    command("cofferdam", "cofferdam trusted-access", need, vault)
}

/// The same with `az`.
pub fn with_az(need: &Need, vault: &ResourceId) -> Option<String> {
    command("az", "az aks trustedaccess", need, vault)
}

fn command(roles: &str, bindings: &str, need: &Need, vault: &ResourceId) -> Option<String> {
    match (need.grant(), need.principal.as_deref()) {
        (Grant::TrustedAccess(role), _) => Some(binding(bindings, &need.scope, vault, role)),
        (Grant::Role(role), Some(to)) => Some(assignment(roles, to, Principal::Service, role, &need.scope)),
        (Grant::Role(_), None) => None,
    }
}

/// Lets a vault into a cluster, with either command line.
pub fn let_in(cluster: &ResourceId, vault: &ResourceId) -> [String; 2] {
    ["cofferdam trusted-access", "az aks trustedaccess"]
        .map(|program| binding(program, cluster, vault, BACKUP_OPERATOR))
}

fn binding(program: &str, cluster: &ResourceId, vault: &ResourceId, role: &str) -> String {
    format!(
        "{program} rolebinding create --subscription {} --resource-group {} --cluster-name {} --name backup \
         --source-resource-id {} --roles {role}",
        cluster.subscription_id(),
        quoted(cluster.resource_group().unwrap_or_default()),
        quoted(cluster.name()),
        quoted(vault.as_str()),
    )
}

/// A word for a POSIX shell: names from elsewhere run nothing when they are pasted.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+=".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
