//! The storage location: whose it is, what else lies there, and what a probe object says.

use crate::Location;
use bytes::Bytes;
use prerequisites::{LocationFacts, Observed, Owner, StoreProbe};
use storage::{Store, StoreError, StorePath, owner};

pub(crate) async fn observe(location: Option<&Location>, cluster: Option<&str>) -> Observed<LocationFacts> {
    let Some(location) = location else {
        return Observed::NotObservable("no storage location was given".into());
    };
    let root = location.root.as_ref();
    let survey = match owner::survey(root).await {
        Ok(survey) => survey,
        Err(error) => return unreadable(location, &error),
    };
    let owner = match survey.owner {
        None => Owner::Nobody,
        Some(marker) if Some(marker.cluster.as_str()) == cluster => Owner::ThisCluster,
        Some(marker) => Owner::Other(marker.cluster),
    };
    // Nothing is written where another cluster writes.
    let probe = match &owner {
        Owner::Other(_) => match root.list(&StorePath::root()).await {
            Ok(_) => StoreProbe::Works,
            Err(error) => failed("list", &error),
        },
        Owner::Nobody | Owner::ThisCluster => probe(root).await,
    };
    Observed::Seen(LocationFacts {
        describe: root.describe(),
        bucket_path: location.bucket_path.clone(),
        owner,
        unrelated: survey.unrelated,
        probe,
    })
}

fn unreadable(location: &Location, error: &StoreError) -> Observed<LocationFacts> {
    Observed::Seen(LocationFacts {
        describe: location.root.describe(),
        bucket_path: location.bucket_path.clone(),
        owner: Owner::Nobody,
        unrelated: Vec::new(),
        probe: failed("list", error),
    })
}

async fn probe(root: &dyn Store) -> StoreProbe {
    let name = format!("{}/probe-{}", storage::location::REPOSITORY_FOLDER, uuid::Uuid::new_v4());
    let Ok(path) = StorePath::parse(&name) else {
        return StoreProbe::Failed {
            operation: "create".into(),
            cause: format!("{name} is not a valid path"),
            remedy: "Report this as a defect.".into(),
        };
    };
    let content = Bytes::from_static(b"cofferdam probe");
    if let Err(error) = root.create(&path, content.clone()).await {
        return failed("create", &error);
    }
    let read = match root.read(&path).await {
        Ok(read) if read == content => None,
        Ok(_) => Some(StoreProbe::Failed {
            operation: "read".into(),
            cause: "the store returned other bytes than were written".into(),
            remedy: "Do not use this store.".into(),
        }),
        Err(error) => Some(failed("read", &error)),
    };
    let listed = root.list(&StorePath::root()).await.err().map(|error| failed("list", &error));
    let deleted = root.delete(&path).await.err().map(|error| failed("delete", &error));
    read.or(listed).or(deleted).unwrap_or(StoreProbe::Works)
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
