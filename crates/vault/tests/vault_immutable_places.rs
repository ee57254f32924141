//! What holds recovery points cannot be deleted past their vault: not the storage account, not the container, not the
//! resource group, and under immutability not a single file of the repository that they need, with whatever roles.

mod gone;
#[path = "gone/scene.rs"]
mod scene;
mod world;

use arm::ResourceId;
use engine::{Lock, Repo, RepositorySecret};
use gone::{PASSWORD, folder, held, write_point};
use jiff::SignedDuration;
use repository::LockMode;
use reqwest::Method;
use scene::Scene;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use storage::{
    Prefixed, StorePath,
    credential::{CredentialValue, StaticCredential},
    location::{LocationSettings, Provider, REPOSITORY_FOLDER},
};
use telemetry::{Clock, SystemClock};
use vault::{
    api::{Loaded, extensions::ExtensionRecord, load, points::PointRecord},
    keys::location_key,
    protect::forget,
    store::{Change, Expected, StoreError},
};
use world::protected::audit;

const OWNER: &str = "Storage Blob Data Owner";

/// A scene with one recovery point, and somebody who may do everything with the account's data.
struct Held {
    scene: Scene,
    token: String,
}

impl Held {
    async fn start() -> Self {
        let scene = Scene::start().await;
        scene.it.protect().await;
        scene.backed_up("p0").await;
        let register = format!("{}/providers/Microsoft.Storage/register", scene.it.world.root());
        scene.it.call(Method::POST, &register, None).await;
        let owner = scene.it.world.person(Some(OWNER), scene.account.as_str()).await;
        let mut held = Self { scene, token: String::new() };
        held.token = held.token_of(&owner).await;
        held
    }

    async fn token_of(&self, person: &world::Person) -> String {
        let scope = "https://storage.azure.com/.default";
        let answer = self.scene.it.world.ask_with(&person.client_id, &person.secret, scope).await;
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    async fn immutable(state: &str) -> Self {
        let mut held = Self::start().await;
        held.scene.security(json!({"immutabilitySettings": {"state": state}})).await;
        held.scene.it.later(SignedDuration::from_secs(40)).await;
        held
    }

    /// A request for data: status, code and body of the answer.
    async fn data(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
        let world = &self.scene.it.world;
        let mut request =
            world.http.request(method, format!("{}/acct/{path}", world.url)).bearer_auth(&self.token);
        for (name, value) in
            [("x-ms-version", "2021-12-02"), ("x-ms-blob-type", "BlockBlob")].iter().chain(headers)
        {
            request = request.header(*name, *value);
        }
        let answer = request.body("other").send().await.unwrap();
        let code = answer.headers().get("x-ms-error-code").map(|code| code.to_str().unwrap().to_owned());
        (answer.status().as_u16(), code.unwrap_or_default(), answer.text().await.unwrap())
    }

    /// The repository as whoever has the token reaches it.
    async fn reached(&self) -> Repo {
        let world = &self.scene.it.world;
        let config = [
            ("storageAccount", "acct".to_owned()),
            ("storageAccountURI", format!("{}/acct", world.url)),
            ("useAAD", "true".to_owned()),
            ("caCert", std::fs::read_to_string(&world.ca).unwrap()),
        ];
        let settings = LocationSettings {
            provider: Provider::Azure,
            bucket: "backups".into(),
            prefix: StorePath::root(),
            config: config.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        let source = StaticCredential::new(CredentialValue::Bearer(self.token.clone().into()));
        let root = settings.open(Arc::new(source), Arc::new(SystemClock)).await.unwrap().root;
        let folder = StorePath::parse(REPOSITORY_FOLDER).unwrap();
        Repo::open(Arc::new(Prefixed::new(root, folder)), &RepositorySecret::new(PASSWORD)).await.unwrap()
    }

    /// The vault lets a recovery point go, as when its time is over.
    async fn let_go(&self, point: &ResourceId) {
        let store = self.scene.it.world.app.store.as_ref();
        let mut found: Loaded<PointRecord> = load(store, point).await.unwrap().unwrap();
        found.document.deleting = true;
        let now = self.scene.it.world.clock.now();
        store.commit(&[found.write().unwrap(), forget::change(point, now)], &audit()).await.unwrap();
    }

    fn point(&self, id: &str) -> ResourceId {
        format!("{}/recoveryPoints/{id}", self.scene.it.instance).parse().unwrap()
    }

    /// Tries all ways to delete the place: status, code and text of each answer.
    async fn delete_places(&self) -> Vec<(u16, String, String)> {
        let container = format!("{}/blobServices/default/containers/backups", self.scene.account);
        let mut answers = Vec::new();
        for path in [&container, self.scene.account.as_str(), &self.scene.it.group] {
            let answer = self.scene.it.call(Method::DELETE, path, None).await;
            answers.push((answer.status, answer.code().to_owned(), answer.body.to_string()));
        }
        answers.push(self.data(Method::DELETE, "backups?restype=container", &[]).await);
        answers
    }
}

fn is_refused(answers: &[(u16, String, String)], words: &[&str]) {
    for (status, code, text) in answers {
        assert_eq!(*status, 409, "{code} {text}");
        assert!(
            [
                "ContainerProtectedFromDeletion",
                "AccountProtectedFromDeletion",
                "ResourceGroupDeletionBlocked"
            ]
            .contains(&code.as_str()),
            "{code}"
        );
        for word in words {
            // The group is held by the vault in it first.
            assert!(text.contains(word) || code == "ResourceGroupDeletionBlocked", "{word}: {text}");
        }
    }
}

#[tokio::test]
async fn nobody_deletes_the_place_of_recovery_points_of_an_immutable_vault() {
    for (state, remedy) in [("Unlocked", "Disabled first"), ("Locked", "nobody can shorten")] {
        let held = Held::immutable(state).await;

        let answers = held.delete_places().await;

        assert_eq!(answers.len(), 4);
        is_refused(&answers, &["backupVaults/vault1", "one/shop", "(1)", "immutable", remedy]);
        assert_eq!(held_ids(&held).await, ["p0"]);
    }
}

async fn held_ids(of: &Held) -> Vec<String> {
    held(&of.scene.repo).await
}

#[tokio::test]
async fn nobody_deletes_the_place_of_recovery_points_of_a_guarded_vault_past_its_guard() {
    let held = Held::start().await;
    let guard = format!("{}/providers/Microsoft.DataProtection/resourceGuards/guard", held.scene.it.group);
    let put = async |path: &str, body: Value| {
        let made = held.scene.it.call(Method::PUT, path, Some(body)).await;
        assert!(made.status < 300, "{made:?}");
    };
    put(&guard, json!({"location": "local", "properties": {}})).await;
    let proxy = format!("{}/backupResourceGuardProxies/DppResourceGuardProxy", held.scene.it.vault);
    put(&proxy, json!({"properties": {"resourceGuardResourceId": guard}})).await;

    let answers = held.delete_places().await;
    let leaves_out = json!({"vaultCriticalOperationExclusionList":
        ["Microsoft.DataProtection/backupVaults/backupInstances/delete"]});
    put(&guard, json!({"location": "local", "properties": leaves_out})).await;
    let deleted = held.scene.it.call(Method::DELETE, held.scene.account.as_str(), None).await;

    is_refused(
        &answers,
        &["backupVaults/vault1", "one/shop", "resourceGuards/guard", "Delete the backup instances"],
    );
    assert_eq!(deleted.status, 200, "this guard does not guard deletions: {deleted:?}");
}

#[tokio::test]
async fn a_resource_group_does_not_go_with_an_account_in_which_immutable_recovery_points_lie() {
    let held = Held::immutable("Unlocked").await;
    let elsewhere = held.scene.it.world.make_group("stores").await;
    let account = format!("{elsewhere}/providers/Microsoft.Storage/storageAccounts/apart");
    let body = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
    let made = held.scene.it.call(Method::PUT, &account, Some(body)).await;
    assert_eq!(made.status, 200, "{made:?}");
    held.scene.it.writes_to("apart").await;
    held.scene.backed_up("p1").await;

    let refused = held.scene.it.call(Method::DELETE, &elsewhere, None).await;
    held.scene.security(json!({"immutabilitySettings": {"state": "Disabled"}})).await;
    let taken = held.scene.it.call(Method::DELETE, &elsewhere, None).await;

    assert_eq!((refused.status, refused.code()), (409, "ResourceGroupDeletionBlocked"), "{refused:?}");
    assert!(refused.body.to_string().contains("storage account 'apart' cannot be deleted"), "{refused:?}");
    assert_eq!(taken.status, 202, "{taken:?}");
}

/// The files below a folder, by their paths in it.
fn files(at: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(at.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}/{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() { found.extend(files(at, &name)) } else { found.push(name) }
    }
    found
}

#[tokio::test]
async fn no_role_deletes_or_changes_what_an_immutable_recovery_point_needs() {
    let held = Held::immutable("Unlocked").await;
    let at = folder(&held.scene.it.world.data().join("blobs"));
    let mut needed = vec!["config".to_owned()];
    for kind in ["keys", "data", "index", "snapshots"] {
        let found = files(&at, kind);
        assert!(!found.is_empty(), "{kind}");
        needed.extend(found);
    }
    let before: Vec<Vec<u8>> = needed.iter().map(|file| std::fs::read(at.join(file)).unwrap()).collect();

    for file in &needed {
        let blob = format!("backups/cofferdam/{file}");
        let tries = [
            held.data(Method::DELETE, &blob, &[]).await,
            held.data(Method::PUT, &blob, &[]).await,
            held.data(Method::PUT, &blob, &[("if-match", "*")]).await,
            held.data(Method::PUT, &format!("{blob}?comp=metadata"), &[("x-ms-meta-a", "b")]).await,
        ];
        for (status, code, text) in tries {
            assert_eq!((status, code.as_str()), (409, "BlobImmutableDueToPolicy"), "{file}: {text}");
        }
        let again = held.data(Method::PUT, &blob, &[("if-none-match", "*")]).await;
        assert_eq!((again.0, again.1.as_str()), (409, "BlobAlreadyExists"), "{file}");
    }
    let after: Vec<Vec<u8>> = needed.iter().map(|file| std::fs::read(at.join(file)).unwrap()).collect();

    assert_eq!(before, after);
    let (status, _, why) =
        held.data(Method::DELETE, &format!("backups/cofferdam/{}", files(&at, "snapshots")[0]), &[]).await;
    assert!(
        status == 409
            && why.contains("recovery point &apos;p0&apos;")
            && why.contains("&apos;vault1&apos; keeps"),
        "{why}"
    );
}

#[tokio::test]
async fn a_cluster_goes_on_to_write_where_immutable_recovery_points_lie_and_deletes_what_the_vault_lets_go() {
    let held = Held::immutable("Unlocked").await;
    let clock = held.scene.it.world.clock.clone();
    let repo = held.reached().await;
    write_point(&repo, "p1", clock.clone()).await;
    let find = async |id: &str| points::find(&repo, id).await.unwrap().unwrap();
    held.scene.it.cluster.says("DeleteBackup", json!({"phase": "InProgress"}));

    let kept = points::forget(&repo, &find("p0").await, clock.clone()).await.unwrap();
    let unknown = points::forget(&repo, &find("p1").await, clock.clone()).await.unwrap();
    write_point(&repo, "p2", clock.clone()).await;
    let says = json!({"phase": "Completed", "recoveryPoint": {"id": "p2"}});
    held.scene.it.cluster.says("Backup", says);
    let job = held.scene.it.job_of(&held.scene.it.back_up().await).await;
    held.scene.it.ended(&job).await;
    // A recovery point that is new counts within half a minute.
    clock.advance(SignedDuration::from_secs(40));
    let other_kept = points::forget(&repo, &find("p2").await, clock.clone()).await.unwrap();
    held.let_go(&held.point("p2")).await;
    let let_go = points::forget(&repo, &find("p2").await, clock.clone()).await.unwrap();
    let lock = Lock::acquire(&repo, LockMode::Exclusive, clock.clone()).await.unwrap();
    lock.release().await.unwrap();

    assert_eq!(kept, points::Forgotten::Retained);
    assert_eq!(unknown, points::Forgotten::Gone, "no vault knows it");
    assert_eq!(other_kept, points::Forgotten::Retained);
    assert_eq!(let_go, points::Forgotten::Gone);
    assert_eq!(held_ids(&held).await, ["p0"]);
}

#[tokio::test]
async fn whoever_decided_that_a_place_may_go_decides_again_once_a_recovery_point_that_is_kept_is_written_there()
 {
    let held = Held::immutable("Unlocked").await;
    let scene = &held.scene;
    let store = scene.it.world.app.store.clone();
    let container = format!("{}/blobServices/default/containers/backups", scene.account);
    let places: Vec<ResourceId> =
        [&scene.it.group, scene.account.as_str(), &container].map(|id| id.parse().unwrap()).into();
    let versions = async || {
        let mut all = Vec::new();
        for place in &places {
            all.push(store.resource(place).await.unwrap().unwrap().version);
        }
        all
    };

    let decided = versions().await;
    scene.backed_up("p1").await;
    let mut ended = Vec::new();
    for (place, version) in places.iter().zip(decided) {
        let gone = Change::Remove(place.clone(), Expected::Version(version));
        ended.push(store.commit(&[gone], &audit()).await);
    }
    scene.security(json!({"immutabilitySettings": {"state": "Disabled"}})).await;
    let free = versions().await;
    scene.backed_up("p2").await;

    for refused in ended {
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }
    assert_eq!(versions().await, free, "where nothing is kept, nothing is touched");
}

#[tokio::test]
async fn what_is_free_again_beside_immutable_recovery_points_the_vault_prunes_and_no_cluster() {
    let mut held = Held::immutable("Unlocked").await;
    held.scene.backed_up("p1").await;
    let extension: Loaded<ExtensionRecord> =
        load(held.scene.it.world.app.store.as_ref(), &held.scene.extension_id()).await.unwrap().unwrap();
    let identity = extension.document.identity.unwrap().principal_id;
    let grant = async |held: &Held| {
        let token = held.scene.it.token_for(&identity).await;
        let url = format!("{}/cluster/v1/grants", held.scene.it.world.url);
        let body = json!({"purpose": "upkeep", "location": "default"});
        let answer = held.scene.it.world.http.post(url).bearer_auth(token).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        answer.json::<Value>().await.unwrap()
    };
    let while_held = grant(&held).await;

    held.scene.it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    let point = held.point("p1");
    held.let_go(&point).await;
    held.scene.forgotten(&point).await;
    held.scene.it.later(SignedDuration::from_mins(11)).await;
    let key = location_key(&gone::settings());
    held.scene
        .it
        .until(async || {
            let work = held.scene.it.world.app.store.work(&format!("prune {key}")).await.unwrap()?;
            (work.document["rounds"] == 1).then_some(())
        })
        .await;
    held.scene.security(json!({"immutabilitySettings": {"state": "Disabled"}})).await;
    held.scene.it.later(SignedDuration::from_secs(40)).await;

    assert_eq!(while_held["vaultPrunes"], true);
    assert!(grant(&held).await.get("vaultPrunes").is_none(), "the cluster prunes again");
}
