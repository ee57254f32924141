//! P21: network security groups let the backup service in.

use super::UNITS;
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

const TAGS: [&str; 2] = ["AzureBackup", "AzureCloud"];

pub(crate) static CHECK: Check = Check {
    id: "P21",
    title: "Network security groups let the service tags AzureBackup and AzureCloud in.",
    reason: "The original's service opens connections to the cluster.",
    scope: Scope::Cluster,
    cofferdam: Weight::NotApplicable("the agent dials out; nobody connects to the cluster"),
    aks: Weight::Blocks,
    observed_by: "resource manager: networkSecurityGroups of the node resource group",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::az(
        "az network nsg rule create -g {node-group} --nsg-name NSG -n AllowBackup --priority 200 --direction Inbound --access Allow --protocol Tcp --destination-port-ranges 443 --source-address-prefixes AzureBackup AzureCloud",
    )],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.inbound, |rules| {
            let lets_in = |tag: &str| {
                rules.iter().any(|rule| {
                    let to_tag = |source: &String| {
                        ["*", "Any", "Internet"].contains(&source.as_str())
                            || source.to_lowercase().starts_with(&tag.to_lowercase())
                    };
                    rule.sources.iter().any(to_tag)
                })
            };
            let absent: Vec<String> =
                TAGS.iter().filter(|tag| !lets_in(tag)).map(|tag| (*tag).to_owned()).collect();
            match absent.is_empty() {
                true => passed(format!("{} inbound rules let both tags in", rules.len())),
                false => fails(format!("no inbound rule lets {} in", absent.join(" and ")))
                    .about(&absent)
                    .number("inboundRules", rules.len() as u64),
            }
        })
    })
}
