//! What a backup selects, on a real cluster: namespaces, types, labels, cluster-scoped objects, opting out.

use scenarios::{Cluster, Installation, LONG, Start, load_workload, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;

/// Objects by what a case asks about them.
const OBJECTS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: sel-a}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: sel-b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: plain, namespace: sel-a}, data: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: sel-a, labels: {env: prod, tier: web}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: db, namespace: sel-a, labels: {env: prod, tier: db}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: test, namespace: sel-a, labels: {env: test, tier: db}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: out-by-label, namespace: sel-a, labels: {velero.io/exclude-from-backup: 'true'}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: out-by-annotation, namespace: sel-a, annotations: {velero.io/exclude-from-backup: 'true'}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: hidden, namespace: sel-a, labels: {env: prod}}, stringData: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: sel-b}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: sel-a}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: sel-reader}, rules: []}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: sel-unrelated}, rules: []}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: sel-robot-reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sel-reader}
subjects: [{kind: ServiceAccount, name: robot, namespace: sel-a}]
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: sel-high}, value: 7}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: sel-unused}, value: 8}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: sel-a}
spec: {accessModes: [ReadWriteOnce], storageClassName: standard, resources: {requests: {storage: 32Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: box, namespace: sel-a}
spec:
  priorityClassName: sel-high
  terminationGracePeriodSeconds: 0
  containers: [{name: box, image: 'cofferdam.test/shell:1', imagePullPolicy: IfNotPresent, command: [sleep, '1000000']}]
---
TYPE(widgets, Widget)
---
TYPE(gadgets, Gadget)
";

const WIDGET: &str = "{apiVersion: sel.example/v1, kind: Widget, metadata: {name: w, namespace: sel-a}}";

/// One backup: its arguments, what its recovery point holds, and what it does not.
struct Case {
    name: &'static str,
    arguments: &'static [&'static str],
    holds: &'static [&'static str],
    lacks: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "everything",
        arguments: &[],
        holds: &[
            "configmaps/sel-a/plain",
            "configmaps/sel-b/other",
            "clusterroles.rbac.authorization.k8s.io/sel-unrelated",
        ],
        lacks: &[
            "*/kube-system/*",
            "*/kube-public/*",
            "*/kube-node-lease/*",
            "*/dataprotection-microsoft/*",
            "namespaces/kube-system",
            "configmaps/sel-a/out-by-label",
            "configmaps/sel-a/out-by-annotation",
        ],
    },
    Case {
        name: "namespaces-by-glob",
        arguments: &["--include-namespaces", "sel-*", "--exclude-namespaces", "sel-b"],
        holds: &["configmaps/sel-a/plain", "secrets/sel-a/hidden", "namespaces/sel-a"],
        lacks: &[
            "configmaps/sel-b/other",
            "namespaces/sel-b",
            "configmaps/sel-a/out-by-label",
            "configmaps/sel-a/out-by-annotation",
        ],
    },
    Case {
        name: "types-by-kind",
        arguments: &[
            "--include-namespaces",
            "sel-a",
            "--include-resources",
            "v1/ConfigMap,sel.example/v1/Widget",
        ],
        holds: &["configmaps/sel-a/plain", "widgets.sel.example/sel-a/w"],
        lacks: &["secrets/sel-a/hidden", "pods/sel-a/box"],
    },
    Case {
        name: "types-by-plural",
        arguments: &[
            "--include-namespaces",
            "sel-a",
            "--include-resources",
            "configmaps,widgets.sel.example",
        ],
        holds: &["configmaps/sel-a/plain", "widgets.sel.example/sel-a/w"],
        lacks: &["secrets/sel-a/hidden", "pods/sel-a/box"],
    },
    Case {
        name: "without-secrets-by-kind",
        arguments: &["--include-namespaces", "sel-a", "--exclude-resources", "v1/Secret"],
        holds: &["configmaps/sel-a/plain", "pods/sel-a/box"],
        lacks: &["secrets/sel-a/hidden"],
    },
    Case {
        name: "without-secrets-by-plural",
        arguments: &["--include-namespaces", "sel-a", "--exclude-resources", "secrets"],
        holds: &["configmaps/sel-a/plain", "pods/sel-a/box"],
        lacks: &["secrets/sel-a/hidden"],
    },
    Case {
        name: "labels",
        arguments: &["--include-namespaces", "sel-a", "-l", "env=prod;tier!=web"],
        holds: &["configmaps/sel-a/db", "secrets/sel-a/hidden"],
        lacks: &["configmaps/sel-a/web", "configmaps/sel-a/test", "configmaps/sel-a/plain"],
    },
    Case {
        name: "labels-in-sets",
        arguments: &["--include-namespaces", "sel-a", "-l", "tier in (web,db)", "-l", "env notin (test)"],
        holds: &["configmaps/sel-a/db", "configmaps/sel-a/web"],
        lacks: &["configmaps/sel-a/test", "configmaps/sel-a/plain", "secrets/sel-a/hidden"],
    },
    Case {
        name: "related-only",
        arguments: &["--include-namespaces", "sel-a", "--cluster-scope", "false"],
        holds: &[
            "namespaces/sel-a",
            "customresourcedefinitions.apiextensions.k8s.io/widgets.sel.example",
            "persistentvolumes/*",
            "storageclasses.storage.k8s.io/standard",
            "priorityclasses.scheduling.k8s.io/sel-high",
            "clusterroles.rbac.authorization.k8s.io/sel-reader",
            "clusterrolebindings.rbac.authorization.k8s.io/sel-robot-reads",
        ],
        lacks: &[
            "customresourcedefinitions.apiextensions.k8s.io/gadgets.sel.example",
            "storageclasses.storage.k8s.io/plain",
            "priorityclasses.scheduling.k8s.io/sel-unused",
            "clusterroles.rbac.authorization.k8s.io/sel-unrelated",
            "namespaces/sel-b",
        ],
    },
    Case {
        name: "without-volumes",
        arguments: &["--include-namespaces", "sel-a", "--snapshot-volumes", "false"],
        holds: &["persistentvolumeclaims/sel-a/data"],
        lacks: &[],
    },
    Case {
        name: "missing",
        arguments: &["--include-namespaces", "sel-a,sel-nowhere"],
        holds: &["configmaps/sel-a/plain"],
        lacks: &[],
    },
    Case {
        name: "protected-namespace",
        arguments: &["--include-namespaces", "sel-a,kube-system"],
        holds: &["configmaps/sel-a/plain"],
        lacks: &["*/kube-system/*"],
    },
];

#[test]
fn a_backup_holds_what_it_selects_and_nothing_else() {
    let cluster = Cluster::one();
    let installed = Installation::beside(&cluster, "selection");
    load_workload(&cluster, "shell");
    for namespace in ["sel-a", "sel-b"] {
        cluster.delete_namespace(namespace);
    }
    let objects = OBJECTS
        .replace("TYPE(widgets, Widget)", &custom_type("widgets", "Widget"))
        .replace("TYPE(gadgets, Gadget)", &custom_type("gadgets", "Gadget"));
    cluster.apply(&objects);
    wait_until("the custom resource", LONG, || {
        let applied = cluster.try_kubectl(&["apply", "-f", "-"], WIDGET);
        if applied.code == 0 { Ok(()) } else { Err(applied.stderr) }
    });
    wait_until("the claim bound", LONG, || {
        let claim = cluster.get(&["pvc", "data", "-n", "sel-a"]).unwrap_or_default();
        if claim["status"]["phase"] == "Bound" { Ok(()) } else { Err(claim["status"].to_string()) }
    });

    for case in CASES {
        let mut all = vec!["backup", "create", case.name];
        all.extend(case.arguments);
        cluster.cofferdam(&all).ok();
    }
    let running = Start::new(&cluster, "selection").run();
    let ended: Vec<Value> = CASES
        .iter()
        .map(|case| installed.wait_phase("backups", case.name, &scenarios::ENDED, LONG))
        .collect();
    running.kill();

    let mut wrong = Vec::new();
    for (case, backup) in CASES.iter().zip(&ended) {
        let phase = backup["status"]["phase"].as_str().unwrap_or_default();
        if !phase.starts_with("Completed") {
            wrong.push(format!("{}: {}", case.name, backup["status"]));
            continue;
        }
        let held = held(&cluster, backup["status"]["recoveryPoint"]["id"].as_str().expect("an id"));
        let missing = case.holds.iter().filter(|pattern| !held.iter().any(|path| matches(path, pattern)));
        wrong.extend(missing.map(|pattern| format!("{} lacks {pattern}", case.name)));
        for pattern in case.lacks {
            let too_many = held.iter().filter(|path| matches(path, pattern));
            wrong.extend(too_many.map(|path| format!("{} holds {path}", case.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let of = |name: &str| &ended[CASES.iter().position(|case| case.name == name).expect("a case")]["status"];
    assert_eq!(of("without-volumes")["volumes"]["snapshots"], 0);
    assert_eq!(of("related-only")["volumes"]["snapshots"], 1);
    assert_eq!(of("missing")["phase"], "CompletedWithWarnings");
    let problems = of("missing")["problems"].to_string();
    assert!(
        problems.contains("UserErrorNamespaceNotFound") && problems.contains("sel-nowhere"),
        "{problems}"
    );
    assert_eq!(of("protected-namespace")["phase"], "CompletedWithWarnings");
    let problems = of("protected-namespace")["problems"].to_string();
    assert!(problems.contains("kube-system"), "{problems}");
    for namespace in ["sel-a", "sel-b"] {
        cluster.kubectl(&["delete", "namespace", namespace, "--wait=false"]);
    }
    cluster.kubectl(&["delete", "crd", "widgets.sel.example", "gadgets.sel.example", "--wait=false"]);
    cluster.kubectl(&["delete", "clusterrolebinding", "sel-robot-reads"]);
    cluster.kubectl(&["delete", "clusterrole", "sel-reader", "sel-unrelated"]);
    cluster.kubectl(&["delete", "priorityclass", "sel-high", "sel-unused"]);
}

/// The paths of all objects of a recovery point: `resource.group/[namespace/]name`.
fn held(cluster: &Cluster, id: &str) -> BTreeSet<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let to = directory.path().to_str().expect("its path");
    cluster.cofferdam(&["recovery-point", "download", id, "--to", to]).ok();
    let index = std::fs::read_to_string(directory.path().join("resources/index.json")).expect("the index");
    let entries: Vec<Value> = serde_json::from_str(&index).expect("a list");
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    entries
        .iter()
        .map(|entry| {
            let parts = [text(entry, "resource"), text(entry, "group")];
            let resource =
                parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(".");
            let parts = [resource, text(entry, "namespace"), text(entry, "name")];
            parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/")
        })
        .collect()
}

/// Whether a path is meant by a pattern in which `*` stands for a whole part.
fn matches(path: &str, pattern: &str) -> bool {
    let (path, pattern): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), pattern.split('/').collect());
    path.len() == pattern.len() && path.iter().zip(&pattern).all(|(a, b)| *b == "*" || a == b)
}

fn custom_type(plural: &str, kind: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {plural}.sel.example}}\n\
         spec:\n  group: sel.example\n  scope: Namespaced\n  names: {{plural: {plural}, singular: {0}, kind: {kind}}}\n  \
         versions:\n    - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}",
        kind.to_lowercase()
    )
}
