//! What a vault may do in a cluster: the one ClusterRole of Trusted Access, complete.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::api::ObjectMeta;
use std::collections::BTreeSet;

/// Its name.
pub const CLUSTER_ROLE: &str = "cofferdam:trusted-access:backup-operator";
/// The role that a binding names.
pub const ROLE: &str = "Microsoft.DataProtection/backupVaults/backup-operator";

const OPERATIONS: [&str; 5] =
    ["backups", "restores", "deletebackups", "validateforbackups", "validateforrestores"];
const HOOKS: [&str; 2] = ["backuphooks", "restorehooks"];

/// The rules. Hooks can be seen and not made: making one is running code.
pub fn rules() -> Vec<PolicyRule> {
    vec![
        rule(&OPERATIONS, &["create", "get", "list", "watch", "patch", "delete"]),
        rule(&HOOKS, &["get", "list"]),
    ]
}

/// The ClusterRole as it is installed.
pub fn cluster_role() -> ClusterRole {
    ClusterRole {
        metadata: ObjectMeta { name: Some(CLUSTER_ROLE.to_owned()), ..ObjectMeta::default() },
        rules: Some(rules()),
        ..ClusterRole::default()
    }
}

/// Whether `role` grants exactly the rules above, in whatever order and grouping.
pub fn is_exact(role: &ClusterRole) -> bool {
    let given = role.rules.as_deref().unwrap_or_default();
    role.aggregation_rule.is_none() && given.iter().all(is_plain) && spread(given) == spread(&rules())
}

/// No rule of ours is limited to names or speaks of URLs.
fn is_plain(rule: &PolicyRule) -> bool {
    rule.resource_names.as_ref().is_none_or(Vec::is_empty)
        && rule.non_resource_urls.as_ref().is_none_or(Vec::is_empty)
}

fn spread(rules: &[PolicyRule]) -> BTreeSet<(String, String, String)> {
    let mut all = BTreeSet::new();
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                all.extend(rule.verbs.iter().map(|verb| (group.clone(), resource.clone(), verb.clone())));
            }
        }
    }
    all
}

fn rule(resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![resources::GROUP.to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_those_of_the_design_and_no_others() {
        let group = "clusterbackup.dataprotection.microsoft.com";
        let mut designed = BTreeSet::new();
        for resource in ["backups", "restores", "deletebackups", "validateforbackups", "validateforrestores"]
        {
            for verb in ["create", "get", "list", "watch", "patch", "delete"] {
                designed.insert((group.to_owned(), resource.to_owned(), verb.to_owned()));
            }
        }
        for resource in ["backuphooks", "restorehooks"] {
            for verb in ["get", "list"] {
                designed.insert((group.to_owned(), resource.to_owned(), verb.to_owned()));
            }
        }

        assert_eq!(spread(&rules()), designed);
        assert!(is_exact(&cluster_role()));
    }

    #[test]
    fn any_other_right_shows() {
        let with = |change: &dyn Fn(&mut ClusterRole)| {
            let mut role = cluster_role();
            change(&mut role);
            is_exact(&role)
        };

        assert!(with(&|role| role.rules.as_mut().unwrap().reverse()));
        assert!(!with(&|role| role.rules.as_mut().unwrap()[1].verbs.push("create".into())));
        assert!(!with(&|role| role.rules.as_mut().unwrap()[0].resources = Some(vec!["*".into()])));
        assert!(!with(&|role| drop(role.rules.as_mut().unwrap().pop())));
        assert!(!with(&|role| role.rules.as_mut().unwrap().push(rule(&["secrets"], &["get"]))));
        assert!(!with(&|role| role.aggregation_rule = Some(Default::default())));
        assert!(!with(&|role| {
            let urls = PolicyRule {
                non_resource_urls: Some(vec!["/metrics".into()]),
                verbs: vec!["get".into()],
                ..PolicyRule::default()
            };
            role.rules.as_mut().unwrap().push(urls);
        }));
    }
}
