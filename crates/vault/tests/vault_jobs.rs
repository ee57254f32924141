//! Jobs as people see them: what was done to an instance, and how far a backup is.

mod world;

use arm::ResourceId;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use vault::{
    api::{
        Loaded,
        jobs::{self, JobRecord, JobStatus},
        load,
    },
    protect::old_jobs,
    store::{Change, Expected, Stored},
};
use world::protected::{POINT, Protected, audit};

async fn managed(it: &Protected) -> Vec<Value> {
    let listed = it.get(&format!("{}/backupJobs", it.vault)).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let all = listed.body["value"].as_array().unwrap().clone();
    let mut managed: Vec<Value> =
        all.into_iter().filter(|job| job["properties"]["operationCategory"] == "Management").collect();
    managed.sort_by_key(|job| job["properties"]["startTime"].as_str().unwrap().to_owned());
    managed
}

async fn post(it: &Protected, path: &str) {
    let answer = it.call(Method::POST, path, None).await;
    assert_eq!(answer.status, 202, "{path}: {answer:?}");
    let ended = it.operation(&answer).await;
    assert_eq!(ended.body["status"], "Succeeded", "{ended:?}");
    // Each job begins at a time of its own.
    it.world.clock.advance(SignedDuration::from_secs(1));
}

#[tokio::test]
async fn what_is_done_to_an_instance_stands_among_the_jobs_with_how_it_ended() {
    let it = Protected::start().await;
    it.protect().await;
    it.world.clock.advance(SignedDuration::from_secs(1));

    for action in ["stopProtection", "resumeProtection", "suspendBackups", "resumeBackups"] {
        post(&it, &format!("{}/{action}", it.instance)).await;
    }
    let changed = it.call(Method::PUT, &it.instance, Some(json!({"properties": it.wanted()}))).await;
    assert_eq!(it.operation(&changed).await.body["status"], "Succeeded", "{changed:?}");
    it.world.clock.advance(SignedDuration::from_secs(1));
    let deleted = it.call(Method::DELETE, &it.instance, None).await;
    assert_eq!(it.operation(&deleted).await.body["status"], "Succeeded", "{deleted:?}");
    it.world.clock.advance(SignedDuration::from_secs(1));
    let soft = it.instance.replace("/backupInstances/", "/deletedBackupInstances/");
    post(&it, &format!("{soft}/undelete")).await;
    let jobs = managed(&it).await;
    let id = jobs[1]["id"].as_str().unwrap();
    let shown = it.get(id).await;
    let cancelled = it.call(Method::POST, &format!("{id}/cancel"), None).await;
    let filter = "$filter=operation eq 'StopProtection'";
    let filtered = it.get(&format!("{}/backupJobs?{filter}", it.vault)).await;

    let told: Vec<[&str; 3]> = jobs
        .iter()
        .map(|job| {
            let properties = &job["properties"];
            let state = &properties["extendedInfo"]["backupInstanceState"];
            [&properties["operation"], &properties["status"], state].map(|text| text.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ["ConfigureProtection", "Completed", "ProtectionConfigured"],
            ["StopProtection", "Completed", "ProtectionStopped"],
            ["ResumeProtection", "Completed", "ProtectionConfigured"],
            ["SuspendBackups", "Completed", "BackupSchedulesSuspended"],
            ["ResumeBackups", "Completed", "ProtectionConfigured"],
            ["UpdateProtection", "Completed", "ProtectionConfigured"],
            ["DeleteProtection", "Completed", "SoftDeleted"],
            ["UndeleteProtection", "Completed", "ProtectionStopped"],
        ]
    );
    let properties = &shown.body["properties"];
    assert_eq!(
        (&properties["isUserTriggered"], &properties["supportedActions"]),
        (&json!(true), &json!([""]))
    );
    assert_eq!(properties["extendedInfo"]["subTasks"][0]["taskName"], "StopProtection");
    assert_eq!((cancelled.status, cancelled.code()), (409, "UserErrorJobNotCancellable"));
    assert_eq!(filtered.body["value"].as_array().unwrap().len(), 1, "{filtered:?}");
}

#[tokio::test]
async fn a_job_goes_half_a_year_after_its_end_unless_its_recovery_point_is_still_there() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let backup: ResourceId = it.job_of(&it.back_up().await).await.parse().unwrap();
    it.ended(backup.as_str()).await;
    // What is there stays for ever then, and no slot comes.
    post(&it, &format!("{}/stopProtection", it.instance)).await;
    let app = it.world.app.clone();
    let store = app.store.as_ref();
    let of_backup: Loaded<JobRecord> = load(store, &backup).await.unwrap().unwrap();
    let point = of_backup.document.instance.child("recoveryPoints", POINT).unwrap();
    // One that never ends, and one that another day's upkeep has to find.
    let begun = JobRecord { status: JobStatus::InProgress, ended_at: None, ..of_backup.document.clone() };
    let young = JobRecord { point: None, ended_at: Some(after(&it, 100)), ..of_backup.document.clone() };
    let put = |name: &str, job: &JobRecord| {
        let id = backup.parent().unwrap().child("backupJobs", name).unwrap();
        Change::Put { id, document: serde_json::to_value(job).unwrap(), expected: Expected::Absent }
    };
    store.commit(&[put("begun", &begun), put("young", &young)], &audit()).await.unwrap();
    let sweep = async |days: i64| {
        it.world.clock.advance(SignedDuration::from_hours(days * 24));
        old_jobs::sweep(&app, &mut old_jobs::Cursor::default()).await.unwrap();
        let left = store.resources(jobs::KIND, &backup.parent().unwrap(), None, 100).await.unwrap();
        let mut names: Vec<String> = left.into_iter().map(|job| job.id.name().to_owned()).collect();
        names.sort();
        names
    };

    let before = sweep(179).await;
    let later = sweep(2).await;
    let gone: Stored = store.resource(&point).await.unwrap().unwrap();
    store.commit(&[Change::Remove(point, Expected::Version(gone.version))], &audit()).await.unwrap();
    let without_point = sweep(1).await;
    let much_later = sweep(100).await;

    let name = backup.name().to_owned();
    let mut expected = vec!["begun".to_owned(), "young".to_owned(), name];
    expected.sort();
    assert_eq!(before.len(), 5, "and those by which protection began and ended: {before:?}");
    assert_eq!(later, expected);
    assert_eq!(without_point, ["begun", "young"]);
    assert_eq!(much_later, ["begun"]);
}

fn after(it: &Protected, days: i64) -> jiff::Timestamp {
    it.world.app.clock.now() + SignedDuration::from_hours(days * 24)
}

#[tokio::test]
async fn a_configuration_that_is_found_wrong_is_a_failed_job_that_says_why() {
    let it = Protected::start().await;
    it.cluster.says(
        "ValidateForBackup",
        json!({"phase": "Failed", "checks": [{"id": "P4", "title": "Snapshots", "result": "Failed",
            "severity": "Block", "evidence": "no snapshot class", "fix": "make one"}]}),
    );

    let made = it.call(Method::PUT, &it.instance, Some(json!({"properties": it.wanted()}))).await;
    let ended = it.operation(&made).await;
    let jobs = managed(&it).await;

    assert_eq!(ended.body["status"], "Failed", "{ended:?}");
    let properties = &jobs[0]["properties"];
    assert_eq!(
        (&properties["operation"], &properties["status"], jobs.len()),
        (&json!("ConfigureProtection"), &json!("Failed"), 1)
    );
    let error = &properties["errorDetails"][0];
    assert!(error["message"].as_str().unwrap().contains("no snapshot class"), "{error}");
    assert_eq!(error["recommendedAction"], json!(["make one"]));
    assert_eq!(properties["extendedInfo"]["backupInstanceState"], "ConfiguringProtectionFailed");
}

#[tokio::test]
async fn the_sub_tasks_of_a_backup_follow_the_steps_that_its_cluster_takes() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "InProgress", "stage": "await-cut"}));
    let task = |job: &Value, number: usize| {
        let task = &job["properties"]["extendedInfo"]["subTasks"][number];
        (task["taskName"].as_str().unwrap().to_owned(), task["taskStatus"].as_str().unwrap().to_owned())
    };
    let is = |name: &str, status: &str| (name.to_owned(), status.to_owned());

    let job = it.job_of(&it.back_up().await).await;
    let at = async |name: &str| {
        it.until(async || {
            let job = it.get(&job).await.body;
            let tasks = job["properties"]["extendedInfo"]["subTasks"].as_array().unwrap().clone();
            let now = tasks.into_iter().find(|task| task["taskStatus"] == "InProgress");
            now.is_some_and(|task| task["taskName"] == name).then_some(job)
        })
        .await
    };
    let cutting = at("Take Snapshots").await;
    it.cluster.says("Backup", json!({"phase": "InProgress", "stage": "await-capture", "objects": 7}));
    let capturing = at("Capture Resources").await;
    it.cluster.says(
        "Backup",
        json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": POINT}, "objects": 12,
            "volumes": {"snapshots": 1, "fileCopies": 0, "notProtected": 0}}),
    );
    let ended = it.ended(&job).await;

    assert_eq!(task(&cutting, 0), is("Trigger Backup", "Completed"));
    assert_eq!(task(&cutting, 1), is("Prepare Backup", "Completed"));
    assert_eq!(task(&cutting, 3), is("Capture Resources", "NotStarted"));
    assert_eq!(cutting["properties"]["extendedInfo"]["subTasks"][2]["taskProgress"], "await-cut");
    assert_eq!(task(&capturing, 2), is("Take Snapshots", "Completed"));
    for number in 0..6 {
        assert_eq!(task(&ended, number).1, "Completed", "{ended}");
    }
    let tasks = &ended["properties"]["extendedInfo"]["subTasks"];
    assert_eq!(tasks[2]["additionalDetails"], json!({"Snapshots": "1", "VolumesNotProtected": "0"}));
    assert_eq!(tasks[3]["additionalDetails"], json!({"Objects": "12"}));
    let text = |field: &str| ended["properties"][field].as_str().unwrap().to_owned();
    let time = |field: &str| text(field).parse::<jiff::Timestamp>().unwrap();
    let took = time("endTime").duration_since(time("startTime"));
    let said: SignedDuration = text("duration").parse().unwrap();
    assert!(took > SignedDuration::ZERO && (took - said).abs() < SignedDuration::from_millis(10), "{ended}");
}
