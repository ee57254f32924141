//! The whole way of a person with the command line: the page "The first backup", on two clusters.

use scenarios::{Cluster, IMAGE, Managed, binary, run, shell_blocks};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Where the clusters' pods reach the machine that the tests run on.
const ADDRESS: &str = "10.213.0.2:8443";
/// What the page promises. The images are in the clusters before.
const PROMISED: Duration = Duration::from_secs(10 * 60);
/// What the page says, and what stands for it here: an image that is there, and a class that binds a claim when a pod uses it,
/// as the default classes of most clusters do.
const INSTEAD: [(&str, &str); 2] = [
    ("image: busybox:1.37", "image: cofferdam.test/shell:1"),
    ("accessModes: [ReadWriteOnce]\n", "accessModes: [ReadWriteOnce]\n  storageClassName: standard-wait\n"),
];

#[test]
fn every_command_of_the_first_backup_works_in_the_order_of_the_page() {
    let (one, two) = (Managed::empty(Cluster::one()), Managed::empty(Cluster::named("two")));
    let home = tempfile::tempdir().expect("a directory for the reader");
    let programs = home.path().join("bin");
    fs::create_dir(&programs).expect("a directory for programs");
    std::os::unix::fs::symlink(binary("cofferdam"), programs.join("cofferdam")).expect("a link");
    let kubectl =
        format!("#!/bin/sh\nexec {} kubectl --name {} -- \"$@\"\n", binary("testbed").display(), one.0.name);
    fs::write(programs.join("kubectl"), kubectl).expect("a script");
    fs::set_permissions(programs.join("kubectl"), fs::Permissions::from_mode(0o755)).expect("an executable");
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/first-backup.md"));
    let mut blocks = shell_blocks(&page.expect("the page"));
    for (said, instead) in INSTEAD {
        assert_eq!(blocks.matches(said).count(), 1, "{said} stands in the page once");
        blocks = blocks.replace(said, instead);
    }
    // The vault of the page goes on until the shell ends.
    let script =
        format!("set -euxo pipefail\ntrap 'kill $(jobs -p); tail -n 30 vault.log >&2' EXIT\n{blocks}");

    let mut shell = Command::new("bash");
    let path = std::env::var("PATH").unwrap_or_default();
    shell.args(["-c", &script]).current_dir(home.path());
    shell.env("PATH", format!("{}:{path}", programs.display())).env_remove("KUBECONFIG");
    shell.env("IMAGE", IMAGE).env("ADDRESS", ADDRESS);
    shell.env("ONE", &one.0.kubeconfig).env("TWO", &two.0.kubeconfig);
    shell.env("COFFERDAM_CONFIG_DIR", home.path().join("config"));
    let began = Instant::now();
    let ran = run(shell, "");
    let took = began.elapsed();
    println!("{}\n{}\nthe page took {} s", ran.stdout, ran.stderr, took.as_secs());
    let read = ran.ok();

    assert!(read.contains("My blog"), "the second cluster has what the first one had: {read}");
    assert!(read.contains("the scheduled backup: Completed"), "{read}");
    assert!(took < PROMISED, "the page took {} s", took.as_secs());
    for cluster in [&one, &two] {
        let phase = ["get", "pvc", "posts", "-n", "blog", "-o", "jsonpath={.status.phase}"];
        assert_eq!(cluster.0.kubectl(&phase), "Bound");
    }
}
