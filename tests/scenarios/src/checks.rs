//! What must hold after a backup, however it was interrupted.

use crate::World;
use serde_json::Value;

/// Why the recovery point of the backup with this UID may not be listed, if it is.
pub fn incomplete(world: &World, uid: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let listed = world.points();
    let ours: Vec<&Value> = listed.iter().filter(|point| point["backupUid"] == uid).collect();
    if ours.len() > 1 {
        wrong.push(format!("backup {uid} has {} recovery points", ours.len()));
    }
    for point in ours {
        let id = point["id"].as_str().expect("an id");
        let shown = world.cluster.cofferdam(&["recovery-point", "browse", id, "-o", "json"]);
        if shown.code != 0 {
            wrong.push(format!("recovery point {id} is listed but cannot be read: {}", shown.stderr));
            continue;
        }
        let volumes = shown.json()["manifest"]["volumes"].as_array().cloned().unwrap_or_default();
        for handle in volumes.iter().filter_map(|volume| volume["protection"]["handle"].as_str()) {
            let known = world.contents(id);
            if !known.iter().any(|content| content["status"]["snapshotHandle"] == handle) {
                wrong.push(format!("recovery point {id} refers to snapshot {handle}, which has no content"));
            }
        }
    }
    wrong
}

/// Why the application or the cluster is not as it was before the backup.
pub fn left_behind(world: &World, backup: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let uid = backup["metadata"]["uid"].as_str().expect("a uid");
    let marker = world.cluster.exec(&world.app, "app", &["ls", "/tmp"]);
    if marker.contains("frozen") {
        wrong.push("the application is frozen".to_owned());
    }
    if backup["status"]["frozen"].as_array().is_some_and(|frozen| !frozen.is_empty()) {
        wrong.push(format!("the status says that it is frozen: {}", backup["status"]["frozen"]));
    }
    let label = format!("clusterbackup.dataprotection.microsoft.com/recovery-point={uid}");
    for snapshot in world.objects(&["volumesnapshots", "-n", &world.app, "-l", &label]) {
        wrong.push(format!("snapshot {} is left in the namespace", snapshot["metadata"]["name"]));
    }
    let listed = world.points().iter().filter(|point| point["backupUid"] == uid).count();
    let committed = backup["status"]["recoveryPoint"]["id"] == uid;
    if listed != usize::from(committed) {
        wrong.push(format!("committed: {committed}, but {listed} recovery points are listed"));
    }
    let contents = world.contents(uid);
    if !committed && !contents.is_empty() && !backup["status"]["problems"].to_string().contains(uid) {
        wrong.push(format!("{} snapshots are orphaned and nobody says so", contents.len()));
    }
    wrong
}

/// Fails with everything that is wrong.
pub fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
