use super::*;
use crate::codes;
use crate::row::Checked;
use protection::code;

fn widgets(scene: &mut Scene, with_definition: bool) {
    scene.put_namespace("shop");
    if with_definition {
        scene.source.add("customresourcedefinitions", definition("v1"));
    }
    scene.add(
        "widgets",
        "example.com/v1",
        "Widget",
        json!({
            "metadata": {"name": "w", "namespace": "shop"}, "spec": {"size": 1},
        }),
    );
}

fn definition(version: &str) -> Value {
    object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        json!({
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": version, "served": true}],
            },
        }),
    )
}

const WIDGET: &str = "widgets.example.com/shop/w";

#[tokio::test]
async fn a_definition_comes_before_its_objects_and_a_plan_knows_what_it_promises() {
    let mut scene = Scene::default();
    widgets(&mut scene, true);

    let plan = scene.plan().await;
    let (_, rows) = scene.execute().await;

    let planned = row(&plan.rows, WIDGET);
    assert_eq!(planned.action, Action::Create);
    assert!(
        matches!(&planned.checked, Checked::NotCheckable { reason } if reason.contains("definition")),
        "{:?}",
        planned.checked
    );
    assert_eq!(action(&rows, WIDGET), &Action::Create);
    assert!(scene.cluster.object("widgets.example.com", Some("shop"), "w").is_some());
}

#[tokio::test]
async fn a_kind_that_the_target_lacks_is_named() {
    let mut scene = Scene::default();
    widgets(&mut scene, false);

    let plan = scene.plan().await;
    let (outcomes, rows) = scene.execute().await;

    assert_eq!(blocked_by(action(&plan.rows, WIDGET)), codes::KIND_MISSING);
    assert_eq!(blocked_by(action(&rows, WIDGET)), codes::KIND_MISSING);
    assert_eq!(outcomes.counts.failed, 1);
}

#[tokio::test]
async fn a_kind_in_another_version_is_named_and_a_modifier_can_choose_it() {
    let mut scene = Scene::default();
    widgets(&mut scene, false);
    scene.cluster.put(definition("v2"));

    let plan = scene.plan().await;
    let rules = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: widgets.example.com}\n  \
                 patches: [{operation: replace, path: /apiVersion, value: example.com/v2}]\n";
    scene.modifiers = crate::Modifiers::parse(&[("rules".to_owned(), rules.to_owned())].into()).unwrap();
    let (_, rows) = scene.execute().await;

    assert_eq!(blocked_by(action(&plan.rows, WIDGET)), code::CRD_VERSION_MISMATCH);
    assert_eq!(action(&rows, WIDGET), &Action::Create);
}

#[tokio::test]
async fn a_strategic_patch_on_a_custom_resource_is_refused_with_its_line() {
    let mut scene = Scene::default();
    widgets(&mut scene, true);
    let rules = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: pods}\n\
                 - conditions: {groupResource: widgets.example.com}\n  \
                 strategicPatches: [{patchData: '{\"spec\": {\"size\": 2}}'}]\n";
    scene.modifiers = crate::Modifiers::parse(&[("rules".to_owned(), rules.to_owned())].into()).unwrap();

    let planned = crate::plan(
        &scene.target(),
        &scene.source,
        &scene.options(),
        &scene.volumes,
        &CancellationToken::new(),
    )
    .await;

    let error = planned.unwrap_err().to_string();
    assert!(error.contains("line 4") && error.contains("widgets.example.com"), "{error}");
    assert!(scene.cluster.writes().is_empty());
}

#[tokio::test]
async fn a_definition_that_a_policy_forbids_blocks_its_objects_in_the_plan_too() {
    let mut scene = Scene::default();
    widgets(&mut scene, true);
    scene.cluster.forbid("customresourcedefinitions.apiextensions.k8s.io");

    let plan = scene.plan().await;
    let (_, rows) = scene.execute().await;

    for rows in [&plan.rows, &rows] {
        assert_eq!(blocked_by(action(rows, WIDGET)), codes::KIND_MISSING);
    }
}
