//! Keys of customers: a Backup vault names one, and from then on nobody gets a repository key of what it protects without it.

mod world;

use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vault::{
    api::{Loaded, extensions::ExtensionRecord, load},
    directory::DataDirectory,
    keys::{export, location_key, opened, source_key},
    rewrap,
    seal::{CustomerKey, CustomerKeys, KeySource, KeyUri, make_key},
    sealed_file::Identity,
};
use world::{
    Answer, Choices, Person,
    protected::{POINT, Protected},
};

const KEY: &str = "https://kv.vault.azure.net/keys/mine";
/// A key that the operator gives to one identity, which no vault here has.
const THEIRS: &str = "https://kv.vault.azure.net/keys/theirs";
const STRANGER: &str = "99999999-2222-4333-8444-555555555555";

/// A protected cluster, and a vault whose operator gives two versions of a customer's key.
struct Scene {
    it: Protected,
    folder: tempfile::TempDir,
    extension: Person,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let given = ["v1", "v2"].map(|version| {
            let file = folder.path().join(version);
            std::fs::write(&file, make_key().as_bytes()).unwrap();
            format!("{KEY}/{version}={}", file.display()).parse::<CustomerKey>().unwrap()
        });
        let theirs = format!("{THEIRS}/v1={}", folder.path().join("v1").display()).parse().unwrap();
        let nobody_here = format!("{THEIRS}={STRANGER}").parse().unwrap();
        let customer_keys =
            CustomerKeys::from([given.to_vec(), vec![theirs]].concat()).with_users(vec![nobody_here]);
        let choices = Choices { customer_keys, ..Choices::default() };
        let it = Protected::choosing(choices).await;
        it.protect().await;
        let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
        let found: Option<Loaded<ExtensionRecord>> = load(it.world.app.store.as_ref(), &id).await.unwrap();
        let object_id = found.unwrap().document.identity.unwrap().principal_id;
        let token = it.token_for(&object_id).await;
        let extension = Person { object_id, token, ..it.world.administrator.clone() };
        Self { it, folder, extension }
    }

    fn file(&self, version: &str) -> PathBuf {
        self.folder.path().join(version)
    }

    async fn encrypt(&self, settings: Value) -> Answer {
        let body = json!({"properties": {"securitySettings": {"encryptionSettings": settings}}});
        self.it.call(Method::PATCH, &self.it.vault, Some(body)).await
    }

    async fn with(&self, uri: &str) -> Answer {
        let system = json!({"identityType": "SystemAssigned"});
        self.encrypt(
            json!({"state": "Enabled", "keyVaultProperties": {"keyUri": uri}, "kekIdentity": system}),
        )
        .await
    }

    /// The extension asks for the key of its own location.
    async fn grant(&self) -> Answer {
        let body = json!({"purpose": "upkeep", "location": "default"});
        self.it.world.call(&self.extension, Method::POST, "/cluster/v1/grants", Some(body)).await
    }

    fn key(&self) -> String {
        let settings = [("configuration.backupStorageLocation.bucket".to_owned(), "backups".to_owned())];
        location_key(&settings.into())
    }

    /// The customer's key that seals the repository key.
    async fn sealed_with(&self) -> Option<KeyUri> {
        let app = &self.it.world.app;
        let name = format!("repository key {}", self.key());
        let sealed = app.store.secret(&name).await.unwrap()?;
        app.wrapping.customer_of(&name, &sealed).unwrap()
    }

    async fn sealed(&self, version: &str) {
        let wanted: KeyUri = format!("{KEY}/{version}").parse().unwrap();
        self.it.until(async || (self.sealed_with().await.as_ref() == Some(&wanted)).then_some(())).await;
    }
}

#[tokio::test]
async fn the_wrapping_key_is_exchanged_around_it_and_an_export_leaves_out_what_it_cannot_open() {
    let scene = Scene::start().await;
    let granted = scene.grant().await;
    scene.with(&format!("{KEY}/v1")).await;
    scene.sealed("v1").await;
    let app = scene.it.world.app.clone();
    let (store, now) = (app.store.as_ref(), app.clock.now());
    let directory = DataDirectory::open(&scene.it.world.data()).unwrap();
    let recipient = Identity::make().recipient().unwrap();

    rewrap::exchange(store, &KeySource::Directory, &directory, now).await.unwrap();
    let alone = KeySource::Directory.open(&directory).unwrap();
    let mut with = KeySource::Directory.open(&directory).unwrap();
    with = with.with_customers(app.wrapping.customers().clone());
    let opened = opened(store, &with, &scene.key()).await.unwrap();
    let whole = export(store, &with, &recipient, now).await.unwrap();
    let partly = export(store, &alone, &recipient, now).await.unwrap();

    assert_eq!(granted.body["repositoryPassword"], opened.as_str());
    assert_eq!((whole.keys, whole.left_out.len()), (1, 0));
    assert_eq!((partly.keys, partly.left_out.len()), (0, 1));
    let (id, why) = &partly.left_out[0];
    assert!(*id == scene.key() && why.contains("--customer-key-file"), "{why}");
}

fn take_away(file: &Path) -> Vec<u8> {
    let content = std::fs::read(file).unwrap();
    std::fs::remove_file(file).unwrap();
    content
}

#[tokio::test]
async fn a_repository_key_follows_the_customers_key_and_its_versions() {
    let scene = Scene::start().await;
    let before = scene.grant().await;
    let plain = scene.sealed_with().await;

    let enabled = scene.with(&format!("{KEY}/v1")).await;
    scene.sealed("v1").await;
    let first = scene.grant().await;
    let changed = scene.encrypt(json!({"keyVaultProperties": {"keyUri": format!("{KEY}/v2")}})).await;
    scene.sealed("v2").await;
    take_away(&scene.file("v1"));
    let second = scene.grant().await;
    let taken_back = scene.encrypt(json!({"state": "Disabled"})).await;

    assert_eq!((before.status, plain), (200, None), "{before:?}");
    assert_eq!((enabled.status, changed.status), (200, 200), "{enabled:?} {changed:?}");
    let shown = &changed.body["properties"]["securitySettings"]["encryptionSettings"];
    assert_eq!(shown["keyVaultProperties"]["keyUri"], format!("{KEY}/v2"));
    assert_eq!(
        (&shown["state"], &shown["kekIdentity"]["identityType"]),
        (&json!("Enabled"), &json!("SystemAssigned"))
    );
    for answer in [&first, &second] {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.body["repositoryPassword"], before.body["repositoryPassword"],
            "the same repository"
        );
    }
    assert_eq!((taken_back.status, taken_back.code()), (400, "UserErrorEncryptionSettingsAreIrreversible"));
}

#[tokio::test]
async fn without_the_customers_key_nothing_is_granted_until_it_is_back() {
    let scene = Scene::start().await;
    scene.it.cluster.says("Backup", json!({"phase": "InProgress", "recoveryPoint": {"id": POINT}}));
    assert_eq!(scene.grant().await.status, 200);
    assert_eq!(scene.with(&format!("{KEY}/v1")).await.status, 200);
    scene.sealed("v1").await;
    let job = scene.it.job_of(&scene.it.back_up().await).await;
    let of_job =
        json!({"purpose": "job", "kind": "Backup", "name": job.rsplit('/').next(), "location": "default"});

    let content = take_away(&scene.file("v1"));
    let refused = [
        scene.grant().await,
        scene.it.world.call(&scene.extension, Method::POST, "/cluster/v1/grants", Some(of_job.clone())).await,
    ];
    let by_the_vault = source_key(&scene.it.world.app, &scene.key()).await;
    std::fs::write(scene.file("v1"), make_key().as_bytes()).unwrap();
    let another = scene.grant().await;
    std::fs::write(scene.file("v1"), content).unwrap();
    let healed =
        scene.it.world.call(&scene.extension, Method::POST, "/cluster/v1/grants", Some(of_job)).await;

    for answer in refused.iter().chain([&another]) {
        assert_eq!((answer.status, answer.code()), (403, "GrantDenied"), "{answer:?}");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.contains("UserErrorEncryptionKeyNotAvailable") && message.contains(KEY), "{message}");
    }
    assert!(
        by_the_vault.unwrap_err().to_string().contains("cannot be used"),
        "nor does the vault open it for itself"
    );
    assert_eq!(healed.status, 200, "without a restart: {healed:?}");
}

#[tokio::test]
async fn a_key_without_a_version_means_the_newest_and_one_that_nobody_gives_is_refused() {
    let scene = Scene::start().await;

    let unknown = scene.with("https://kv.vault.azure.net/keys/other").await;
    let content = take_away(&scene.file("v2"));
    let unreadable = scene.with(KEY).await;
    std::fs::write(scene.file("v2"), content).unwrap();
    let nobody = scene
        .encrypt(json!({"keyVaultProperties": {"keyUri": KEY},
            "kekIdentity": {"identityType": "UserAssigned", "identityId": format!("{}/x", scene.it.group)}}))
        .await;
    let newest = scene.with(KEY).await;
    // Made after the vault was encrypted.
    let made = scene.grant().await;

    for answer in [&unknown, &unreadable] {
        assert_eq!((answer.status, answer.code()), (400, "UserErrorEncryptionKeyNotAvailable"), "{answer:?}");
    }
    assert_eq!(nobody.status, 400, "{nobody:?}");
    assert_eq!((newest.status, made.status), (200, 200), "{newest:?} {made:?}");
    scene.sealed("v2").await;
}

#[tokio::test]
async fn a_key_that_the_operator_gives_to_somebody_else_is_not_reached() {
    let scene = Scene::start().await;

    let refused = scene.with(THEIRS).await;
    let mine = scene.with(KEY).await;
    let changed = scene.encrypt(json!({"keyVaultProperties": {"keyUri": format!("{THEIRS}/v1")}})).await;

    for answer in [&refused, &changed] {
        assert_eq!((answer.status, answer.code()), (400, "UserErrorEncryptionKeyAccessDenied"), "{answer:?}");
        assert!(answer.body.to_string().contains("--customer-key-user"), "{answer:?}");
    }
    assert_eq!(mine.status, 200, "{mine:?}");
}

#[tokio::test]
async fn the_identity_that_reaches_the_key_must_be_there_also_at_each_grant() {
    let scene = Scene::start().await;
    let it = &scene.it;
    let register = format!("{}/providers/Microsoft.ManagedIdentity/register", it.world.root());
    assert_eq!(it.call(Method::POST, &register, None).await.status, 200);
    let identity = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/kek", it.group);
    let made = it.call(Method::PUT, &identity, Some(json!({"location": "local"}))).await;
    assert!([200, 201].contains(&made.status), "{made:?}");
    let give = json!({"identity": {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {&identity: {}}}});
    let given = it.call(Method::PATCH, &it.vault, Some(give)).await;
    assert_eq!(given.status, 200, "{given:?}");
    let by = |version: &str| {
        json!({"keyVaultProperties": {"keyUri": format!("{KEY}/{version}")},
            "kekIdentity": {"identityType": "UserAssigned", "identityId": identity}})
    };

    let enabled = scene.encrypt(by("v1")).await;
    let first = scene.grant().await;
    let taken_from_the_vault =
        it.call(Method::PATCH, &it.vault, Some(json!({"identity": {"type": "SystemAssigned"}}))).await;
    it.remove(&identity.parse().unwrap()).await;
    let without = scene.grant().await;
    let changed = scene.encrypt(by("v2")).await;
    let own = scene.with(&format!("{KEY}/v1")).await;
    let healed = scene.grant().await;

    assert_eq!((enabled.status, first.status), (200, 200), "{enabled:?} {first:?}");
    assert_eq!(taken_from_the_vault.status, 400, "it is in use: {taken_from_the_vault:?}");
    assert_eq!((without.status, without.code()), (403, "GrantDenied"), "{without:?}");
    assert!(without.body.to_string().contains("does not exist any more"), "{without:?}");
    assert_eq!((changed.status, changed.code()), (400, "UserErrorEncryptionKeyAccessDenied"), "{changed:?}");
    assert_eq!((own.status, healed.status), (200, 200), "{own:?} {healed:?}");
}
