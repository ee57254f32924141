//! csi-sanity, the conformance suite of the CSI project, against the driver.
//!
//! The suite's program is taken from `$CSI_SANITY`, or built from `testbed/go/services`.

mod common;

use common::{Driver, World};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// What the suite said about itself at its end.
#[derive(Debug)]
struct Verdict {
    passed: u32,
    failed: u32,
    /// The names of the failed specs.
    failures: Vec<String>,
    log: String,
}

static CSI_SANITY: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os("CSI_SANITY") {
    Some(path) => path.into(),
    None => build_csi_sanity(),
});

fn build_csi_sanity() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("csi-sanity");
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../go/services");
    let status = Command::new("go")
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o"])
        .arg(&program)
        .arg("github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity")
        .current_dir(module)
        .status()
        .expect("install Go, or name the program in $CSI_SANITY");
    assert!(status.success(), "csi-sanity does not build");
    program
}

fn sanity(access: &str, driver_flags: &[&str]) -> Verdict {
    let world = World::new(64);
    let driver = Driver::start(&world, "sanity.csi.test", driver_flags);
    let output = Command::new(&*CSI_SANITY)
        .arg("--csi.endpoint")
        .arg(&driver.endpoint)
        .arg("--csi.mountdir")
        .arg(world.kubelet().join("target"))
        .arg("--csi.stagingdir")
        .arg(world.kubelet().join("staging"))
        .args(["--csi.testvolumeaccesstype", access, "--ginkgo.no-color"])
        .output()
        .expect("csi-sanity starts");
    let loops = world.loops();
    driver.stop();

    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    let summary =
        log.lines().rev().find(|line| line.contains(" Passed | ")).unwrap_or_else(|| panic!("{log}"));
    let words: Vec<&str> = summary.split_whitespace().collect();
    let before = |word: &str| {
        let at = words.iter().position(|w| *w == word).expect("the summary names its counts");
        words[at - 1].parse().expect("a count")
    };
    let failures =
        log.lines().filter_map(|line| line.trim().strip_prefix("[FAIL] ")).map(str::to_owned).collect();
    let verdict = Verdict { passed: before("Passed"), failed: before("Failed"), failures, log };
    assert_eq!(output.status.success(), verdict.failed == 0, "{}", verdict.log);
    assert!(verdict.failed > 0 || loops.is_empty(), "loop devices stay behind: {loops:?}");
    verdict
}

#[test]
fn filesystem_volumes_conform() {
    let verdict = sanity("mount", &[]);

    assert_eq!(verdict.failed, 0, "{}", verdict.log);
    assert!(verdict.passed >= 65, "only {} specs ran: {}", verdict.passed, verdict.log);
}

#[test]
fn block_volumes_conform() {
    let verdict = sanity("block", &[]);

    assert_eq!(verdict.failed, 0, "{}", verdict.log);
    assert!(verdict.passed >= 65, "only {} specs ran: {}", verdict.passed, verdict.log);
}

#[test]
fn a_driver_without_snapshots_conforms() {
    let verdict = sanity("mount", &["--no-snapshots"]);

    assert_eq!(verdict.failed, 0, "{}", verdict.log);
    assert!((40..60).contains(&verdict.passed), "{} specs ran: {}", verdict.passed, verdict.log);
}

#[test]
fn a_driver_that_is_not_idempotent_is_found_out() {
    let verdict = sanity("mount", &["--planted-defect", "not-idempotent"]);

    let noticed = |failure: &String| failure.contains("already existing name");
    assert!(verdict.failures.iter().any(noticed), "the planted defect went unnoticed: {}", verdict.log);
}
