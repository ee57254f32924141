//! Every store passes the conformance suite; a lying one does not.

use std::sync::Arc;
use storage::{
    LocalStore, Prefixed, RetryPolicy, Retrying, Store, StoreErrorKind, StorePath,
    conformance::violations,
    emulators::Emulator,
    faults::{Fault, FaultStore, Operation},
};

/// How many files the listing rule creates in an emulator: more than a page of it, or 10,500 in the full run.
fn listing(page: usize) -> usize {
    match std::env::var("COFFERDAM_SCOPE") {
        Ok(scope) if scope == "all" => 10_500,
        _ => page + 50,
    }
}

async fn local() -> (tempfile::TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).await.unwrap();
    (folder, Arc::new(store))
}

#[tokio::test]
async fn the_local_disk_conforms() {
    let (_folder, store) = local().await;

    let broken = violations(store, 10_500).await;

    assert_eq!(broken, []);
}

#[tokio::test]
async fn a_folder_of_a_store_conforms() {
    let (_folder, store) = local().await;
    store.create(&StorePath::parse("unrelated").unwrap(), "x".into()).await.unwrap();
    let inside = Prefixed::new(store, StorePath::parse("deep/cofferdam").unwrap());

    let broken = violations(Arc::new(inside), 100).await;

    assert_eq!(broken, []);
}

#[tokio::test]
async fn s3_conforms() {
    let moto = Emulator::moto().await;
    moto.create_bucket("backups").await;
    let location = moto.open("backups").await;

    let broken = violations(location.root, listing(1_000)).await;

    assert_eq!(broken, []);
}

#[tokio::test]
async fn azure_blob_conforms() {
    let azurite = Emulator::azurite().await;
    azurite.create_bucket("backups").await;
    let location = azurite.open("backups").await;

    let broken = violations(location.root, listing(5_000)).await;

    assert_eq!(broken, []);
}

#[tokio::test]
async fn azure_blob_conforms_with_a_shared_access_signature() {
    let azurite = Emulator::azurite().await;
    azurite.create_bucket("backups").await;
    let location = azurite.open_with("backups", azurite.shared_access_signature("rwdlac")).await;

    let broken = violations(location.repository, 100).await;

    assert_eq!(broken, []);
}

#[tokio::test]
async fn each_planted_defect_turns_the_suite_red() {
    let all = String::new;
    let defects = [
        (Fault::Lie { pattern: all(), offset: 7 }, "a created file is read back byte for byte"),
        (Fault::Lie { pattern: "ranges".into(), offset: -1 }, "a range is exactly the bytes asked for"),
        (
            Fault::TruncateReads { pattern: "extremes".into(), bytes: 1 },
            "an empty file and a file of many megabytes are kept whole",
        ),
        (Fault::DropWrites { pattern: "again".into() }, "creating equal content again succeeds"),
        (Fault::DropWrites { pattern: "long/ff".into() }, "a long listing is complete"),
        (Fault::Hide { pattern: "prefix/".into() }, "a prefix matches whole components, deeply, in order"),
        (Fault::RetainAll, "deleting removes a file, and an absent one is no error"),
        (
            Fault::FailPath {
                operation: Operation::Read,
                pattern: "absent".into(),
                kind: StoreErrorKind::Denied,
            },
            "an absent file is reported as not found, permanently, by name",
        ),
    ];

    for (fault, rule) in defects {
        // Hiding a file of another prefix is no violation: this one hides the listed ones too.
        let fault = match fault {
            Fault::Hide { .. } => Fault::Hide { pattern: "pre/a".into() },
            other => other,
        };
        let (_folder, store) = local().await;
        let broken = violations(Arc::new(FaultStore::new(store).with(fault.clone())), 300).await;
        assert!(
            broken.iter().any(|violation| violation.rule == rule),
            "{fault:?} went unnoticed: {broken:?}"
        );
    }
}

#[tokio::test]
async fn temporary_failures_and_lost_answers_are_survived_and_permanent_ones_are_not_repeated() {
    let (_folder, store) = local().await;
    let faulty = FaultStore::new(store)
        .with(Fault::LoseAnswer { times: 2 })
        .with(Fault::FailFirst { operation: Operation::Read, times: 2 });
    let policy = RetryPolicy {
        attempts: 3,
        first_pause: std::time::Duration::from_millis(1),
        ..RetryPolicy::default()
    };
    let retrying = Retrying::new(faulty.clone(), policy);
    let at = StorePath::parse("file").unwrap();

    retrying.create(&at, "content".into()).await.unwrap();
    assert_eq!(retrying.read(&at).await.unwrap(), "content");
    let other = retrying.create(&at, "other".into()).await.unwrap_err();

    assert_eq!(other.kind, StoreErrorKind::Exists);
    assert_eq!(faulty.calls(Operation::Create), 4);
    faulty.inject(Fault::FailFirst { operation: Operation::Read, times: 3 });
    let error = retrying.read(&at).await.unwrap_err();
    assert!(error.temporary && error.to_string().contains("tried 3 times"), "{error}");
}
