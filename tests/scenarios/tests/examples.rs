//! The examples in the documents are commands that work.

use scenarios::{Cluster, IMAGE, Installation, binary, run, shell_blocks};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn every_command_of_getting_started_works_in_the_order_of_the_page() {
    let cluster = Cluster::one();
    let prepared = Installation::prepared(&cluster, "examples");
    cluster.delete_namespace("blog");
    cluster.delete_namespace("blog-copy");
    let home = tempfile::tempdir().expect("a directory for the reader");
    let programs = home.path().join("bin");
    fs::create_dir(&programs).expect("a directory for programs");
    std::os::unix::fs::symlink(binary("cofferdam"), programs.join("cofferdam")).expect("a link");
    let kubectl = format!(
        "#!/bin/sh\nexec {} kubectl --name {} -- \"$@\"\n",
        binary("testbed").display(),
        cluster.name
    );
    fs::write(programs.join("kubectl"), kubectl).expect("a script");
    fs::set_permissions(programs.join("kubectl"), fs::Permissions::from_mode(0o755)).expect("an executable");
    for file in ["access-key", "secret-key"] {
        fs::write(home.path().join(file), "testing").expect("a credential");
    }
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/getting-started.md"))
        .expect("the page");
    let script = format!("set -euxo pipefail\n{}", shell_blocks(&page));

    let mut shell = Command::new("bash");
    let path = std::env::var("PATH").unwrap_or_default();
    shell.args(["-c", &script]).current_dir(home.path());
    shell.env("PATH", format!("{}:{path}", programs.display())).env("KUBECONFIG", &cluster.kubeconfig);
    shell.env("IMAGE", IMAGE).env("S3_URL", &prepared.store.url).env("BUCKET", &prepared.store.bucket);
    let read = run(shell, "").ok();

    assert!(read.contains("no errors were found"), "restic checked the repository: {read}");
}
