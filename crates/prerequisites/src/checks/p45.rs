//! P45: the staging account of a restore serves.

use super::{UNITS, same_region};
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, Facts, Fix, Observed, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P45",
    title: "The staging storage account is public, allows replication across tenants and is in the target's region.",
    reason: "A restore from the vault tier goes by way of it.",
    scope: Scope::Target,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: the account named by `--staging-account`",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::az(
        "az storage account update --ids {staging-id} --allow-cross-tenant-replication true --public-network-access Enabled --default-action Allow",
    )],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.staging, |staging| {
            let Some(staging) = staging else {
                return not_applicable("no staging account was named (--staging-account)");
            };
            let mut wrong = Vec::new();
            if !staging.public {
                wrong.push("its public endpoint is off".to_owned());
            }
            if staging.default_action.as_deref() == Some("Deny") {
                wrong.push("its firewall denies by default".to_owned());
            }
            // Ours are copied by the vault itself, within one tenant.
            if profile == Profile::Aks && staging.cross_tenant != Some(true) {
                wrong.push("it does not allow replication across tenants".to_owned());
            }
            if let Observed::Seen(cluster) = &arm.cluster
                && !same_region(&cluster.location, &staging.location)
            {
                wrong.push(format!("it is in {}, the cluster in {}", staging.location, cluster.location));
            }
            match wrong.is_empty() {
                true => passed(format!("{} serves", staging.id)),
                false => fails(format!("{}: {}", staging.id, wrong.join(", ")))
                    .about(std::slice::from_ref(&staging.id)),
            }
        })
    })
}
