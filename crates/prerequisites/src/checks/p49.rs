//! P49: the clients are young enough.

use super::{UNITS, some};
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P49",
    title: "The Azure CLI and Terraform on this machine are young enough.",
    reason: "Older ones do not know the commands: Azure CLI 2.41, for Trusted Access 2.53, Terraform's azurerm 3.99.",
    scope: Scope::Subscription,
    cofferdam: Weight::NotApplicable("this command line is the product's own"),
    aks: Weight::Warns,
    observed_by: "az version",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::az("az upgrade")],
    tested_by: UNITS,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.tools, |tools| {
        let text = |(major, minor, patch): (u32, u32, u32)| format!("{major}.{minor}.{patch}");
        if tools.is_empty() {
            return not_applicable("there is no Azure CLI on this machine");
        }
        let old: Vec<String> = tools
            .iter()
            .filter(|tool| tool.version < tool.oldest)
            .map(|tool| format!("{} is {}, needed is {}", tool.name, text(tool.version), text(tool.oldest)))
            .collect();
        let found: Vec<String> =
            tools.iter().map(|tool| format!("{} {}", tool.name, text(tool.version))).collect();
        match old.is_empty() {
            true => passed(some(&found)),
            false => fails(some(&old)).about(&old),
        }
    })
}
