//! Preflight beside another API server: a target that serves other versions, one without extension, room or free names, and
//! a cluster with more namespaces than AKS backup takes.

use scenarios::{Bare, Cluster, Installation, Preflight, volumes};
use serde_json::{Value, json};

/// A definition of things that is served in these versions.
fn things(versions: &[&str]) -> Value {
    let served = |name: &&str| {
        json!({"name": name, "served": true, "storage": *name == versions[0],
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}})
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.pf.example"},
        "spec": {"group": "pf.example", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": versions.iter().map(served).collect::<Vec<_>>()},
    })
}

fn define(cluster: &Cluster, definitions: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": definitions});
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    cluster.try_kubectl(&apply, &list.to_string()).ok();
    cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]);
}

/// All definitions of a cluster, as another one takes them.
fn definitions(cluster: &Cluster) -> Vec<Value> {
    let all = cluster.get(&["crd"]).expect("a list");
    let bare = |one: &Value| {
        let approved = "api-approved.kubernetes.io";
        let annotations =
            json!({approved: one["metadata"]["annotations"].get(approved).unwrap_or(&json!(""))});
        json!({"apiVersion": one["apiVersion"], "kind": one["kind"], "spec": one["spec"],
            "metadata": {"name": one["metadata"]["name"], "annotations": annotations}})
    };
    all["items"].as_array().expect("items").iter().map(bare).collect()
}

#[test]
fn a_target_that_serves_another_version_is_named_until_it_serves_that_of_the_source() {
    let source = Cluster::one();
    let target = Bare::up(&format!("{}far", source.name));
    let clean = || source.kubectl(&["delete", "crd", "things.pf.example", "--ignore-not-found"]);
    clean();
    // The newest is preferred: in it objects are backed up.
    define(&source, &[things(&["v2", "v1"])]);
    define(&target.0, &[things(&["v1"])]);
    let compare = |from: &Cluster, to: &Cluster| {
        Preflight::run(from, &["--only", "P47", "--target-kubeconfig", &to.kubeconfig])
    };

    let older = compare(&source, &target.0);
    let back = compare(&target.0, &source);
    define(&target.0, &definitions(&source));
    let same = compare(&source, &target.0);
    target.0.kubectl(&["delete", "crd", "things.pf.example"]);
    define(&target.0, &[things(&["v2"])]);
    let without_old = compare(&source, &target.0);
    clean();

    older.expect("P47", "Failed Warn", "the target does not serve ");
    older.expect_code("P47", "UserErrorSourceandTargetClusterCRDVersionMismatch");
    assert_eq!(older.code, 3);
    let named = older.check("P47")["details"]["objects"].to_string();
    assert!(named.contains("pf.example/v2/things") && !named.contains("pf.example/v1/things"), "{named}");
    assert!(older.fix("P47").contains("install the CustomResourceDefinitions there first"), "{older:?}");
    back.expect("P47", "Passed", "serves every resource");
    same.expect("P47", "Passed", "serves every resource");
    without_old.expect("P47", "Passed", "serves every resource");
}

#[test]
fn a_target_without_extension_room_and_free_names_is_told_all_three_and_one_that_has_them_is_well() {
    let source = Cluster::one();
    Installation::fresh(&source, "preflight-target");
    let target = Bare::up(&format!("{}empty", source.name));
    let claim = volumes::claim("pf-target", "data", "", json!({}));
    volumes::world(&source, "pf-target", vec![claim.clone()]);
    let look = |from: &Cluster, to: &Cluster| {
        Preflight::run(from, &["--only", "P2,P46,P50", "--target-kubeconfig", &to.kubeconfig])
    };

    // No node, no extension, and no claim of the source's names.
    let empty = look(&source, &target.0);
    volumes::world(&target.0, "pf-target", vec![claim]);
    let taken = look(&source, &target.0);
    let line = taken.commands("P50", "kubectl").first().copied().unwrap_or_default().to_owned();
    let line = line.replace("CLAIM", "data").replace("NAMESPACE", "pf-target");
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    target.0.kubectl(&words);
    let freed = look(&source, &target.0);
    // The other way round: nothing asks for room, and the extension runs where it is restored to.
    let well = look(&target.0, &source);
    source.delete_namespace("pf-target");

    empty.expect("P2", "Failed Block", "the target has no Backup Extension");
    empty.expect_code("P2", "UserErrorKubernetesBackupExtensionNotFoundError");
    empty.expect("P46", "Failed Warn", "m CPU, 0 m are free");
    empty.expect("P50", "Passed", "no claim of the source exists in the target");
    assert_eq!(empty.code, 5, "{empty:?}");
    taken.expect("P50", "Failed Warn", "they exist in the target: pf-target/data");
    freed.expect("P50", "Passed", "no claim of the source exists in the target");
    well.expect("P2", "Passed", "dataprotection-microsoft/cofferdam-extension: 1 pods are available");
    well.expect("P46", "Passed", "MiB are free");
    well.expect("P50", "Passed", "no claim of the source exists in the target");
    assert_eq!((well.failed(), well.code), (vec![], 0), "{well:?}");
}

#[test]
fn the_801st_namespace_blocks_under_the_rules_of_aks_and_is_told_under_ours() {
    let crowded = Bare::up(&format!("{}crowd", Cluster::one().name));
    let there = crowded.0.kubectl(&["get", "namespaces", "-o", "name"]).lines().count();
    let namespace = |number: usize| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("crowd-{number}")}});
    let all: Vec<Value> = (there..801).map(namespace).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": all});
    crowded.0.try_kubectl(&["create", "-f", "-"], &list.to_string()).ok();

    let aks = Preflight::run(&crowded.0, &["--profile", "aks", "--only", "P37"]);
    let ours = Preflight::run(&crowded.0, &["--only", "P37"]);
    // The printed command's own arguments, with two of the namespaces.
    let (_, some) = aks.commands("P37", "cofferdam")[0].split_once("backup create ").expect("a backup");
    let some = some.replace("NAMESPACE,…", "default,crowd-800");
    let some: Vec<&str> = ["--profile", "aks", "--only", "P37"].into_iter().chain(some.split(' ')).collect();
    let named = Preflight::run(&crowded.0, &some);
    crowded.0.delete_namespace("crowd-800");
    let fewer = Preflight::run(&crowded.0, &["--profile", "aks", "--only", "P37"]);

    aks.expect("P37", "Failed Block", "801 namespaces");
    aks.expect_code("P37", "UserErrorTooManyNamespaces");
    assert_eq!(aks.code, 5);
    assert!(aks.fix("P37").contains("--include-namespaces"), "{aks:?}");
    named.expect("P37", "Passed", "2 of 801 namespaces are named");
    assert_eq!(named.code, 0, "{named:?}");
    ours.expect("P37", "Passed", "801 namespaces");
    assert_eq!((&ours.check("P37")["information"], ours.code), (&true.into(), 0), "{ours:?}");
    fewer.expect("P37", "Passed", "800 namespaces");
    assert_eq!(fewer.code, 0);
}
