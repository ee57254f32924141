//! Wrong credentials, missing buckets, read-only stores, full disks: each error says what it is and what to do.

use std::{collections::BTreeMap, sync::Arc};
use storage::{
    LocalStore, Store, StoreErrorKind as Kind, StorePath,
    credential::{CredentialValue, MountedSecret},
    emulators::Emulator,
    faults::{Fault, FaultStore},
    location::{LocationSettings, Provider},
    owner::{self, Ownership},
};
use telemetry::{Clock, SystemClock};

fn file() -> StorePath {
    StorePath::parse("data/file").unwrap()
}

fn policy(actions: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}]}}"#
    )
}

#[tokio::test]
async fn a_missing_bucket_is_named_as_such() {
    let (moto, azurite) = (Emulator::moto().await, Emulator::azurite().await);

    for location in [moto.open("nowhere").await, azurite.open("nowhere").await] {
        for error in [
            location.root.create(&file(), "x".into()).await.unwrap_err(),
            location.root.read(&file()).await.unwrap_err(),
            location.root.list(&StorePath::root()).await.unwrap_err(),
            location.root.top_level(3).await.unwrap_err(),
        ] {
            assert_eq!((error.kind, error.temporary), (Kind::BucketMissing, false), "{error}");
            assert!(error.to_string().contains("nowhere"), "{error}");
        }
    }
    let missing = LocalStore::open("/nonexistent/backups").await.unwrap_err();
    assert_eq!(missing.kind, Kind::BucketMissing);
}

#[tokio::test]
async fn a_wrong_account_key_is_a_bad_credential_and_appears_in_no_text() {
    let azurite = Emulator::azurite().await;
    azurite.create_bucket("backups").await;
    let wrong = "d3Jvbmctd3Jvbmctd3Jvbmc=";
    let location =
        azurite.open_with("backups", CredentialValue::AzureAccountKey(wrong.to_owned().into())).await;

    let error = location.root.create(&file(), "x".into()).await.unwrap_err();

    assert_eq!((error.kind, error.temporary), (Kind::BadCredentials, false), "{error}");
    assert!(error.to_string().contains("storage account key"), "{error}");
    assert!(!format!("{error:?} {location:?}").contains(wrong), "{error:?}");
}

#[tokio::test]
async fn an_unknown_access_key_and_a_missing_right_are_told_apart() {
    let moto = Emulator::moto_strict().await;
    let reader = moto.s3_user("reader", &policy(r#""s3:Get*","s3:List*""#)).await;
    let unknown = moto.credential();

    let denied = moto.open_with("backups", reader).await.root.create(&file(), "x".into()).await.unwrap_err();
    let refused =
        moto.open_with("backups", unknown).await.root.create(&file(), "x".into()).await.unwrap_err();

    assert_eq!((denied.kind, denied.temporary), (Kind::Denied, false), "{denied}");
    assert_eq!((refused.kind, refused.temporary), (Kind::BadCredentials, false), "{refused}");
}

#[tokio::test]
async fn a_read_only_signature_reads_but_cannot_write_or_delete() {
    let azurite = Emulator::azurite().await;
    azurite.create_bucket("backups").await;
    azurite.open("backups").await.root.create(&file(), "x".into()).await.unwrap();
    let signature = azurite.shared_access_signature("rl");
    let reader = azurite.open_with("backups", signature.clone()).await.root;

    let other = StorePath::parse("data/other").unwrap();
    assert_eq!(reader.read(&file()).await.unwrap(), "x");
    for error in
        [reader.create(&other, "x".into()).await.unwrap_err(), reader.delete(&file()).await.unwrap_err()]
    {
        assert_eq!((error.kind, error.temporary), (Kind::Denied, false), "{error}");
        assert!(!error.to_string().contains("sig="), "{error}");
    }
}

#[tokio::test]
async fn a_rotated_secret_counts_at_the_next_request() {
    let azurite = Emulator::azurite().await;
    azurite.create_bucket("backups").await;
    let mounted = tempfile::tempdir().unwrap();
    let write = |data: &BTreeMap<String, Vec<u8>>| {
        for (key, value) in data {
            std::fs::write(mounted.path().join(key), value).unwrap();
        }
    };
    let source = Arc::new(MountedSecret::new(mounted.path(), Provider::Azure, None));
    let store = azurite.settings("backups").open(source, Arc::new(SystemClock)).await.unwrap().root;

    write(&BTreeMap::from([("AZURE_STORAGE_ACCOUNT_ACCESS_KEY".into(), b"d3Jvbmc=".to_vec())]));
    let before = store.create(&file(), "x".into()).await.unwrap_err();
    write(&azurite.secret_data());
    store.create(&file(), "x".into()).await.unwrap();
    std::fs::remove_file(mounted.path().join("AZURE_STORAGE_ACCOUNT_ACCESS_KEY")).unwrap();
    let revoked = store.create(&StorePath::parse("data/next").unwrap(), "x".into()).await.unwrap_err();

    assert_eq!(before.kind, Kind::BadCredentials, "{before}");
    assert_eq!(revoked.kind, Kind::BadCredentials, "{revoked}");
    assert!(revoked.to_string().contains("mounted at"), "{revoked}");
}

#[tokio::test]
async fn a_store_that_is_gone_is_temporary_and_tried_again() {
    let moto = Emulator::moto().await;
    let location = moto.open("backups").await;
    drop(moto);

    let error = location.root.read(&file()).await.unwrap_err();

    assert_eq!((error.kind, error.temporary), (Kind::Unreachable, true), "{error}");
    assert!(error.to_string().contains("tried 5 times"), "{error}");
}

#[tokio::test]
async fn a_location_belongs_to_the_cluster_that_claimed_it_first() {
    let azurite = Emulator::azurite().await;
    azurite.create_bucket("backups").await;
    let root = azurite.open("backups").await.root;
    let now = SystemClock.now();

    let before = owner::survey(&*root).await.unwrap();
    let winners = winners(&*root).await;
    let again = owner::claim(&*root, "three", now).await.unwrap();

    assert!(before.is_empty(), "{before:?}");
    assert_eq!(winners, 1);
    assert!(matches!(again, Ownership::OwnedByOther { .. }));
    assert!(owner::survey(&*root).await.unwrap().owner.is_some());
}

/// How many of two clusters that claim the location at one instant take it for theirs.
async fn winners(root: &dyn Store) -> usize {
    let now = SystemClock.now();
    let (one, two) = tokio::join!(owner::claim(root, "one", now), owner::claim(root, "two", now));
    [one, two].iter().filter(|claim| matches!(claim, Ok(Ownership::OwnedBySelf))).count()
}

/// The planted defect: a store that forgets the marker gives the location to both.
#[tokio::test]
async fn a_lost_owner_marker_turns_the_proof_of_ownership_red() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = FaultStore::new(Arc::new(LocalStore::open(folder.path()).await.unwrap()));
    faulty.inject(Fault::DropWrites { pattern: owner::OWNER_FILE.into() });

    assert_ne!(winners(&faulty).await, 1);
}

#[tokio::test]
async fn a_survey_names_what_is_unrelated() {
    let moto = Emulator::moto().await;
    moto.create_bucket("backups").await;
    let location = moto.open("backups").await;
    for n in 0..12 {
        location
            .root
            .create(&StorePath::parse(format!("photos-{n:02}/1.jpg")).unwrap(), "x".into())
            .await
            .unwrap();
    }
    location.repository.create(&StorePath::parse("config").unwrap(), "x".into()).await.unwrap();

    let survey = owner::survey(&*location.root).await.unwrap();

    assert!(survey.has_repository && survey.owner.is_none() && survey.more_unrelated, "{survey:?}");
    assert_eq!(survey.unrelated.len(), 10);
    assert_eq!(survey.unrelated[0], "photos-00/");
}

#[tokio::test]
async fn a_marker_that_cannot_be_read_is_never_taken_for_unowned() {
    let folder = tempfile::tempdir().unwrap();
    let settings = LocationSettings {
        provider: Provider::Local,
        bucket: folder.path().to_str().unwrap().into(),
        prefix: StorePath::root(),
        config: BTreeMap::new(),
    };
    let source = Arc::new(storage::credential::NoCredential);
    let root = settings.open(source, Arc::new(SystemClock)).await.unwrap().root;
    std::fs::write(folder.path().join(owner::OWNER_FILE), "{\"product\":\"coff").unwrap();

    let error = owner::claim(&*root, "one", SystemClock.now()).await.unwrap_err();

    assert_eq!(error.kind, Kind::Corrupt, "{error}");
}
