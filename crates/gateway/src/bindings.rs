//! The vault's list of bindings: what of it is acceptable, and which ServiceAccount stands for each.

use crate::role::ROLE;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tunnel::wire::{Binding, MAX_BINDINGS};

const LONGEST_NAME: usize = 24;
const LONGEST_SOURCE: usize = 1_024;
/// Kubernetes makes one of this name in every namespace.
const DEFAULT_ACCOUNT: &str = "default";

/// A binding that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its name, as the vault writes it.
    pub name: String,
    /// ARM id of the Backup vault.
    pub source: String,
    /// Name of its ServiceAccount.
    pub account: String,
}

/// A list that no vault of this version sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBindings {
    /// Too many.
    #[error("{0} bindings are more than the {MAX_BINDINGS} that a cluster may have")]
    TooMany(usize),
    /// A name.
    #[error("{0:?} cannot be the name of a binding: 1 to {LONGEST_NAME} letters, digits and hyphens")]
    Name(String),
    /// A name twice.
    #[error("the binding {0:?} is there twice")]
    Twice(String),
    /// Another role.
    #[error("the binding {0:?} asks for roles other than {ROLE}, which this cluster does not grant")]
    Role(String),
    /// An id.
    #[error("the binding {0:?} names no Backup vault")]
    Source(String),
}

/// The bindings by their names in lower case, if all of them are acceptable: a list is applied as a whole or not.
pub fn check(list: &[Binding]) -> Result<BTreeMap<String, Granted>, BadBindings> {
    if list.len() > MAX_BINDINGS {
        return Err(BadBindings::TooMany(list.len()));
    }
    let mut all = BTreeMap::new();
    for binding in list {
        let shown = || binding.name.chars().take(LONGEST_NAME).collect::<String>();
        let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if binding.name.is_empty() || binding.name.len() > LONGEST_NAME || !binding.name.chars().all(is_good)
        {
            return Err(BadBindings::Name(shown()));
        }
        let is_ours = |role: &String| role.eq_ignore_ascii_case(ROLE);
        if binding.roles.is_empty() || !binding.roles.iter().all(is_ours) {
            return Err(BadBindings::Role(shown()));
        }
        let source = &binding.source;
        if source.is_empty() || source.len() > LONGEST_SOURCE || source.chars().any(char::is_control) {
            return Err(BadBindings::Source(shown()));
        }
        let granted = Granted {
            name: binding.name.clone(),
            source: source.clone(),
            account: account_name(&binding.name),
        };
        if all.insert(key(&binding.name), granted).is_some() {
            return Err(BadBindings::Twice(shown()));
        }
    }
    Ok(all)
}

/// Names are compared without regard to case, as resource names are.
pub(crate) fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The ServiceAccount of a binding: its name in lower case; where that cannot be one, a digest of it.
pub fn account_name(binding: &str) -> String {
    let name = key(binding);
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if name != DEFAULT_ACCOUNT && is_edge(name.chars().next()) && is_edge(name.chars().last()) {
        return name;
    }
    let digest = hex::encode(Sha256::digest(name.as_bytes()));
    format!("binding-{}", digest.get(..16).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(name: &str) -> Binding {
        Binding { name: name.to_owned(), source: "/vaults/v".to_owned(), roles: vec![ROLE.to_owned()] }
    }

    #[test]
    fn a_list_is_accepted_as_a_whole_or_not_at_all() {
        let with = |change: &dyn Fn(&mut Binding)| {
            let mut changed = binding("x");
            change(&mut changed);
            check(&[binding("good"), changed])
        };

        assert_eq!(check(&[]).unwrap(), BTreeMap::new());
        assert_eq!(with(&|_| ()).unwrap().len(), 2);
        assert_eq!(with(&|b| b.name = "GOOD".into()), Err(BadBindings::Twice("GOOD".into())));
        assert_eq!(with(&|b| b.name = "a.b".into()), Err(BadBindings::Name("a.b".into())));
        assert_eq!(with(&|b| b.name = String::new()), Err(BadBindings::Name(String::new())));
        assert_eq!(with(&|b| b.name = "x".repeat(25)), Err(BadBindings::Name("x".repeat(24))));
        assert_eq!(with(&|b| b.roles.clear()), Err(BadBindings::Role("x".into())));
        assert_eq!(with(&|b| b.roles.push("cluster-admin".into())), Err(BadBindings::Role("x".into())));
        assert_eq!(with(&|b| b.source = "a\nb".into()), Err(BadBindings::Source("x".into())));
        let nine: Vec<_> = (0..9).map(|n| binding(&n.to_string())).collect();
        assert_eq!(check(&nine), Err(BadBindings::TooMany(9)));
    }

    #[test]
    fn every_binding_has_a_service_account_of_its_own() {
        assert_eq!(account_name("BackupRB"), "backuprb");
        for odd in ["-x", "x-", "-", "default", "Default"] {
            let name = account_name(odd);
            assert!(name.starts_with("binding-") && name.len() == 24, "{odd}: {name}");
        }
        assert_ne!(account_name("-x"), account_name("x-"));
    }
}
