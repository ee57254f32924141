//! The storage location: whose it is, what else lies there, and what a probe object says.

mod in_time;

use crate::{Location, contain::PROBE};
use bytes::Bytes;
use in_time::InTime;
use prerequisites::{Contents, LocationFacts, Observed, Owner, Refusal, StoreProbe};
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
        store: location.store.clone(),
        contents,
        unrelated_allowed: location.unrelated_allowed,
        initialised: location.initialised,
        probe,
        noted: location.noted.clone(),
    })
}

async fn look(location: &Location, cluster: Option<&str>) -> (Observed<Contents>, StoreProbe) {
    let root = &InTime::new(location.root.clone(), PROBE);
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
    match whole(root).await {
        Ok(Kept::Nothing) => StoreProbe::Works,
        Ok(Kept::Probe) => StoreProbe::WorksRetained,
        Err((operation, error)) => failed(operation, &error),
    }
}

/// What a rule of the store keeps for now.
#[derive(PartialEq, Eq)]
enum Kept {
    Nothing,
    Probe,
}

/// Everything that a repository relies on: what [`put_and_take`] tries, and before the probe object goes, that what is
/// there is not overwritten by accident, and is replaced on purpose unless a rule keeps it.
async fn whole(root: &dyn Store) -> Result<Kept, (&'static str, StoreError)> {
    let (path, content) = create(root).await?;
    let tried = async {
        take(root, &path, &content).await?;
        written_once(root, &path, &content).await?;
        replaced(root, &path).await
    }
    .await;
    let deleted = root.delete(&path).await;
    let kept = tried?;
    match deleted {
        Ok(()) => Ok(kept),
        Err(error) if error.kind == StoreErrorKind::Retained => Ok(Kept::Probe),
        Err(error) => Err(("delete", error)),
    }
}

/// A second file of the same name is refused: two writers must never destroy each other's work.
async fn written_once(
    root: &dyn Store,
    path: &StorePath,
    content: &Bytes,
) -> Result<(), (&'static str, StoreError)> {
    match root.create(path, Bytes::from_static(OTHER)).await {
        Err(error) if error.kind == StoreErrorKind::Exists => Ok(()),
        // A rule of the store refuses before anybody looks whether the file is there.
        Err(error) if error.kind == StoreErrorKind::Retained => Ok(()),
        Err(error) => Err(("overwrite", error)),
        Ok(()) => match root.read(path).await {
            Ok(read) if read == *content => Err(("overwrite", lied(root))),
            _ => Err(("overwrite", overwritten(root))),
        },
    }
}

/// Locks and markers are replaced.
async fn replaced(root: &dyn Store, path: &StorePath) -> Result<Kept, (&'static str, StoreError)> {
    match root.replace(path, Bytes::from_static(OTHER)).await {
        Ok(()) => {}
        Err(error) if error.kind == StoreErrorKind::Retained => return Ok(Kept::Probe),
        Err(error) => return Err(("replace", error)),
    }
    match root.read(path).await {
        Ok(read) if read == OTHER => Ok(Kept::Nothing),
        Ok(_) => Err(("replace", other_bytes(root))),
        Err(error) => Err(("read", error)),
    }
}

/// Creates, reads, lists and deletes a probe object; the first failure with the name of its operation.
pub async fn put_and_take(root: &dyn Store) -> Result<(), (&'static str, StoreError)> {
    let (path, content) = create(root).await?;
    let taken = take(root, &path, &content).await;
    let deleted = root.delete(&path).await.map_err(|error| ("delete", error));
    taken.and(deleted)
}

const CONTENT: &[u8] = b"cofferdam probe";
const OTHER: &[u8] = b"cofferdam probe, another one";

async fn create(root: &dyn Store) -> Result<(StorePath, Bytes), (&'static str, StoreError)> {
    let name = format!("{}{}", owner::PROBE_PREFIX, uuid::Uuid::new_v4());
    let path = StorePath::parse(&name)
        .map_err(|bad| ("create", StoreError::new("create", name, StoreErrorKind::Other, bad.to_string())))?;
    let content = Bytes::from_static(CONTENT);
    root.create(&path, content.clone()).await.map_err(|error| ("create", error))?;
    Ok((path, content))
}

/// Reads and lists.
async fn take(root: &dyn Store, path: &StorePath, content: &Bytes) -> Result<(), (&'static str, StoreError)> {
    let read = match root.read(path).await {
        Ok(read) if read == *content => Ok(()),
        Ok(_) => Err(("read", other_bytes(root))),
        Err(error) => Err(("read", error)),
    };
    let listed = root.top_level(1).await.map(drop).map_err(|error| ("list", error));
    read.and(listed)
}

fn overwritten(root: &dyn Store) -> StoreError {
    StoreError::new(
        "overwrite",
        root.describe(),
        StoreErrorKind::Other,
        "the store overwrote a file that was to be written once",
    )
    .with_remedy("Use a store that refuses a second write of one name (If-None-Match); two writers would destroy each other's work here.")
}

fn lied(root: &dyn Store) -> StoreError {
    StoreError::new(
        "overwrite",
        root.describe(),
        StoreErrorKind::Other,
        "the store reported success for a second write of one name and kept the first",
    )
    .with_remedy("Use a store that refuses a second write of one name (If-None-Match).")
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
        refusal: refusal(error),
        cause: error.cause.clone(),
        remedy: error.remedy.clone(),
    }
}

/// What kind of refusal it is, as an extension judges it at its own location: its code follows from that.
fn refusal(error: &StoreError) -> Refusal {
    let writing = matches!(error.tried, "create" | "replace" | "delete" | "write");
    match error.kind {
        StoreErrorKind::BucketMissing => Refusal::NoBucket,
        StoreErrorKind::Denied if writing && !error.lacks_role() => Refusal::ReadOnly,
        StoreErrorKind::Denied | StoreErrorKind::BadCredentials => Refusal::NoPermission,
        StoreErrorKind::Full => Refusal::Full,
        StoreErrorKind::WrongClock => Refusal::WrongClock,
        StoreErrorKind::NotFound
        | StoreErrorKind::Exists
        | StoreErrorKind::Corrupt
        | StoreErrorKind::Retained
        | StoreErrorKind::Unreachable
        | StoreErrorKind::Other => Refusal::NotReady,
    }
}

#[cfg(test)]
mod tests;
