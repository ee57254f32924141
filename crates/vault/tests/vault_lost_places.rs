//! Recovery points whose storage account or container is gone, and those whose backup instance went while they were made:
//! nothing stays for ever that nobody can delete, and nothing stays that nobody knows of.

mod gone;
#[path = "gone/scene.rs"]
mod scene;
mod world;

use arm::ResourceId;
use gone::{audited, held, write_point};
use jiff::SignedDuration;
use reqwest::Method;
use scene::Scene;
use serde_json::json;
use telemetry::Clock;
use vault::protect::gone::left;

#[tokio::test]
async fn what_lay_in_an_account_that_is_gone_is_forgotten_and_the_job_that_made_it_names_it() {
    let mut scene = Scene::start().await;
    scene.it.protect().await;
    let job = scene.backed_up("p0").await;
    let point: ResourceId = format!("{}/recoveryPoints/p0", scene.it.instance).parse().unwrap();
    scene.delete_cluster().await;
    scene.delete_account().await;

    let deleted = scene.it.call(Method::DELETE, &scene.it.instance, None).await;
    assert_eq!(deleted.status, 202, "{deleted:?}");
    scene.it.later(SignedDuration::from_hours(15 * 24)).await;
    scene.forgotten(&point).await;

    let store = scene.it.world.app.store.clone();
    let instance: ResourceId = scene.it.instance.parse().unwrap();
    scene.it.until(async || store.resource(&instance).await.unwrap().is_none().then_some(())).await;
    let shown = scene.it.get(&job).await.body.to_string();
    for words in ["RecoveryPointLost", "'p0' does not exist any more", "storage account acct was deleted at"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let left = left::list(store.as_ref()).await.unwrap();
    assert_eq!(left.len(), 1, "its snapshots are not known");
    assert_eq!(left[0].record.point, point);
    let told = audited(store.as_ref(), point.as_str()).await.join("\n");
    assert!(told.contains("the recovery point is gone: its storage account acct was deleted"), "{told}");
    let ended = scene.it.call(Method::DELETE, &scene.it.vault, None).await;
    assert_eq!(ended.status, 202, "nothing holds the vault: {ended:?}");
}

#[tokio::test]
async fn an_account_that_was_made_anew_under_the_same_name_is_another_one() {
    let mut scene = Scene::start().await;
    let written = scene.it.world.clock.now();
    scene.delete_cluster().await;
    scene.it.later(SignedDuration::from_hours(1)).await;
    scene.delete_account().await;
    scene.it.later(SignedDuration::from_hours(2)).await;
    let register = format!("{}/providers/Microsoft.Storage/register", scene.it.world.root());
    scene.it.call(Method::POST, &register, None).await;
    let account = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
    let made = scene.it.call(Method::PUT, scene.account.as_str(), Some(account)).await;
    assert_eq!(made.status, 200, "{made:?}");
    let container = format!("{}/blobServices/default/containers/backups", scene.account);
    let made = scene.it.call(Method::PUT, &container, Some(json!({"properties": {}}))).await;
    assert_eq!(made.status, 201, "{made:?}");

    let old = scene.doomed_of("old", written).await;
    let stranger = scene.doomed_of("stranger", written - SignedDuration::from_hours(1)).await;
    scene.forgotten(&old).await;
    let kept = scene.kept(&stranger, "outside the vault").await;

    assert!(
        kept.contains("only the cluster has"),
        "when it was written there was no such account here: {kept}"
    );
}

#[tokio::test]
async fn a_container_that_was_made_anew_under_the_same_name_is_another_one() {
    let mut scene = Scene::start().await;
    let written = scene.it.world.clock.now();
    scene.delete_cluster().await;
    let container = format!("{}/blobServices/default/containers/backups", scene.account);
    scene.it.later(SignedDuration::from_hours(1)).await;
    let deleted = scene.it.call(Method::DELETE, &container, None).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let register = format!("{}/providers/Microsoft.Storage/register", scene.it.world.root());
    scene.it.call(Method::POST, &register, None).await;
    let made = scene.it.call(Method::PUT, &container, Some(json!({"properties": {}}))).await;
    assert_eq!(made.status, 201, "{made:?}");

    let point = scene.doomed_of("p0", written).await;
    scene.forgotten(&point).await;

    assert_eq!(left::list(scene.it.world.app.store.as_ref()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_cluster_that_writes_elsewhere_now_is_not_waited_for_once_the_old_place_is_gone() {
    let mut scene = Scene::start().await;
    let written = scene.it.world.clock.now();
    scene.it.bucket("another").await;
    let point = scene.doomed_of("p0", written).await;
    scene.kept(&point, "another location").await;

    scene.delete_account().await;
    scene.it.later(SignedDuration::from_mins(40)).await;
    scene.forgotten(&point).await;

    assert_eq!(scene.it.cluster.made("deletebackups").len(), 0);
}

/// A backup that is under way in the cluster, and whose instance is deleted for good meanwhile; the job.
async fn deleted_meanwhile(scene: &Scene) -> String {
    scene.security(json!({"softDeleteSettings": {"state": "Off"}})).await;
    scene.it.cluster.says("Backup", json!({"phase": "InProgress"}));
    let job = scene.it.job_of(&scene.it.back_up().await).await;
    let deleted = scene.it.call(Method::DELETE, &scene.it.instance, None).await;
    assert_eq!(deleted.status, 202, "{deleted:?}");
    let instance: ResourceId = scene.it.instance.parse().unwrap();
    let store = scene.it.world.app.store.clone();
    scene.it.until(async || store.resource(&instance).await.unwrap().is_none().then_some(())).await;
    job
}

#[tokio::test]
async fn the_recovery_point_of_an_instance_that_is_gone_is_deleted_by_its_cluster() {
    let mut scene = Scene::start().await;
    scene.it.protect().await;
    let job = deleted_meanwhile(&scene).await;
    let point: ResourceId = format!("{}/recoveryPoints/p0", scene.it.instance).parse().unwrap();

    scene.it.cluster.says("DeleteBackup", json!({"phase": "InProgress"}));
    scene.it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": "p0"}}));
    scene.it.later(SignedDuration::from_mins(1)).await;
    let ended = scene.it.ended(&job).await;
    let vault_too = scene.it.call(Method::DELETE, &scene.it.vault, None).await;
    scene.it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    scene.forgotten(&point).await;

    assert_eq!(ended["properties"]["status"], "Failed", "{ended}");
    assert!(ended.to_string().contains("UserErrorBackupInstanceDeleted"), "{ended}");
    let asked = scene.it.cluster.made("deletebackups");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["recoveryPoint"]["id"], "p0", "{asked:?}");
    assert_eq!(vault_too.status, 409, "the vault is still needed: {vault_too:?}");
    assert!(vault_too.body.to_string().contains("still deletes the recovery point 'p0'"), "{vault_too:?}");
    let ended = scene.it.call(Method::DELETE, &scene.it.vault, None).await;
    assert_eq!(ended.status, 202, "{ended:?}");
}

#[tokio::test]
async fn the_recovery_point_of_an_instance_that_is_gone_is_deleted_by_the_vault_when_the_cluster_goes_too() {
    let mut scene = Scene::start().await;
    scene.it.protect().await;
    let job = deleted_meanwhile(&scene).await;
    let point: ResourceId = format!("{}/recoveryPoints/p0", scene.it.instance).parse().unwrap();
    write_point(&scene.repo, "p0", scene.it.world.clock.clone()).await;

    scene.it.cluster.says("DeleteBackup", json!({"phase": "InProgress"}));
    scene.it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": "p0"}}));
    scene.it.later(SignedDuration::from_mins(1)).await;
    scene.it.ended(&job).await;
    scene.delete_cluster().await;
    scene.it.later(SignedDuration::from_mins(31)).await;
    scene.forgotten(&point).await;

    assert_eq!(held(&scene.repo).await, [""; 0]);
}

#[tokio::test]
async fn a_softly_deleted_instance_takes_the_recovery_point_of_its_last_backup_in() {
    let mut scene = Scene::start().await;
    scene.it.protect().await;
    scene.it.cluster.says("Backup", json!({"phase": "InProgress"}));
    let job = scene.it.job_of(&scene.it.back_up().await).await;
    let deleted = scene.it.call(Method::DELETE, &scene.it.instance, None).await;
    assert_eq!(deleted.status, 202, "{deleted:?}");

    scene.it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": "p0"}}));
    scene.it.later(SignedDuration::from_mins(1)).await;
    let ended = scene.it.ended(&job).await;
    let name = scene.it.instance.rsplit('/').next().unwrap().to_owned();
    let deleted = format!("{}/deletedBackupInstances/{name}/undelete", scene.it.vault);
    let back = scene.it.call(Method::POST, &deleted, None).await;
    assert_eq!(back.status, 202, "{back:?}");

    assert_eq!(ended["properties"]["status"], "Completed", "{ended}");
    let listed = scene.it.get(&format!("{}/recoveryPoints", scene.it.instance)).await;
    assert_eq!(listed.names(), ["p0"]);
}
