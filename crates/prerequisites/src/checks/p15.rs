//! P15: nodes can fetch the image.

use super::ALWAYS;
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P15",
    title: "Nodes can fetch the extension's image.",
    reason: "Behind a firewall the installation otherwise hangs without a word.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "the state of pods that use the image, images that nodes hold",
    code: None,
    causes: &[],
    purposes: ALWAYS,
    depends_on: &[],
    fixes: &[
        Fix::cofferdam("cofferdam install --image REGISTRY/cofferdam:TAG"),
        Fix::az("az aks update --name {cluster} -g {group} --attach-acr REGISTRY"),
    ],
    tested_by: "unit test; scenario `preflight` with an image that is nowhere; scenario `preflight_egress` with a registry behind a packet filter",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.registry, |registry| {
        match &registry.pulled {
        Ok(who) => passed(format!("{who} {}", registry.image)),
        Err(reason) => fails(format!("{}: {reason}", registry.image)).at(registry.image.clone()).fix(
            "Mirror the image into a registry that the nodes reach and repeat with --image REGISTRY/cofferdam:TAG.",
        ),
    }
    })
}
