//! The schedule of an instance on bad days: a job that takes long, a cluster that is off, a change that fails.

mod world;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use world::protected::{POINT, Protected};

fn done() -> Value {
    json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": POINT}})
}

async fn jobs(it: &Protected) -> Vec<Value> {
    let listed = it.get(&format!("{}/backupJobs", it.vault)).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let all = listed.body["value"].as_array().unwrap().iter();
    // What people did to the instance is another matter.
    all.filter(|job| job["properties"]["operationCategory"] != "Management").cloned().collect()
}

/// The id of the one job that the next slot, four hours later, begins.
async fn next_slot(it: &mut Protected) -> String {
    let before = jobs(it).await.len();
    it.later(SignedDuration::from_hours(4)).await;
    it.until(async || (jobs(it).await.len() == before + 1).then_some(())).await;
    let all = jobs(it).await;
    let newest = all.iter().max_by_key(|job| job["properties"]["startTime"].as_str().unwrap().to_owned());
    newest.unwrap()["id"].as_str().unwrap().to_owned()
}

async fn act(it: &Protected, verb: &str) -> String {
    let answer = it.call(Method::POST, &format!("{}/{verb}", it.instance), None).await;
    assert_eq!(answer.status, 202, "{verb}: {answer:?}");
    let ended = it.operation(&answer).await;
    ended.body["status"].as_str().unwrap().to_owned()
}

/// Things are left alone for a while, so that what should not happen could.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

#[tokio::test]
async fn a_slot_that_comes_while_the_job_of_an_earlier_one_is_under_way_is_skipped_and_the_job_says_so() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "InProgress", "stage": "copying"}));
    let first = next_slot(&mut it).await;
    it.until(async || it.cluster.object("backups")).await;

    it.later(SignedDuration::from_hours(4)).await;
    let skipped = it
        .until(async || {
            let job = it.get(&first).await.body;
            let details = job["properties"]["extendedInfo"]["additionalDetails"].clone();
            details["SkippedSlots"].is_string().then_some(details)
        })
        .await;
    a_while().await;
    let during = jobs(&it).await;
    it.cluster.says("Backup", done());
    it.later(SignedDuration::from_secs(30)).await;
    let ended = it.ended(&first).await;
    next_slot(&mut it).await;

    assert_eq!(skipped["SkippedSlots"], "1");
    assert!(skipped["LastSkippedSlot"].as_str().unwrap().ends_with(":00:00Z"), "{skipped}");
    assert_eq!(during.len(), 1, "no second job beside the first: {during:?}");
    assert_eq!(ended["properties"]["status"], "Completed");
    assert!(it.world.app.metrics.text().contains("cofferdam_vault_slots_skipped_total 1"));
}

#[tokio::test]
async fn a_job_that_was_under_way_when_the_schedule_was_set_up_anew_is_not_overlapped_either() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "InProgress"}));
    next_slot(&mut it).await;
    it.until(async || it.cluster.object("backups")).await;

    act(&it, "suspendBackups").await;
    act(&it, "resumeBackups").await;
    it.later(SignedDuration::from_hours(4)).await;
    it.until(async || it.world.app.metrics.text().contains("slots_skipped_total 1").then_some(())).await;

    assert_eq!(jobs(&it).await.len(), 1);
}

#[tokio::test]
async fn a_cluster_that_was_off_at_several_slots_gets_one_backup_when_it_is_back() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", done());
    it.cluster.is_away(true);
    let job = next_slot(&mut it).await;

    for _ in 0..3 {
        it.later(SignedDuration::from_hours(5)).await;
        a_while().await;
    }
    let waiting = it.get(&job).await;
    it.cluster.is_away(false);
    it.later(SignedDuration::from_secs(90)).await;
    let ended = it.ended(&job).await;
    a_while().await;

    assert_eq!(waiting.body["properties"]["status"], "InProgress", "{waiting:?}");
    assert_eq!(ended["properties"]["status"], "Completed", "{ended}");
    assert_eq!((jobs(&it).await.len(), it.cluster.made("backups").len()), (1, 1));
}

#[tokio::test]
async fn a_backup_that_waits_for_its_cluster_ends_when_backups_are_suspended() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.is_away(true);
    let job = next_slot(&mut it).await;

    act(&it, "suspendBackups").await;
    it.later(SignedDuration::from_secs(90)).await;
    let ended = it.ended(&job).await;
    it.cluster.is_away(false);
    a_while().await;

    assert_eq!(ended["properties"]["status"], "Cancelled", "{ended}");
    assert!(it.cluster.made("backups").is_empty());
}

#[tokio::test]
async fn a_backup_that_may_have_reached_its_cluster_is_stopped_there_when_backups_are_suspended() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "InProgress", "stage": "copying"}));
    // The vault sees that there is none, asks for one, and hears nothing of it; then the cluster is off.
    it.cluster.answers_nothing_after("POST");
    let job = next_slot(&mut it).await;
    it.until(async || it.cluster.object("backups")).await;

    act(&it, "suspendBackups").await;
    it.later(SignedDuration::from_secs(90)).await;
    a_while().await;
    let off = it.get(&job).await;
    it.cluster.is_away(false);
    it.later(SignedDuration::from_secs(90)).await;
    it.until(async || {
        it.world.clock.advance(SignedDuration::from_secs(1));
        it.cluster.object("backups").filter(|object| object["spec"]["cancel"] == true)
    })
    .await;
    it.cluster.says("Backup", json!({"phase": "Cancelled"}));
    it.later(SignedDuration::from_secs(30)).await;
    let ended = it.ended(&job).await;

    assert_eq!(off.body["properties"]["status"], "InProgress", "it may run in the cluster: {off:?}");
    assert_eq!(ended["properties"]["status"], "Cancelled", "{ended}");
    assert_eq!(it.cluster.made("backups").len(), 1);
}

#[tokio::test]
async fn a_backup_that_waited_a_day_for_its_cluster_fails_and_the_next_slot_has_one_of_its_own() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", done());
    it.cluster.is_away(true);
    let first = next_slot(&mut it).await;

    it.later(SignedDuration::from_hours(23)).await;
    a_while().await;
    let nearly = (it.get(&first).await, jobs(&it).await.len());
    it.later(SignedDuration::from_mins(61)).await;
    let ended = it.ended(&first).await;
    it.later(SignedDuration::from_secs(90)).await;
    it.until(async || (jobs(&it).await.len() == 2).then_some(())).await;
    it.cluster.is_away(false);
    it.later(SignedDuration::from_secs(90)).await;
    let second = jobs(&it).await.into_iter().find(|job| job["id"] != first.as_str()).unwrap();
    let second = it.ended(second["id"].as_str().unwrap()).await;
    a_while().await;

    assert_eq!(nearly.0.body["properties"]["status"], "InProgress", "{nearly:?}");
    assert_eq!(nearly.1, 1, "the slots of a day wait with it");
    let error = &ended["properties"]["errorDetails"][0]["code"];
    assert_eq!(error, "KubernetesBackupCustomResourcesTrackingTimeOutError", "{ended}");
    assert_eq!(second["properties"]["status"], "Completed", "{second}");
    assert_eq!((jobs(&it).await.len(), it.cluster.made("backups").len()), (2, 1));
}

/// A change is found wrong, for the cluster's owner took the vault's binding away.
async fn in_error() -> Protected {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", done());
    it.remove(&it.binding()).await;
    let changed = it.call(Method::PUT, &it.instance, Some(json!({"properties": it.wanted()}))).await;
    assert_eq!(it.operation(&changed).await.body["status"], "Failed");
    assert_eq!(it.state().await, "ProtectionError");
    it
}

#[tokio::test]
async fn an_instance_in_error_is_looked_at_again_by_resume_and_its_schedule_goes_on() {
    let mut it = in_error().await;

    let too_early = act(&it, "resumeProtection").await;
    let still = it.state().await;
    it.bind().await;
    let mended = act(&it, "resumeProtection").await;
    let state = it.state().await;
    let job = next_slot(&mut it).await;
    let ended = it.ended(&job).await;

    assert_eq!((too_early.as_str(), still.as_str()), ("Failed", "ProtectionError"));
    assert_eq!((mended.as_str(), state.as_str()), ("Succeeded", "ProtectionConfigured"));
    assert_eq!(ended["properties"]["status"], "Completed", "{ended}");
}

#[tokio::test]
async fn the_slots_of_an_instance_in_error_go_on_visibly_and_a_backup_that_succeeds_ends_the_error() {
    let mut it = in_error().await;

    let failed = next_slot(&mut it).await;
    let failed = it.ended(&failed).await;
    let between = it.state().await;
    it.bind().await;
    let succeeded = next_slot(&mut it).await;
    let succeeded = it.ended(&succeeded).await;

    let error = &failed["properties"]["errorDetails"][0]["code"];
    assert_eq!(error, "UserErrorTrustedAccessGatewayReturnedForbidden", "{failed}");
    assert_eq!(between, "ProtectionError");
    assert_eq!(succeeded["properties"]["status"], "Completed", "{succeeded}");
    assert_eq!(it.state().await, "ProtectionConfigured");
}

#[tokio::test]
async fn an_instance_that_could_not_be_protected_is_protected_by_resume_once_that_is_mended() {
    let it = Protected::start().await;
    it.remove(&it.binding()).await;
    let made = it.call(Method::PUT, &it.instance, Some(json!({"properties": it.wanted()}))).await;
    it.operation(&made).await;
    let failed = it.state().await;

    it.bind().await;
    let resumed = act(&it, "resumeProtection").await;

    assert_eq!(failed, "ConfiguringProtectionFailed");
    assert_eq!((resumed.as_str(), it.state().await.as_str()), ("Succeeded", "ProtectionConfigured"));
}
