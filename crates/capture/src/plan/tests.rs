use super::*;
use protection::SelectionFields;

fn kind(group: &str, resource: &str, namespaced: bool) -> Kind {
    Kind { group: group.to_owned(), ..Kind::core(resource, resource, namespaced) }
}

fn kinds() -> Vec<Kind> {
    vec![
        kind("", "configmaps", true),
        kind("", "namespaces", false),
        kind("", "persistentvolumes", false),
        kind("rbac.authorization.k8s.io", "clusterrolebindings", false),
        kind("rbac.authorization.k8s.io", "clusterroles", false),
        kind("node.k8s.io", "runtimeclasses", false),
        kind("storage.k8s.io", "storageclasses", false),
    ]
}

fn plan(fields: &SelectionFields<'_>, namespaces: &[&str]) -> Plan {
    let selection = Selection::parse(fields, "dataprotection-microsoft").unwrap();
    Plan::new(kinds(), &selection, &Namespaces::of(namespaces))
}

fn names(plan: &Plan, wave: Wave, facts: &Facts) -> Vec<String> {
    let name = |task: Task| match task.namespace {
        Some(namespace) => format!("{namespace}/{}", task.kind.resource),
        None => task.kind.resource,
    };
    plan.tasks(wave, facts).into_iter().map(name).collect()
}

#[test]
fn everything_is_listed_in_three_waves() {
    let plan = plan(&SelectionFields::default(), &["shop"]);
    let facts = Facts::default();

    assert_eq!(names(&plan, Wave::Selected, &facts), ["configmaps", "runtimeclasses"]);
    assert_eq!(
        names(&plan, Wave::Related, &facts),
        ["namespaces", "persistentvolumes", "clusterrolebindings"]
    );
    assert_eq!(names(&plan, Wave::RelatedToRelated, &facts), ["clusterroles", "storageclasses"]);
}

#[test]
fn without_cluster_scope_only_what_relates_is_listed() {
    let fields = SelectionFields { include_cluster_scope_resources: false, ..SelectionFields::default() };
    let plan = plan(&fields, &["shop"]);
    let facts = Facts { cluster_roles: BTreeSet::from(["edit".to_owned()]), ..Facts::default() };

    assert_eq!(names(&plan, Wave::Selected, &facts), ["configmaps"]);
    assert_eq!(names(&plan, Wave::Related, &facts), ["namespaces"]);
    assert_eq!(names(&plan, Wave::RelatedToRelated, &facts), ["clusterroles"]);
}

#[test]
fn an_excluded_type_is_not_even_listed_for_related_objects() {
    let excluded = ["clusterroles.rbac.authorization.k8s.io".to_owned()];
    let fields = SelectionFields { excluded_resource_types: &excluded, ..SelectionFields::default() };
    let facts = Facts { cluster_roles: BTreeSet::from(["edit".to_owned()]), ..Facts::default() };

    assert_eq!(names(&plan(&fields, &["shop"]), Wave::RelatedToRelated, &facts), ["storageclasses"]);
}

#[test]
fn few_namespaces_of_many_are_listed_one_by_one() {
    let included = ["a".to_owned(), "gone".to_owned()];
    let fields = SelectionFields { included_namespaces: &included, ..SelectionFields::default() };

    let many = plan(&fields, &["a", "b", "c", "d"]);
    let few = plan(&fields, &["a", "b", "c"]);

    assert_eq!(names(&many, Wave::Selected, &Facts::default()), ["a/configmaps", "runtimeclasses"]);
    assert_eq!(names(&few, Wave::Selected, &Facts::default()), ["configmaps", "runtimeclasses"]);
}

#[test]
fn without_a_namespace_nothing_namespaced_is_listed() {
    let included = ["gone".to_owned()];
    let fields = SelectionFields { included_namespaces: &included, ..SelectionFields::default() };

    let plan = plan(&fields, &["a", "b"]);

    assert_eq!(names(&plan, Wave::Selected, &Facts::default()), ["runtimeclasses"]);
}

#[test]
fn an_included_type_that_nothing_matches_is_named() {
    let included = ["v1/ConfigMap".to_owned(), "configmaps".to_owned(), "widgets.example.com".to_owned()];
    let fields = SelectionFields { included_resource_types: &included, ..SelectionFields::default() };

    let plan = plan(&fields, &["a"]);

    let targets: Vec<&str> = plan.problems.iter().filter_map(|problem| problem.target.as_deref()).collect();
    assert_eq!(targets, ["v1/ConfigMap", "widgets.example.com"]);
    assert_eq!(names(&plan, Wave::Selected, &Facts::default()), ["configmaps"]);
}
