//! A recovery point as manifests: `kubectl` alone makes the application again, in a cluster that has none of it.

use scenarios::volumes::{back_up, bound, claim, pod, world};
use scenarios::{Cluster, Installation, load_workload};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const SHOP: &str = "export-shop";
const GADGETS: &str = "gadgets.export.example";
/// Kinds of the application, as `kubectl get` names them.
const KINDS: &str =
    "configmaps,secrets,serviceaccounts,roles,rolebindings,services,deployments,cronjobs,gadgets,pods,pvc";

fn application() -> Vec<Value> {
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": {
        "serviceAccountName": "web", "containers": [{"name": "web", "image": "cofferdam.test/shell:1"}]}});
    let reading = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"});
    let account = json!([{"kind": "ServiceAccount", "name": "web", "namespace": SHOP}]);
    let once = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers":
        [{"name": "clean", "image": "cofferdam.test/shell:1"}]}}}});
    let of = |kind: &str, version: &str, name: &str, more: Value| {
        let mut object =
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": SHOP}});
        object.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        object
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    vec![
        of("ConfigMap", "v1", "texts", json!({"data": texts()})),
        of("Secret", "v1", "keys", json!({"data": {"key": "AAECAwQF/w=="}})),
        of("ServiceAccount", "v1", "web", json!({})),
        of("Role", rbac, "web", json!({"rules": reading})),
        of("RoleBinding", rbac, "web", json!({"roleRef": role, "subjects": account})),
        of("Service", "v1", "web", json!({"spec": {"selector": labels, "ports": [{"port": 80}]}})),
        of(
            "Deployment",
            "apps/v1",
            "web",
            json!({"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}}),
        ),
        of("CronJob", "batch/v1", "clean", json!({"spec": {"schedule": "0 3 * * *", "jobTemplate": once}})),
        of("Gadget", "export.example/v1", "first", json!({"spec": {"size": 3}})),
        claim(SHOP, "data", "standard", json!({})),
        pod(SHOP, "app", "data", false),
    ]
}

/// What a careless reader of YAML takes for something else.
fn texts() -> Value {
    json!({
        "yes": "on", "number": "1e3", "octal": "0o17", "time": "12:30:45", "date": "2026-01-01", "null": "~",
        "lines": "first\n  second\n\n", "tab": "\ta: b # c", "quote": "'\"\\", "control": "\u{7}\u{2028}",
        "empty": "", "document": "---\nkind: Secret\n",
    })
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": GADGETS},
        "spec": {"group": "export.example", "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    })
}

fn remove(cluster: &Cluster) {
    cluster.delete_namespace(SHOP);
    cluster.kubectl(&["delete", "crd", GADGETS, "--ignore-not-found"]);
}

/// Kind, name and what a person wrote of every object that a controller does not make by itself.
fn written(cluster: &Cluster) -> Vec<(String, String, Value)> {
    let listed = cluster.get(&[KINDS, "-n", SHOP]).expect("a list");
    let items = listed["items"].as_array().cloned().expect("items");
    let mut seen: Vec<_> = items
        .into_iter()
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let content = json!([object["data"], object["rules"], object["roleRef"], object["spec"]["size"]]);
            (text(&object["kind"]), text(&object["metadata"]["name"]), content)
        })
        // Its certificate is the other cluster's own.
        .filter(|(_, name, _)| name != "kube-root-ca.crt")
        .collect();
    seen.sort_by_key(|(kind, name, _)| (kind.clone(), name.clone()));
    seen
}

fn manifests(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    files
}

#[test]
fn kubectl_applies_the_manifests_of_a_recovery_point_to_a_cluster_that_has_none_of_it() {
    let (cluster, empty) = (Cluster::one(), Cluster::named("two"));
    for one in [&cluster, &empty] {
        load_workload(one, "shell");
        remove(one);
    }
    let installed = Installation::fresh(&cluster, "export");
    cluster.apply(&definition().to_string());
    cluster.kubectl(&["wait", "--for=condition=established", "crd", GADGETS]);
    world(&cluster, SHOP, application());
    bound(&cluster, SHOP, &["data"]);
    cluster.wait_ready(SHOP, "app=app", Duration::from_secs(60));
    let backup = back_up(&installed, "shop", SHOP, &[]);
    let point = backup["status"]["recoveryPoint"]["id"].as_str().expect("a recovery point").to_owned();
    let directory = tempfile::tempdir().expect("a directory");
    let to = directory.path().join("manifests");
    let target = to.display().to_string();
    let export = ["recovery-point", "export", &point, "--to", &target, "--cluster-scope", "false"];

    let exported = cluster.cofferdam(&export);
    let again = cluster.cofferdam(&export);

    assert_eq!(exported.code, 3, "a claim comes without its data: {}{}", exported.stdout, exported.stderr);
    assert!(exported.stdout.contains("persistentvolumeclaims/export-shop/data: "), "{}", exported.stdout);
    assert!(exported.stdout.contains("in snapshot "), "{}", exported.stdout);
    assert!(exported.stdout.contains("kubectl apply"), "{}", exported.stdout);
    assert_eq!(again.code, 5, "a directory with files is left alone: {}{}", again.stdout, again.stderr);
    for file in manifests(&to) {
        let text = std::fs::read_to_string(&file).expect("a manifest");
        for of_the_source in ["managedFields", "nodeName", "ownerReferences", "resourceVersion", "uid:"] {
            assert!(!text.contains(of_the_source), "{of_the_source} is in {}:\n{text}", file.display());
        }
        let path = file.display().to_string();
        empty.try_kubectl(&["apply", "--server-side", "-f", &path], "").ok();
    }
    assert_eq!(written(&empty), written(&cluster));
    let copied = empty.get(&["configmap", "texts", "-n", SHOP]).expect("the texts");
    assert_eq!(copied["data"], texts());
    empty.wait_ready(SHOP, "app=app", Duration::from_secs(60));
    remove(&empty);
    remove(&cluster);
}
