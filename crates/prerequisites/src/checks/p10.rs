//! P10: the storage location holds nothing unrelated.

use super::{NOT_RESTORE, some};
use crate::codes;
use crate::verdict::{fails, not_applicable, passed, unseen, when_seen};
use crate::{Cause, Check, Contents, Facts, Fix, LocationFacts, Owner, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P10",
    title: "The storage location holds nothing unrelated, and nothing of it is lost.",
    reason: "What others keep in one place with recovery points ends in loss, and so does a repository that is begun anew where one was.",
    scope: Scope::Storage,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "the location's top level and owner marker",
    code: Some(codes::LOCATION_NOT_EMPTY),
    causes: &[Cause::new(
        codes::REPOSITORY_DAMAGED,
        "there was a repository and there is none, or the owner marker cannot be understood",
    )],
    purposes: NOT_RESTORE,
    depends_on: &[],
    fixes: &[Fix::az(
        "az storage container create --name {container} --account-name {account} --auth-mode login",
    )],
    tested_by: "unit test; scenario `preflight` with strangers' files and markers; scenario `store_bad_days` with an emptied store",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.location, |location| {
        when_seen(&location.contents, |contents| tenancy(location, contents))
    })
}

fn tenancy(location: &LocationFacts, contents: &Contents) -> Verdict {
    match &contents.owner {
        Owner::Other(cluster) => {
            not_applicable(format!("its owner marker names the cluster {cluster}: that is P26's to tell"))
        }
        Owner::Unreadable(cause) => fails(format!("its owner marker cannot be understood: {cause}"))
            .code(codes::REPOSITORY_DAMAGED)
            .fix("Find out who owns the location, then write the marker anew or use another prefix."),
        Owner::UnknownAsker(cluster) => {
            unseen(format!("it belongs to the cluster {cluster}, and which cluster asks is not known"))
        }
        Owner::ThisCluster | Owner::Nobody if location.initialised && !contents.has_repository => {
            fails(format!("it had a repository, and there is none in {} any more", location.describe))
                .code(codes::REPOSITORY_DAMAGED)
                .fix(
                "Find out who emptied the store, and bring back what was there from its versions or its soft delete: without it no recovery point can be restored. To begin anew without the recovery points: cofferdam location add NAME --forget-repository --set …",
            )
        }
        Owner::Nobody if location.initialised => {
            fails("its owner marker is gone, and its repository is still there").fix(
                "Find out who removed the marker, and bring it back. If the repository is this cluster's alone: cofferdam location add NAME --forget-repository --set allowUnrelatedFiles=true --set …",
            )
        }
        Owner::ThisCluster => passed("the owner marker names this cluster"),
        Owner::Nobody if location.unrelated_allowed => passed(match contents.unrelated.as_slice() {
            [] => "nobody owns it".to_owned(),
            names => format!("nobody owns it; allowUnrelatedFiles lets {} stay", some(names)),
        }),
        Owner::Nobody if contents.has_repository => fails("it holds a repository, but no owner marker").fix(
            "Use an empty bucket or another prefix. If this repository is meant: --set allowUnrelatedFiles=true --repository-password-file FILE",
        ),
        Owner::Nobody if !contents.unrelated.is_empty() => {
            fails(format!("it holds {}", some(&contents.unrelated))).about(&contents.unrelated).fix(
                "Use an empty bucket, or a folder of its own: --set configuration.backupStorageLocation.prefix=cofferdam. If these files may stay beside the recovery points: --set allowUnrelatedFiles=true",
            )
        }
        Owner::Nobody => passed("the location is empty"),
    }
}
