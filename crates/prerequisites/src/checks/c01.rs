//! C1: the cluster's version is one that this product is tested with.

use super::UNITS;
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

/// The oldest minor version that the tests run on.
const TESTED: (u32, u32) = (1, 35);

pub(crate) static CHECK: Check = Check {
    id: "C1",
    title: "The cluster runs a version of Kubernetes that Cofferdam is tested with.",
    reason: "Older ones may work; nobody has shown it.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::NotApplicable("P27 asks what the original supports"),
    observed_by: "/version",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &["P11"],
    fixes: &[Fix::person("Upgrade the cluster, or try a backup and a restore before you rely on them.")],
    tested_by: UNITS,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.cluster, |cluster| {
        let (major, minor, _) = cluster.version;
        match (major, minor) < TESTED {
            true => fails(format!(
                "{} is older than {}.{}, the oldest that is tested",
                cluster.git_version, TESTED.0, TESTED.1
            )),
            false => passed(format!("{}, tested from {}.{} on", cluster.git_version, TESTED.0, TESTED.1)),
        }
    })
}
