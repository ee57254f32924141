//! Installing into a cluster, and what goes wrong there.

use scenarios::{Cluster, Installation};
use std::time::Duration;

#[test]
fn a_namespace_with_no_volume_is_backed_up_deleted_and_restored() {
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "install");
    cluster.delete_namespace("small");
    cluster.kubectl(&["create", "namespace", "small"]);
    cluster.kubectl(&["create", "configmap", "-n", "small", "colours", "--from-literal=sky=blue"]);

    cluster.cofferdam(&["backup", "create", "small", "--include-namespaces", "small", "--wait"]).ok();
    cluster.delete_namespace("small");
    cluster.cofferdam(&["restore", "create", "small", "--from-backup", "small", "--wait"]).ok();

    installed.wait_phase("restores", "small", &["Completed"], Duration::from_secs(5));
    let restored = cluster.get(&["configmap", "-n", "small", "colours"]).expect("the restored ConfigMap");
    assert_eq!(restored["data"]["sky"], "blue");
    cluster.delete_namespace("small");
}
