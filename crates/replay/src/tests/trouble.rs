use super::*;
use crate::api::{Pacing, Retrying};
use crate::codes;
use crate::row::Checked;
use protection::code;

const HOOK: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io/hook";

fn webhook(namespace: &str) -> Value {
    object(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        json!({
            "metadata": {"name": "hook"},
            "webhooks": [{
                "name": "a.b.c", "failurePolicy": "Fail",
                "clientConfig": {"service": {"namespace": namespace, "name": "hook"}},
                "rules": [{"operations": ["CREATE"], "apiGroups": [""], "resources": ["configmaps"]}],
            }],
        }),
    )
}

#[tokio::test]
async fn a_webhook_of_the_target_without_backend_is_named_before_it_blocks() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.add_config_map("shop", "a", "captured");
    scene.cluster.put(webhook("system"));
    scene.cluster.make_unreachable("configmaps");

    let plan = scene.plan().await;
    let (_, rows) = scene.execute().await;

    let named = plan.problems.iter().find(|problem| problem.target.as_deref() == Some(HOOK)).unwrap();
    assert!(named.message.contains("system/hook") && named.message.contains("configmaps"));
    for rows in [&plan.rows, &rows] {
        assert_eq!(blocked_by(action(rows, "configmaps/shop/a")), codes::WEBHOOK_WITHOUT_BACKEND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_restored_once_what_serves_it_is_ready_and_not_before() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.source.add("validatingwebhookconfigurations", webhook("shop"));
    scene.add("services", "v1", "Service", json!({"metadata": {"name": "hook", "namespace": "shop"}}));

    let plan = scene.plan().await;
    let (_, waited) = scene.execute().await;
    scene.cluster.put(object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        json!({
            "metadata": {
                "name": "hook-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "hook"},
            },
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}],
        }),
    ));
    let (_, ready) = scene.execute().await;

    assert!(matches!(row(&plan.rows, HOOK).checked, Checked::NotCheckable { .. }));
    assert_eq!(blocked_by(action(&waited, HOOK)), codes::WEBHOOK_WITHOUT_BACKEND);
    assert_eq!(action(&ready, HOOK), &Action::Create);
}

#[tokio::test]
async fn a_webhook_with_side_effects_makes_a_row_not_checkable() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.add_config_map("shop", "new", "captured");
    scene.add_config_map("shop", "old", "captured");
    scene.cluster.put(object(
        "v1",
        "ConfigMap",
        json!({
            "metadata": {"name": "old", "namespace": "shop"}, "data": {"key": "live"},
        }),
    ));
    scene.spec.conflict_policy = resources::ConflictPolicy::Patch;
    scene.cluster.make_side_effects("configmaps");

    let plan = scene.plan().await;

    for (name, word) in [("new", "create"), ("old", "patch")] {
        let row = row(&plan.rows, &format!("configmaps/shop/{name}"));
        assert_eq!(row.action.word(), word);
        assert!(matches!(&row.checked, Checked::NotCheckable { reason } if reason.contains("side effects")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_waited_for() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    for number in 0..20 {
        scene.add_config_map("shop", &format!("c{number}"), "captured");
    }
    let patient = Target::new(Arc::new(Retrying::new(scene.cluster.clone(), Pacing::default())));
    scene.cluster.be_busy(30);

    let outcomes = crate::execute(
        &patient,
        &scene.source,
        &scene.options(),
        &scene.volumes,
        &crate::Unwatched,
        &scene.cancel,
    )
    .await
    .unwrap();

    assert_eq!(outcomes.counts.created, 20);
    assert_eq!(outcomes.counts.failed, 0);
}

#[tokio::test]
async fn a_policy_that_forbids_an_object_fails_that_object_alone() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.add_config_map("shop", "a", "captured");
    scene.add("secrets", "v1", "Secret", json!({"metadata": {"name": "s", "namespace": "shop"}}));
    scene.cluster.forbid("secrets");

    let plan = scene.plan().await;
    let (outcomes, rows) = scene.execute().await;

    for rows in [&plan.rows, &rows] {
        assert_eq!(blocked_by(action(rows, "secrets/shop/s")), codes::REFUSED);
        assert_eq!(action(rows, "configmaps/shop/a"), &Action::Create);
    }
    assert_eq!((outcomes.counts.created, outcomes.counts.failed, outcomes.problem_count), (1, 1, 1));
}

#[tokio::test]
async fn a_namespace_that_the_recovery_point_lacks_is_named() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    scene.spec.included_namespaces = vec!["shop".into(), "typo".into()];

    let plan = scene.plan().await;

    let missing: Vec<_> =
        plan.problems.iter().filter(|problem| problem.code == code::NAMESPACE_NOT_FOUND).collect();
    assert_eq!(missing.len(), 1);
    assert!(missing[0].message.contains("typo"));
}

#[tokio::test]
async fn a_modifier_that_does_not_fit_fails_its_object_with_the_line() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.add_config_map("shop", "a", "captured");
    scene.add("secrets", "v1", "Secret", json!({"metadata": {"name": "s", "namespace": "shop"}}));
    let rules = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: configmaps}\n  \
                 patches: [{operation: remove, path: /data/nothing}]\n";
    scene.modifiers = crate::Modifiers::parse(&[("rules".to_owned(), rules.to_owned())].into()).unwrap();

    let (_, rows) = scene.execute().await;

    match action(&rows, "configmaps/shop/a") {
        Action::Blocked(problem) => {
            assert_eq!(problem.code, code::MODIFIER_INVALID);
            assert!(problem.message.contains("line 3"), "{}", problem.message);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(action(&rows, "secrets/shop/s"), &Action::Create);
}

#[tokio::test]
async fn a_strategic_patch_uses_the_schema_of_the_target() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.add(
        "pods",
        "v1",
        "Pod",
        json!({
            "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]},
        }),
    );
    scene.cluster.publish_schema("v1", json!({"components": {"schemas": {
        "Pod": {
            "properties": {"spec": {"$ref": "#/components/schemas/Spec"}},
            "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}],
        },
        "Spec": {"properties": {"containers": {
            "type": "array", "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
        }}},
    }}}));
    let rules = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: pods}\n  \
                 strategicPatches: [{patchData: '{\"spec\": {\"containers\": [{\"name\": \"b\", \"image\": \"2\"}]}}'}]\n";
    scene.modifiers = crate::Modifiers::parse(&[("rules".to_owned(), rules.to_owned())].into()).unwrap();

    scene.execute().await;

    let pod = scene.cluster.object("pods", Some("shop"), "p").unwrap();
    let images: Vec<_> =
        pod["spec"]["containers"].as_array().unwrap().iter().map(|c| c["image"].clone()).collect();
    assert!(images.contains(&json!("1")) && images.contains(&json!("2")), "{images:?}");
}
