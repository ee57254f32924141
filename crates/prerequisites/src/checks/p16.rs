//! P16: the firewall lets out what the extension speaks to.

use super::{IN_CLUSTER, unseen_in_cluster};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P16",
    title: "The cluster reaches every endpoint that it needs.",
    reason: "Behind a firewall each of them must be allowed by name: registry, store, vault, token endpoint; on AKS 25 host rules.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: IN_CLUSTER,
    code: None,
    purposes: &[],
    depends_on: &["P15"],
    fixes: &[
        Fix::person("Allow the endpoint in the firewall: DNS, and TCP 443 to the name that failed."),
        Fix::cofferdam("cofferdam preflight egress --format table"),
    ],
    tested_by: "unit test: it is never passed without an in-cluster probe",
    only_azure: true,
    rule: judge,
};

fn judge(_: &Facts, _: Profile) -> Verdict {
    unseen_in_cluster("what the cluster's pods reach")
}
