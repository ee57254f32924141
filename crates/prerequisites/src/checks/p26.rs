//! P26: no two clusters share a container.

use super::NOT_RESTORE;
use crate::codes;
use crate::verdict::{fails, passed, unseen, when_seen};
use crate::{Check, Facts, Fix, Owner, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P26",
    title: "No other cluster writes to the storage location.",
    reason: "Two clusters with one place delete each other's recovery points.",
    scope: Scope::Storage,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "the owner marker of the location",
    code: Some(codes::LOCATION_OWNED_BY_OTHER),
    causes: &[],
    purposes: NOT_RESTORE,
    depends_on: &["P10"],
    fixes: &[
        Fix::cofferdam(
            "cofferdam location add NAME --set configuration.backupStorageLocation.prefix=FOLDER --set … (or another bucket)",
        ),
        Fix::cofferdam(
            "cofferdam location add NAME --role source --set … --repository-password-file FILE (to read that cluster's recovery points)",
        ),
    ],
    tested_by: "unit test; scenario `preflight` with two clusters on one bucket, and with another cluster's marker",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.location, |location| {
        when_seen(&location.contents, |contents| match &contents.owner {
            Owner::Nobody => passed("no cluster has claimed the location yet"),
            Owner::ThisCluster => passed("the owner marker names this cluster"),
            Owner::Other(cluster) => fails(format!(
                "{} belongs to the cluster {cluster}: the owner marker names it",
                location.describe
            ))
            .about(std::slice::from_ref(cluster)),
            Owner::Unreadable(cause) => unseen(format!("the owner marker cannot be understood: {cause}")),
            Owner::UnknownAsker(cluster) => {
                unseen(format!("it belongs to the cluster {cluster}, and which cluster asks is not known"))
            }
        })
    })
}
