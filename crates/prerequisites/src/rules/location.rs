//! The storage location: rights and tenancy.

use super::some;
use crate::catalogue::{Verdict, failed, passed, when_seen};
use crate::{Facts, Owner, Profile, Severity, StoreProbe};

pub(crate) fn rights(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.location, |location| match &location.probe {
        StoreProbe::Works => passed(format!("a probe object went in and out of {}", location.describe)),
        StoreProbe::Failed { operation, cause, remedy } => failed(
            Severity::Block,
            format!("{operation} on {} failed: {cause}", location.describe),
            remedy.clone(),
        ),
    })
}

pub(crate) fn empty_or_ours(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.location, |location| match (&location.owner, location.unrelated.is_empty()) {
        (Owner::Other(cluster), _) => failed(
            Severity::Block,
            format!("{} belongs to the cluster {cluster}", location.describe),
            "Use another bucket or prefix. To read that cluster's recovery points, add this one as a source location: cofferdam location add --source.",
        ),
        (Owner::ThisCluster, _) => passed("the owner marker names this cluster"),
        (Owner::Nobody, true) => passed("the location is empty"),
        (Owner::Nobody, false) => failed(
            Severity::Block,
            format!("it holds {}", some(&location.unrelated)),
            "Use an empty bucket or a prefix of its own; or repeat with --force if these files may stay beside the recovery points.",
        ),
    })
}
