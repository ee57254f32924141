//! P24: vault and cluster lie in one region and one tenant.

use super::{UNITS, no_vault, same_region};
use crate::verdict::{fails, passed, when_seen};
use crate::{Cause, Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P24",
    title: "Vault and cluster are in the same region and tenant.",
    reason: "Snapshots stay in the cluster's region, and identities are known in one tenant only.",
    scope: Scope::Vault,
    cofferdam: Weight::Warns,
    aks: Weight::Blocks,
    observed_by: "resource manager: location and tenant of vault and cluster",
    code: None,
    causes: &[Cause::new("UserErrorCrossRegionNotSupported", "vault and cluster are in different regions")],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam(
            "cofferdam vault create -g {group} --vault-name NAME -l {location} --type SystemAssigned",
        ),
        Fix::az(
            "az dataprotection backup-vault create -g {group} --vault-name NAME -l {location} --type SystemAssigned --storage-settings datastore-type=VaultStore type=LocallyRedundant",
        ),
    ],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.vault, |vault| {
            let Some(vault) = vault else { return no_vault() };
            when_seen(&arm.cluster, |cluster| {
                if !same_region(&vault.location, &cluster.location) {
                    return fails(format!(
                        "the vault is in {}, the cluster in {}",
                        vault.location, cluster.location
                    ))
                    .code("UserErrorCrossRegionNotSupported");
                }
                match (&vault.tenant, &cluster.tenant) {
                    (Some(vault), Some(cluster)) if vault != cluster => {
                        fails(format!("the vault's tenant is {vault}, the cluster's {cluster}"))
                    }
                    (Some(tenant), Some(_)) => {
                        passed(format!("both are in {}, tenant {tenant}", vault.location))
                    }
                    _ => passed(format!("both are in {}", vault.location)),
                }
            })
        })
    })
}
