//! `cofferdam preflight --fix` on a cluster: what Velero left, a driver without a class, a namespace that is too strict. Each
//! is shown by the API server's own dry run first, mended after a yes, and seen as mended. And the rules for the way out
//! are such as the programs take that they are meant for.

use scenarios::{Cluster, IMAGE, Installation, NAMESPACE, Preflight, Ran, Recorded, binary, run, velero};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

/// The API server can lose a definition that is deleted within a second or two of its creation.
const OLD_ENOUGH: Duration = Duration::from_secs(4);

fn rows(found: &Preflight) -> Vec<(String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = found.document["fixes"].as_array().unwrap();
    rows.iter().map(|row| (text(row, "check"), text(row, "state"))).collect()
}

fn states<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
}

/// A kubeconfig of an account that may look at everything and change nothing.
fn visitor(cluster: &Cluster, folder: &std::path::Path) -> String {
    let kubeconfig = folder.join("kubeconfig").display().to_string();
    std::fs::copy(&cluster.kubeconfig, &kubeconfig).unwrap();
    cluster.apply(
        r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"pf-visitor","namespace":"default"}},
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"pf-visitor"},
          "rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["get","list"]}]},
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"pf-visitor"},
          "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"pf-visitor"},
          "subjects":[{"kind":"ServiceAccount","name":"pf-visitor","namespace":"default"}]}]}"#,
    );
    let token = cluster.kubectl(&["create", "token", "-n", "default", "pf-visitor"]);
    for arguments in [
        ["set-credentials", "pf-visitor", "--token", token.trim()],
        ["set-context", "--current", "--user", "pf-visitor"],
    ] {
        let mut command = Command::new(binary("testbed"));
        command.args(["kubectl", "--name", &cluster.name, "--", "--kubeconfig", &kubeconfig, "config"]);
        command.args(arguments);
        run(command, "").ok();
    }
    kubeconfig
}

/// A namespace with marks, two definitions and a labelled class.
fn left_by_velero(cluster: &Cluster) {
    let annotations =
        json!({"velero.io/what-ever": "true", "velero.io/exclude-from-backup": "true", "note": "mine"});
    velero::leave(
        cluster,
        &[
            velero::namespace("pf-left", annotations),
            velero::definition("Restore", "restores"),
            velero::definition("Backup", "backups"),
            velero::class("pf-labelled", "nobody.example"),
        ],
    );
}

#[test]
fn what_velero_left_is_shown_first_and_goes_after_a_yes_and_only_what_has_no_objects() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.delete_namespace("pf-left");
        velero::forget(&cluster, &["pf-labelled"]);
        cluster.kubectl(&["delete", "clusterrolebinding,clusterrole", "pf-visitor", "--ignore-not-found"]);
    };
    clean();
    left_by_velero(&cluster);
    cluster.apply(OBJECT);
    std::thread::sleep(OLD_ENOUGH);
    let folder = tempfile::tempdir().unwrap();
    let visitor = visitor(&cluster, folder.path());
    let aks = |more: &[&str]| Preflight::run(&cluster, &[&["--profile", "aks"], more].concat());
    let marks = || cluster.get(&["namespace", "pf-left"]).unwrap()["metadata"]["annotations"].clone();

    let refused = cluster.cofferdam(&["preflight", "--profile", "aks", "--fix"]);
    let rehearsed = aks(&["--fix", "--dry-run"]);
    let forbidden = aks(&["--fix", "--yes", "--only", "P18", "--kubeconfig", &visitor]);
    let before = (marks(), cluster.get(&["crd", "restores.velero.io"]).is_some());
    let mended = aks(&["--fix", "--yes"]);
    let again = aks(&["--fix", "--yes"]);
    let (after, backups) = (marks(), cluster.get(&["crd", "backups.velero.io"]));
    let restores = scenarios::wait_until("the definition goes", Duration::from_secs(60), || {
        match cluster.get(&["crd", "restores.velero.io"]) {
            None => Ok(true),
            Some(left) => Err(format!("{:#}", left["status"])),
        }
    });
    let labels = cluster.get(&["volumesnapshotclass", "pf-labelled"]).unwrap()["metadata"]["labels"].clone();
    clean();

    assert_eq!(refused.code, 5, "{}", refused.stderr);
    for part in
        ["restores.velero.io", "before: ", "takes:  ", "1 stay, for they have objects: backups.velero.io"]
    {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let all = |state: &'static str| states(&[("P17", state), ("P18", state), ("P19", state)]);
    assert_eq!(rows(&rehearsed), all("planned"), "{rehearsed:?}");
    let told = rehearsed.document["fixes"].to_string();
    assert!(told.contains("customresourcedefinition/restores.velero.io deleted"), "{told}");
    assert!(told.contains("namespaces/pf-left: velero.io/what-ever removed"), "{told}");
    assert_eq!((rows(&forbidden), forbidden.code), (states(&[("P18", "failed")]), 1));
    assert!(forbidden.document["fixes"].to_string().contains("forbidden"), "{forbidden:?}");
    assert_eq!(
        before.0["velero.io/what-ever"], "true",
        "a dry run keeps nothing, and no right changes nothing"
    );
    assert!(before.1);
    assert_eq!(rows(&mended), all("done"), "{mended:?}");
    mended.expect("P18", "Passed", "no snapshot class carries the label");
    assert_eq!(mended.result("P19"), "Passed", "{:#}", mended.check("P19"));
    mended.expect("P17", "Failed Block", "its CustomResourceDefinitions");
    mended.expect_code("P17", None);
    assert_eq!(rows(&again), [], "{again:?}");
    assert!(restores && backups.is_some(), "the definition with an object stays");
    assert_eq!(after["velero.io/what-ever"], Value::Null, "{after:#}");
    assert_eq!((&after["velero.io/exclude-from-backup"], &after["note"]), (&"true".into(), &"mine".into()));
    assert_eq!(labels["note"], "mine", "only Velero's label goes: {labels:#}");
}

const OBJECT: &str =
    r#"{"apiVersion":"velero.io/v1","kind":"Backup","metadata":{"name":"old","namespace":"pf-left"}}"#;

#[test]
fn a_driver_whose_snapshotter_is_at_work_gets_a_class_that_backups_choose() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.delete_namespace("pf-driver");
        cluster.kubectl(&["delete", "pv", "pf-driver", "--ignore-not-found"]);
        cluster.kubectl(&["delete", "csidriver", "pf.example", "--ignore-not-found"]);
        cluster.kubectl(&["delete", "volumesnapshotclass", "pf.example-snapshots", "--ignore-not-found"]);
    };
    clean();
    cluster.apply(DRIVER);
    let fix = ["--fix", "--yes", "--only", "P13"];

    let none = Preflight::run(&cluster, &fix);
    cluster.apply(
        r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease",
        "metadata":{"name":"external-snapshotter-leader-pf-example","namespace":"pf-driver"},"spec":{}}"#,
    );
    let mended = Preflight::run(&cluster, &fix);
    let again = Preflight::run(&cluster, &fix);
    let class = cluster.get(&["volumesnapshotclass", "pf.example-snapshots"]).unwrap();
    clean();

    none.expect("P13", "Failed Warn", "pf-driver/pf-driver (no VolumeSnapshotClass for pf.example)");
    none.expect_code("P13", "VolumeNotProtected");
    assert_eq!(rows(&none), [], "nobody has seen that it makes snapshots");
    assert_eq!(rows(&mended), states(&[("P13", "done")]), "{mended:?}");
    assert!(!mended.evidence("P13").contains("pf-driver"), "{:#}", mended.check("P13"));
    assert_eq!(rows(&again), [], "{again:?}");
    assert_eq!((&class["driver"], &class["deletionPolicy"]), (&"pf.example".into(), &"Delete".into()));
}

const DRIVER: &str = r#"{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"pf-driver"}},
{"apiVersion":"storage.k8s.io/v1","kind":"CSIDriver","metadata":{"name":"pf.example"},"spec":{}},
{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pf-driver"},"spec":{
  "accessModes":["ReadWriteOnce"],"storageClassName":"","capacity":{"storage":"1Mi"},
  "csi":{"driver":"pf.example","volumeHandle":"h"},"claimRef":{"namespace":"pf-driver","name":"pf-driver"}}},
{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"pf-driver","namespace":"pf-driver"},"spec":{
  "accessModes":["ReadWriteOnce"],"storageClassName":"","volumeName":"pf-driver",
  "resources":{"requests":{"storage":"1Mi"}}}}]}"#;

#[test]
fn a_namespace_that_is_too_strict_for_the_extensions_pod_is_loosened_by_one_step() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.delete_namespace(NAMESPACE);
        cluster.kubectl(&["delete", "clusterrolebinding", "pf-strict", "--ignore-not-found"]);
    };
    clean();
    cluster.apply(STRICT);
    let fix = ["--fix", "--yes", "--only", "P20"];

    let mended = Preflight::run(&cluster, &fix);
    let again = Preflight::run(&cluster, &fix);
    let namespace = cluster.get(&["namespace", NAMESPACE]).unwrap();
    clean();

    assert_eq!(rows(&mended), states(&[("P20", "done")]), "{mended:?}");
    mended.expect("P20", "Passed", "a dry run of the pod was admitted");
    assert_eq!((rows(&again), again.code), (vec![], 0), "{again:?}");
    let labels = &namespace["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "baseline", "{labels:#}");
    assert_eq!(labels["pod-security.kubernetes.io/warn"], "restricted", "{labels:#}");
}

const STRICT: &str = r#"{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"dataprotection-microsoft","labels":{
  "pod-security.kubernetes.io/enforce":"restricted","pod-security.kubernetes.io/warn":"restricted"}}},
{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"cofferdam-extension","namespace":"dataprotection-microsoft"}},
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"pf-strict"},
  "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},
  "subjects":[{"kind":"ServiceAccount","name":"cofferdam-extension","namespace":"dataprotection-microsoft"}]},
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"cofferdam-extension","namespace":"dataprotection-microsoft"},
  "spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
  "spec":{"serviceAccountName":"cofferdam-extension","containers":[{"name":"extension","image":"cofferdam:test"}]}}}}]}"#;

/// Whether a request only asks whether something may be done.
fn asks_about_rights(request: &str) -> bool {
    let kinds =
        ["selfsubjectaccessreviews", "subjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];
    let path = request.split('?').next().unwrap_or_default();
    request.starts_with("POST ") && path.rsplit('/').next().is_some_and(|kind| kinds.contains(&kind))
}

/// The requests after which something may be another way.
fn writes(asked: &[String]) -> Vec<&String> {
    let only_looks =
        |one: &&String| one.starts_with("GET ") || asks_about_rights(one) || one.contains("dryRun=All");
    asked.iter().filter(|one| !only_looks(one)).collect()
}

#[test]
fn a_look_and_a_plan_send_nothing_that_changes_a_cluster_and_what_is_mended_is_seen_on_the_way() {
    let cluster = Cluster::one();
    let clean = || velero::forget(&cluster, &["pf-labelled"]);
    clean();
    let installation = Installation::prepared(&cluster, "only-reads");
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    // A new namespace gets its account a moment later; before that no pod is tried in it.
    let account = ["--for=create", "serviceaccount/default", "--timeout=30s"];
    cluster.kubectl(&[&["wait", "-n", NAMESPACE], &account[..]].concat());
    velero::leave(&cluster, &[velero::class("pf-labelled", "nobody.example")]);
    let recorded = Recorded::way_to(&cluster);
    let arguments = installation.store.arguments();
    let mut all = vec!["--profile", "aks", "--image", IMAGE, "--kubeconfig", &recorded.kubeconfig];
    all.extend(["--target-kubeconfig", &recorded.kubeconfig, "--include-namespaces", "default"]);
    all.extend(arguments.iter().map(String::as_str));
    let preflight = |more: &[&str]| {
        let found = Preflight::run(&cluster, &[&all[..], more].concat());
        (found, recorded.asked())
    };

    let (found, looked) = preflight(&[]);
    let (_, planned) = preflight(&["--fix", "--dry-run"]);
    let (_, mended) = preflight(&["--fix", "--yes", "--only", "P18"]);
    clean();
    cluster.delete_namespace(NAMESPACE);

    found.expect("P18", "Failed Warn", "pf-labelled");
    found.expect("P20", "Passed", "a dry run of the pod was admitted");
    assert!(looked.iter().any(|one| asks_about_rights(one)), "{looked:?}");
    assert!(looked.iter().any(|one| one.starts_with("POST ") && one.contains("dryRun=All")), "{looked:?}");
    assert!(
        planned.iter().any(|one| one.contains("pf-labelled") && one.contains("dryRun=All")),
        "{planned:?}"
    );
    for asked in [&looked, &planned] {
        assert_eq!(writes(asked), Vec::<&String>::new(), "of {} requests", asked.len());
    }
    let written = writes(&mended);
    assert!(written.iter().any(|one| one.contains("volumesnapshotclasses/pf-labelled")), "{mended:?}");
}

/// A way to an API server that can be shut, and opened again.
struct Way {
    port: u16,
    /// What goes through it; nothing while it is shut.
    through: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Way {
    fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let through = Arc::new(Mutex::new(Some(Vec::new())));
        let open = through.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if let Some(all) = open.lock().unwrap().as_mut() {
                    let far = TcpStream::connect(&address).expect("the API server");
                    all.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                    carry(near.try_clone().unwrap(), far.try_clone().unwrap());
                    carry(far, near);
                }
            }
        });
        Self { port, through }
    }

    fn shut(&self) {
        for stream in self.through.lock().unwrap().take().into_iter().flatten() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn open(&self) {
        *self.through.lock().unwrap() = Some(Vec::new());
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Both));
    });
}

/// Runs `--fix` and shuts the way to the API server once a change begins.
fn fix_until_a_change_begins(way: &Way, arguments: &[&str]) -> Ran {
    let mut command = Command::new(binary("cofferdam"));
    command.args(["preflight", "-o", "json"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a preflight");
    let mut lines = BufReader::new(child.stderr.take().expect("its standard error"));
    let mut stderr = String::new();
    while !(stderr.contains("audit: ") && stderr.contains("begins")) {
        assert!(lines.read_line(&mut stderr).expect("a line") > 0, "no change began:\n{stderr}");
    }
    way.shut();
    lines.read_to_string(&mut stderr).expect("the rest");
    let output = child.wait_with_output().expect("it ended");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), stdout, stderr }
}

#[test]
fn an_api_server_that_goes_while_something_is_mended_is_a_failure_and_the_same_once_more_does_the_rest() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.delete_namespace("pf-left");
        velero::forget(&cluster, &["pf-labelled"]);
    };
    clean();
    left_by_velero(&cluster);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig").display().to_string();
    std::fs::copy(&cluster.kubeconfig, &kubeconfig).unwrap();
    let config =
        |words: &[&str]| cluster.kubectl(&[&["--kubeconfig", &kubeconfig, "config"], words].concat());
    let shown: Value = serde_json::from_str(&config(&["view", "-o", "json"])).unwrap();
    let server = shown["clusters"][0]["cluster"]["server"].as_str().unwrap().trim_start_matches("https://");
    let way = Way::to(server.to_owned());
    let here = format!("https://127.0.0.1:{}", way.port);
    let host = server.rsplit_once(':').unwrap().0;
    let name = shown["clusters"][0]["name"].as_str().unwrap();
    config(&["set-cluster", name, "--server", &here, "--tls-server-name", host]);
    let fix = ["--profile", "aks", "--fix", "--yes", "--only", "P18,P19", "--kubeconfig", &kubeconfig];

    let cut = fix_until_a_change_begins(&way, &fix);
    way.open();
    let rest = Preflight::run(&cluster, &fix);
    let again = Preflight::run(&cluster, &fix);
    clean();

    let stopped = Preflight::of(&cut);
    let reasons = stopped.document["fixes"].to_string();
    // The first may have come through before the way was shut.
    let first = rows(&stopped)[0].clone();
    assert!(first == states(&[("P18", "done")])[0] || first == states(&[("P18", "failed")])[0], "{reasons}");
    assert_eq!(rows(&stopped)[1..], states(&[("P19", "failed")]), "{reasons}");
    assert!(reasons.contains("the dry run failed, so nothing was changed: "), "{reasons}");
    assert_eq!(stopped.code, 1, "{}", cut.stderr);
    for id in ["P18", "P19"] {
        assert_ne!(stopped.result(id), "Passed", "nobody saw it: {:#}", stopped.check(id));
        assert_eq!(rest.result(id), "Passed", "{:#}", rest.check(id));
    }
    assert!(rows(&rest).contains(&states(&[("P19", "done")])[0]), "{rest:?}");
    assert_eq!(rows(&again), [], "{again:?}");
}

#[test]
fn the_rules_for_the_way_out_are_taken_by_the_programs_that_they_are_meant_for() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.delete_namespace(NAMESPACE);
        cluster.delete_namespace("cofferdam-movers");
    };
    clean();
    for namespace in [NAMESPACE, "cofferdam-movers"] {
        cluster.kubectl(&["create", "namespace", namespace]);
    }
    let settings = [
        "configuration.backupStorageLocation.provider=aws",
        "configuration.backupStorageLocation.bucket=b",
        "configuration.backupStorageLocation.config.s3Url=http://10.213.0.1:9000",
        "configuration.backupStorageLocation.config.s3ForcePathStyle=true",
    ];
    let rules = |format: &str| {
        let mut words =
            vec!["preflight", "egress", "--format", format, "--image", "127.0.0.1:5000/cofferdam:1"];
        settings.iter().for_each(|setting| words.extend(["--set", setting]));
        cluster.cofferdam(&words)
    };

    let (policies, chain) = (rules("networkpolicy"), rules("iptables"));
    let applied = cluster.try_kubectl(&["apply", "--dry-run=server", "-f", "-"], &policies.stdout);
    let loaded = run(
        {
            let mut restore = Command::new("iptables-restore");
            restore.arg("--test");
            restore
        },
        &chain.stdout,
    );
    let endpoints = cluster.get(&["endpointslice", "-n", "default", "kubernetes"]).unwrap();
    clean();

    assert_eq!((policies.code, chain.code), (0, 0), "{}{}", policies.stderr, chain.stderr);
    assert_eq!(applied.code, 0, "{}\n{}", applied.stderr, policies.stdout);
    let written = policies.stdout.matches("---\n").count();
    assert!(written >= 2, "{}", policies.stdout);
    assert_eq!(applied.stdout.matches("created (server dry run)").count(), written, "{}", applied.stdout);
    assert_eq!(loaded.code, 0, "{}\n{}", loaded.stderr, chain.stdout);
    assert!(chain.stdout.contains("-d 10.213.0.1/32 -p tcp -m tcp --dport 9000"), "{}", chain.stdout);
    let server = endpoints["endpoints"][0]["addresses"][0].as_str().unwrap();
    assert!(policies.stdout.contains(&format!("{server}/32")), "{}", policies.stdout);
}
