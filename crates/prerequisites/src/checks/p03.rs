//! P3: the vault has Trusted Access to the cluster.

use super::{ROLES, no_vault, same_id};
use crate::verdict::{fails, passed, unseen, when_seen};
use crate::{ArmFacts, ArmVault, Binding, Check, Facts, Fix, Observed, Profile, Scope, Verdict, Weight};

const ROLE: &str = "Microsoft.DataProtection/backupVaults/backup-operator";

pub(crate) static CHECK: Check = Check {
    id: "P3",
    title: "The vault has Trusted Access to the cluster.",
    reason: "By it the vault asks the extension for backups, without an administrator's kubeconfig and through private endpoints.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: trustedAccessRoleBindings of the cluster",
    code: Some("UserErrorTrustedAccessGatewayReturnedForbidden"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam(
            "cofferdam trusted-access rolebinding create --cluster-name {cluster} -g {group} -n backuprb --source-resource-id {vault-id} --roles Microsoft.DataProtection/backupVaults/backup-operator",
        ),
        Fix::az(
            "az aks trustedaccess rolebinding create --cluster-name {cluster} -g {group} -n backuprb --source-resource-id {vault-id} --roles Microsoft.DataProtection/backupVaults/backup-operator",
        ),
    ],
    tested_by: ROLES,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.vault, |vault| match vault {
            None => no_vault(),
            Some(vault) => match &arm.bindings {
                Observed::NotObservable(why) => unseen(why),
                Observed::Seen(bindings) => bound(arm, vault, bindings),
            },
        })
    })
}

fn bound(arm: &ArmFacts, vault: &ArmVault, bindings: &[Binding]) -> Verdict {
    let mut of_the_vault = bindings.iter().filter(|one| same_id(&one.source, &vault.id)).peekable();
    if of_the_vault.peek().is_none() {
        let principal = vault.principal.as_deref().unwrap_or("(there is none yet)");
        let cluster = arm.cluster.seen().map_or("the cluster", |cluster| cluster.id.as_str());
        return fails(format!(
            "missing: R13 {ROLE} of the vault's identity {principal} on {cluster}; none of {} bindings of the cluster is for {}",
            bindings.len(),
            vault.id
        ))
        .number("bindings", bindings.len() as u64);
    }
    let mut told = Vec::new();
    for binding in of_the_vault {
        let has_role = binding.roles.iter().any(|role| role.eq_ignore_ascii_case(ROLE));
        if has_role && binding.state == "Succeeded" {
            return passed(format!("the binding {} lets the vault in as backup-operator", binding.name));
        }
        told.push(match has_role {
            true => format!("{} is {}", binding.name, binding.state),
            false => format!("{} lacks the role {ROLE}", binding.name),
        });
    }
    fails(format!("the vault's bindings do not serve: {}", told.join(", "))).about(&told)
}
