//! Objects that exist and differ, and objects that are changed on their way: with the rights that the installed
//! extension has.

use scenarios::volumes::{back_up, bound, claim, restore, with_code, world};
use scenarios::{Cluster, Installation};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SHOP: &str = "conflict-shop";
const WIDGETS: &str = "widgets.conflict.example";
/// Everything that the story drifts, by kind; the binding's change is one that no patch can undo.
const DRIFTING: [(&str, &str); 7] = [
    ("configmap/settings", r#"{"data":{"sky":"red"}}"#),
    ("secret/keys", r#"{"data":{"key":"cmVk"}}"#),
    (
        "deployment/web",
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"example.com/other:2"}]}}}}"#,
    ),
    ("service/web", r#"{"spec":{"selector":{"app":"other"}}}"#),
    ("role/reader", r#"{"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["delete"]}]}"#),
    ("widgets.conflict.example/first", r#"{"spec":{"size":9}}"#),
    ("rolebinding/reader", ""),
];

fn application() -> Vec<Value> {
    let labels = json!({"app": "web"});
    let pod = json!({"metadata": {"labels": labels}, "spec": {"containers": [
        {"name": "web", "image": "example.com/web:1"}, {"name": "log", "image": "example.com/log:1"},
    ]}});
    let meta = |name: &str| json!({"name": name, "namespace": SHOP});
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("settings"), "data": {"sky": "blue"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("keys"), "data": {"key": "Ymx1ZQ=="}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("web"), "spec": {
            "replicas": 0, "selector": {"matchLabels": labels}, "template": pod,
        }}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"), "spec": {
            "selector": labels, "ports": [{"port": 80}],
        }}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta("reader"), "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
        ]}),
        binding("reader"),
        json!({"apiVersion": "conflict.example/v1", "kind": "Widget", "metadata": meta("first"), "spec": {"size": 3}}),
        claim(SHOP, "data", "standard", json!({})),
    ]
}

fn binding(role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "reader", "namespace": SHOP},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": SHOP}],
    })
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": WIDGETS},
        "spec": {"group": "conflict.example", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    })
}

/// UID and content of what drifts, in one of the namespaces.
fn seen(cluster: &Cluster, namespace: &str) -> BTreeMap<&'static str, (String, Value)> {
    let look = |name: &'static str| {
        let object = cluster.get(&[name, "-n", namespace]).unwrap_or_default();
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let spec = &object["spec"];
        let content = json!([
            object["data"],
            object["rules"],
            object["roleRef"],
            spec["size"],
            spec["selector"],
            spec["template"]["spec"]["containers"]
                .as_array()
                .map(|all| { all.iter().map(|one| one["image"].clone()).collect::<Vec<_>>() }),
        ]);
        (name, (uid, content))
    };
    DRIFTING.iter().map(|(name, _)| look(name)).collect()
}

/// Somebody changes every object of the application.
fn drift(cluster: &Cluster) {
    for (name, patch) in DRIFTING.iter().filter(|(_, patch)| !patch.is_empty()) {
        let kind = if name.starts_with("deployment") { "strategic" } else { "merge" };
        cluster.kubectl(&["patch", name, "-n", SHOP, "--type", kind, "-p", patch]);
    }
    cluster.kubectl(&["delete", "rolebinding", "-n", SHOP, "reader"]);
    cluster.apply(&binding("another").to_string());
}

fn without(
    name: &str,
    mut all: BTreeMap<&'static str, (String, Value)>,
) -> BTreeMap<&'static str, (String, Value)> {
    all.remove(name);
    all
}

#[test]
fn patch_and_replace_bring_back_what_drifted_and_modifiers_change_copies_on_their_way() {
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "conflicts");
    cluster.delete_namespace("conflict-copy");
    cluster.apply(&definition().to_string());
    cluster.kubectl(&["wait", "--for=condition=established", "crd", WIDGETS]);
    world(&cluster, SHOP, application());
    bound(&cluster, SHOP, &["data"]);
    let captured = seen(&cluster, SHOP);
    back_up(&installed, "point", SHOP, &["--cluster-scope", "false"]);
    let volume = cluster.get(&["pvc", "-n", SHOP, "data"]).expect("the claim")["metadata"]["uid"].clone();

    drift(&cluster);
    let drifted = seen(&cluster, SHOP);
    let patched = restore(&installed, "patched", "point", &["--conflict", "Patch"]);
    let after_patch = seen(&cluster, SHOP);
    drift(&cluster);
    let replaced = restore(&installed, "replaced", "point", &["--conflict", "Replace"]);
    let after_replace = seen(&cluster, SHOP);

    assert!(captured.iter().all(|(name, (_, content))| drifted[name].1 != *content), "nothing drifted");
    assert_eq!(patched["status"]["phase"], "CompletedWithWarnings", "{:#}", patched["status"]);
    assert_eq!(patched["status"]["outcomes"]["updated"], 6, "{:#}", patched["status"]);
    assert_eq!(with_code(&patched, "UserErrorImmutableFieldDiffers"), 1, "{:#}", patched["status"]);
    // The second is about the claim, which keeps its data.
    assert_eq!(patched["status"]["problemCount"], 2, "{:#}", patched["status"]);
    for restored in [&patched, &replaced] {
        assert_eq!(with_code(restored, "VolumeDataNotRestored"), 1, "{:#}", restored["status"]);
    }
    let binding = "rolebinding/reader";
    assert_eq!(without(binding, after_patch.clone()), without(binding, captured.clone()));
    assert_eq!(after_patch[binding], drifted[binding], "what cannot be patched stays as it is");

    assert_eq!(replaced["status"]["problemCount"], 1, "{:#}", replaced["status"]);
    assert_eq!(replaced["status"]["outcomes"]["updated"], 7, "{:#}", replaced["status"]);
    for (name, (uid, content)) in &after_replace {
        assert_eq!(*content, captured[name].1, "{name}");
        assert_ne!(*uid, after_patch[name].0, "{name} was not made anew");
    }
    let claim = cluster.get(&["pvc", "-n", SHOP, "data"]).expect("the claim");
    assert_eq!(claim["metadata"]["uid"], volume, "the claim is spared");

    modified_copy(&cluster, &installed);
    for namespace in [SHOP, "conflict-copy"] {
        cluster.delete_namespace(namespace);
    }
    cluster.kubectl(&["delete", "crd", WIDGETS]);
}

/// All three kinds of patches in one restore into another namespace.
fn modified_copy(cluster: &Cluster, installed: &Installation) {
    let rules = "version: v1\nresourceModifierRules:\n\
        - conditions: {groupResource: configmaps, resourceNameRegex: '^settings$'}\n  \
          patches: [{operation: replace, path: /data/sky, value: '\"green\"'}]\n\
        - conditions: {groupResource: widgets.conflict.example}\n  \
          mergePatches: [{patchData: '{\"spec\": {\"size\": 4}}'}]\n\
        - conditions: {groupResource: deployments.apps}\n  \
          strategicPatches: [{patchData: '{\"spec\": {\"template\": {\"spec\": {\"containers\": \
          [{\"name\": \"web\", \"image\": \"example.com/web:2\"}]}}}}'}]\n";
    let literal = format!("--from-literal=rules.yaml={rules}");
    cluster.kubectl(&["create", "configmap", "-n", SHOP, "rules", &literal]);
    let map = format!("{SHOP}:conflict-copy");
    let modifier = format!("{SHOP}/rules");

    let copied = restore(
        installed,
        "copied",
        "point",
        &["--map", &map, "--modifier", &modifier, "--without-volume-data"],
    );

    assert_eq!(copied["status"]["phase"], "Completed", "{:#}", copied["status"]);
    let copy = seen(cluster, "conflict-copy");
    assert_eq!(copy["configmap/settings"].1[0], json!({"sky": "green"}));
    assert_eq!(copy["widgets.conflict.example/first"].1[3], 4);
    assert_eq!(copy["deployment/web"].1[5], json!(["example.com/web:2", "example.com/log:1"]));
}
