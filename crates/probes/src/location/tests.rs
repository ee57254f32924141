//! A location seen through a real directory, and through a store that denies.

use super::observe;
use crate::Location;
use jiff::Timestamp;
use prerequisites::{LocationFacts, Observed, Owner, StoreProbe};
use std::sync::Arc;
use storage::{LocalStore, owner};

async fn look(dir: &std::path::Path, cluster: &str) -> LocationFacts {
    let root = Arc::new(LocalStore::open(dir).await.unwrap());
    let location = Location { root, bucket_path: "b/".into() };
    match observe(Some(&location), Some(cluster)).await {
        Observed::Seen(facts) => facts,
        Observed::NotObservable(why) => panic!("{why}"),
    }
}

#[tokio::test]
async fn an_empty_location_works_and_the_probe_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();

    let facts = look(dir.path(), "me").await;

    assert_eq!((facts.owner, facts.probe), (Owner::Nobody, StoreProbe::Works));
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn nothing_is_written_into_another_clusters_location() {
    let dir = tempfile::tempdir().unwrap();
    let root = LocalStore::open(dir.path()).await.unwrap();
    owner::claim(&root, "other", Timestamp::UNIX_EPOCH).await.unwrap();

    let facts = look(dir.path(), "me").await;

    assert_eq!(facts.owner, Owner::Other("other".into()));
    assert_eq!(files(dir.path()), 1, "only the other cluster's marker");
}

#[tokio::test]
async fn unrelated_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("holiday.jpg"), b"x").unwrap();

    let facts = look(dir.path(), "me").await;

    assert_eq!(facts.unrelated, ["holiday.jpg"]);
}

fn files(dir: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        count += if entry.path().is_dir() { files(&entry.path()) } else { 1 };
    }
    count
}
