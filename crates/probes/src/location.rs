//! The storage location: whose it is, what else lies there, and what a probe object says.

use crate::Location;
use bytes::Bytes;
use prerequisites::{Contents, LocationFacts, Observed, Owner, StoreProbe};
use storage::{Store, StoreError, StoreErrorKind, StorePath, owner};

pub(crate) async fn observe(location: &Observed<Location>, cluster: Option<&str>) -> Observed<LocationFacts> {
    let location = match location {
        Observed::Seen(location) => location,
        Observed::NotObservable(why) => return Observed::NotObservable(why.clone()),
    };
    let (contents, probe) = look(location, cluster).await;
    Observed::Seen(LocationFacts {
        describe: location.root.describe(),
        bucket_path: location.bucket_path.clone(),
        contents,
        unrelated_allowed: location.unrelated_allowed,
        probe,
        noted: location.noted.clone(),
    })
}

async fn look(location: &Location, cluster: Option<&str>) -> (Observed<Contents>, StoreProbe) {
    let root = location.root.as_ref();
    let survey = match owner::survey(root).await {
        Ok(survey) => survey,
        Err(error) if error.kind == StoreErrorKind::Corrupt => return broken_marker(&error),
        Err(error) => {
            let unlisted = Observed::NotObservable(format!("it could not be listed: {}", error.cause));
            return (unlisted, unreadable(location, &error));
        }
    };
    let owner = match (survey.owner, cluster) {
        (None, _) => Owner::Nobody,
        (Some(marker), Some(cluster)) if marker.cluster == cluster => Owner::ThisCluster,
        (Some(marker), Some(_)) => Owner::Other(marker.cluster),
        (Some(marker), None) => Owner::UnknownAsker(marker.cluster),
    };
    let strangers = !survey.unrelated.is_empty() || survey.has_repository;
    let probe = match &owner {
        _ if !location.writes => StoreProbe::Reads,
        Owner::ThisCluster => probe(root).await,
        Owner::Nobody if location.unrelated_allowed || !strangers => probe(root).await,
        Owner::Nobody => StoreProbe::NotTried("nothing is written beside files that are not ours".into()),
        _ => StoreProbe::NotTried("nothing is written where another cluster may write; listing works".into()),
    };
    let contents = Contents { owner, has_repository: survey.has_repository, unrelated: survey.unrelated };
    (Observed::Seen(contents), probe)
}

fn broken_marker(error: &StoreError) -> (Observed<Contents>, StoreProbe) {
    let owner = Owner::Unreadable(error.cause.clone());
    let contents = Contents { owner, has_repository: true, unrelated: Vec::new() };
    (
        Observed::Seen(contents),
        StoreProbe::NotTried("nothing is written before it is known whose the location is".into()),
    )
}

fn unreadable(location: &Location, error: &StoreError) -> StoreProbe {
    if error.kind == StoreErrorKind::Unreachable && error.temporary && !location.inside {
        return StoreProbe::OutOfReach(error.cause.clone());
    }
    failed("list", error)
}

async fn probe(root: &dyn Store) -> StoreProbe {
    match put_and_take(root).await {
        Ok(()) => StoreProbe::Works,
        Err((_, error)) if error.kind == StoreErrorKind::Retained => StoreProbe::WorksRetained,
        Err((operation, error)) => failed(operation, &error),
    }
}

/// Creates, reads, lists and deletes a probe object; the first failure with the name of its operation.
pub async fn put_and_take(root: &dyn Store) -> Result<(), (&'static str, StoreError)> {
    let name = format!("{}{}", owner::PROBE_PREFIX, uuid::Uuid::new_v4());
    let path = StorePath::parse(&name)
        .map_err(|bad| ("create", StoreError::new("create", name, StoreErrorKind::Other, bad.to_string())))?;
    let content = Bytes::from_static(b"cofferdam probe");
    root.create(&path, content.clone()).await.map_err(|error| ("create", error))?;
    let read = match root.read(&path).await {
        Ok(read) if read == content => Ok(()),
        Ok(_) => Err(("read", other_bytes(root))),
        Err(error) => Err(("read", error)),
    };
    let listed = root.top_level(1).await.map(drop).map_err(|error| ("list", error));
    let deleted = root.delete(&path).await.map_err(|error| ("delete", error));
    read.and(listed).and(deleted)
}

fn other_bytes(root: &dyn Store) -> StoreError {
    StoreError::new(
        "read",
        root.describe(),
        StoreErrorKind::Corrupt,
        "the store returned other bytes than were written",
    )
    .with_remedy("Do not use this store.")
}

fn failed(operation: &str, error: &StoreError) -> StoreProbe {
    StoreProbe::Failed {
        operation: operation.to_owned(),
        cause: error.cause.clone(),
        remedy: error.remedy.clone(),
    }
}

#[cfg(test)]
mod tests;
