//! Claims of every kind on a real cluster: protected, or named with the reason and the remedy.

use scenarios::{Cluster, Installation, NAMESPACE, load_workload, run, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
const PREFIX: &str = "clusterbackup.dataprotection.microsoft.com";
const ENDED: &[&str] = &["Completed", "CompletedWithWarnings", "Failed", "Cancelled"];

fn claim(namespace: &str, name: &str, class: &str, more: Value) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class,
                 "resources": {"requests": {"storage": "32Mi"}}},
    });
    merge(&mut claim, more);
    claim
}

/// A static volume and the claim that is bound to it.
fn fixed(namespace: &str, name: &str, class: &str, source: Value) -> [Value; 2] {
    let volume = format!("{namespace}-{name}");
    let mut spec = json!({
        "capacity": {"storage": "32Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": namespace, "name": name},
    });
    merge(&mut spec, source);
    [
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": spec}),
        claim(namespace, name, class, json!({"spec": {"volumeName": volume}})),
    ]
}

/// A pod that mounts a claim at /data, or has it as the device /dev/raw.
fn pod(namespace: &str, name: &str, claim: &str, device: bool) -> Value {
    let (mounts, devices) = match device {
        false => (json!([{"name": "data", "mountPath": "/data"}]), json!([])),
        true => (json!([]), json!([{"name": "data", "devicePath": "/dev/raw"}])),
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app", "image": "cofferdam.test/shell:1", "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", "while true; do sleep 1; done"], "securityContext": {"runAsUser": 0},
                "volumeMounts": mounts, "volumeDevices": devices,
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
    })
}

fn hook(namespace: &str, name: &str, on_error: &str, before: &[&str], after: &[&str]) -> Value {
    let exec =
        |command: &[&str]| json!([{"exec": {"command": command, "onError": on_error, "timeout": "10s"}}]);
    json!({
        "apiVersion": format!("{PREFIX}/v1alpha1"), "kind": "BackupHook",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backupHook": [{"name": "freeze", "includedNamespaces": [namespace],
                 "preHooks": exec(before), "postHooks": exec(after)}]},
    })
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A new namespace with these objects.
fn world(cluster: &Cluster, namespace: &str, objects: Vec<Value>) {
    cluster.delete_namespace(namespace);
    cluster.kubectl(&["create", "namespace", namespace]);
    cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
}

fn bound(cluster: &Cluster, namespace: &str, claims: &[&str]) {
    for name in claims {
        wait_until(&format!("claim {name} is bound"), SOON, || {
            let claim = cluster.get(&["pvc", "-n", namespace, name]).unwrap_or_default();
            if claim["status"]["phase"] == "Bound" { Ok(()) } else { Err(claim["status"].to_string()) }
        });
    }
}

fn volume_handle(cluster: &Cluster, namespace: &str, name: &str) -> String {
    let claim = cluster.get(&["pvc", "-n", namespace, name]).expect("the claim");
    let volume = claim["spec"]["volumeName"].as_str().expect("its volume").to_owned();
    let volume = cluster.get(&["pv", &volume]).expect("the volume");
    volume["spec"]["csi"]["volumeHandle"].as_str().expect("a CSI volume").to_owned()
}

/// Backs one namespace up and returns the object at its end.
fn back_up(installed: &Installation, name: &str, namespace: &str, more: &[&str]) -> Value {
    let mut args = vec!["backup", "create", name, "--include-namespaces", namespace];
    args.extend(more);
    installed.cluster.cofferdam(&args).ok();
    installed.wait_phase("backups", name, ENDED, SOON)
}

fn restore(installed: &Installation, name: &str, from: &str, more: &[&str]) -> Value {
    let mut args = vec!["restore", "create", name, "--from-backup", from];
    args.extend(more);
    installed.cluster.cofferdam(&args).ok();
    installed.wait_phase("restores", name, ENDED, SOON)
}

/// The problem about a claim.
fn about<'a>(object: &'a Value, target: &str) -> &'a Value {
    let problems = object["status"]["problems"].as_array().expect("problems in the status");
    let found = problems.iter().find(|one| one["target"].as_str().is_some_and(|t| t.ends_with(target)));
    found.unwrap_or_else(|| panic!("nothing about {target} in {problems:#?}"))
}

fn with_code(object: &Value, code: &str) -> usize {
    let problems = object["status"]["problems"].as_array().expect("problems in the status");
    problems.iter().filter(|one| one["code"] == code).count()
}

/// Planned faults of the CSI driver, taken back when dropped.
struct Faults(String);

impl Faults {
    fn plan(cluster: &Cluster, faults: Value) -> Self {
        let directory = std::path::Path::new(&cluster.kubeconfig).parent().expect("the cluster's directory");
        let path = directory.join("csi.cofferdam.test.faults.json");
        std::fs::write(&path, faults.to_string()).expect("the faults file");
        Self(path.display().to_string())
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        std::fs::write(&self.0, "").expect("the faults file");
    }
}

#[test]
fn every_claim_is_protected_or_named_with_its_reason_and_remedy() {
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "claims");
    let once = json!({"spec": {"accessModes": ["ReadWriteOncePod"]}});
    let opt_out = json!({"velero.io/exclude-from-backup": "true"});
    let velero = json!({"metadata": {"annotations": {"backup.velero.io/backup-volumes-excludes": "data"}}});
    let mut objects = vec![
        claim("vols", "snapped", "standard", velero),
        claim("vols", "one-pod", "standard", once.clone()),
        claim("vols", "one-pod-plain", "plain", once),
        claim("vols", "pending", "standard-wait", json!({})),
        claim("vols", "labelled-out", "standard", json!({"metadata": {"labels": opt_out}})),
        claim("vols", "annotated-out", "standard", json!({"metadata": {"annotations": opt_out}})),
    ];
    objects.extend(fixed("vols", "host", "manual", json!({"hostPath": {"path": "/tmp/vols-host"}})));
    objects.extend(fixed(
        "vols",
        "nfs",
        "manual",
        json!({"nfs": {"server": "nfs.example.com", "path": "/"}}),
    ));
    let handle = json!({"csi": {"driver": "csi.cofferdam.test", "volumeHandle": "static"}});
    objects.extend(fixed("vols", "classless", "", handle));
    cluster
        .try_kubectl(&["delete", "pv", "vols-host", "vols-nfs", "vols-classless", "--ignore-not-found"], "");
    world(&cluster, "vols", objects);
    bound(&cluster, "vols", &["snapped", "one-pod", "one-pod-plain", "host", "nfs", "classless"]);
    let class = r#"{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotClass","metadata":{"name":"standard"},"driver":"csi.cofferdam.test","deletionPolicy":"Delete","parameters":{"tier":"cold"}}"#;
    cluster.kubectl(&["delete", "volumesnapshotclass", "standard"]);
    cluster.apply(class);
    let default = "snapshot.storage.kubernetes.io/is-default-class=true";
    cluster.kubectl(&["annotate", "volumesnapshotclass", "standard", default]);

    let ended = back_up(&installed, "claims", "vols", &["--file-copy-volumes"]);

    let status = &ended["status"];
    assert_eq!(status["phase"], "CompletedWithWarnings", "{status}");
    assert_eq!(status["volumes"], json!({"snapshots": 2, "fileCopies": 0, "notProtected": 5}), "{status}");
    let rows = [
        ("pending", "UserErrorPVCNotBoundToVolume", "Pending"),
        ("one-pod-plain", "VolumeNotProtected", "ReadWriteOncePod"),
        ("host", "VolumeNotProtected", "hostPath"),
        ("nfs", "VolumeNotProtected", "nfs"),
        ("classless", "UserErrorStorageClassMissingForPVC", "no storage class"),
    ];
    for (name, code, reason) in rows {
        let problem = about(&ended, &format!("vols/{name}"));
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["message"].as_str().is_some_and(|text| text.contains(reason)), "{problem}");
        assert!(!problem["recommendedAction"].as_array().expect("a remedy").is_empty(), "{problem}");
    }
    assert!(about(&ended, "vols/nfs").to_string().contains("nfs.csi.k8s.io"), "the remedy names the driver");
    assert_eq!(with_code(&ended, "VeleroAnnotationIgnored"), 1, "named once");
    let problems = status["problems"].as_array().expect("problems");
    let warned = |name: &str| {
        problems.iter().any(|one| one["severity"] != "Information" && one.to_string().contains(name))
    };
    assert!(!warned("labelled-out") && !warned("annotated-out"), "who opted out is not missed: {status}");
    let left = cluster.kubectl(&["get", "volumesnapshots,jobs,pods,secrets", "-n", "vols", "-o", "name"]);
    assert_eq!(left.trim(), "", "nothing of ours stays in the application's namespace");
    let of_point = format!("{PREFIX}/recovery-point={}", ended["metadata"]["uid"].as_str().expect("a UID"));
    let anchors = cluster.get(&["volumesnapshotcontents", "-l", &of_point]).expect("contents");
    let anchors = anchors["items"].as_array().expect("a list").clone();
    assert_eq!(anchors.len(), 2);
    let ours = anchors[0]["spec"]["volumeSnapshotClassName"].as_str().expect("our class");
    let class = cluster.get(&["volumesnapshotclass", ours]).expect("our class");
    assert_eq!((&class["parameters"]["tier"], &class["deletionPolicy"]), (&"cold".into(), &"Retain".into()));
    let shown = cluster
        .cofferdam(&["recovery-point", "browse", status["recoveryPoint"]["id"].as_str().unwrap()])
        .ok();
    for anchor in &anchors {
        let handle = anchor["status"]["snapshotHandle"].as_str().expect("a handle");
        assert!(shown.contains(handle), "{handle} is found in the recovery point:\n{shown}");
    }
    cluster.delete_namespace("vols");
    cluster.kubectl(&["delete", "pv", "vols-host", "vols-nfs", "vols-classless"]);
}

#[test]
fn an_application_is_thawed_whatever_happens_to_its_snapshots_and_orphans_are_swept() {
    let cluster = Cluster::one();
    load_workload(&cluster, "shell");
    let installed = Installation::fresh(&cluster, "thaw");
    let (freeze, thaw) = (["touch", "/data/frozen"], ["rm", "/data/frozen"]);
    world(
        &cluster,
        "thaw",
        vec![
            claim("thaw", "data", "standard", json!({})),
            claim("thaw", "other", "standard", json!({})),
            pod("thaw", "app", "data", false),
            hook("thaw", "freeze", "Fail", &freeze, &thaw),
        ],
    );
    cluster.wait_ready("thaw", "app=app", SOON);
    bound(&cluster, "thaw", &["other"]);
    let handle = volume_handle(&cluster, "thaw", "data");
    let frozen = || cluster.exec("thaw", "app", &["ls", "/data"]).contains("frozen");

    let faults = Faults::plan(&cluster, json!({"snapshot": {"delayMs": 25_000, "match": handle}}));
    let slow = back_up(&installed, "slow", "thaw", &["--hook", "thaw/freeze", "--snapshot-timeout", "10s"]);
    let frozen_after_slow = frozen();
    drop(faults);
    let faults = Faults::plan(&cluster, json!({"snapshot": {"fail": "out of luck", "match": handle}}));
    let failing =
        back_up(&installed, "failing", "thaw", &["--hook", "thaw/freeze", "--snapshot-timeout", "10s"]);
    drop(faults);
    let faults = Faults::plan(&cluster, json!({"snapshot": {"neverReady": true, "match": handle}}));
    let unready =
        back_up(&installed, "unready", "thaw", &["--hook", "thaw/freeze", "--snapshot-timeout", "10s"]);
    drop(faults);

    assert_eq!(about(&slow, "thaw/data")["code"], "CSISnapshottingTimedOut");
    assert_eq!(slow["status"]["volumes"], json!({"snapshots": 1, "fileCopies": 0, "notProtected": 1}));
    let failed = about(&failing, "thaw/data");
    assert_eq!(failed["code"], "CSISnapshottingFailed");
    assert!(failed["message"].as_str().is_some_and(|text| text.contains("out of luck")), "{failed}");
    assert_eq!(about(&unready, "thaw/data")["code"], "CSISnapshottingTimedOut");
    assert_eq!(unready["status"]["volumes"]["snapshots"], 2, "one that is cut is kept, and may become ready");
    for ended in [&slow, &failing, &unready] {
        assert_eq!(ended["status"]["phase"], "CompletedWithWarnings", "{}", ended["status"]);
        assert_eq!(ended["status"]["frozen"].as_array().map_or(0, Vec::len), 0);
    }
    assert!(!frozen_after_slow && !frozen());

    // What a crash of a backup whose object is gone would leave.
    let gone = "00000000-1111-4222-8333-444444444444";
    let labels = json!({
        format!("{PREFIX}/recovery-point"): gone, format!("{PREFIX}/purpose"): "backup",
        format!("{PREFIX}/claim-uid"): "55555555-1111-4222-8333-444444444444",
    });
    let copy = json!({format!("{PREFIX}/recovery-point"): gone, format!("{PREFIX}/purpose"): "copy"});
    cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
         "metadata": {"name": "orphan", "namespace": "thaw", "labels": labels},
         "spec": {"volumeSnapshotClassName": "standard", "source": {"persistentVolumeClaimName": "other"}}},
        {"apiVersion": "v1", "kind": "Secret", "metadata":
         {"name": "orphan", "namespace": "cofferdam-movers", "labels": copy}},
    ]}).to_string());
    cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, "--all", "--grace-period=0", "--force"]);
    wait_until("the orphans are gone", SOON, || {
        let snapshots = cluster.kubectl(&["get", "volumesnapshots", "-n", "thaw", "-o", "name"]);
        let secrets = cluster.kubectl(&["get", "secrets", "-n", "cofferdam-movers", "-o", "name"]);
        if snapshots.contains("orphan") || secrets.contains("orphan") {
            Err(snapshots + &secrets)
        } else {
            Ok(())
        }
    });
    let events = cluster.kubectl(&["get", "events", "-n", NAMESPACE, "-o", "json"]);
    assert!(events.contains("RemovingOrphans") && events.contains("thaw/orphan"), "the orphan was named");
    let anchors = cluster.kubectl(&[
        "get",
        "volumesnapshotcontents",
        "-o",
        "name",
        "-l",
        &format!("{PREFIX}/purpose=backup"),
    ]);
    assert!(anchors.lines().count() >= 4, "anchors of committed recovery points stay:\n{anchors}");
    cluster.delete_namespace("thaw");
}

#[test]
fn blocks_come_back_and_the_restore_mode_and_the_target_s_classes_decide_about_data() {
    let cluster = Cluster::one();
    load_workload(&cluster, "shell");
    let installed = Installation::fresh(&cluster, "blocks");
    let passing = r#"{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"passing"},"provisioner":"csi.cofferdam.test"}"#;
    cluster.apply(passing);
    world(
        &cluster,
        "raw",
        vec![
            claim("raw", "raw", "standard", json!({"spec": {"volumeMode": "Block"}})),
            claim("raw", "classless", "passing", json!({})),
            pod("raw", "app", "raw", true),
        ],
    );
    cluster.wait_ready("raw", "app=app", SOON);
    bound(&cluster, "raw", &["classless"]);
    let sum = |namespace: &str| cluster.exec(namespace, "app", &["sh", "-c", "sha256sum < /dev/raw"]);
    cluster.exec(
        "raw",
        "app",
        &["sh", "-c", "head -c 300000 /dev/urandom | dd of=/dev/raw bs=512 seek=7 conv=notrunc; sync"],
    );
    let before = sum("raw");
    let backup = back_up(&installed, "raw", "raw", &[]);
    cluster.kubectl(&["delete", "storageclass", "passing"]);
    for namespace in ["raw-data", "raw-empty"] {
        cluster.delete_namespace(namespace);
    }

    let with = restore(
        &installed,
        "with",
        "raw",
        &["--map", "raw:raw-data", "--exclude-resources", "storageclasses.storage.k8s.io"],
    );
    let without = restore(&installed, "without", "raw", &["--map", "raw:raw-empty", "--without-volume-data"]);

    assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    cluster.wait_ready("raw-data", "app=app", SOON);
    assert_eq!(sum("raw-data"), before);
    assert_eq!(with["status"]["phase"], "CompletedWithWarnings", "{}", with["status"]);
    let refused = cluster.cofferdam(&["restore", "show", "with", "--all"]).ok();
    assert!(
        refused.contains("UserErrorStorageClassMissing") || refused.contains("no storage class passing"),
        "{refused}"
    );
    assert_eq!(
        cluster.get(&["pvc", "-n", "raw-data", "classless"]),
        None,
        "no empty claim passes for restored"
    );
    let empty = cluster.get(&["pvc", "-n", "raw-empty", "raw"]).expect("the claim without data");
    assert_eq!(empty["spec"]["dataSource"], Value::Null, "{}", without["status"]);
    cluster.wait_ready("raw-empty", "app=app", SOON);
    assert_ne!(sum("raw-empty"), before);
    let left = cluster.kubectl(&["get", "volumesnapshots", "-A", "-o", "name"]);
    assert_eq!(left.trim(), "", "temporary snapshots are gone");
    for namespace in ["raw", "raw-data", "raw-empty"] {
        cluster.delete_namespace(namespace);
    }
}

#[test]
fn hooks_need_no_shell_and_on_error_decides_what_a_missing_program_means() {
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "hooks");
    let bare = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "hooks", "labels": {"app": "bare"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [
            {"name": "pause", "image": "cofferdam.test/pause:1", "imagePullPolicy": "IfNotPresent"}]},
    });
    let (works, missing) = (["/busybox", "true"], ["/bin/sh", "-c", "true"]);
    world(
        &cluster,
        "hooks",
        vec![
            bare,
            hook("hooks", "argv", "Fail", &works, &works),
            hook("hooks", "lenient", "Continue", &missing, &works),
            hook("hooks", "strict", "Fail", &missing, &works),
        ],
    );
    cluster.wait_ready("hooks", "app=bare", SOON);

    let argv = back_up(&installed, "argv", "hooks", &["--hook", "hooks/argv"]);
    let lenient = back_up(&installed, "lenient", "hooks", &["--hook", "hooks/lenient"]);
    let strict = back_up(&installed, "strict", "hooks", &["--hook", "hooks/strict"]);

    assert_eq!(argv["status"]["phase"], "Completed", "{}", argv["status"]);
    assert_eq!(lenient["status"]["phase"], "CompletedWithWarnings", "{}", lenient["status"]);
    assert_eq!(strict["status"]["phase"], "Failed", "{}", strict["status"]);
    for ended in [&lenient, &strict] {
        assert_eq!(with_code(ended, "UserErrorHookExecutionFailed"), 1, "{}", ended["status"]);
        assert!(ended["status"]["problems"].to_string().contains("/bin/sh"), "the program is named");
    }
    cluster.delete_namespace("hooks");
}

#[test]
fn claims_that_share_a_label_are_cut_at_one_instant_and_restored_together() {
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "groups");
    let grouped = json!({"metadata": {"labels": {"group": "db"}}});
    world(
        &cluster,
        "groups",
        vec![
            claim("groups", "data", "standard", grouped.clone()),
            claim("groups", "log", "standard", grouped),
            claim("groups", "alone", "standard", json!({})),
        ],
    );
    bound(&cluster, "groups", &["data", "log", "alone"]);

    let ended = back_up(&installed, "groups", "groups", &["--volume-group-label", "group"]);
    let id = ended["status"]["recoveryPoint"]["id"].as_str().expect("an id").to_owned();
    let manifest = cluster.cofferdam(&["recovery-point", "browse", &id, "-o", "json"]).json();
    cluster.delete_namespace("groups");
    let restored = restore(&installed, "groups", "groups", &[]);

    assert_eq!(ended["status"]["phase"], "Completed", "{}", ended["status"]);
    let of = |name: &str, field: &str| {
        let volumes = manifest["manifest"]["volumes"].as_array().expect("volumes");
        volumes.iter().find(|one| one["claim"] == name).expect("the claim")["protection"][field].clone()
    };
    assert!(of("data", "group").is_string());
    assert_eq!((of("data", "group"), of("data", "cut")), (of("log", "group"), of("log", "cut")));
    assert_eq!(of("alone", "group"), Value::Null);
    let left = cluster.kubectl(&["get", "volumesnapshots,volumegroupsnapshots", "-A", "-o", "name"]);
    assert_eq!(left.trim(), "");
    assert_eq!(restored["status"]["phase"], "Completed", "{}", restored["status"]);
    bound(&cluster, "groups", &["data", "log", "alone"]);
    cluster.delete_namespace("groups");
}

#[test]
fn a_cluster_with_another_pool_is_told_before_the_restore_and_goes_without_a_trace() {
    let cluster = Cluster::one();
    load_workload(&cluster, "shell");
    let installed = Installation::fresh(&cluster, "foreign");
    world(&cluster, "far", vec![claim("far", "data", "standard", json!({}))]);
    bound(&cluster, "far", &["data"]);
    let backup = back_up(&installed, "far", "far", &[]);
    let name = format!("{}-far", cluster.name);
    let testbed = |args: &[&str]| {
        let mut command = std::process::Command::new(scenarios::binary("testbed"));
        command.args(args);
        run(command, "").ok()
    };
    testbed(&["up", "--name", &name, "--foreign-pool"]);
    let other = Cluster::named(&name);
    load_workload(&other, "shell");
    let there = Installation::fresh(&other, "foreign");
    let password = cluster.get(&["secrets", "-n", NAMESPACE]).expect("Secrets");
    let encoded = password["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find_map(|one| one["data"]["repository-password"].as_str());
    let mut decode = std::process::Command::new("base64");
    decode.arg("-d");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), run(decode, encoded.expect("the password")).ok())
        .expect("the password's file");
    let mut add: Vec<String> = ["location", "add", "far", "--role", "source", "--repository-password-file"]
        .map(str::to_owned)
        .to_vec();
    add.push(file.path().display().to_string());
    add.extend(installed.store.arguments());
    other.cofferdam(&add.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    let id = backup["status"]["recoveryPoint"]["id"].as_str().expect("an id").to_owned();

    let plan = other.cofferdam(&["restore", "plan", "--point", &id, "--location", "far"]);
    let probes = other.kubectl(&["get", "volumesnapshotcontents", "-o", "name"]);
    world(
        &other,
        "devices",
        vec![
            claim("devices", "raw", "standard", json!({"spec": {"volumeMode": "Block"}})),
            pod("devices", "app", "raw", true),
        ],
    );
    other.wait_ready("devices", "app=app", SOON);
    testbed(&["down", "--name", &name]);

    let said = format!("{}{}", plan.stdout, plan.stderr);
    assert!(said.contains("SnapshotNotReachableFromThisCluster"), "{said}\n{}", there.store.bucket);
    assert_eq!(probes.trim(), "", "a plan leaves nothing behind");
    let mut losetup = std::process::Command::new("losetup");
    losetup.args(["--list", "--noheadings", "--raw", "--output", "BACK-FILE"]);
    let loops = run(losetup, "").ok();
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let ours = format!("/{name}/");
    assert!(!loops.contains(&ours), "{loops}");
    assert!(!mounts.contains(&ours), "{mounts}");
    let groups = std::fs::read_dir("/sys/fs/cgroup").expect("control groups").flatten();
    let left: Vec<_> =
        groups.map(|one| one.path().join(format!("cofferdam-{name}"))).filter(|one| one.exists()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    cluster.delete_namespace("far");
}
