//! P30: the extension's pods keep running.

use super::{UNITS, not_installed, some};
use crate::codes;
use crate::verdict::{fails, fails_as, informs, passed, when_seen};
use crate::{Cause, Check, Facts, Fix, Profile, Scope, Severity, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P30",
    title: "The extension's pods run and keep running.",
    reason: "They must run for a backup, for a restore and for the deletion of expired recovery points.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "pods of the extension: readiness, restarts, how they ended the last time",
    code: Some("UserErrorBackupPluginPodRestartedDuringBackup"),
    causes: &[Cause::new(codes::EXTENSION_HAS_ERRORS, "pods are not available, or none is wanted")],
    purposes: &[],
    depends_on: &["P1"],
    fixes: &[
        Fix::cofferdam("cofferdam install --set resources.limits.memory=4400Mi"),
        Fix::az(
            "az k8s-extension update --name {extension} --cluster-name {cluster} -g {group} --cluster-type managedClusters --configuration-settings resources.limits.memory=4400Mi",
        ),
        Fix::kubectl("kubectl -n {namespace} describe pods"),
    ],
    tested_by: UNITS,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.extension, |extension| {
        let Some(pods) = extension else { return not_installed() };
        if !pods.out_of_memory.is_empty() {
            return fails_as(
                Severity::Warn,
                format!("ended for lack of memory the last time: {}", some(&pods.out_of_memory)),
            )
            .about(&pods.out_of_memory)
            .number("restarts", pods.restarts);
        }
        if pods.available < pods.wanted {
            let waiting =
                if pods.waiting.is_empty() { String::new() } else { format!(": {}", some(&pods.waiting)) };
            return fails_as(
                Severity::Warn,
                format!("{} of {} pods are available{waiting}", pods.available, pods.wanted),
            )
            .about(&pods.waiting)
            .code(codes::EXTENSION_HAS_ERRORS);
        }
        match pods.restarts {
            0 => passed(format!("{} pods, no restart", pods.available)),
            _ if pods.wanted == 0 => {
                fails("no pod is wanted: the Deployment is scaled to 0").code(codes::EXTENSION_HAS_ERRORS)
            }
            many => informs(format!("{} pods, {many} restarts", pods.available)).number("restarts", many),
        }
    })
}
