//! The product's own suite for stores, through the product's own client, over TLS, with nothing but a token.

mod world;

use blobs::{Accounts, BlobError, Container, ContainerListing, ContainerPage, Limits, Objects, Who};
use std::{collections::BTreeMap, sync::Arc};
use storage::conformance::violations;
use world::{
    ACCOUNT, TOKEN, World,
    faults::{Fault, FaultAccounts},
};

/// More than a page, or 10,500 in the full run.
fn listing() -> usize {
    match std::env::var("COFFERDAM_SCOPE") {
        Ok(scope) if scope == "all" => 10_500,
        _ => 5_050,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_on_the_disk_conforms() {
    let world = World::start().await;
    world.create_container("backups").await;
    let location = world.location("backups", TOKEN).await;

    let broken = violations(location, listing()).await;

    assert_eq!(broken, []);
}

/// One container, in a prefix of a store.
struct InStore(Objects);

#[async_trait::async_trait]
impl Accounts for InStore {
    async fn container(&self, _: &str, name: &str) -> Result<Container, BlobError> {
        Ok(Container {
            name: name.to_owned(),
            etag: "one".into(),
            modified: jiff::Timestamp::UNIX_EPOCH,
            metadata: BTreeMap::new(),
            backing: Arc::new(self.0.clone()),
        })
    }

    async fn create(
        &self,
        _: &Who,
        _: &str,
        _: &str,
        _: BTreeMap<String, String>,
    ) -> Result<Container, BlobError> {
        Err(BlobError::container_exists())
    }

    async fn delete(&self, _: &Who, _: &str, _: &str) -> Result<(), BlobError> {
        Err(BlobError::container_being_deleted())
    }

    async fn list(&self, _: &str, _: &ContainerListing) -> Result<ContainerPage, BlobError> {
        Ok(ContainerPage { containers: Vec::new(), more: false })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_in_an_azure_container_conforms() {
    let behind = World::start().await;
    behind.create_container("behind").await;
    let objects = Objects::new(Arc::new(behind.object_store("behind", TOKEN)), "some/prefix");
    let world = World::with(Limits::default(), |_| Arc::new(InStore(objects))).await;
    let location = world.location("backups", TOKEN).await;

    let broken = violations(location, 300).await;

    assert_eq!(broken, []);
    let prefix = behind.files("behind").join("some/prefix");
    let left: Vec<_> = std::fs::read_dir(prefix).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let unfinished = |name: &&std::ffi::OsString| name.to_string_lossy().contains("unfinished");
    assert!(!left.is_empty() && left.iter().find(unfinished).is_none(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_in_an_s3_bucket_conforms() {
    use object_store::aws::{AmazonS3Builder, S3ConditionalPut, S3CopyIfNotExists};
    let moto = storage::emulators::Emulator::moto().await;
    moto.create_bucket("behind").await;
    let s3 = AmazonS3Builder::new()
        .with_bucket_name("behind")
        .with_region("us-east-1")
        .with_endpoint(moto.endpoint())
        .with_allow_http(true)
        .with_access_key_id("testing")
        .with_secret_access_key("testing")
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .build()
        .unwrap();
    let world = World::with(Limits::default(), |_| Arc::new(InStore(Objects::new(Arc::new(s3), "p")))).await;
    let location = world.location("backups", TOKEN).await;

    let broken = violations(location, 300).await;

    assert_eq!(broken, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_planted_defect_turns_the_suite_red() {
    let defects = [
        (Fault::Flip("data/"), "a created file is read back byte for byte"),
        (Fault::Shift("ranges"), "a range is exactly the bytes asked for"),
        (
            Fault::Unconditional("other"),
            "creating other content under a taken name fails and changes nothing",
        ),
        (Fault::Unconditional("race"), "of concurrent creates of one name exactly one wins"),
        (Fault::Invent("absent"), "an absent file is reported as not found, permanently, by name"),
        (Fault::Keep("delete/"), "deleting removes a file, and an absent one is no error"),
        (Fault::Hide("pre/a"), "a prefix matches whole components, deeply, in order"),
        (Fault::Hide("long/ff"), "a long listing is complete"),
    ];

    for (fault, rule) in defects {
        let world = World::with(Limits::default(), |inner| Arc::new(FaultAccounts { inner, fault })).await;
        world.create_container("backups").await;
        let broken = violations(world.location("backups", TOKEN).await, 300).await;
        assert!(broken.iter().any(|broken| broken.rule == rule), "{fault:?} went unnoticed: {broken:?}");
    }
}

#[tokio::test]
async fn a_revoked_right_stops_the_next_write_and_a_granted_one_heals_it() {
    use blobs::DataAction as A;
    use storage::{StoreErrorKind, StorePath};
    let world = World::start().await;
    world.create_container("backups").await;
    let contributor = [A::BlobRead, A::BlobWrite, A::BlobAdd, A::BlobDelete];
    world.gate.grant("extension", &contributor);
    let location = world.location("backups", "extension").await;
    let at = |name: &str| StorePath::parse(name).unwrap();

    location.create(&at("one"), "x".into()).await.unwrap();
    world.gate.grant("extension", &[A::BlobRead]);
    let refused = location.create(&at("two"), "x".into()).await.unwrap_err();
    let read = location.read(&at("one")).await.unwrap();
    world.gate.grant("extension", &contributor);
    location.create(&at("two"), "x".into()).await.unwrap();
    world.gate.close(true);
    let outside = location.read(&at("one")).await.unwrap_err();

    assert_eq!(refused.kind, StoreErrorKind::Denied, "{refused}");
    assert!(refused.to_string().contains("AuthorizationPermissionMismatch"), "{refused}");
    assert!(refused.to_string().contains("Storage Blob Data Contributor"), "{refused}");
    assert_eq!(read, "x");
    assert!(outside.to_string().contains("AuthorizationFailure"), "{outside}");
    assert!(outside.to_string().contains("network rules"), "{outside}");
    assert!(world.files("backups").join("one").is_file(), "{ACCOUNT}");
}
