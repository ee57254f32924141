//! Extensions of a third party: one that lives beside the backup extension from its installation to its removal, and those
//! whose pods do not start.

use scenarios::{Cluster, LONG, Managed, NAMESPACE, Person, Vault, wait_until};
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

/// A healthy one. Every version has the same names in it, for which the agent has its rights; which of them exist differs.
fn greeter(version: &str) -> Value {
    let container = json!({"name": "main", "image": "cofferdam.test/shell:1", "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"],
        "env": [{"name": "VERSION", "value": version}]});
    let mut package = package("greeter", &container);
    package["version"] = json!(version);
    package["settings"] =
        json!({"greeting": {"type": "string", "default": "hello"}, "never": {"type": "string"}});
    let objects = package["objects"].as_array_mut().expect("objects");
    // So that no pod of the version before is taken for one of this version.
    objects[2]["object"]["spec"]["strategy"] = json!({"type": "Recreate"});
    let config = |name: &str, data: Value| {
        json!({"resource": "configmaps", "object": {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": {"$agent": "namespace"}}, "data": data}})
    };
    objects.push(config("greeter", json!({"version": version, "greeting": {"$setting": "greeting"}})));
    let mut only = [config("only-1", json!({})), config("only-2", json!({}))];
    only[usize::from(version.starts_with('1'))]["when"] = json!({"set": "never"});
    objects.extend(only);
    package
}

/// A cluster of a vault that offers extensions of a third party.
struct Offered {
    person: Person,
    cluster: Managed,
    /// Ends last: the cluster's parts may need it to go.
    vault: Vault,
}

impl Offered {
    /// A command about extensions, such as `["show", "-n", "greeter"]`.
    fn does(&self, what: &[&str]) -> String {
        self.person.does(&[&["extension"], what, &AT[..]].concat())
    }

    /// What the API says of an extension.
    fn shown(&self, name: &str) -> Value {
        let shown = self.does(&["show", "-n", name, "-o", "json"]);
        serde_json::from_str::<Value>(&shown).expect("a document")["properties"].clone()
    }

    /// The Backup Extension in the cluster and at the vault: everything that changes when somebody touches it.
    fn backup_extension(&self) -> Value {
        let get =
            |what: &[&str]| self.cluster.0.get(&[what, &["-n", NAMESPACE]].concat()).expect("it is there");
        let deployment = get(&["deployment", "cofferdam-extension"]);
        let pods = get(&["pods"])["items"].as_array().expect("pods").clone();
        let pod = |pod: &Value| {
            let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
            json!({"uid": pod["metadata"]["uid"], "restarts": restarts})
        };
        let shown = self.shown("azure-aks-backup");
        let ready = deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"];
        json!({
            "uid": deployment["metadata"]["uid"], "generation": deployment["metadata"]["generation"], "ready": ready,
            "pods": pods.iter().map(pod).collect::<Vec<_>>(), "state": shown["provisioningState"],
            "version": shown["currentVersion"], "error": shown["errorInfo"],
            "principal": shown["aksAssignedIdentity"]["principalId"],
        })
    }

    /// What there is of the greeter: its objects in the namespace, and what the version that runs says of itself.
    fn greeter(&self) -> (Vec<String>, String, String) {
        let kubectl = |args: &[&str]| self.cluster.0.kubectl(&[&["-n", "greeter"], args].concat());
        let names = kubectl(&["get", "configmaps,deployments", "-o", "name"]);
        let ours = names.lines().filter(|name| !name.ends_with("kube-root-ca.crt"));
        let said = kubectl(&["exec", "deployment/greeter", "--", "sh", "-c", "echo $VERSION"]);
        let config = ["get", "configmap", "greeter", "-o", "jsonpath={.data.version} {.data.greeting}"];
        (ours.map(str::to_owned).collect(), said.trim().to_owned(), kubectl(&config))
    }
}

#[test]
fn extensions_of_a_third_party_live_beside_the_backup_extension_or_are_removed_again() {
    let cluster = Managed::empty(Cluster::one());
    let crashing = json!({"name": "main", "image": "cofferdam.test/shell:1", "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "echo the recipe is missing > /dev/termination-log; exit 7"]});
    let imageless = json!({"name": "main", "image": "registry.invalid/none:1"});
    let thirds = [package("crashing", &crashing), package("imageless", &imageless), greeter("1.0.0")];
    let place = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::offering(place.path(), ADDRESS, &thirds);
    let packages: Vec<PathBuf> = ["crashing", "imageless", "greeter"]
        .map(|name| place.path().join(format!("example.{name}.json")))
        .into();
    let person = connected(&vault, &cluster.0, &packages);
    let it = Offered { person, cluster, vault };

    backup_extension_is_installed(&it);
    a_healthy_one_is_installed_upgraded_and_uninstalled(&it);
    one_whose_pods_do_not_start_is_removed_again_and_the_vault_shows_what_they_said(&it);
}

fn backup_extension_is_installed(it: &Offered) {
    let line = |args: &[&str]| it.person.line(args);
    line(&["provider", "register", "-n", "Microsoft.Storage"]);
    line(&["storage", "account", "create", "-n", "thirdstore", "-g", "clusters"]);
    line(&[
        "storage",
        "container",
        "create",
        "-n",
        "backups",
        "--account-name",
        "thirdstore",
        "-g",
        "clusters",
    ]);
    let subscription = line(&["account", "show", "--query", "id", "-o", "tsv"]);
    let subscription = format!("storageAccountSubscriptionId={subscription}");
    let place =
        ["blobContainer=backups", "storageAccount=thirdstore", "storageAccountResourceGroup=clusters"];
    let settings = [&place[..], &[subscription.as_str(), "resources.requests.cpu=50m"]].concat();
    it.does(&[&["create", "-n", "azure-aks-backup", "--config"], &settings[..]].concat());
}

fn a_healthy_one_is_installed_upgraded_and_uninstalled(it: &Offered) {
    let mut beside = vec![it.backup_extension()];

    let create =
        ["--extension-type", "example.greeter", "--version", "1.0.0", "--config", "greeting=good day"];
    it.does(&[&["create", "-n", "greeter"], &create[..]].concat());
    let (first, installed) = (it.greeter(), it.shown("greeter"));
    beside.push(it.backup_extension());
    it.vault.offer_third(&greeter("2.0.0"));
    let update = [&["extension", "update", "-n", "greeter", "--version", "2.0.0"], &AT[..]].concat();
    wait_until("the next version is offered, and installed", LONG, || {
        let ran = it.person.cofferdam(&update);
        if ran.stderr.contains("ExtensionVersionNotFound") { Err(ran.stderr) } else { Ok(ran.ok()) }
    });
    let (second, upgraded) = (it.greeter(), it.shown("greeter"));
    beside.push(it.backup_extension());
    it.does(&["delete", "-n", "greeter", "--yes"]);
    let gone = it.person.cofferdam(&[&["extension", "show", "-n", "greeter"], &AT[..]].concat());
    let found = ["get", "namespace,clusterrole", "greeter", "--ignore-not-found", "-o", "name"];
    let left = it.cluster.0.kubectl(&found);
    let names = it.does(&["list", "--query", "[].name", "-o", "tsv"]);
    beside.push(it.backup_extension());

    let objects =
        |only: &str| ["configmap/greeter", only, "deployment.apps/greeter"].map(str::to_owned).to_vec();
    let said = |version: &str| (version.to_owned(), format!("{version} good day"));
    let of = |seen: (Vec<String>, String, String)| (seen.0, (seen.1, seen.2));
    assert_eq!(of(first), (objects("configmap/only-1"), said("1.0.0")));
    assert_eq!(of(second), (objects("configmap/only-2"), said("2.0.0")));
    for (shown, version) in [(&installed, "1.0.0"), (&upgraded, "2.0.0")] {
        assert_eq!(shown["provisioningState"], "Succeeded", "{shown}");
        assert_eq!(
            (&shown["currentVersion"], &shown["version"]),
            (&json!(version), &json!(version)),
            "{shown}"
        );
        assert_eq!((&shown["extensionType"], &shown["errorInfo"]), (&json!("example.greeter"), &Value::Null));
    }
    assert!(gone.code != 0 && gone.stderr.contains("ResourceNotFound"), "{gone:?}");
    assert_eq!((left.as_str(), names.trim()), ("", "azure-aks-backup"));
    let before = &beside[0];
    assert_eq!((&before["ready"], &before["state"]), (&json!(true), &json!("Succeeded")), "{before:#}");
    assert!(before["uid"].is_string() && before["pods"][0]["uid"].is_string(), "{before:#}");
    for after in &beside {
        assert_eq!(after, before, "nobody touched the backup extension");
    }
}

fn one_whose_pods_do_not_start_is_removed_again_and_the_vault_shows_what_they_said(it: &Offered) {
    for (name, code, words) in [
        ("crashing", "PodsCrash", ["ended with code 7", "the recipe is missing"]),
        ("imageless", "ImagePullFailed", ["image registry.invalid/none:1", "of container main"]),
    ] {
        let kind = format!("example.{name}");
        let create = ["extension", "create", "-n", name, "--extension-type", &kind];
        let created = it.person.cofferdam(&[&create[..], &AT].concat());
        let properties = it.shown(name);

        assert_ne!(created.code, 0, "{created:?}");
        assert_eq!(properties["provisioningState"], "Failed", "{properties}");
        assert_eq!(properties["errorInfo"]["code"], code, "{properties}");
        assert_eq!(properties["errorInfo"]["details"][0]["code"], code, "{properties}");
        for words in words {
            assert!(properties["errorInfo"]["message"].to_string().contains(words), "{words}: {properties}");
            assert!(properties["statuses"].to_string().contains(words), "{words}: {properties}");
            assert!(created.stderr.contains(words), "{words}: {}", created.stderr);
        }
        let found = ["get", "namespace,clusterrole", name, "--ignore-not-found", "-o", "name"];
        assert_eq!(it.cluster.0.kubectl(&found), "", "it was removed again");
        it.does(&["delete", "-n", name, "--yes"]);
    }
}
