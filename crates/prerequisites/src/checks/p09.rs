//! P9: a storage account with a firewall lets the vault pass.

use super::{ARM_MENDED, no_vault, same_id};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P9",
    title: "A storage account with network rules trusts the vault.",
    reason: "The vault copies backups into its own store from there; a firewall that does not know it refuses.",
    scope: Scope::Storage,
    cofferdam: Weight::Warns,
    aks: Weight::Blocks,
    observed_by: "resource manager: networkAcls of the storage account",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::az(
        "az storage account network-rule add --account-name {account} -g {account-group} --resource-id {vault-id} --tenant-id {tenant}",
    )],
    tested_by: ARM_MENDED,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.account, |account| {
            if !account.public {
                return fails(format!("{} has its public endpoint switched off", account.id))
                    .about(std::slice::from_ref(&account.id))
                    .fix("Give the vault a private endpoint of the account, or switch the public one on and trust the vault by name.");
            }
            if account.default_action.as_deref() != Some("Deny") {
                return passed(format!("{} has no rule that keeps the vault out", account.id));
            }
            when_seen(&arm.vault, |vault| {
                let Some(vault) = vault else { return no_vault() };
                if account.trusted.iter().any(|id| same_id(id, &vault.id)) {
                    return passed(format!("{} trusts the vault by name", account.id));
                }
                let services =
                    account.bypass.as_deref().is_some_and(|bypass| bypass.contains("AzureServices"));
                if services {
                    return passed(format!("{} lets trusted Azure services pass", account.id));
                }
                fails(format!(
                    "{} denies by default, and {} is not among its {} trusted resources",
                    account.id,
                    vault.id,
                    account.trusted.len()
                ))
                .about(std::slice::from_ref(&account.id))
            })
        })
    })
}
