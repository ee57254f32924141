//! P46: the target has room.

use super::{no_target, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P46",
    title: "The target has room for what is restored.",
    reason: "Restored pods otherwise wait, and their volumes are not made.",
    scope: Scope::Target,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "requests of the source's pods beside free nodes and quotas of the target (`--target-kubeconfig`)",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::az("az aks nodepool scale --cluster-name {target} -g {target-group} -n POOL --node-count COUNT"),
        Fix::kubectl("kubectl edit resourcequota QUOTA -n NAMESPACE"),
    ],
    tested_by: "unit test; scenario `preflight_target` with a target without nodes",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.target, |target| {
        let Some(target) = target else { return no_target() };
        let mut short = Vec::new();
        let ((cpu, free_cpu), (memory, free_memory)) = (target.cpu, target.memory);
        if cpu > free_cpu {
            short.push(format!("the source's pods ask for {cpu} m CPU, {free_cpu} m are free"));
        }
        if memory > free_memory {
            short.push(format!(
                "they ask for {} MiB of memory, {} MiB are free",
                memory >> 20,
                free_memory >> 20
            ));
        }
        if !target.full_quotas.is_empty() {
            short.push(format!("quotas are used up: {}", some(&target.full_quotas)));
        }
        match short.is_empty() {
            true => passed(format!("{free_cpu} m CPU and {} MiB are free", free_memory >> 20)),
            false => fails(short.join("; ")).about(&target.full_quotas),
        }
        .number("askedMilliCpu", cpu)
        .number("freeMilliCpu", free_cpu)
        .number("askedMemory", memory)
        .number("freeMemory", free_memory)
    })
}
