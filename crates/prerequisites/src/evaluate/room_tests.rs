//! Whether a pod finds its place: nodes, taints, quotas.

use super::{
    broken_tests::named,
    tests::{healthy, node},
};
use crate::*;

const BLOCKED: Outcome = Outcome::Failed { severity: Severity::Block };
const WARNED: Outcome = Outcome::Failed { severity: Severity::Warn };
/// The API server's own words.
const FULL_QUOTA: &str =
    "pods \"e\" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=0, limited: pods=0";

/// Before an installation, with these nodes.
fn with_nodes(all: Vec<Node>) -> Facts {
    let nodes = Nodes { all, wanted_cpu: 500, wanted_memory: 256 << 20 };
    Facts { extension: Observed::Seen(None), nodes: Observed::Seen(nodes), ..healthy() }
}

fn with_refusal(reason: &str, facts: Facts) -> Facts {
    let refused = Policies { dry_run: DryRun::Rejected(reason.into()), ..Policies::default() };
    Facts { policies: Observed::Seen(refused), ..facts }
}

fn tainted(name: &str) -> Node {
    Node { not_tolerated: vec!["gpu:NoSchedule".into()], ..node(name) }
}

#[test]
fn one_node_must_have_room_and_be_open_and_untainted_at_once() {
    let full = || Node { free_cpu: Some(499), ..node("full") };
    let crowded = || Node { free_pods: Some(0), ..node("crowded") };
    let closed = || Node { takes_pods: false, ..node("closed") };

    for (id, nodes) in [
        ("P28", vec![full()]),
        ("P28", vec![crowded()]),
        ("P28", vec![tainted("roomy"), full()]),
        ("P28", vec![closed()]),
        ("P29", vec![tainted("a"), tainted("b")]),
        ("P29", vec![tainted("a"), closed()]),
    ] {
        named(&with_nodes(nodes), Profile::Cofferdam, id, BLOCKED, None);
    }
    let report = evaluate(
        &with_nodes(vec![full(), tainted("t"), node("fit")]),
        Profile::Cofferdam,
        Purpose::Preflight,
    );
    assert_eq!(
        report.blocking().count() + report.warning().count(),
        0,
        "one that fits is enough: {report:#?}"
    );
}

#[test]
fn what_runs_already_is_warned_that_it_could_not_be_placed_again() {
    let mut facts = with_nodes(vec![tainted("only")]);
    facts.extension = healthy().extension;

    named(&facts, Profile::Cofferdam, "P29", WARNED, None);
    named(&with_refusal(FULL_QUOTA, healthy()), Profile::Cofferdam, "P20", WARNED, None);
}

#[test]
fn a_full_quota_is_raised_and_not_excepted_from_a_policy() {
    let of = |reason: &str| {
        let facts = with_refusal(reason, with_nodes(vec![node("n")]));
        named(&facts, Profile::Cofferdam, "P20", BLOCKED, None);
        let judged = judge(&facts, Profile::Cofferdam, Purpose::Preflight);
        let found = judged.into_iter().find(|one| one.check.id == "P20").unwrap();
        (found.evidence.objects, found.finding.fix.unwrap())
    };

    let full = of(FULL_QUOTA);
    let silent =
        of("pods \"e\" is forbidden: failed quota: strict: must specify requests.cpu for: extension");
    let policy = of("ValidatingAdmissionPolicy 'p' denied request: the quota: none");

    let edit = |name: &str| format!("kubectl edit resourcequota {name} -n dataprotection-microsoft");
    assert_eq!(full, (vec!["dataprotection-microsoft/tight".to_owned()], edit("tight")));
    assert_eq!(silent.1, edit("strict"));
    assert!(policy.1.starts_with("Exclude the namespace"), "{}", policy.1);
}
