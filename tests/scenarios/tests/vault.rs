//! The vault and the official client packages, on two clusters: from an empty vault to what was lost and is there again.

use scenarios::{Cluster, Managed, Ran, SHOP, Vault, run};
use std::path::Path;
use std::process::Command;

/// Where the clusters' pods reach the machine that the tests run on.
const ADDRESS: &str = "10.213.0.2:8443";

fn journey(vault: &Vault, one: &Managed, two: &Managed) -> Ran {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(root.join("tests/clients/python"));
    command.arg(root.join("tests/clients/journey.py"));
    command.arg(vault.credential()).arg(vault.authority()).arg(vault.url());
    let apply = " apply --server-side --force-conflicts -f -";
    command.args([format!("{}{apply}", one.kubectl()), format!("{}{apply}", two.kubectl())]);
    command.args([one.kubectl(), two.kubectl()]);
    run(command, "")
}

#[test]
fn what_two_clusters_lose_comes_back_with_the_official_packages_alone() {
    let (one, two) = (Managed::empty(Cluster::one()), Managed::empty(Cluster::named("two")));
    one.0.apply(SHOP);
    one.0.kubectl(&["wait", "-n", "shop", "--for=condition=Ready", "pod/app", "--timeout=120s"]);
    let place = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::start(place.path(), ADDRESS);
    let ran = journey(&vault, &one, &two);
    println!("{}", ran.stdout);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
}
