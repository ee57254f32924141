//! Newer versions of extensions, taken without a word of their owners: which, when, and what becomes of one that fails.

mod world;

use jiff::SignedDuration;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tunnel::ConnectionId;
use vault::{
    api::extensions::{Catalogue, Offer, PackageSource, desired, report},
    request::Address,
};
use world::{Choices, offer, protected::Protected};

/// The operator's directory, into which a test lays packages.
#[derive(Debug)]
struct FakeDirectory(Mutex<Result<Vec<Offer>, String>>);

impl PackageSource for FakeDirectory {
    fn read(&self) -> Result<Catalogue, String> {
        self.0.lock().clone().map(|packages| Catalogue { packages })
    }
}

/// A vault that takes a version within two hours, and a connected cluster with version 0.1.0 of the Backup Extension.
struct Offering {
    it: Protected,
    directory: Arc<FakeDirectory>,
    id: arm::ResourceId,
    connection: ConnectionId,
}

const WITHIN: Duration = Duration::from_secs(2);

fn version(version: &str) -> Offer {
    Offer {
        version: version.to_owned(),
        digest: format!("sha256:{version:0>64}"),
        reference: format!("registry.example/backup:{version}"),
        ..offer()
    }
}

impl Offering {
    async fn start() -> Self {
        let directory = Arc::new(FakeDirectory(Mutex::new(Ok(vec![version("0.1.0")]))));
        let packages = Some((directory.clone() as Arc<dyn PackageSource>, WITHIN));
        let it = Protected::choosing(Choices { packages, ..Choices::default() }).await;
        let connection = it.joined().await;
        let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
        let this = Self { it, directory, id, connection };
        this.says(1, "Installed", "0.1.0").await;
        this
    }

    fn lays(&self, versions: &[&str]) {
        *self.directory.0.lock() = Ok(versions.iter().map(|one| version(one)).collect());
    }

    async fn shown(&self) -> Value {
        self.it.get(self.id.as_str()).await.body["properties"].clone()
    }

    async fn patch(&self, properties: Value) {
        let answer =
            self.it.call(Method::PATCH, self.id.as_str(), Some(json!({"properties": properties}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// What the agent is told: version and generation.
    async fn wanted(&self) -> (String, u64, Value) {
        let address = Address::read("/cluster/v1/desired", None).unwrap();
        let told = desired(&self.it.world.app, &self.it.managed, self.connection, &address).await.unwrap();
        let told: Value = told.body.unwrap();
        let one = &told["extensions"][0];
        (
            one["version"].as_str().unwrap().to_owned(),
            one["generation"].as_u64().unwrap(),
            one["package"].clone(),
        )
    }

    async fn says(&self, generation: u64, state: &str, version: &str) {
        let error =
            (state == "Failed").then(|| json!({"code": "PodsCrash", "message": "It ends again and again."}));
        let body = json!({"agentVersion": "0.1.0", "cluster": {"seen": self.it.world.app.clock.now()}, "extensions": [
            {"name": "backup", "generation": generation, "state": state, "version": version, "error": error}]});
        let body = body.to_string();
        let said = report(&self.it.world.app, &self.it.managed, self.connection, body.as_bytes()).await;
        assert_eq!(said.unwrap().status, 204);
    }

    /// Time goes by until the agent is told to install something else; it is heard of all the while.
    async fn told_of(&self, expected: &str) -> u64 {
        for _ in 0..300 {
            let (version, generation, _) = self.wanted().await;
            if version == expected {
                return generation;
            }
            self.it.world.clock.advance(SignedDuration::from_secs(1));
            self.says(0, "Installed", "").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("version {expected} is not taken: {:?}", self.wanted().await);
    }

    /// Several looks go by, and more than enough time for a version to be taken.
    async fn looks_go_by(&self) {
        for _ in 0..6 {
            self.it.world.clock.advance(SignedDuration::from_secs(1));
            self.says(0, "Installed", "").await;
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    }
}

#[tokio::test]
async fn a_newer_version_of_the_train_is_taken_by_itself_and_not_a_major_one() {
    let all = Offering::start().await;
    let before = all.shown().await;

    all.lays(&["0.1.0", "0.2.0", "0.3.0-rc1", "1.0.0"]);
    let generation = all.told_of("0.2.0").await;
    let package = all.wanted().await.2;
    let meanwhile = all.shown().await;
    all.says(generation, "Installed", "0.2.0").await;
    let after = all.shown().await;
    all.looks_go_by().await;

    assert_eq!(
        (&before["currentVersion"], &before["autoUpgradeMode"]),
        (&json!("0.1.0"), &json!("compatible"))
    );
    assert_eq!(package["digest"], version("0.2.0").digest);
    assert_eq!(
        (&meanwhile["provisioningState"], &meanwhile["currentVersion"], &meanwhile["statuses"][0]["code"]),
        (&json!("Updating"), &json!("0.1.0"), &json!("AutoUpgrading"))
    );
    assert_eq!(
        (&after["provisioningState"], &after["currentVersion"], &after["version"], &after["statuses"]),
        (&json!("Succeeded"), &json!("0.2.0"), &Value::Null, &json!([]))
    );
    assert_eq!(all.wanted().await.0, "0.2.0", "that is the newest that it takes");
}

#[tokio::test]
async fn a_version_that_fails_is_told_of_and_tried_again_a_bounded_number_of_times_while_the_old_one_runs() {
    let all = Offering::start().await;
    let before = all.wanted().await;

    all.lays(&["0.1.0", "0.2.0"]);
    let mut generations = Vec::new();
    for _ in 0..3 {
        let generation = all.told_of("0.2.0").await;
        all.says(generation, "Failed", "0.1.0").await;
        generations.push(generation);
        assert_eq!(all.wanted().await, before, "the agent is told what it has");
    }
    let told = all.shown().await;
    for _ in 0..4 {
        all.looks_go_by().await;
    }
    let rested = all.wanted().await;
    all.lays(&["0.1.0", "0.2.0", "0.2.1"]);
    let mended = all.told_of("0.2.1").await;
    all.says(mended, "Installed", "0.2.1").await;
    let after = all.shown().await;

    assert!(
        generations.is_sorted_by(|one, next| one < next),
        "no generation is given twice: {generations:?}"
    );
    assert_eq!((&told["provisioningState"], &told["currentVersion"]), (&json!("Succeeded"), &json!("0.1.0")));
    let status = &told["statuses"][0];
    assert_eq!((&status["code"], &status["level"]), (&json!("AutoUpgradeFailed"), &json!("Warning")));
    let message = status["message"].as_str().unwrap();
    assert!(
        ["0.2.0", "0.1.0 runs", "PodsCrash", "again and again", "not tried again"]
            .iter()
            .all(|part| message.contains(part)),
        "{message}"
    );
    assert_eq!(rested, before);
    assert!(mended > generations[2]);
    assert_eq!((&after["currentVersion"], &after["statuses"]), (&json!("0.2.1"), &json!([])));
}

#[tokio::test]
async fn the_owner_says_what_is_taken() {
    let all = Offering::start().await;
    let refused = json!({"properties": {"autoUpgradeMode": "sometimes"}});
    let refused = all.it.call(Method::PATCH, all.id.as_str(), Some(refused)).await;

    let mut taken = Vec::new();
    for (properties, newest) in [
        (json!({"autoUpgradeMode": "none"}), "0.1.1"),
        (json!({"autoUpgradeMinorVersion": false, "autoUpgradeMode": "Patch"}), "0.2.0"),
        (json!({"autoUpgradeMinorVersion": false}), "0.3.0"),
        (json!({"version": "0.1.1"}), "0.4.0"),
    ] {
        all.patch(properties).await;
        let (version, generation, _) = all.wanted().await;
        all.says(generation, "Installed", &version).await;
        all.lays(&["0.1.0", "0.1.1", newest]);
        all.looks_go_by().await;
        let (version, generation, _) = all.wanted().await;
        all.says(generation, "Installed", &version).await;
        let shown = all.shown().await;
        taken.push((
            shown["autoUpgradeMode"].clone(),
            shown["version"].clone(),
            shown["currentVersion"].clone(),
        ));
    }

    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.to_string().contains("autoUpgradeMode"), "{refused:?}");
    assert_eq!(
        taken,
        [
            (json!("none"), Value::Null, json!("0.1.0")),
            (json!("patch"), Value::Null, json!("0.1.1")),
            (json!("none"), Value::Null, json!("0.1.1")),
            (json!("none"), json!("0.1.1"), json!("0.1.1")),
        ]
    );
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_and_a_version_that_is_offered_no_more_change_nothing() {
    let all = Offering::start().await;
    let before = all.wanted().await;

    *all.directory.0.lock() = Err("half written".into());
    all.looks_go_by().await;
    let unreadable = all.wanted().await;
    all.lays(&["0.1.0", "0.2.0"]);
    let generation = all.told_of("0.2.0").await;
    all.says(generation, "Installed", "0.2.0").await;
    let taken = all.wanted().await;
    all.lays(&["0.1.0"]);
    all.looks_go_by().await;
    let withdrawn = all.wanted().await;

    assert_eq!(unreadable, before);
    assert_eq!(withdrawn, taken, "nothing older is taken, and the agent still knows where its package is");
}

#[tokio::test]
async fn what_the_owner_wants_overtakes_an_upgrade_that_nobody_asked_for() {
    let all = Offering::start().await;
    all.lays(&["0.1.0", "0.2.0"]);
    let generation = all.told_of("0.2.0").await;

    all.patch(json!({"version": "0.1.0"})).await;
    all.says(generation, "Failed", "0.1.0").await;
    let (wanted, of_owner, _) = all.wanted().await;
    all.says(of_owner, "Installed", "0.1.0").await;
    all.looks_go_by().await;

    let shown = all.shown().await;
    assert_eq!((wanted.as_str(), of_owner > generation), ("0.1.0", true));
    assert_eq!(
        (&shown["provisioningState"], &shown["version"], &shown["currentVersion"], &shown["statuses"]),
        (&json!("Succeeded"), &json!("0.1.0"), &json!("0.1.0"), &json!([]))
    );
}
