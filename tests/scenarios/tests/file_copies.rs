//! Volumes of a driver without snapshots: their files are copied by movers, and come back exactly.

use scenarios::volumes::{about, claim};
use scenarios::{Cluster, ENDED, IMAGE, Installation, load_workload, wait_until};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
/// Every entry with its type, owner, mode, size, times and links, and the content of every file.
const FINGERPRINT: &str = "cd /data && find . | sort | while read -r f; do stat -c '%n %F %u %g %a %Y %h' \"$f\"; done; \
    find . -type f | sort | xargs sha256sum; find . -type l -exec readlink {} \\;";
/// Files of many owners and kinds, one of them sparse, one readable by nobody.
const CONTENT: &str = "set -e; cd /data; mkdir -p a/b empty; echo one > a/one; ln a/one a/b/hard; ln -s ../one a/b/soft; \
    mkfifo a/pipe; head -c 3000000 /dev/urandom > a/big; dd if=/dev/zero of=a/sparse bs=1 count=1 seek=50000000 2>/dev/null; \
    echo secret > a/locked; chmod 000 a/locked; chown 1234:5678 a/locked a/b; chmod 2755 a/b; chmod 4711 a/one; \
    touch -d '2001-02-03 04:05:06' a/big a/b empty; chown 999:999 /data; chmod 1770 /data; sync";

/// A pod with a file system and a raw block volume of the driver without snapshots.
fn application(namespace: &str) -> String {
    let claim = |name: &str, mode: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{{"name":"{name}","namespace":"{namespace}"}},
            "spec":{{"accessModes":["ReadWriteOnce"],"storageClassName":"plain","volumeMode":"{mode}",
            "resources":{{"requests":{{"storage":"96Mi"}}}}}}}}"#
        )
    };
    format!(
        r#"{{"apiVersion":"v1","kind":"List","items":[
        {{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}},{},{},
        {{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"app","namespace":"{namespace}","labels":{{"app":"copied"}}}},
        "spec":{{"terminationGracePeriodSeconds":0,"containers":[{{"name":"app","image":"cofferdam.test/shell:1",
        "imagePullPolicy":"IfNotPresent","command":["sh","-c","while true; do sleep 1; done"],
        "securityContext":{{"runAsUser":0}},
        "volumeMounts":[{{"name":"data","mountPath":"/data"}}],
        "volumeDevices":[{{"name":"raw","devicePath":"/dev/raw"}}]}}],
        "volumes":[{{"name":"data","persistentVolumeClaim":{{"claimName":"data"}}}},
        {{"name":"raw","persistentVolumeClaim":{{"claimName":"raw"}}}}]}}}}]}}"#,
        claim("data", "Filesystem"),
        claim("raw", "Block")
    )
}

/// Objects of movers, in their namespace and in the cluster.
fn of_movers(cluster: &Cluster) -> Vec<String> {
    let ours = "clusterbackup.dataprotection.microsoft.com/purpose=copy";
    let mut found = Vec::new();
    for kinds in ["jobs,pods,persistentvolumeclaims,secrets", "persistentvolumes"] {
        let listed = cluster.get(&[kinds, "-n", "cofferdam-movers", "-l", ours]).unwrap_or_default();
        let items = listed["items"].as_array().cloned().unwrap_or_default();
        found.extend(items.iter().map(|one| format!("{}/{}", one["kind"], one["metadata"]["name"])));
    }
    found
}

fn device(cluster: &Cluster, namespace: &str) -> String {
    cluster.exec(namespace, "app", &["sh", "-c", "sha256sum < /dev/raw"])
}

fn volume<'a>(manifest: &'a Value, claim: &str) -> &'a Value {
    let volumes = manifest["manifest"]["volumes"].as_array().expect("volumes in the manifest");
    volumes.iter().find(|one| one["claim"] == claim).expect("the claim in the manifest")
}

#[test]
fn copied_files_and_blocks_come_back_exactly_and_stock_restic_reads_them() {
    let cluster = Cluster::one();
    load_workload(&cluster, "shell");
    let installed = Installation::fresh(&cluster, "copies");
    cluster.delete_namespace("copied");
    cluster.apply(&application("copied"));
    cluster.wait_ready("copied", "app=copied", SOON);
    cluster.exec("copied", "app", &["sh", "-c", CONTENT]);
    cluster.exec(
        "copied",
        "app",
        &["sh", "-c", "head -c 700000 /dev/urandom | dd of=/dev/raw bs=4096 seek=9 conv=notrunc; sync"],
    );
    let (files, blocks) =
        (cluster.exec("copied", "app", &["sh", "-c", FINGERPRINT]), device(&cluster, "copied"));

    let without =
        cluster.cofferdam(&["backup", "create", "no-copy", "--include-namespaces", "copied", "--wait"]);
    let with =
        ["backup", "create", "copy", "--include-namespaces", "copied", "--file-copy-volumes", "--wait"];
    let copied = cluster.cofferdam(&with);

    assert_eq!(without.code, 3, "{without:?}");
    assert_eq!(installed.resource("backups", "no-copy")["status"]["volumes"]["notProtected"], 2);
    let status = installed.resource("backups", "copy")["status"].clone();
    assert_eq!((copied.code, &status["phase"]), (0, &"Completed".into()), "{status}\n{}", installed.logs());
    assert_eq!(status["volumes"]["fileCopies"], 2, "{status}");
    assert_eq!(of_movers(&cluster), Vec::<String>::new());
    installed.restic(&["check", "--read-data"]).ok();
    let id = status["recoveryPoint"]["id"].as_str().expect("an id").to_owned();
    let manifest = cluster.cofferdam(&["recovery-point", "browse", &id, "-o", "json"]).json();
    assert_eq!(volume(&manifest, "data")["protection"]["path"], "volumes/copied/data");
    assert_eq!(volume(&manifest, "raw")["protection"]["path"], "volumes/copied/raw.img");
    let listed = cluster.cofferdam(&["recovery-point", "browse", &id, "volumes/copied/data"]).ok();
    assert!(listed.contains("a/b/soft") && listed.contains("a/sparse"), "{listed}");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let to = folder.path().to_str().expect("a path").to_owned();
    for path in ["volumes/copied/data/a", "volumes/copied/raw.img"] {
        cluster.cofferdam(&["recovery-point", "download", &id, "--path", path, "--to", &to]).ok();
    }
    assert_eq!(std::fs::read(folder.path().join("locked")).expect("the file"), b"secret\n");
    assert_eq!(std::fs::metadata(folder.path().join("raw.img")).expect("the image").len(), 96 << 20);

    cluster.delete_namespace("copied");
    let plan = cluster.cofferdam(&["restore", "plan", "--from-backup", "copy"]).ok();
    assert!(plan.contains("with its data"), "{plan}");
    let restored = cluster.cofferdam(&["restore", "create", "copy", "--from-backup", "copy", "--wait"]);

    let status = installed.resource("restores", "copy")["status"].clone();
    assert_eq!(status["phase"], "Completed", "{restored:?}\n{status}\n{}", installed.logs());
    cluster.wait_ready("copied", "app=copied", SOON);
    assert_eq!(cluster.exec("copied", "app", &["sh", "-c", FINGERPRINT]), files);
    assert_eq!(device(&cluster, "copied"), blocks);
    let sparse = cluster.exec("copied", "app", &["sh", "-c", "du -k /data/a/sparse | cut -f1"]);
    assert!(sparse.trim().parse::<u64>().expect("kibibytes") < 1000, "{sparse}");
    assert_eq!(of_movers(&cluster), Vec::<String>::new());
    let claim = cluster.get(&["pvc", "-n", "copied", "data"]).expect("the claim");
    let name = claim["spec"]["volumeName"].as_str().expect("its volume").to_owned();
    let volume = cluster.get(&["pv", &name]).expect("the volume");
    assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Delete");
    assert_eq!(volume["metadata"]["labels"], Value::Null, "{volume}");
    a_claim_that_appears_meanwhile_is_not_given_the_data_and_no_volume_stays(&cluster, &installed);
    cluster.delete_namespace("copied");
    wait_until("the volume goes with its claim", SOON, || match cluster.get(&["pv", &name]) {
        None => Ok(()),
        Some(volume) => Err(volume["status"].to_string()),
    });
}

fn a_claim_that_appears_meanwhile_is_not_given_the_data_and_no_volume_stays(
    cluster: &Cluster,
    installed: &Installation,
) {
    cluster.delete_namespace("contested");
    cluster.kubectl(&["create", "namespace", "contested"]);
    let select = ["--map", "copied:contested", "--include-resources", "persistentvolumeclaims"];
    cluster
        .cofferdam(&[&["restore", "create", "contested", "--from-backup", "copy"], &select[..]].concat())
        .ok();
    wait_until("a mover works", SOON, || {
        let jobs = cluster.kubectl(&["get", "jobs", "-n", "cofferdam-movers", "-o", "name"]);
        if jobs.trim().is_empty() { Err(jobs) } else { Ok(()) }
    });
    cluster.apply(&claim("contested", "data", "standard", serde_json::json!({})).to_string());

    let ended = installed.wait_phase("restores", "contested", &ENDED, Duration::from_secs(120));

    assert_eq!(about(&ended, "contested/data")["code"], "VolumeDataNotRestored", "{}", ended["status"]);
    wait_until("no filled volume stays", SOON, || {
        let label = "clusterbackup.dataprotection.microsoft.com/restore";
        let left = cluster.kubectl(&["get", "pv", "-l", label, "-o", "name"]);
        let volumes =
            cluster.get(&["pv"]).unwrap_or_default()["items"].as_array().cloned().unwrap_or_default();
        let given = volumes.iter().filter(|one| {
            one["spec"]["claimRef"]["namespace"] == "contested" && one["spec"]["claimRef"]["name"] == "data"
        });
        let of_movers = given.filter(|one| one["spec"]["storageClassName"] == "plain").count();
        if left.trim().is_empty() && of_movers == 0 { Ok(()) } else { Err(format!("{left} {of_movers}")) }
    });
    cluster.delete_namespace("contested");
}

#[test]
fn a_copy_survives_the_end_of_the_extension_and_a_cancelled_one_leaves_nothing() {
    let cluster = Cluster::one();
    load_workload(&cluster, "shell");
    let installed = Installation::fresh(&cluster, "copyends");
    cluster.delete_namespace("copied");
    cluster.apply(&application("copied"));
    cluster.wait_ready("copied", "app=copied", SOON);
    // No mover can start before the quota goes.
    let quota = r#"{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"none","namespace":"cofferdam-movers"},"spec":{"hard":{"pods":"0"}}}"#;
    let (forbid, allow) = (
        || cluster.apply(quota),
        || {
            cluster.kubectl(&[
                "delete",
                "resourcequota",
                "-n",
                "cofferdam-movers",
                "none",
                "--ignore-not-found",
            ]);
        },
    );
    forbid();
    let begin = |name: &str| {
        let args = ["backup", "create", name, "--include-namespaces", "copied", "--file-copy-volumes"];
        cluster.cofferdam(&args).ok();
        wait_until("the movers' Jobs are there", SOON, || {
            let found = of_movers(&cluster);
            let jobs = found.iter().filter(|one| one.contains("Job")).count();
            if jobs == 2 { Ok(()) } else { Err(format!("{found:?}\n{}", installed.logs())) }
        });
    };

    begin("cancelled");
    cluster.cofferdam(&["backup", "cancel", "cancelled"]).ok();
    installed.wait_phase("backups", "cancelled", &["Cancelled"], SOON);
    let after_cancel = of_movers(&cluster);
    begin("survivor");
    let secrets = cluster.kubectl(&["get", "jobs", "-n", "cofferdam-movers", "-o", "json"]);
    cluster.kubectl(&["delete", "pod", "-n", scenarios::NAMESPACE, "--all", "--grace-period=0", "--force"]);
    allow();
    let survived = installed.wait_phase(
        "backups",
        "survivor",
        &["CompletedWithWarnings", "Completed", "Failed"],
        3 * SOON,
    );

    assert_eq!(after_cancel, Vec::<String>::new());
    assert!(!secrets.contains("testing") && secrets.contains(IMAGE), "no credential is an argument");
    assert_eq!(
        survived["status"]["volumes"]["fileCopies"],
        2,
        "{}\n{}",
        survived["status"],
        installed.logs()
    );
    assert_eq!(of_movers(&cluster), Vec::<String>::new());
    cluster.delete_namespace("copied");
}
