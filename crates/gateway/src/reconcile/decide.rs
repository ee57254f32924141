//! What must change in the cluster, from what is there and what should be: pure.

use super::act::ReconcileError;
use crate::{ACCESS_NAMESPACE, Granted, role::CLUSTER_ROLE};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Annotation of a ServiceAccount: the ARM id of its vault.
pub const SOURCE_ANNOTATION: &str = "cofferdam.io/source";
/// Kubernetes makes this one and makes it again; no right is bound to it.
const DEFAULT_ACCOUNT: &str = "default";

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// ServiceAccounts of the namespace by name.
    pub accounts: BTreeMap<String, Account>,
    /// The ClusterRoleBinding.
    pub rights: Option<Rights>,
    /// Whether the ClusterRole grants what it should, if it is there.
    pub role_is_exact: Option<bool>,
}

/// A ServiceAccount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Its UID.
    pub uid: String,
    /// Whose it says it is.
    pub source: Option<String>,
    /// Whether pods would get its token.
    pub mounts_token: bool,
}

/// A ClusterRoleBinding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Kind and name of the role.
    pub role: (String, String),
    /// Group and kind, namespace and name.
    pub subjects: BTreeSet<(String, String, String)>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A ServiceAccount appears or gets its marks back.
    ApplyAccount {
        /// Its name.
        name: String,
        /// ARM id of the vault.
        source: String,
    },
    /// A ServiceAccount goes, and its tokens with it.
    DeleteAccount {
        /// Its name.
        name: String,
        /// Only this one.
        uid: String,
    },
    /// The ClusterRoleBinding goes: nobody is left, or its role, which cannot be changed, is another.
    DeleteRights,
    /// The ClusterRoleBinding appears.
    CreateRights(BTreeSet<String>),
    /// The ClusterRoleBinding names exactly these ServiceAccounts.
    ReplaceSubjects(BTreeSet<String>),
}

/// The changes, in the order in which they are safe: whom rights are taken from, before anybody gets some.
pub fn decide(wanted: &BTreeMap<String, Granted>, seen: &Observed) -> Result<Vec<Step>, ReconcileError> {
    let accounts: BTreeMap<&str, &Granted> =
        wanted.values().map(|granted| (granted.account.as_str(), granted)).collect();
    let mut steps = Vec::new();
    for (name, account) in &seen.accounts {
        if name != DEFAULT_ACCOUNT && !accounts.contains_key(name.as_str()) {
            steps.push(Step::DeleteAccount { name: name.clone(), uid: account.uid.clone() });
        }
    }
    let names: BTreeSet<String> = accounts.keys().map(|name| (*name).to_owned()).collect();
    let right_role = ("ClusterRole".to_owned(), CLUSTER_ROLE.to_owned());
    // Nobody gets a right while the role grants something else than what the owner consented to.
    let refused = match seen.role_is_exact {
        _ if wanted.is_empty() => None,
        None => Some(ReconcileError::NoRole),
        Some(false) => Some(ReconcileError::OtherRole),
        Some(true) => None,
    };
    match &seen.rights {
        Some(rights) if names.is_empty() || refused.is_some() || rights.role != right_role => {
            steps.push(Step::DeleteRights);
            if !names.is_empty() && refused.is_none() {
                steps.push(Step::CreateRights(names.clone()));
            }
        }
        Some(rights) if rights.subjects != subjects(&names) => {
            steps.push(Step::ReplaceSubjects(names.clone()));
        }
        Some(_) => {}
        None if names.is_empty() || refused.is_some() => {}
        None => steps.push(Step::CreateRights(names.clone())),
    }
    if let (true, Some(refused)) = (steps.is_empty(), refused) {
        return Err(refused);
    }
    for (name, granted) in accounts {
        let is_right = seen.accounts.get(name).is_some_and(|account| {
            account.source.as_deref() == Some(&granted.source) && !account.mounts_token
        });
        if !is_right {
            steps.push(Step::ApplyAccount { name: name.to_owned(), source: granted.source.clone() });
        }
    }
    Ok(steps)
}

fn subjects(names: &BTreeSet<String>) -> BTreeSet<(String, String, String)> {
    let subject = |name: &String| ("/ServiceAccount".to_owned(), ACCESS_NAMESPACE.to_owned(), name.clone());
    names.iter().map(subject).collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApplyAccount { name, source } => write!(f, "apply ServiceAccount {name} for {source}"),
            Self::DeleteAccount { name, .. } => write!(f, "delete ServiceAccount {name}"),
            Self::DeleteRights => f.write_str("delete the ClusterRoleBinding"),
            Self::CreateRights(names) => write!(f, "create the ClusterRoleBinding for {names:?}"),
            Self::ReplaceSubjects(names) => write!(f, "bind exactly {names:?}"),
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
