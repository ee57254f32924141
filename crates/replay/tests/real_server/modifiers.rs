//! Resource modifiers: all three kinds of patch in a restore, refusals with their line.

use crate::definitions::define;
use crate::scene::Scene;
use replay::api::KubeApi;
use replay::{ReplayError, Target};
use resources::NamespacedName;
use serde_json::json;
use std::sync::Arc;

const NAMESPACE: &str = "replay-modified";

fn rules(text: &str) -> String {
    format!("version: v1\nresourceModifierRules:\n{text}")
}

#[tokio::test]
async fn json_merge_and_strategic_patches_change_objects_on_their_way() {
    let mut scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let deployment = scene.at("apps/v1", "Deployment", NAMESPACE, "web");
    let map = scene.at("v1", "ConfigMap", NAMESPACE, "settings");
    scene
        .put(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {
                "replicas": 0, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
                    {"name": "main", "image": "example.com/main:1", "env": [{"name": "A", "value": "1"}]},
                    {"name": "side", "image": "example.com/side:1"},
                ]}},
            },
        }))
        .await;
    scene
        .put(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": NAMESPACE}, "data": {"a": "1", "b": "2"},
        }))
        .await;
    scene.capture_namespace(NAMESPACE).await;
    scene.no_namespace(NAMESPACE).await;
    scene.modify(&rules(concat!(
        "- conditions: {groupResource: deployments.apps}\n",
        "  strategicPatches:\n",
        "  - patchData: |\n",
        "      spec: {template: {spec: {containers: [{name: main, env: [{name: B, value: '2'}]},",
        " {name: side, $patch: delete}]}}}\n",
        "- conditions: {groupResource: configmaps, resourceNameRegex: '^settings$'}\n",
        "  mergePatches:\n",
        "  - patchData: '{\"data\": {\"a\": null, \"c\": \"3\"}}'\n",
        "- conditions: {groupResource: configmaps, resourceNameRegex: '^settings$'}\n",
        "  patches:\n",
        "  - {operation: test, path: /data/b, value: '\"2\"'}\n",
        "  - {operation: replace, path: /data/b, value: '\"two\"'}\n",
    )));

    let restored = scene.restore().await;

    assert_eq!(restored.word(&deployment), "create", "{:?}", restored.row(&deployment));
    let live = scene.get(&deployment).await;
    let containers = live["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0]["image"], "example.com/main:1");
    assert_eq!(containers[0]["env"], json!([{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]));
    assert_eq!(scene.get(&map).await["data"], json!({"b": "two", "c": "3"}));
    scene.no_namespace(NAMESPACE).await;
}

#[tokio::test]
async fn a_strategic_patch_on_a_custom_resource_is_refused_with_the_line_of_its_rule() {
    let mut scene = Scene::new().await;
    let group = "modified.replay.test";
    let defined = define(&mut scene, group).await;
    scene.fresh_namespace(NAMESPACE).await;
    scene
        .put(json!({
            "apiVersion": format!("{group}/v1"), "kind": "Thing",
            "metadata": {"name": "one", "namespace": NAMESPACE}, "spec": {},
        }))
        .await;
    scene.capture_namespace(NAMESPACE).await;
    scene.modify(&rules(&format!(
        concat!(
            "- conditions: {{groupResource: configmaps}}\n",
            "- conditions: {{groupResource: things.{}}}\n",
            "  strategicPatches:\n",
            "  - patchData: '{{\"spec\": {{\"a\": 1}}}}'\n",
        ),
        group
    )));

    let error = scene.refused().await;

    assert!(matches!(error, ReplayError::Modifiers(_)), "{error:?}");
    assert!(error.to_string().contains("line 4"), "{error}");
    assert!(error.to_string().contains("mergePatches"), "{error}");
    scene.no_namespace(NAMESPACE).await;
    scene.delete(&defined).await;
}

#[tokio::test]
async fn a_config_map_with_a_typo_is_refused_with_line_and_code() {
    let scene = Scene::new().await;
    scene.fresh_namespace(NAMESPACE).await;
    let target = Target::new(Arc::new(KubeApi::new(scene.client.clone())));

    for (name, text, line) in [
        ("typo", rules("- conditions: {groupResource: pods}\n  mergePatchs: []\n"), "line 4"),
        ("version", "version: v2\nresourceModifierRules: []\n".to_owned(), "line 1"),
        ("yaml", rules("- conditions: {groupResource: pods\n"), "line"),
    ] {
        scene
            .put(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": NAMESPACE}, "data": {"rules.yaml": text},
            }))
            .await;
        let reference = NamespacedName { namespace: NAMESPACE.into(), name: name.into() };

        let error = target.load_modifiers(&reference).await.unwrap_err();

        assert!(error.to_string().contains(line), "{name}: {error}");
        assert_eq!(error.problem().code, "UserErrorResourceModifierInvalid", "{name}: {error:?}");
    }
    scene.no_namespace(NAMESPACE).await;
}
