//! Extensions of a third party whose pods do not start: what the vault shows then, and what is left in the cluster.

use scenarios::{Cluster, LONG, Managed, Person, Vault, wait_until};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where the cluster's pods reach the machine that the tests run on; apart from the addresses of other stories.
const ADDRESS: &str = "10.213.0.2:8453";
const AT: [&str; 4] = ["-g", "clusters", "--cluster-name", "thirds"];

/// An extension of one Deployment with this container.
fn package(name: &str, container: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": {"$agent": "namespace"}});
    let labels = json!({"app": name});
    json!({
        "formatVersion": 1, "type": format!("example.{name}"), "version": "1.0.0", "releaseTrain": "stable",
        "namespace": name,
        "gate": {"cluster": ["P11", "P20"]},
        "objects": [
            {"resource": "namespaces", "object": {"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": {"$agent": "namespace"}}}},
            {"resource": "clusterroles", "object": {"apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole", "metadata": {"name": name}, "rules": []}},
            {"resource": "deployments", "object": {"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": metadata, "spec": {"selector": {"matchLabels": labels}, "template": {
                    "metadata": {"labels": labels},
                    "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}}}},
        ],
        "health": [{"kind": "Deployment", "name": name, "withinSeconds": 45}],
    })
}

/// The cluster is the vault's.
fn connected(vault: &Vault, cluster: &Cluster, thirds: &[PathBuf]) -> Person {
    let person = vault.administrator();
    for provider in ["Microsoft.ContainerService", "Microsoft.KubernetesConfiguration"] {
        person.line(&["provider", "register", "-n", provider]);
    }
    person.line(&["group", "create", "-n", "clusters", "-l", "local"]);
    let mut connect = vec!["cluster", "connect", "-n", "thirds", "-g", "clusters"];
    for package in thirds {
        connect.extend(["--package", package.to_str().expect("a plain path")]);
    }
    let manifest = person.line(&connect);
    cluster.try_kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest).ok();
    let connected = "properties.cofferdam.connected";
    wait_until("the cluster is connected", LONG, || {
        let seen = person
            .line(&["cluster", "show", "-n", "thirds", "-g", "clusters", "--query", connected, "-o", "tsv"]);
        if seen == "true" { Ok(()) } else { Err(seen) }
    });
    person
}

#[test]
fn an_extension_whose_pods_crash_or_have_no_image_is_removed_again_and_the_vault_shows_what_the_pods_said() {
    let one = Managed::empty(Cluster::one());
    let crashing = json!({"name": "main", "image": "cofferdam.test/shell:1", "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "echo the recipe is missing > /dev/termination-log; exit 7"]});
    let imageless = json!({"name": "main", "image": "registry.invalid/none:1"});
    let thirds = [package("crashing", &crashing), package("imageless", &imageless)];
    let place = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::offering(place.path(), ADDRESS, &thirds);
    let packages: Vec<PathBuf> =
        ["crashing", "imageless"].map(|name| place.path().join(format!("example.{name}.json"))).into();
    let person = connected(&vault, &one.0, &packages);

    for (name, code, words) in [
        ("crashing", "PodsCrash", ["ended with code 7", "the recipe is missing"]),
        ("imageless", "ImagePullFailed", ["image registry.invalid/none:1", "of container main"]),
    ] {
        let kind = format!("example.{name}");
        let create = ["extension", "create", "-n", name, "--extension-type", &kind];
        let created = person.cofferdam(&[&create[..], &AT].concat());
        let show = ["extension", "show", "-n", name, "-o", "json"];
        let shown = person.line(&[&show[..], &AT].concat());
        let shown: Value = serde_json::from_str(&shown).expect("a document");

        assert_ne!(created.code, 0, "{created:?}");
        let properties = &shown["properties"];
        assert_eq!(properties["provisioningState"], "Failed", "{properties}");
        assert_eq!(properties["errorInfo"]["code"], code, "{properties}");
        assert_eq!(properties["errorInfo"]["details"][0]["code"], code, "{properties}");
        for words in words {
            assert!(properties["errorInfo"]["message"].to_string().contains(words), "{words}: {properties}");
            assert!(properties["statuses"].to_string().contains(words), "{words}: {properties}");
            assert!(created.stderr.contains(words), "{words}: {}", created.stderr);
        }
        let found = ["get", "namespace,clusterrole", name, "--ignore-not-found", "-o", "name"];
        assert_eq!(one.0.kubectl(&found), "", "it was removed again");
        let delete = ["extension", "delete", "-n", name, "--yes"];
        person.does(&[&delete[..], &AT].concat());
    }
}
