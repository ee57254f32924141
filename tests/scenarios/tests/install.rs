//! Installing into a cluster, and what goes wrong there.

use scenarios::{Cluster, IMAGE, Installation, binary, run};
use std::process::Command;
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

#[test]
fn it_lives_in_another_namespace_on_request() {
    let cluster = Cluster::one();
    let prepared = Installation::prepared(&cluster, "elsewhere");
    for namespace in ["backup-system", "moved"] {
        cluster.delete_namespace(namespace);
    }
    cluster.kubectl(&["create", "namespace", "moved"]);
    cluster.kubectl(&["create", "configmap", "-n", "moved", "colours", "--from-literal=sky=blue"]);
    let there = |args: &[&str]| {
        let ran = cluster.cofferdam(&[&["-n", "backup-system"], args].concat());
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
    };

    let mut install = vec!["install", "--image", IMAGE, "--set", "resources.requests.cpu=50m"];
    let store = prepared.store.arguments();
    install.extend(store.iter().map(String::as_str));
    there(&install);
    there(&["backup", "create", "moved", "--include-namespaces", "moved", "--wait"]);
    cluster.delete_namespace("moved");
    there(&["restore", "create", "moved", "--from-backup", "moved", "--wait"]);

    let restored = cluster.get(&["configmap", "-n", "moved", "colours"]).expect("the restored ConfigMap");
    assert_eq!(restored["data"]["sky"], "blue");
    assert_eq!(
        cluster.get(&["namespace", scenarios::NAMESPACE]),
        None,
        "nothing went into the usual namespace"
    );
    for namespace in ["moved", "backup-system"] {
        cluster.delete_namespace(namespace);
    }
}

#[test]
fn shells_accept_their_completion_scripts() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = Command::new(binary("cofferdam"));
        command.args(["completion", shell]);
        let script = run(command, "").ok();
        assert!(script.contains("recovery-point"), "{shell}: {script}");
        if shell == "bash" {
            let mut parse = Command::new("bash");
            parse.arg("-n");
            run(parse, &script).ok();
        }
    }
}
