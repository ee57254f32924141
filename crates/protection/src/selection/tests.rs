use super::*;
use proptest::prelude::*;

const EXTENSION: &str = "dataprotection-microsoft";

fn strings(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

fn namespaces(included: &[&str], excluded: &[&str]) -> NamespaceRule {
    let (included, excluded) = (strings(included), strings(excluded));
    let fields = SelectionFields {
        included_namespaces: &included,
        excluded_namespaces: &excluded,
        ..SelectionFields::default()
    };
    Selection::parse(&fields, EXTENSION).unwrap().namespaces
}

fn types(included: &[&str], excluded: &[&str]) -> TypeRule {
    let (included, excluded) = (strings(included), strings(excluded));
    let fields = SelectionFields {
        included_resource_types: &included,
        excluded_resource_types: &excluded,
        ..SelectionFields::default()
    };
    Selection::parse(&fields, EXTENSION).unwrap().types
}

fn labels(entries: &[&str]) -> LabelRule {
    labels_of(&strings(entries))
}

fn labels_of(entries: &[String]) -> LabelRule {
    let fields = SelectionFields { label_selectors: entries, ..SelectionFields::default() };
    Selection::parse(&fields, EXTENSION).unwrap().labels
}

fn holds(rule: &LabelRule, labels: &[(&'static str, &'static str)]) -> bool {
    rule.matches(|key| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
}

#[test]
fn system_namespaces_and_our_own_are_never_selected() {
    let all = namespaces(&[], &[]);
    let named = namespaces(&["kube-system", "shop", "kube-*"], &[]);

    for name in [
        "kube-system",
        "kube-node-lease",
        "kube-public",
        "cofferdam-movers",
        "cofferdam-trusted-access",
        EXTENSION,
    ] {
        assert!(!all.selects(name), "{name}");
        assert!(!named.selects(name), "{name}");
        assert!(all.always_excluded(name), "{name}");
    }
    assert!(named.selects("shop") && named.selects("kube-flannel"));
}

#[test]
fn namespaces_are_names_and_globs_and_exclusion_wins() {
    type Names = &'static [&'static str];
    let table: &[(Names, Names, Names, Names)] = &[
        (&[], &[], &["a", "b"], &[]),
        (&["*"], &[], &["a"], &[]),
        (&["a"], &[], &["a"], &["b", "ab", "a-b"]),
        (&["team-*"], &["team-b*"], &["team-a", "team-"], &["team-b", "team-bc", "x-team-a"]),
        (&["a?"], &[], &["ab"], &["a", "abc"]),
        (&["{shop,bank}-[ab]"], &[], &["shop-a", "bank-b"], &["shop-c", "shop"]),
        (&[], &["a"], &["b"], &["a"]),
    ];

    for (included, excluded, selected, left_out) in table {
        let rule = namespaces(included, excluded);
        for name in *selected {
            assert!(rule.selects(name), "{included:?} minus {excluded:?} should select {name}");
        }
        for name in *left_out {
            assert!(!rule.selects(name), "{included:?} minus {excluded:?} should leave out {name}");
        }
    }
}

#[test]
fn only_a_list_of_plain_names_is_known_without_asking_the_cluster() {
    assert_eq!(namespaces(&["b", "a", "b", "kube-system", "c"], &["c"]).named(), Some(vec!["a", "b"]));
    assert_eq!(namespaces(&[], &[]).named(), None);
    assert_eq!(namespaces(&["a", "b*"], &[]).named(), None);
}

#[test]
fn a_bare_star_asks_for_no_namespace_in_particular() {
    assert!(!namespaces(&[], &[]).asked_for("a"));
    assert!(!namespaces(&["*"], &[]).asked_for("a"));
    assert!(namespaces(&["*", "a"], &[]).asked_for("a"));
    assert!(namespaces(&["a*"], &[]).asked_for("ab"));
    assert!(!namespaces(&["a*"], &["ab"]).asked_for("ab"));
}

const DEPLOYMENT: ResourceType<'_> =
    ResourceType { group: "apps", kind: "Deployment", resource: "deployments" };
const SECRET: ResourceType<'_> = ResourceType { group: "", kind: "Secret", resource: "secrets" };
const SERVICE: ResourceType<'_> = ResourceType { group: "", kind: "Service", resource: "services" };
const KNATIVE: ResourceType<'_> =
    ResourceType { group: "serving.knative.dev", kind: "Service", resource: "services" };

#[test]
fn types_are_named_in_both_spellings() {
    let table: &[(&str, &[ResourceType<'_>], &[ResourceType<'_>])] = &[
        ("v1/Secret", &[SECRET], &[DEPLOYMENT, SERVICE]),
        ("secrets", &[SECRET], &[DEPLOYMENT]),
        ("apps/v1/Deployment", &[DEPLOYMENT], &[SECRET]),
        ("apps/v1beta1/Deployment", &[DEPLOYMENT], &[SECRET]),
        ("apps/v1/deployments", &[DEPLOYMENT], &[SECRET]),
        ("deployments.apps", &[DEPLOYMENT], &[SECRET]),
        ("deployments", &[DEPLOYMENT], &[SECRET]),
        ("services", &[SERVICE], &[KNATIVE]),
        ("v1/Service", &[SERVICE], &[KNATIVE]),
        ("services.serving.knative.dev", &[KNATIVE], &[SERVICE]),
        ("*.apps", &[DEPLOYMENT], &[SECRET]),
        ("*", &[DEPLOYMENT, SECRET, KNATIVE], &[]),
    ];

    for (text, meant, others) in table {
        let rule = types(&[text], &[]);
        for of in *meant {
            assert!(rule.selects(*of), "{text} means {of:?}");
        }
        for of in *others {
            assert!(!rule.selects(*of), "{text} does not mean {of:?}");
        }
    }
}

#[test]
fn an_excluded_type_is_out_even_when_it_is_included() {
    let rule = types(&["v1/Secret", "deployments.apps"], &["secrets"]);

    assert!(rule.selects(DEPLOYMENT) && !rule.selects(SECRET) && !rule.selects(SERVICE));
    assert!(rule.excludes(SECRET) && !rule.excludes(SERVICE));
}

#[test]
fn label_requirements_mean_what_they_mean_to_kubernetes() {
    let prod_web: &[(&str, &str)] = &[("env", "prod"), ("tier", "web")];
    let table: &[(&[&str], bool, bool, bool)] = &[
        // entries, prod and web, only env=dev, no labels
        (&["env=prod"], true, false, false),
        (&["env==prod"], true, false, false),
        (&["env = prod"], true, false, false),
        (&["tier!=web"], false, true, true),
        (&["env in (prod, stage)"], true, false, false),
        (&["env notin (prod)"], false, true, true),
        (&["env"], true, true, false),
        (&["!env"], false, false, true),
        (&["! tier"], false, true, true),
        (&["env=prod;tier!=web"], false, false, false),
        (&["env=prod", "tier=web"], true, false, false),
        (&["env=prod,tier in (web,db)"], true, false, false),
        (&["env in (dev,prod),!tier"], false, true, false),
        (&["env="], false, false, false),
        (&[], true, true, true),
    ];

    for (entries, first, second, third) in table {
        let rule = labels(entries);
        assert_eq!(holds(&rule, prod_web), *first, "{entries:?} on prod and web");
        assert_eq!(holds(&rule, &[("env", "dev")]), *second, "{entries:?} on dev");
        assert_eq!(holds(&rule, &[]), *third, "{entries:?} on nothing");
    }
}

#[test]
fn an_empty_value_is_a_value() {
    assert!(holds(&labels(&["env="]), &[("env", "")]));
    assert!(!holds(&labels(&["env!="]), &[("env", "")]));
    assert!(holds(&labels(&["env!="]), &[]));
}

#[test]
fn errors_name_the_field_and_the_bad_value() {
    let fields: &[(&str, &[&str])] = &[
        ("includedNamespaces", &["Shop", "", "-a", "a b", "[a", &"x".repeat(64), "ä*"]),
        ("excludedNamespaces", &["*", "a_b"]),
        (
            "includedResourceTypes",
            &[
                "Secret",
                "v1/",
                "/v1/Secret",
                "1/Secret",
                "a/b/c/d",
                "",
                "deployments.",
                "v1/se cret",
                "apps//Deployment",
            ],
        ),
        ("excludedResourceTypes", &["*", "Secrets"]),
        (
            "labelSelectors",
            &["", "=", "a=b=c", "a in x", "a in (x", "a b", "a>1", "a=b,", "a=b;", "-a", "a/b/c", "a=-", "!"],
        ),
    ];

    for (field, bad) in fields {
        for value in *bad {
            let values = vec![(*value).to_owned()];
            let mut given = SelectionFields::default();
            match *field {
                "includedNamespaces" => given.included_namespaces = &values,
                "excludedNamespaces" => given.excluded_namespaces = &values,
                "includedResourceTypes" => given.included_resource_types = &values,
                "excludedResourceTypes" => given.excluded_resource_types = &values,
                _ => given.label_selectors = &values,
            }
            let errors = Selection::parse(&given, EXTENSION).expect_err(&format!("{field}: {value:?}"));
            assert_eq!(errors.0.len(), 1, "{errors}");
            assert_eq!((errors.0[0].field, errors.0[0].value.as_str()), (*field, *value));
            assert!(errors.to_string().starts_with(&format!("{field}: \"{value}\" ")), "{errors}");
        }
    }
}

#[test]
fn every_bad_value_is_reported_at_once() {
    let (bad_names, bad_labels) = (strings(&["A", "ok", "B"]), strings(&["x=y z"]));
    let fields = SelectionFields {
        included_namespaces: &bad_names,
        label_selectors: &bad_labels,
        ..SelectionFields::default()
    };

    let errors = Selection::parse(&fields, EXTENSION).unwrap_err();

    let values: Vec<&str> = errors.0.iter().map(|error| error.value.as_str()).collect();
    assert_eq!(values, ["A", "B", "x=y z"]);
}

#[test]
fn more_than_800_namespaces_are_refused() {
    let names: Vec<String> = (0..801).map(|number| format!("n{number}")).collect();
    let fields = SelectionFields { included_namespaces: &names, ..SelectionFields::default() };

    let errors = Selection::parse(&fields, EXTENSION).unwrap_err();

    assert_eq!(errors.0[0].value, "801 entries");
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let key = "([a-z][a-z0-9]{0,3}/)?[a-z]([-_.a-z0-9]{0,4}[a-z0-9])?";
    let value = "[A-Za-z0-9]([-_.A-Za-z0-9]{0,4}[A-Za-z0-9])?";
    let values = proptest::collection::vec(value, 1..4);
    prop_oneof![
        (key, values.clone()).prop_map(|(key, values)| Requirement::In(key, values)),
        (key, values).prop_map(|(key, values)| Requirement::NotIn(key, values)),
        key.prop_map(Requirement::Exists),
        key.prop_map(Requirement::Absent),
    ]
}

proptest! {
    #[test]
    fn a_requirement_written_for_the_server_reads_back_the_same(all in proptest::collection::vec(requirement(), 1..5)) {
        let text: Vec<String> = all.iter().map(ToString::to_string).collect();

        let by_comma = LabelRule::parse_one(&text.join(",")).unwrap();
        let by_semicolon = LabelRule::parse_one(&text.join(" ; ")).unwrap();

        prop_assert_eq!(by_comma.requirements(), &all[..]);
        prop_assert_eq!(by_semicolon, by_comma);
    }

    #[test]
    fn all_requirements_hold_exactly_when_each_one_does(
        all in proptest::collection::vec(requirement(), 0..4),
        labels in proptest::collection::btree_map("[a-z]{1,2}", "[a-z]{0,2}", 0..4),
    ) {
        let text: Vec<String> = all.iter().map(ToString::to_string).collect();
        let rule = labels_of(&text);
        let get = |key: &str| labels.get(key).map(String::as_str);

        prop_assert_eq!(rule.matches(get), all.iter().all(|one| one.matches(get(one.key()))));
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in ".{0,40}") {
        let values = vec![text];
        let fields = SelectionFields {
            included_namespaces: &values,
            excluded_namespaces: &values,
            included_resource_types: &values,
            excluded_resource_types: &values,
            label_selectors: &values,
            include_cluster_scope_resources: true,
        };

        if let Err(errors) = Selection::parse(&fields, EXTENSION) {
            prop_assert!(errors.0.iter().all(|error| error.value == values[0]));
        }
    }

    #[test]
    fn a_literal_namespace_selects_itself_and_nothing_else(name in "[a-z]([-a-z0-9]{0,10}[a-z0-9])?", other in "[a-z0-9]{1,10}") {
        let rule = namespaces(&[&name], &[]);

        prop_assert_eq!(rule.selects(&name), !rule.always_excluded(&name));
        prop_assert_eq!(rule.selects(&other), other == name && !rule.always_excluded(&other));
    }
}
