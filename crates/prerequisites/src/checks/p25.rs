//! P25: the storage account is of a kind and place that serves.

use super::{ARM_MENDED, same_region};
use crate::codes;
use crate::verdict::{fails, passed, when_seen};
use crate::{Cause, Check, Facts, Fix, Observed, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P25",
    title: "The storage account is general purpose v2, not premium, in the cluster's region, and its container exists.",
    reason: "The extension writes there from the cluster; it does not make the container.",
    scope: Scope::Storage,
    cofferdam: Weight::Warns,
    aks: Weight::Blocks,
    observed_by: "resource manager: kind, sku, location and container of the storage account",
    code: None,
    causes: &[Cause::new(codes::LOCATION_NOT_FOUND, "the container does not exist")],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam(
            "cofferdam storage container create -n {container} --account-name {account} -g {account-group}",
        ),
        Fix::az("az storage container create --name {container} --account-name {account} --auth-mode login"),
    ],
    tested_by: ARM_MENDED,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.account, |account| {
            let mut wrong = Vec::new();
            if !["StorageV2", "BlockBlobStorage"].contains(&account.kind.as_str()) {
                wrong.push(format!("its kind is {}", account.kind));
            }
            if account.sku.starts_with("Premium") {
                wrong.push(format!("its SKU is {}", account.sku));
            }
            if let Observed::Seen(cluster) = &arm.cluster
                && !same_region(&cluster.location, &account.location)
            {
                wrong.push(format!("it is in {}, the cluster in {}", account.location, cluster.location));
            }
            let mut code = None;
            if let Some((container, false)) = &account.container {
                code = Some(codes::LOCATION_NOT_FOUND);
                wrong.push(format!("the container {container} does not exist"));
            }
            match wrong.is_empty() {
                true => passed(format!(
                    "{} is {}, {}, in {}",
                    account.id, account.kind, account.sku, account.location
                )),
                false => fails(format!("{}: {}", account.id, wrong.join(", ")))
                    .about(std::slice::from_ref(&account.id))
                    .code(code),
            }
        })
    })
}
