//! What the extension's account can and cannot do, asked of the API server and compared with the documents.

use scenarios::{Cluster, Installation, NAMESPACE};
use serde_json::{Value, json};
use std::sync::OnceLock;

const ACCOUNT: &str = "system:serviceaccount:dataprotection-microsoft:cofferdam-extension";
const MOVERS: &str = "cofferdam-movers";
const VERBS: [&str; 15] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "impersonate",
    "bind",
    "escalate",
    "approve",
    "sign",
    "use",
    "proxy",
];
const RESOURCES: [(&str, &str); 17] = [
    ("", "secrets"),
    ("", "configmaps"),
    ("", "pods"),
    ("", "pods/exec"),
    ("", "nodes"),
    ("", "users"),
    ("", "groups"),
    ("", "serviceaccounts"),
    ("", "persistentvolumes"),
    ("", "persistentvolumeclaims"),
    ("apps", "deployments"),
    ("batch", "jobs"),
    ("certificates.k8s.io", "signers"),
    ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("snapshot.storage.k8s.io", "volumesnapshots"),
    ("clusterbackup.dataprotection.microsoft.com", "backups"),
];

fn installed() -> &'static Installation {
    static INSTALLED: OnceLock<Installation> = OnceLock::new();
    INSTALLED.get_or_init(|| Installation::fresh(&Cluster::one(), "permissions"))
}

/// One row of the tables in the documents.
#[derive(Debug)]
struct Row {
    /// `None`: the whole cluster.
    namespace: Option<&'static str>,
    restore: bool,
    groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// The tables of `docs/permissions.md`.
fn documented() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/permissions.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let (mut namespace, mut restore, mut rows) = (None, false, Vec::new());
    for line in text.lines() {
        if let Some(role) = line.strip_prefix("ClusterRole ") {
            (namespace, restore) = (None, role.contains("-restore"));
        } else if let Some(role) = line.strip_prefix("Role ") {
            (namespace, restore) = (Some(if role.contains("-own") { NAMESPACE } else { MOVERS }), false);
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if !line.starts_with("| `") || cells.len() != 4 {
            continue;
        }
        let names =
            |cell: &str| cell.split(", ").map(|name| name.trim_matches('`').replace("core", "")).collect();
        let verbs = cells[2].split(", ").map(str::to_owned).collect();
        rows.push(Row { namespace, restore, groups: names(cells[0]), resources: names(cells[1]), verbs });
    }
    assert!(rows.len() > 10, "{rows:?}");
    rows
}

fn allows(row: &Row, namespace: &str, group: &str, resource: &str, verb: &str) -> bool {
    let holds = |list: &[String], name: &str| list.iter().any(|entry| entry == "*" || entry == name);
    row.namespace.is_none_or(|own| own == namespace)
        && holds(&row.groups, group)
        && holds(&row.resources, resource)
        && holds(&row.verbs, verb)
}

/// What the API server answers to each (namespace, group, resource, verb).
fn asked(cluster: &Cluster, questions: &[(&str, &str, &str, &str)]) -> Vec<bool> {
    let reviews: Vec<Value> = questions
        .iter()
        .map(|(namespace, group, resource, verb)| {
            let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
                "user": ACCOUNT,
                "groups": ["system:serviceaccounts", "system:serviceaccounts:dataprotection-microsoft", "system:authenticated"],
                "resourceAttributes": {"namespace": namespace, "group": group, "resource": resource, "subresource": sub, "verb": verb},
            }})
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": reviews}).to_string();
    let answer = cluster.try_kubectl(&["create", "-f", "-", "-o", "json"], &list).ok();
    // kubectl prints one document per object.
    let answers =
        serde_json::Deserializer::from_str(&answer).into_iter::<Value>().map(|item| item.expect("JSON"));
    let flat =
        answers.flat_map(|item| item["items"].as_array().cloned().unwrap_or_else(|| vec![item.clone()]));
    flat.map(|item| item["status"]["allowed"] == true).collect()
}

/// Where the API server's answers are not what the document says.
fn differences(restore: bool) -> Vec<String> {
    let rows: Vec<Row> = documented().into_iter().filter(|row| restore || !row.restore).collect();
    let mut questions = Vec::new();
    for namespace in ["default", NAMESPACE, MOVERS] {
        for (group, resource) in RESOURCES {
            questions.extend(VERBS.map(|verb| (namespace, group, resource, verb)));
        }
    }
    let answers = asked(&installed().cluster, &questions);
    assert_eq!(answers.len(), questions.len());
    let judged = questions.iter().zip(answers);
    judged
        .filter_map(|((namespace, group, resource, verb), allowed)| {
            let expected = rows.iter().any(|row| allows(row, namespace, group, resource, verb));
            (allowed != expected).then(|| format!("{verb} {resource}.{group} in {namespace}: {allowed}"))
        })
        .collect()
}

#[test]
fn the_account_may_do_what_the_document_lists_and_nothing_else() {
    let cluster = &installed().cluster;

    assert_eq!(differences(true), Vec::<String>::new());

    // The comparison notices a single right beyond the document.
    cluster.kubectl(&["create", "role", "-n", "default", "pf-more", "--verb=watch", "--resource=secrets"]);
    let account = format!("--serviceaccount={NAMESPACE}:cofferdam-extension");
    cluster.kubectl(&["create", "rolebinding", "-n", "default", "pf-more", "--role=pf-more", &account]);
    let planted = differences(true);
    cluster.kubectl(&["delete", "role,rolebinding", "-n", "default", "pf-more"]);
    assert_eq!(planted, ["watch secrets. in default: true"]);
}

#[test]
fn without_restores_the_account_cannot_change_an_application() {
    let installation = installed();
    installation.install(&["--set", "restore.enabled=false"]).ok();
    for kind in ["clusterrole", "clusterrolebinding"] {
        installation.cluster.kubectl(&["delete", kind, "cofferdam-extension-restore", "--ignore-not-found"]);
    }

    assert_eq!(differences(false), Vec::<String>::new());
    let writes = ["create", "update", "patch", "delete"].map(|verb| ("default", "apps", "deployments", verb));
    assert_eq!(asked(&installation.cluster, &writes), [false; 4]);
    installation.install(&[]).ok();
}

#[test]
fn the_namespaces_reject_pods_that_ask_for_more() {
    let cluster = &installed().cluster;
    let pod = |namespace: &str, extra: Value| {
        let mut container = json!({"name": "a", "image": "a.example/a"});
        container.as_object_mut().expect("an object").insert("securityContext".to_owned(), extra);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": namespace},
            "spec": {"containers": [container]}});
        cluster.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &pod.to_string())
    };

    let as_root = pod(NAMESPACE, json!({}));
    let privileged = pod(MOVERS, json!({"privileged": true}));
    let plain = pod(MOVERS, json!({}));

    assert!(as_root.stderr.contains("violates PodSecurity \"restricted"), "{}", as_root.stderr);
    assert!(privileged.stderr.contains("violates PodSecurity \"baseline"), "{}", privileged.stderr);
    assert_eq!(plain.code, 0, "{}", plain.stderr);
}

#[test]
fn the_extensions_own_file_system_cannot_be_written() {
    let cluster = &installed().cluster;
    let inside = |arguments: &[&str]| {
        let mut all = vec!["exec", "-n", NAMESPACE, "deployment/cofferdam-extension", "--", "/cofferdam"];
        all.extend(arguments);
        cluster.try_kubectl(&all, "")
    };

    let works = inside(&["--version"]);
    let written = inside(&["repository", "--directory", "/etc", "--password-file", "/etc/hostname", "init"]);
    let user = cluster.kubectl(&[
        "get",
        "pods",
        "-n",
        NAMESPACE,
        "-o",
        "jsonpath={.items[0].spec.securityContext.runAsNonRoot}",
    ]);

    assert_eq!(works.code, 0, "{}", works.stderr);
    assert!(written.stderr.contains("Read-only file system"), "{}", written.stderr);
    assert_eq!(user, "true");
}
