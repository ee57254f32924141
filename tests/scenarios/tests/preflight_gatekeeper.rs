//! A real Gatekeeper beside us: it is built from source, runs in the cluster and refuses pods of ours. It is named with its
//! constraint and in its own words, by preflight and by the installation, until the printed command leaves our namespace out.

use scenarios::{
    Cluster, IMAGE, Installation, NAMESPACE, Preflight,
    gatekeeper::{Gatekeeper, RULE},
    wait_until,
};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
/// A namespace that the constraint is for, and that nobody leaves out.
const ASKED: &str = "pf-kept";
/// One that it leaves out from the start.
const SPARED: &str = "pf-spared";
const CONSTRAINT: &str = "pf-owners";

/// The command for `kubectl` in a fix, as a shell would take it apart: nothing but its patch is quoted.
fn printed(fix: &str) -> Vec<String> {
    let (_, command) = fix.split_once("kubectl patch ").unwrap_or_else(|| panic!("no command: {fix}"));
    let mut parts = command.split('\'');
    let (words, patch) = (parts.next().unwrap_or_default(), parts.next().expect("a patch in quotes"));
    ["patch"].into_iter().chain(words.split_whitespace()).chain([patch]).map(str::to_owned).collect()
}

#[test]
fn a_real_gatekeeper_is_named_with_its_constraint_until_the_printed_command_leaves_the_namespace_out() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "gatekept");
    let gatekeeper = Gatekeeper::install(&cluster);
    cluster.delete_namespace(ASKED);
    for namespace in [ASKED, NAMESPACE] {
        cluster.kubectl(&["create", "namespace", namespace]);
    }
    let installed = gatekeeper.traces();
    let preflight = || Preflight::run(&cluster, &["--image", IMAGE]);
    let passes = || {
        wait_until("the pod is let in", SOON, || {
            let found = preflight();
            if found.result("P20") == "Passed" { Ok(found) } else { Err(found.evidence("P20").to_owned()) }
        })
    };
    let lenient = passes();

    gatekeeper.demand_owners(CONSTRAINT, &[ASKED, NAMESPACE, SPARED], &[SPARED]);
    let named = preflight();
    let refused = installation.install(&[]);
    let untouched = cluster.get(&["deployment", "-n", NAMESPACE, "cofferdam-extension"]);
    let command = printed(named.fix("P20"));
    cluster.kubectl(&command.iter().map(String::as_str).collect::<Vec<_>>());
    let spared = passes();
    let constraint = cluster.get(&[RULE, CONSTRAINT]).unwrap_or_default();
    let elsewhere = gatekeeper.refusal(ASKED);
    installation.install(&[]).ok();
    let after = Preflight::run(&cluster, &[]);
    gatekeeper.uninstall();
    let left = gatekeeper.traces();
    cluster.delete_namespace(ASKED);

    assert!(installed.len() > 10, "{installed:?}");
    assert_eq!(lenient.failed(), [""; 0], "it harms nobody by being there: {lenient:?}");
    let said = "admission webhook \"validation.gatekeeper.sh\" denied the request: [pf-owners] every pod needs an owner";
    named.expect("P20", "Failed Block", said);
    named.expect("P20", "Failed Block", "Gatekeeper (1 rules)");
    assert_eq!(named.failed(), ["P20"], "{named:?}");
    assert_eq!(named.code, 5);
    assert_eq!(named.check("P20")["details"]["objects"], json!([format!("{RULE}/{CONSTRAINT}")]));
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    let offered = format!("kubectl patch {RULE}/{CONSTRAINT} ");
    for part in ["nothing was installed", "P20 ", "[pf-owners] every pod needs an owner", &offered] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert_eq!(untouched, None, "it would wait for pods that never come");
    spared.expect("P20", "Passed", "a dry run of the pod was admitted; ");
    assert_eq!(spared.failed(), [""; 0], "{spared:?}");
    let excluded = &constraint["spec"]["match"]["excludedNamespaces"];
    assert_eq!(*excluded, json!([SPARED, NAMESPACE]), "what it left out before stays so");
    assert!(elsewhere.contains("[pf-owners] every pod needs an owner"), "it still works: {elsewhere}");
    after.expect("P20", "Passed", "Gatekeeper (1 rules)");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
    assert_eq!(left, [""; 0], "nothing of it is left behind");
}
