//! Claims of every kind on a real cluster: protected, or named with the reason and the remedy; applications are
//! thawed whatever happens to their snapshots.

use scenarios::volumes::{
    Faults, about, back_up, bound, claim, fixed, hook, pod, volume_handle, with_code, world,
};
use scenarios::{Cluster, Installation, NAMESPACE, load_workload, wait_until};
use serde_json::json;
use std::time::Duration;

const PREFIX: &str = "clusterbackup.dataprotection.microsoft.com";
const SOON: Duration = Duration::from_secs(60);

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
