//! Repository keys leave the vault sealed to the operator alone, and open a repository with nothing but stock restic.

mod world;

use std::{collections::BTreeMap, path::Path, process::Command};
use telemetry::Clock;
use vault::{
    keys::{export, location_key, own_key, read_export},
    sealed_file::{Identity, open},
};
use world::World;

fn restic(repository: &Path, password: &Path, arguments: &[&str]) -> (bool, String) {
    let told = Command::new("restic")
        .args(["--no-cache", "--repo"])
        .arg(repository)
        .arg("--password-file")
        .arg(password)
        .args(arguments)
        .output()
        .expect("restic must be installed");
    (told.status.success(), String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned())
}

fn cluster() -> arm::ResourceId {
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/one"
        .parse()
        .unwrap()
}

#[tokio::test]
async fn an_export_holds_every_key_and_opens_a_repository_with_stock_restic() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let settings = |bucket: &str| {
        let name = |name: &str| format!("configuration.backupStorageLocation.{name}");
        BTreeMap::from([
            (name("bucket"), bucket.to_owned()),
            (name("config.storageAccount"), "acct".to_owned()),
        ])
    };
    let mut passwords = Vec::new();
    for bucket in ["one", "two"] {
        let settings = settings(bucket);
        let password = own_key(&world.app, &location_key(&settings), &settings, &cluster()).await.unwrap();
        let again = own_key(&world.app, &location_key(&settings), &settings, &cluster()).await.unwrap();
        assert_eq!(password, again);
        passwords.push(password);
    }
    std::fs::write(at("given"), passwords[0].as_bytes()).unwrap();
    assert!(restic(&at("repository"), &at("given"), &["init"]).0);
    let (mine, other) = (Identity::make(), Identity::make());

    let store = world.app.store.as_ref();
    let recipient = mine.recipient().unwrap();
    let exported = export(store, &world.app.wrapping, &recipient, world.clock.now()).await.unwrap();
    let keys = read_export(&open(&mine, &exported.file).unwrap()).unwrap();

    assert_eq!((exported.keys, keys.len()), (2, 2));
    assert!(open(&other, &exported.file).is_err());
    for (bucket, password) in ["one", "two"].iter().zip(&passwords) {
        let key = keys.iter().find(|key| key.settings == settings(bucket)).unwrap();
        assert_eq!(key.repository_password, **password);
        assert!(!exported.file.windows(password.len()).any(|part| part == password.as_bytes()));
    }
    let first = keys.iter().find(|key| key.id == location_key(&settings("one"))).unwrap();
    std::fs::write(at("recovered"), &first.repository_password).unwrap();
    let (opened, told) = restic(&at("repository"), &at("recovered"), &["cat", "config"]);
    assert!(opened, "{told}");
    let rows = world.app.store.audit(0, 1_000).await.unwrap();
    let last = &rows.last().unwrap().record;
    assert!(last.contains("export 2 repository keys") && last.contains(&recipient.to_string()), "{last}");
}
