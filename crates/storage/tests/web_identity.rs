//! A projected ServiceAccount token is exchanged for short-lived keys, at a real token service.

use std::{path::PathBuf, sync::Arc};
use storage::{
    StoreErrorKind as Kind, StorePath,
    credential::{AwsWebIdentity, CredentialSource},
    emulators::Emulator,
};
use telemetry::SystemClock;

/// Requests before anything is checked: one for the bucket, two for the role, one exchange.
const UNCHECKED: u32 = 4;

fn identity(moto: &Emulator, role_arn: &str, token_file: PathBuf) -> AwsWebIdentity {
    AwsWebIdentity {
        role_arn: role_arn.to_owned(),
        token_file,
        sts_url: moto.endpoint(),
        http: reqwest::Client::new(),
        clock: Arc::new(SystemClock),
    }
}

#[tokio::test]
async fn a_web_identity_may_do_what_its_role_may_and_nothing_else() {
    let moto = Emulator::moto_strict_after(UNCHECKED).await;
    moto.create_bucket("backups").await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:PutObject"],"Resource":"*"}]}"#;
    let role = moto.s3_role("writer", policy).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "e30.e30.c2ln\n").unwrap();

    let source = Arc::new(identity(&moto, &role, token));
    let location = moto.settings("backups").open(source, Arc::new(SystemClock)).await.unwrap();
    let file = StorePath::parse("data/file").unwrap();
    location.root.create(&file, "content".into()).await.unwrap();
    let read = location.root.read(&file).await.unwrap();
    let denied = location.root.delete(&file).await.unwrap_err();

    assert_eq!(read, "content");
    assert_eq!((denied.kind, denied.temporary), (Kind::Denied, false), "{denied}");
}

#[tokio::test]
async fn a_token_that_cannot_be_read_or_exchanged_says_what_to_check() {
    let moto = Emulator::moto().await;
    let folder = tempfile::tempdir().unwrap();
    let (missing, token) = (folder.path().join("missing"), folder.path().join("token"));
    std::fs::write(&token, "e30.e30.c2ln").unwrap();
    let role = "arn:aws:iam::123456789012:role/any";
    let mut elsewhere = identity(&moto, role, token);
    elsewhere.sts_url = "http://127.0.0.1:1/".to_owned();

    let unread = identity(&moto, role, missing).credential().await.unwrap_err();
    let unreachable = elsewhere.credential().await.unwrap_err();

    assert!(!unread.temporary && unread.cause.contains("missing"), "{unread:?}");
    assert!(unreachable.temporary && unreachable.cause.contains("127.0.0.1:1"), "{unreachable:?}");
    for error in [unread, unreachable] {
        assert!(error.source_name.contains(role) && error.remedy.contains("trusts"), "{error:?}");
    }
}
