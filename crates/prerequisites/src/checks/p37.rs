//! P37: there are not too many namespaces.

use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

const MOST: u64 = 800;

pub(crate) static CHECK: Check = Check {
    id: "P37",
    title: "At most 800 namespaces are backed up together.",
    reason: "The original refuses more; Cofferdam has no such limit.",
    scope: Scope::Cluster,
    cofferdam: Weight::Informs,
    aks: Weight::Blocks,
    observed_by: "metadata of namespaces",
    code: Some("UserErrorTooManyNamespaces"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam("cofferdam backup create --include-namespaces NAMESPACE,…"),
        Fix::person("Back the cluster up with several instances, each of some namespaces."),
    ],
    tested_by: "unit test; scenario `preflight_target` with 801 namespaces",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.namespaces, |namespaces| {
        // The limit is that of one instance: where one names its namespaces, only those count.
        let named = namespaces.wanted.len() as u64;
        let (counted, said) = match named {
            0 => (namespaces.count, format!("{} namespaces", namespaces.count)),
            _ => (named, format!("{named} of {} namespaces are named", namespaces.count)),
        };
        match counted <= MOST {
            true => passed(said),
            false => fails(said),
        }
        .number("namespaces", counted)
    })
}
