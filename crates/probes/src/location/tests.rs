//! A location seen through a real directory, and through a store that denies.

use super::observe;
use crate::Location;
use bytes::Bytes;
use jiff::Timestamp;
use prerequisites::{Contents, LocationFacts, Observed, Owner, Refusal, StoreProbe};
use std::{ops::Range, sync::Arc, time::Duration};
use storage::{
    Entry, LocalStore, Store, StoreError, StoreErrorKind, StorePath,
    faults::{Fault, FaultStore, Operation},
    owner,
};

async fn local(dir: &std::path::Path) -> Arc<dyn Store> {
    Arc::new(LocalStore::open(dir).await.unwrap())
}

async fn facts(root: Arc<dyn Store>, inside: bool, writes: bool) -> LocationFacts {
    let location = Location {
        root,
        bucket_path: "b/".into(),
        store: None,
        writes,
        unrelated_allowed: false,
        initialised: false,
        noted: None,
        inside,
    };
    match observe(&Observed::Seen(location), Some("me")).await {
        Observed::Seen(facts) => facts,
        Observed::NotObservable(why) => panic!("{why}"),
    }
}

async fn look(dir: &std::path::Path) -> LocationFacts {
    facts(local(dir).await, true, true).await
}

fn contents(facts: &LocationFacts) -> Contents {
    facts.contents.seen().unwrap().clone()
}

#[tokio::test]
async fn an_empty_location_works_and_the_probe_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();

    let facts = look(dir.path()).await;

    assert_eq!(contents(&facts).owner, Owner::Nobody);
    assert_eq!(facts.probe, StoreProbe::Works);
    let again = owner::survey(local(dir.path()).await.as_ref()).await.unwrap();
    assert!(again.is_empty(), "{again:?}");
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn nothing_is_written_into_another_clusters_location() {
    let dir = tempfile::tempdir().unwrap();
    let root = LocalStore::open(dir.path()).await.unwrap();
    owner::claim(&root, "other", Timestamp::UNIX_EPOCH).await.unwrap();

    let facts = look(dir.path()).await;

    assert_eq!(contents(&facts).owner, Owner::Other("other".into()));
    assert!(matches!(facts.probe, StoreProbe::NotTried(_)), "{:?}", facts.probe);
    assert_eq!(files(dir.path()), 1, "only the other cluster's marker");
}

#[tokio::test]
async fn unrelated_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("holiday.jpg"), b"x").unwrap();

    let facts = look(dir.path()).await;

    assert_eq!(contents(&facts).unrelated, ["holiday.jpg"]);
    assert_eq!(files(dir.path()), 1, "nothing was written beside it");
}

#[tokio::test]
async fn an_owner_marker_that_cannot_be_understood_is_not_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(owner::OWNER_FILE), b"{").unwrap();

    let facts = look(dir.path()).await;

    assert!(matches!(contents(&facts).owner, Owner::Unreadable(_)), "{facts:?}");
    assert!(matches!(facts.probe, StoreProbe::NotTried(_)), "{facts:?}");
}

#[tokio::test]
async fn each_refused_operation_is_named() {
    let cases = [
        (Fault::ReadOnly, "create", Refusal::ReadOnly),
        (Fault::FullAfter(0), "create", Refusal::Full),
        (Fault::Lie { pattern: owner::PROBE_PREFIX.into(), offset: 0 }, "read", Refusal::NotReady),
        (Fault::DenyDeletes, "delete", Refusal::ReadOnly),
    ];

    for (fault, expected, kind) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = FaultStore::new(local(dir.path()).await).with(fault.clone());
        let found = facts(Arc::new(store), true, true).await.probe;
        let StoreProbe::Failed { operation, refusal, .. } = found else { panic!("{fault:?}: {found:?}") };
        assert_eq!((operation.as_str(), refusal), (expected, kind), "{fault:?}");
    }
}

#[tokio::test]
async fn a_location_that_cannot_be_listed_says_what_kind_of_refusal_it_is() {
    let cases = [
        (StoreErrorKind::BucketMissing, Refusal::NoBucket),
        (StoreErrorKind::Denied, Refusal::NoPermission),
        (StoreErrorKind::BadCredentials, Refusal::NoPermission),
        (StoreErrorKind::WrongClock, Refusal::WrongClock),
        (StoreErrorKind::Other, Refusal::NotReady),
    ];

    for (kind, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let fails = Fault::FailPath { operation: Operation::List, pattern: String::new(), kind };
        let store = FaultStore::new(local(dir.path()).await).with(fails);
        let found = facts(Arc::new(store), true, true).await.probe;
        let is_expected = matches!(&found, StoreProbe::Failed { refusal, .. } if *refusal == expected);
        assert!(is_expected, "{kind:?}: {found:?}");
    }
}

#[test]
fn an_identity_without_its_role_is_not_a_store_that_is_read_only() {
    let of = |target: &str| {
        let cause = "403 AuthorizationPermissionMismatch: no";
        super::refusal(&StoreError::new("create", target, StoreErrorKind::Denied, cause))
    };

    assert_eq!(of("x (Azure workload identity 1)"), Refusal::NoPermission);
    assert_eq!(of("x (Secret s)"), Refusal::ReadOnly);
}

#[tokio::test]
async fn a_store_that_retains_the_probe_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = FaultStore::new(local(dir.path()).await).with(Fault::RetainAll);

    let found = facts(Arc::new(store), true, true).await;
    let next = look(dir.path()).await;

    assert_eq!(found.probe, StoreProbe::WorksRetained);
    assert!(contents(&next).unrelated.is_empty(), "a probe that stayed is not a stranger: {next:?}");
}

#[tokio::test]
async fn out_of_reach_is_a_failure_only_inside_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let gone = Fault::FailPath {
        operation: Operation::List,
        pattern: String::new(),
        kind: StoreErrorKind::Unreachable,
    };
    let store = Arc::new(FaultStore::new(local(dir.path()).await).with(gone));

    let inside = facts(store.clone(), true, true).await;
    let outside = facts(store, false, true).await;

    assert!(matches!(inside.probe, StoreProbe::Failed { .. }), "{inside:?}");
    assert!(matches!(outside.probe, StoreProbe::OutOfReach(_)), "{outside:?}");
    assert!(outside.contents.seen().is_none());
}

#[tokio::test]
async fn a_location_that_is_only_read_is_not_written() {
    let dir = tempfile::tempdir().unwrap();

    let facts = facts(local(dir.path()).await, true, false).await;

    assert_eq!(facts.probe, StoreProbe::Reads);
    assert_eq!(files(dir.path()), 0);
}

fn files(dir: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        count += if entry.path().is_dir() { files(&entry.path()) } else { 1 };
    }
    count
}

/// A store without conditions: a second write of one name wins.
#[derive(Debug)]
struct FaultOverwriting(Arc<dyn Store>);

#[async_trait::async_trait]
impl Store for FaultOverwriting {
    fn describe(&self) -> String {
        self.0.describe()
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.0.replace(path, data).await
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.0.replace(path, data).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        self.0.read(path).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.0.read_range(path, range).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        self.0.size(path).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        self.0.list(prefix).await
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        self.0.top_level(limit).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        self.0.delete(path).await
    }
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused_and_keeps_nothing_of_the_probe() {
    let dir = tempfile::tempdir().unwrap();

    let found = facts(Arc::new(FaultOverwriting(local(dir.path()).await)), true, true).await.probe;

    let StoreProbe::Failed { operation, cause, remedy, .. } = found else { panic!("{found:?}") };
    assert_eq!(operation, "overwrite");
    assert!(cause.contains("written once") && remedy.contains("If-None-Match"), "{cause} {remedy}");
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn a_rule_that_keeps_every_file_as_it_is_lets_the_location_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let keeps = Fault::FailPath {
        operation: Operation::Replace,
        pattern: owner::PROBE_PREFIX.into(),
        kind: StoreErrorKind::Retained,
    };
    let forbids = Fault::FailPath {
        operation: Operation::Replace,
        pattern: owner::PROBE_PREFIX.into(),
        kind: StoreErrorKind::Denied,
    };
    let of = async |fault| {
        let store = FaultStore::new(local(dir.path()).await).with(fault);
        facts(Arc::new(store), true, true).await.probe
    };

    assert_eq!(of(keeps).await, StoreProbe::WorksRetained);
    let found = of(forbids).await;
    assert!(matches!(&found, StoreProbe::Failed { operation, .. } if operation == "replace"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_in_time_is_out_of_reach() {
    let dir = tempfile::tempdir().unwrap();
    let slow = FaultStore::new(local(dir.path()).await).with(Fault::Delay(Duration::from_secs(4)));
    let slow: Arc<dyn Store> = Arc::new(slow);

    let outside = facts(slow.clone(), false, true).await;
    let inside = facts(slow, true, true).await;

    assert_eq!(outside.probe, StoreProbe::OutOfReach("no answer within 3 s".into()));
    assert!(outside.contents.seen().is_none());
    assert!(matches!(inside.probe, StoreProbe::Failed { .. }), "{inside:?}");
}
