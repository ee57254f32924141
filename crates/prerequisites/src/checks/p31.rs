//! P31: the extension's memory fits the cluster.

use super::UNITS;
use crate::verdict::{fails, informs, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

/// What the original's documents advise for more than a thousand objects.
const ADVISED: u64 = 4_400 << 20;
const MANY: u64 = 1_000;

pub(crate) static CHECK: Check = Check {
    id: "P31",
    title: "The extension has memory for the number of objects.",
    reason: "The original keeps all objects in memory and is ended by the kernel above about a thousand; Cofferdam streams them.",
    scope: Scope::Cluster,
    cofferdam: Weight::Informs,
    aks: Weight::Warns,
    observed_by: "counts of lists with one item, the memory limit of the extension",
    code: Some("UserErrorBackupPluginPodRestartedDuringBackup"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::az(
            "az k8s-extension update --name {extension} --cluster-name {cluster} -g {group} --cluster-type managedClusters --configuration-settings resources.limits.memory=4400Mi",
        ),
        Fix::cofferdam("cofferdam install --set resources.limits.memory=4400Mi"),
    ],
    tested_by: UNITS,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    when_seen(&facts.objects, |objects| {
        if profile == Profile::Cofferdam {
            return informs(format!(
                "about {objects} objects; they are streamed, memory does not grow with them"
            ))
            .number("objects", *objects);
        }
        let limit = facts.extension.seen().and_then(Option::as_ref).and_then(|pods| pods.memory_limit);
        match limit {
            _ if *objects <= MANY => passed(format!("about {objects} objects")),
            Some(limit) if limit >= ADVISED => {
                passed(format!("about {objects} objects, {} MiB of memory", limit >> 20))
            }
            Some(limit) => fails(format!("about {objects} objects, and a limit of {} MiB", limit >> 20)),
            None => fails(format!("about {objects} objects: more than the default limit of memory is for")),
        }
        .number("objects", *objects)
    })
}
