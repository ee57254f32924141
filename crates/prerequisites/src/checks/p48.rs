//! P48: restores in the paired region are possible.

use super::{UNITS, no_vault};
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P48",
    title: "A vault for restores in another region is geo-redundant.",
    reason: "Only then the vault tier is copied to the paired region.",
    scope: Scope::Vault,
    cofferdam: Weight::Warns,
    aks: Weight::Blocks,
    observed_by: "resource manager: storageSettings and featureSettings of the vault",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::az(
        "az dataprotection backup-vault create -g {group} --vault-name NAME -l {location} --type SystemAssigned --storage-settings datastore-type=VaultStore type=GeoRedundant --cross-region-restore-state Enabled",
    )],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.vault, |vault| {
            let Some(vault) = vault else { return no_vault() };
            if !vault.cross_region {
                return not_applicable("restores in another region are not switched on for this vault");
            }
            match vault.redundancy.as_deref() {
                Some("GeoRedundant") => passed("the vault's store is geo-redundant"),
                other => fails(format!("the vault's store is {}", other.unwrap_or("of unknown redundancy"))),
            }
        })
    })
}
