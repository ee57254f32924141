//! The storage location: rights and tenancy.

use super::some;
use crate::catalogue::{Verdict, failed, passed, unseen, when_seen};
use crate::{Contents, Facts, LocationFacts, Owner, Profile, Severity, StoreProbe};

/// What the extension notes at a location that it can use.
const NOTED_READY: &str = "Ready";

pub(crate) fn rights(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.location, |location| match &location.probe {
        StoreProbe::Works => passed(format!("a probe object went in and out of {}", location.describe)),
        StoreProbe::WorksRetained => passed(format!(
            "a probe object went into {}; a retention rule keeps it for now",
            location.describe
        )),
        StoreProbe::Reads => {
            passed(format!("listing and reading {} work; nothing is written", location.describe))
        }
        StoreProbe::NotTried(why) => unseen(why.clone()),
        StoreProbe::OutOfReach(cause) => out_of_reach(location, cause),
        StoreProbe::Failed { operation, cause, remedy } => failed(
            Severity::Block,
            format!("{operation} on {} failed: {cause}", location.describe),
            remedy.clone(),
        ),
    })
}

/// The machine of a person need not reach the store; the extension must, and has perhaps said so.
fn out_of_reach(location: &LocationFacts, cause: &str) -> Verdict {
    match location.noted.as_deref() {
        Some(NOTED_READY) => passed(format!(
            "the extension uses {}; from here it is not reachable: {cause}",
            location.describe
        )),
        Some(noted) => failed(
            Severity::Block,
            format!("the extension cannot use {}: {noted}", location.describe),
            "Mend what the extension says; it looks again within seconds.",
        ),
        None => unseen(format!(
            "{} is not reachable from here: {cause}; the extension looks from inside the cluster",
            location.describe
        )),
    }
}

pub(crate) fn empty_or_ours(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.location, |location| {
        when_seen(&location.contents, |contents| tenancy(location, contents))
    })
}

fn tenancy(location: &LocationFacts, contents: &Contents) -> Verdict {
    let block = |evidence: String, fix: &str| failed(Severity::Block, evidence, fix);
    match &contents.owner {
        Owner::Other(cluster) => block(
            format!("{} belongs to the cluster {cluster}", location.describe),
            "Use another bucket or prefix. To read that cluster's recovery points: cofferdam location add NAME --role source --set … --repository-password-file FILE",
        ),
        Owner::Unreadable(cause) => block(
            format!("its owner marker cannot be understood: {cause}"),
            "Find out who owns the location, then write the marker anew or use another prefix.",
        ),
        Owner::UnknownAsker(cluster) => {
            unseen(format!("it belongs to the cluster {cluster}, and which cluster asks is not known"))
        }
        Owner::ThisCluster => passed("the owner marker names this cluster"),
        Owner::Nobody if location.unrelated_allowed => passed(match contents.unrelated.as_slice() {
            [] => "nobody owns it".to_owned(),
            names => format!("nobody owns it; allowUnrelatedFiles lets {} stay", some(names)),
        }),
        Owner::Nobody if contents.has_repository => block(
            "it holds a repository, but no owner marker".to_owned(),
            "Use an empty bucket or another prefix. If this repository is meant: --set allowUnrelatedFiles=true --repository-password-file FILE",
        ),
        Owner::Nobody if !contents.unrelated.is_empty() => block(
            format!("it holds {}", some(&contents.unrelated)),
            "Use an empty bucket, or a folder of its own: --set configuration.backupStorageLocation.prefix=cofferdam. If these files may stay beside the recovery points: --set allowUnrelatedFiles=true",
        ),
        Owner::Nobody => passed("the location is empty"),
    }
}
