//! Recovery points whose cluster is gone: the vault deletes them itself from repositories in its own storage accounts, and
//! leaves to the cluster what the cluster can still do. The repositories are real ones.

mod gone;
#[path = "gone/scene.rs"]
mod scene;
mod world;

use arm::ResourceId;
use engine::{Lock, Repo};
use gone::{PASSWORD, audited, doomed, folder, held, settings, write_point, written::handle};
use jiff::SignedDuration;
use repository::{FileKind, LockMode};
use reqwest::Method;
use scene::Scene;
use serde_json::{Value, json};
use std::{sync::Arc, time::SystemTime};
use storage::LocalStore;
use telemetry::{Clock, SystemClock};
use vault::{
    api::{Loaded, instances::InstanceRecord, load, points::PointRecord},
    keys::location_key,
    protect::gone::left,
    store::{Change, Expected},
};
use world::{fault_cluster::CONNECTION, protected::audit};

#[tokio::test]
async fn what_a_deleted_cluster_left_expires_and_its_snapshots_are_named() {
    let mut scene = Scene::start().await;
    scene.it.protect().await;
    for id in ["p0", "p1"] {
        let says = json!({"phase": "Completed", "recoveryPoint": {"id": id}});
        scene.it.cluster.says("Backup", says);
        write_point(&scene.repo, id, scene.it.world.clock.clone()).await;
        let job = scene.it.job_of(&scene.it.back_up().await).await;
        assert_eq!(scene.it.ended(&job).await["properties"]["status"], "Completed");
        scene.it.later(SignedDuration::from_mins(10)).await;
    }
    let stopped = scene.it.call(Method::POST, &format!("{}/suspendBackups", scene.it.instance), None).await;
    scene.it.operation(&stopped).await;
    let point: ResourceId = format!("{}/recoveryPoints/p0", scene.it.instance).parse().unwrap();

    scene.delete_cluster().await;
    let before = held(&scene.repo).await;
    scene.it.later(SignedDuration::from_hours(8 * 24)).await;
    scene.forgotten(&point).await;

    let store = scene.it.world.app.store.as_ref();
    assert_eq!(before, ["p0", "p1"], "a deleted cluster alone deletes nothing");
    assert_eq!(held(&scene.repo).await, ["p1"], "the newest stays whatever its age");
    let listed = scene.it.get(&format!("{}/recoveryPoints", scene.it.instance)).await;
    assert_eq!(listed.names(), ["p1"]);
    assert_eq!(scene.handles_left().await, [handle("p0")]);
    let told = audited(store, point.as_str()).await.join("\n");
    for words in ["forget: the cluster 'one' was deleted", "deleted the recovery point itself", &handle("p0")]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(scene.it.cluster.made("deletebackups").len(), 0);
    let left = &left::list(store).await.unwrap()[0];
    assert!(left::strike(store, &left.id, scene.it.world.clock.now()).await.unwrap());
    assert_eq!(scene.handles_left().await, [""; 0], "the operator has deleted it");
}

#[tokio::test]
async fn a_vault_that_dies_between_the_repository_and_the_catalogue_goes_on_and_still_knows_the_snapshots() {
    let scene = Scene::start().await;
    let writing = Lock::acquire(&scene.repo, LockMode::Shared, scene.it.world.clock.clone()).await.unwrap();
    scene.delete_cluster().await;
    let point = scene.doomed("p0").await;
    scene.kept(&point, "locked by").await;

    // What a replica does that is killed before its commit: the repository has forgotten, the catalogue has not.
    let found = points::find(&scene.repo, "p0").await.unwrap().unwrap();
    let Scene { it, repo, account } = scene;
    repo.delete(FileKind::Snapshot, found.snapshot_id()).await.unwrap();
    let it = it.restart().await;
    writing.release().await.unwrap();
    let mut scene = Scene { it, repo, account };
    scene.it.later(SignedDuration::from_mins(2)).await;
    scene.forgotten(&point).await;

    assert_eq!(held(&scene.repo).await, [""; 0]);
    assert_eq!(scene.handles_left().await, [handle("p0")]);
}

#[tokio::test]
async fn nothing_is_deleted_under_a_writer_and_its_end_is_waited_for() {
    let mut scene = Scene::start().await;
    let writing = Lock::acquire(&scene.repo, LockMode::Shared, scene.it.world.clock.clone()).await.unwrap();
    scene.delete_cluster().await;
    let point = scene.doomed("p0").await;

    let kept = scene.kept(&point, "locked by").await;
    let while_locked = held(&scene.repo).await;
    writing.release().await.unwrap();
    scene.it.later(SignedDuration::from_mins(2)).await;
    scene.forgotten(&point).await;

    assert!(
        kept.starts_with("the cluster 'one' was deleted, and the repository is locked by process"),
        "{kept}"
    );
    assert_eq!(while_locked, ["p0"]);
    assert_eq!(held(&scene.repo).await, [""; 0]);
    let locks = std::fs::read_dir(folder(&scene.it.world.data().join("blobs")).join("locks"));
    assert_eq!(locks.map_or(0, Iterator::count), 0, "the vault leaves no lock behind");
}

#[tokio::test]
async fn a_disconnected_cluster_has_a_day_to_come_back_and_then_deletes_it_itself() {
    let mut scene = Scene::start().await;
    scene.it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    scene.cluster(|record| record.connection = None).await;
    let point = scene.doomed("p0").await;

    let kept = scene.kept(&point, "unless that changes").await;
    scene.hours(&point, 20).await;
    let while_away = held(&scene.repo).await;
    scene.cluster(|record| record.connection = Some(CONNECTION.into())).await;
    scene.it.later(SignedDuration::from_hours(5)).await;
    scene.forgotten(&point).await;

    assert!(kept.contains("the cluster 'one' was disconnected"), "{kept}");
    assert_eq!(while_away, ["p0"]);
    assert_eq!(scene.it.cluster.made("deletebackups").len(), 1, "it has the snapshots too");
    assert_eq!(held(&scene.repo).await, ["p0"], "this cluster only says that it deletes");
    assert_eq!(scene.handles_left().await, [""; 0]);
}

#[tokio::test]
async fn a_cluster_that_is_back_when_the_vault_has_begun_goes_on_with_it() {
    let mut scene = Scene::start().await;
    scene.it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    scene.cluster(|record| record.connection = None).await;
    let point = scene.doomed("p0").await;
    scene.kept(&point, "unless that changes").await;
    scene.hours(&point, 20).await;
    let writing = Lock::acquire(&scene.repo, LockMode::Shared, scene.it.world.clock.clone()).await.unwrap();

    scene.it.later(SignedDuration::from_hours(5)).await;
    scene.kept(&point, "locked by").await;
    let begun = scene.state(&point).await["found"].clone();
    scene.cluster(|record| record.connection = Some(CONNECTION.into())).await;
    writing.release().await.unwrap();
    scene.it.later(SignedDuration::from_mins(2)).await;
    scene.forgotten(&point).await;

    assert_eq!(begun["snapshots"][0]["handle"], handle("p0"), "{begun}");
    assert_eq!(scene.it.cluster.made("deletebackups").len(), 1);
    assert_eq!(held(&scene.repo).await, ["p0"]);
}

#[tokio::test]
async fn an_extension_that_was_removed_for_a_day_is_gone() {
    let mut scene = Scene::start().await;
    scene.it.remove(&scene.extension_id()).await;
    let point = scene.doomed("p0").await;

    let kept = scene.kept(&point, "unless that changes").await;
    scene.hours(&point, 20).await;
    let after_hours = held(&scene.repo).await;
    scene.it.later(SignedDuration::from_hours(5)).await;
    scene.forgotten(&point).await;

    assert!(kept.contains("the backup extension was removed from the cluster 'one'"), "{kept}");
    assert_eq!(after_hours, ["p0"]);
    assert_eq!(held(&scene.repo).await, [""; 0]);
    assert_eq!(scene.handles_left().await, [handle("p0")]);
}

#[tokio::test]
async fn a_silent_cluster_is_gone_after_a_month_of_which_the_vault_watched_the_last_day() {
    let mut scene = Scene::start().await;
    let heard_at = scene.it.world.clock.now();
    scene.cluster(|record| record.observed_at = Some(heard_at)).await;
    scene.it.cluster.is_away(true);
    scene.it.later(SignedDuration::from_hours(29 * 24)).await;
    let point = scene.doomed("p0").await;

    let within = scene.kept(&point, "not connected").await;
    scene.it.later(SignedDuration::from_hours(2 * 24)).await;
    let after = scene.kept(&point, "unless that changes").await;
    let not_at_once = held(&scene.repo).await;
    scene.hours(&point, 20).await;
    scene.it.later(SignedDuration::from_hours(5)).await;
    scene.forgotten(&point).await;

    assert!(!within.contains("itself"), "{within}");
    assert!(after.contains("has not been heard of for too long"), "{after}");
    assert_eq!(not_at_once, ["p0"], "the vault may have been away itself");
    assert_eq!(held(&scene.repo).await, [""; 0]);
}

#[tokio::test]
async fn a_key_that_does_not_open_the_repository_deletes_nothing() {
    let scene = Scene::with_password("another one").await;
    scene.delete_cluster().await;

    let point = scene.doomed("p0").await;
    let kept = scene.kept(&point, "password").await;

    assert!(kept.contains("does not open any of the 1 keys"), "{kept}");
    assert_eq!(held(&scene.repo).await, ["p0"]);
    let shown = scene.it.get(point.as_str()).await;
    let stores = &shown.body["properties"]["recoveryPointDataStoresDetails"];
    let meta = stores[0]["metaData"].as_str().unwrap();
    assert!(meta.contains("keptBecause") && meta.contains("does not open"), "{meta}");
}

#[tokio::test]
async fn a_location_outside_the_vault_stays_with_the_reason() {
    let scene = Scene::start().await;
    scene.delete_cluster().await;
    let now = scene.it.world.clock.now();
    let (point, mut changes) = doomed(&scene.it.instance, &scene.it.managed, "p0", now);
    let bucket = [("configuration.backupStorageLocation.bucket".to_owned(), "theirs".to_owned())].into();
    for change in &mut changes {
        if let Change::Put { document, .. } = change {
            let mut record: PointRecord = serde_json::from_value(document.clone()).unwrap();
            (record.key, record.location) = (location_key(&bucket), bucket.clone());
            *document = serde_json::to_value(record).unwrap();
        }
    }

    scene.it.world.app.store.commit(&changes, &audit()).await.unwrap();
    let kept = scene.kept(&point, "outside the vault").await;

    assert!(kept.contains("whose credential only the cluster has"), "{kept}");
}

#[tokio::test]
async fn the_owner_of_an_account_keeps_the_vault_out_by_network_rules_and_lets_it_in_again() {
    let mut scene = Scene::start().await;
    scene.delete_cluster().await;
    let acls = async |scene: &Scene, rules: Value| {
        let body = json!({"properties": {"networkAcls": rules}});
        let changed = scene.it.call(Method::PATCH, scene.account.as_str(), Some(body)).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    };
    let register = format!("{}/providers/Microsoft.Storage/register", scene.it.world.root());
    scene.it.call(Method::POST, &register, None).await;
    acls(&scene, json!({"defaultAction": "Deny", "bypass": "None"})).await;

    let point = scene.doomed("p0").await;
    let kept = scene.kept(&point, "network rules").await;
    let denied = held(&scene.repo).await;
    let rule = json!({"tenantId": scene.it.world.tenant, "resourceId": scene.it.vault});
    acls(&scene, json!({"resourceAccessRules": [rule]})).await;
    scene.it.later(SignedDuration::from_mins(40)).await;
    scene.forgotten(&point).await;

    assert!(kept.contains("az storage account network-rule add"), "{kept}");
    assert_eq!(denied, ["p0"]);
    assert_eq!(held(&scene.repo).await, [""; 0]);
}

#[tokio::test]
async fn a_restore_gets_the_data_that_it_was_accepted_for() {
    let mut scene = Scene::start().await;
    scene.it.protect().await;
    let job: ResourceId = format!("{}/backupJobs/restore1", scene.it.vault).parse().unwrap();
    let store = scene.it.world.app.store.clone();
    let point_id: ResourceId = format!("{}/recoveryPoints/p0", scene.it.instance).parse().unwrap();
    let source = json!({"resource": scene.it.managed, "location": "local", "name": "one"});
    let request =
        json!({"recoveryPoint": "p0", "target": source, "withVolumeData": true, "conflictPolicy": "Skip"});
    let restore = |status: &str| {
        json!({"task": {"do": "restore", "request": request, "location": "default", "point": point_id},
            "status": status, "isUserTriggered": true, "startedAt": scene.it.world.clock.now(),
            "instance": scene.it.instance, "friendlyName": "one/shop", "policy": format!("{}/backupPolicies/policy1", scene.it.vault),
            "source": source, "cluster": scene.it.managed, "namespace": "x"})
    };
    let running = restore("InProgress");
    let over = restore("Completed");
    let begin = Change::Put { id: job.clone(), document: running, expected: Expected::Absent };
    store.commit(&[begin], &audit()).await.unwrap();

    scene.delete_cluster().await;
    let point = scene.doomed("p0").await;
    let kept = scene.kept(&point, "restores from it").await;
    let meanwhile = held(&scene.repo).await;
    let end = Change::Put { id: job, document: over, expected: Expected::Version(1) };
    store.commit(&[end], &audit()).await.unwrap();
    scene.it.later(SignedDuration::from_mins(40)).await;
    scene.forgotten(&point).await;

    assert!(kept.contains("the job 'restore1'"), "{kept}");
    assert_eq!(meanwhile, ["p0"]);
    assert_eq!(held(&scene.repo).await, [""; 0]);
}

#[tokio::test]
async fn the_space_of_what_the_vault_deleted_is_freed() {
    let mut scene = Scene::start().await;
    let gone = scene.doomed("p0").await;
    write_point(&scene.repo, "p1", scene.it.world.clock.clone()).await;
    let at = folder(&scene.it.world.data().join("blobs"));
    // As old as the engine wants packs to be before it touches them.
    age(&at.join("data"), 3 * 24);

    scene.delete_cluster().await;
    scene.it.later(SignedDuration::from_mins(40)).await;
    scene.forgotten(&gone).await;
    scene.it.later(SignedDuration::from_mins(11)).await;
    let lists = || std::fs::read_dir(at.join("doomed")).map_or(0, Iterator::count);
    scene.it.until(async || (lists() > 0).then_some(())).await;

    let key = location_key(&settings());
    let work = scene.it.until(async || {
        let work = scene.it.world.app.store.work(&format!("prune {key}")).await.unwrap()?;
        (work.document["rounds"] == 1).then_some(work)
    });
    let again = work.await.due_at.duration_since(scene.it.world.clock.now());
    assert!(again > SignedDuration::from_hours(40), "what left the index goes days later: {again}");
    // What is still needed is whole.
    let store = Arc::new(LocalStore::open(&at).await.unwrap());
    let repo = Repo::open(store, &engine::RepositorySecret::new(PASSWORD)).await.unwrap();
    let point = points::find(&repo, "p1").await.unwrap().unwrap();
    let manifest = points::OpenPoint::open(&repo, point).await.unwrap().manifest().await.unwrap();
    assert_eq!(manifest.recovery_point.as_str(), "p1");
}

#[tokio::test]
async fn what_a_vault_is_called_does_not_make_its_instances_adopted_ones() {
    let scene = Scene::start().await;
    let group = scene.it.world.group("recovered");
    let instance =
        format!("{group}/providers/Microsoft.DataProtection/backupVaults/recovered/backupInstances/one");
    scene.delete_cluster().await;
    write_point(&scene.repo, "p0", scene.it.world.clock.clone()).await;

    let (point, changes) = doomed(&instance, &scene.it.managed, "p0", scene.it.world.clock.now());
    scene.it.world.app.store.commit(&changes, &audit()).await.unwrap();
    scene.forgotten(&point).await;

    assert_eq!(held(&scene.repo).await, [""; 0]);
}

#[tokio::test]
async fn what_was_adopted_leaves_the_catalogue_alone_whatever_its_vault_is_called() {
    let scene = Scene::start().await;
    scene.it.protect().await;
    let store = scene.it.world.app.store.as_ref();
    let instance: ResourceId = scene.it.instance.parse().unwrap();
    let mut adopted: Loaded<InstanceRecord> = load(store, &instance).await.unwrap().unwrap();
    adopted.document.adopted = true;
    store.commit(&[adopted.write().unwrap()], &audit()).await.unwrap();
    scene.delete_cluster().await;

    let point = scene.doomed("p0").await;
    scene.forgotten(&point).await;

    assert_eq!(held(&scene.repo).await, ["p0"], "nobody could be asked whether its cluster lives");
}

/// Makes all files of a folder older.
fn age(folder: &std::path::Path, hours: i64) {
    let then = SystemTime::from(SystemClock.now() - SignedDuration::from_hours(hours));
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, hours);
        } else {
            std::fs::File::open(&path).unwrap().set_modified(then).unwrap();
        }
    }
}
