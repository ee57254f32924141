//! The vault says what a Backup vault may do in a cluster, and the gateway installs it there: both must say the same.

use std::collections::BTreeSet;
use vault::api::clusters::{BACKUP_OPERATOR, roles};

fn spread<'a>(
    rules: impl IntoIterator<Item = (&'a str, Vec<&'a str>, Vec<&'a str>)>,
) -> BTreeSet<(&'a str, &'a str, &'a str)> {
    let mut all = BTreeSet::new();
    for (group, resources, verbs) in rules {
        for resource in resources {
            all.extend(verbs.iter().map(|verb| (group, resource, *verb)));
        }
    }
    all
}

#[test]
fn the_vault_shows_exactly_the_rules_that_the_gateway_installs() {
    let installed = gateway::role::rules();
    let texts = |texts: &'static [&'static str]| texts.to_vec();

    let shown =
        roles::RULES.iter().map(|(resources, verbs)| (roles::API_GROUP, texts(resources), texts(verbs)));

    let strs = |texts: &Option<Vec<String>>| -> Vec<String> { texts.clone().unwrap_or_default() };
    for rule in &installed {
        assert_eq!(strs(&rule.api_groups), [roles::API_GROUP]);
        assert!(strs(&rule.resource_names).is_empty() && strs(&rule.non_resource_urls).is_empty());
    }
    let installed = installed.iter().map(|rule| {
        let resources = rule.resources.iter().flatten().map(String::as_str).collect();
        (roles::API_GROUP, resources, rule.verbs.iter().map(String::as_str).collect())
    });
    assert_eq!(spread(shown), spread(installed));
    assert_eq!(gateway::role::ROLE, BACKUP_OPERATOR);
}
