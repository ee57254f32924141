//! A vault whose database is lost is back from its own backup: the same answers, the same secrets, on each database.

mod databases;
mod world;

use databases::{Database, new_database, shared};
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use telemetry::Clock;
use vault::{
    directory::DataDirectory,
    keys::{location_key, own_key},
    recover::{FoundPoint, Scanned, reconcile, recover},
    seal::{KEY_FILE, KeySource},
    self_backup::{Newest, Place, Settings},
    server::create_store,
};
use world::{
    Choices, World,
    protected::{POINT, Protected},
};

/// What the API says of everything that the test made. Times of answers and addresses of this start are not of it.
async fn answers(world: &World, paths: &[String]) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for path in paths {
        let answer = world.get(&world.administrator, path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let text = answer.body.to_string().replace(&world.url, "https://vault");
        all.push((path.clone(), serde_json::from_str(&text).unwrap()));
    }
    all
}

async fn the_api_answers_the_same_once_a_lost_database_was_recovered(database: Option<String>) {
    let choices = Choices {
        database: database.as_ref().map(|url| url.parse().unwrap()),
        on_sqlite: database.is_none(),
        self_backup: Some(Settings::default()),
        ..Choices::default()
    };
    let mut protected = Protected::choosing(choices.clone()).await;
    protected.protect().await;
    protected.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let job = protected.job_of(&protected.back_up().await).await;
    assert_eq!(protected.ended(&job).await["properties"]["status"], "Completed");
    let settings: BTreeMap<String, String> =
        [("configuration.backupStorageLocation.bucket".to_owned(), "backups".to_owned())].into();
    let key =
        own_key(&protected.world.app, &location_key(&settings), &settings, &protected.managed).await.unwrap();
    let cluster = protected.managed.clone();
    let reader = protected.world.person(Some("Reader"), &protected.group).await;
    let paths = [
        protected.group.clone(),
        protected.vault.clone(),
        format!("{}/backupPolicies", protected.vault),
        protected.instance.clone(),
        format!("{}/recoveryPoints", protected.instance),
        job.clone(),
        protected.managed.to_string(),
        format!("{}/providers/Microsoft.Authorization/roleAssignments", protected.group),
    ];
    let taken_before = last(&protected.world).await;
    // Time goes by until the vault backs itself up by its schedule, with all of this.
    protected.later(jiff::SignedDuration::from_hours(24)).await;
    let world = &protected.world;
    protected.until(async || (last(world).await > taken_before).then_some(())).await;
    let before = answers(world, &paths).await;

    let protected_now = protected.world.clock.now();
    let halted = protected.world.halt().await;
    let data = halted.data();
    let lost = std::fs::read_to_string(data.join("tls/ca.crt")).unwrap();
    std::fs::remove_dir_all(data.join("tls")).unwrap();
    match &database {
        None => {
            for file in ["vault.db", "vault.db-wal", "vault.db-shm"] {
                drop(std::fs::remove_file(data.join(file)));
            }
            assert!(!data.join("vault.db").exists());
        }
        Some(url) => Database::Postgres(url.clone())
            .past("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .await
            .unwrap(),
    }
    let directory = DataDirectory::open(&data).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(telemetry::SystemClock);
    let place = Place::open(None, &directory, &clock).unwrap();
    let Newest::One { name, .. } = place.newest(None, protected_now).await.unwrap() else {
        panic!("there should be one")
    };
    let store = create_store(&directory, choices.database.as_ref()).await.unwrap();
    let from = (name.as_str(), place.get(&name).await.unwrap());
    let done =
        recover(store.as_ref(), &directory, &KeySource::Directory, None, from, clock.now()).await.unwrap();
    store.close().await;
    let mut world = halted.start().await;

    assert_eq!(done.files, ["tls/ca.crt", "tls/ca.key"]);
    assert_eq!(
        std::fs::read_to_string(data.join("tls/ca.crt")).unwrap(),
        lost,
        "clients need not trust anew"
    );
    assert!(data.join(KEY_FILE).exists());
    // With the old client secret.
    world.administrator.token = world.sign_in(&world.administrator).await;
    let after = answers(&world, &paths).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    let reader_token = world.sign_in(&reader).await;
    let reader = world::Person { token: reader_token, ..reader };
    assert_eq!(world.get(&reader, &paths[1]).await.status, 200);
    let refused = world.call(&reader, Method::DELETE, &paths[3], None).await;
    assert_eq!(refused.code(), "AuthorizationFailed");
    assert_eq!(own_key(&world.app, &location_key(&settings), &settings, &cluster).await.unwrap(), key);
    world.stop().await;
}

/// When the vault last backed itself up.
async fn last(world: &World) -> Option<jiff::Timestamp> {
    vault::self_backup::state(world.app.store.as_ref()).await.unwrap().last.map(|taken| taken.at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_answers_the_same_once_a_lost_file_was_recovered() {
    the_api_answers_the_same_once_a_lost_database_was_recovered(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_answers_the_same_once_a_lost_database_of_a_server_was_recovered() {
    let url = new_database(shared(), "").await;
    the_api_answers_the_same_once_a_lost_database_was_recovered(Some(url)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_tells_of_its_own_instances_and_one_of_another_cluster_is_not_believed() {
    let protected = Protected::start().await;
    protected.policy("P9D").await;
    protected.protect().await;
    let store = protected.world.app.store.as_ref();
    protected.cluster.says("Backup", json!({"phase": "InProgress", "stage": "snapshots"}));
    let running = protected.job_of(&protected.back_up().await).await;
    let stored = store.resource(&protected.instance.parse().unwrap()).await.unwrap().unwrap();
    let label = stored.document["label"].as_str().unwrap().to_owned();
    let now = protected.world.clock.now();
    let point = |id: &str, backup: &str| FoundPoint {
        id: id.to_owned(),
        instance: label.clone(),
        cluster: "cluster-uid".to_owned(),
        backup: backup.to_owned(),
        completed: now - jiff::SignedDuration::from_hours(1),
        is_partial: true,
        spec: json!({"includedNamespaces": ["shop"]}),
    };
    let settings: BTreeMap<String, String> =
        [("configuration.backupStorageLocation.bucket".to_owned(), "backups".to_owned())].into();
    let job = running.rsplit('/').next().unwrap();
    let own = Scanned {
        key: location_key(&settings),
        settings: settings.clone(),
        points: vec![point("missed", "b1"), point("written-down-by-its-job", job)],
    };
    let foreign = Scanned { key: "0f0f".to_owned(), settings, points: vec![point("planted", "b2")] };
    let scanned = [own, foreign];

    let done = reconcile(store, &scanned, &BTreeMap::new(), now).await.unwrap();
    let again = reconcile(store, &scanned, &BTreeMap::new(), now).await.unwrap();
    let listed = protected.get(&format!("{}/recoveryPoints", protected.instance)).await;

    assert_eq!(listed.names(), ["missed"]);
    let properties = &listed.body["value"][0]["properties"];
    let time = |name: &str| properties[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let lives = time("expiryTime").duration_since(time("recoveryPointTime"));
    assert_eq!(lives, jiff::SignedDuration::from_hours(9 * 24), "as the policy says");
    assert_eq!(properties["recoveryPointState"], "Partial");
    let adopted: Vec<&str> = done.adopted.iter().map(|id| id.name()).collect();
    assert_eq!((done.added.len(), adopted), (1, vec!["planted"]));
    assert_eq!((again.added.len(), again.adopted.len()), (0, 0), "again adds nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovered_points_get_the_tags_that_they_would_have_got_whatever_their_order_in_the_repository() {
    let protected = Protected::start().await;
    protected.daily().await;
    protected.protect().await;
    let store = protected.world.app.store.as_ref();
    let stored = store.resource(&protected.instance.parse().unwrap()).await.unwrap().unwrap();
    let label = stored.document["label"].as_str().unwrap().to_owned();
    let now = protected.world.clock.now();
    // Noon of a day that is over, so that no two of a day fall on two days.
    let noon = now.as_second() / 86_400 * 86_400 - 86_400 + 43_200;
    let point = |id: &str, hours: i64, spec: Value| FoundPoint {
        id: id.to_owned(),
        instance: label.clone(),
        cluster: "cluster-uid".to_owned(),
        backup: format!("backup-{id}"),
        completed: jiff::Timestamp::from_second(noon + hours * 3_600).unwrap(),
        is_partial: false,
        spec,
    };
    let settings: BTreeMap<String, String> =
        [("configuration.backupStorageLocation.bucket".to_owned(), "backups".to_owned())].into();
    // As a repository lists them: by their ids, which say nothing about time.
    let points = vec![
        point("a-second", 4, Value::Null),
        point("b-asked", -1, json!({"retentionTag": "Default"})),
        point("c-first", 0, Value::Null),
        point("d-day-before-second", -20, Value::Null),
        point("e-day-before-first", -22, Value::Null),
    ];
    let scanned = [Scanned { key: location_key(&settings), settings, points }];

    reconcile(store, &scanned, &BTreeMap::new(), now).await.unwrap();
    let listed = protected.get(&format!("{}/recoveryPoints", protected.instance)).await;

    let tags: BTreeMap<&str, &str> = listed.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["properties"]["retentionTagName"].as_str().unwrap()))
        .collect();
    let expected = [
        ("a-second", "Default"),
        ("b-asked", "Default"),
        ("c-first", "Daily"),
        ("d-day-before-second", "Default"),
        ("e-day-before-first", "Daily"),
    ];
    assert_eq!(tags, expected.into());
}
