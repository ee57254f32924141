//! What a sync of an instance sees of its cluster and its repository, and what becomes of what differs.

mod gone;
mod world;

use arm::ResourceId;
use engine::Repo;
use gone::{PASSWORD, doomed, keep_location, repository, settings, write_point};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use vault::{
    api::{
        Loaded,
        extensions::{ExtensionRecord, ExtensionState},
        instances::InstanceRecord,
        jobs::{JobRecord, JobStatus},
        load,
    },
    store::{Change, StoreError},
};
use world::{
    Person,
    fault_cluster::Fault,
    protected::{POINT, Protected, audit},
};

async fn sync(it: &Protected, kind: &str) -> Value {
    let body = json!({"syncType": kind});
    let begun = it.call(Method::POST, &format!("{}/sync", it.instance), Some(body)).await;
    let job = it.job_of(&begun).await;
    let ended = it.ended(&job).await;
    assert_eq!(ended["properties"]["operation"], "SyncProtection", "{ended}");
    ended["properties"].clone()
}

/// The codes of the warnings of a job.
fn warned(job: &Value) -> Vec<&str> {
    let warnings = job["extendedInfo"]["warningDetails"].as_array().unwrap();
    warnings.iter().map(|one| one["warning"]["code"].as_str().unwrap()).collect()
}

async fn extension(it: &Protected, change: impl FnOnce(&mut ExtensionRecord)) {
    let store = it.world.app.store.as_ref();
    let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    let mut found: Loaded<ExtensionRecord> = load(store, &id).await.unwrap().unwrap();
    change(&mut found.document);
    store.commit(&[found.write().unwrap()], &audit()).await.unwrap();
}

/// An instance that writes into an account of the vault, with a repository there.
async fn with_repository() -> (Protected, Repo) {
    let it = Protected::start().await;
    let (app, now) = (it.world.app.clone(), it.world.app.clock.now());
    let account = keep_location(app.store.as_ref(), &app.wrapping, &it.group, now).await;
    let repo = repository(&it.world.data().join("blobs"), PASSWORD, now).await;
    let mut writer = String::new();
    extension(&it, |record| {
        record.settings = settings();
        writer = record.identity.as_ref().unwrap().principal_id.clone();
    })
    .await;
    let writer = Person { object_id: writer, ..it.world.administrator.clone() };
    let role = "Storage Blob Data Contributor";
    let made = it.world.assign(&it.world.administrator, role, &writer, account.as_str()).await;
    assert_eq!(made.status, 201, "{made:?}");
    it.protect().await;
    // The recovery points of these tests are of the instance `i1`.
    let id: ResourceId = it.instance.parse().unwrap();
    let mut instance: Loaded<InstanceRecord> = load(app.store.as_ref(), &id).await.unwrap().unwrap();
    instance.document.label = "i1".to_owned();
    app.store.commit(&[instance.write().unwrap()], &audit()).await.unwrap();
    (it, repo)
}

/// A recovery point of the catalogue.
async fn in_catalogue(it: &Protected, id: &str) {
    let now = it.world.app.clock.now();
    let (_, mut changes) = doomed(&it.instance, &it.managed, id, now + SignedDuration::from_hours(24));
    changes.truncate(1);
    if let Change::Put { document, .. } = &mut changes[0] {
        document["deleting"] = json!(false);
    }
    it.world.app.store.commit(&changes, &audit()).await.unwrap();
}

#[tokio::test]
async fn recovery_points_that_are_in_the_catalogue_alone_or_in_the_repository_alone_are_told_by_name() {
    let (mut it, repo) = with_repository().await;
    for id in ["kept", "strange"] {
        write_point(&repo, id, it.world.clock.clone()).await;
    }
    in_catalogue(&it, "kept").await;

    let fresh = sync(&it, "Default").await;
    in_catalogue(&it, "lost").await;
    it.later(SignedDuration::from_hours(2)).await;
    let told = sync(&it, "Default").await;

    assert_eq!((&fresh["status"], warned(&fresh)), (&json!("Completed"), vec![]), "{fresh}");
    assert_eq!(fresh["extendedInfo"]["additionalDetails"]["RecoveryPointsCompared"], "1");
    assert_eq!(
        (&told["status"], warned(&told)),
        (
            &json!("CompletedWithWarnings"),
            vec!["RecoveryPointMissingInRepository", "RecoveryPointNotInCatalogue"]
        ),
        "{told}"
    );
    let warnings = told["extendedInfo"]["warningDetails"].as_array().unwrap();
    assert_eq!(
        (&warnings[0]["resourceName"], &warnings[1]["resourceName"]),
        (&json!("lost"), &json!("strange"))
    );
    assert_eq!(it.state().await, "ProtectionConfigured", "what is there goes on to be protected");
}

#[tokio::test]
async fn what_is_wrong_with_the_extension_or_the_binding_becomes_the_state_until_it_is_mended() {
    let it = Protected::start().await;
    it.protect().await;
    let errors = async || it.get(&it.instance).await.body["properties"]["protectionErrorDetails"].clone();

    extension(&it, |record| {
        record.state = ExtensionState::Failed;
        record.error = Some(json!({"code": "PodsCrash", "message": "It ends again and again."}));
    })
    .await;
    let broken = sync(&it, "Default").await;
    let (in_error, why) = (it.state().await, errors().await);
    extension(&it, |record| {
        record.state = ExtensionState::Succeeded;
        record.error = None;
    })
    .await;
    it.cluster.meets(&[Fault::Refused]);
    let refused = sync(&it, "Default").await;
    let shut_out = errors().await;
    extension(&it, |record| {
        record.statuses = vec![json!({"code": "ImagePullFailed", "level": "Warning", "message": "slow"})];
    })
    .await;
    let mended = sync(&it, "ForceResync").await;

    assert_eq!((&broken["status"], in_error.as_str()), (&json!("CompletedWithWarnings"), "ProtectionError"));
    assert_eq!(why["code"], "UserErrorKubernetesBackupExtensionHasErrors", "{why}");
    assert_eq!(warned(&refused), ["UserErrorTrustedAccessGatewayReturnedForbidden"], "{refused}");
    assert_eq!(shut_out["code"], "UserErrorTrustedAccessGatewayReturnedForbidden");
    assert_eq!(warned(&mended), ["ImagePullFailed"], "{mended}");
    assert_eq!((it.state().await.as_str(), errors().await), ("ProtectionConfigured", Value::Null));
}

#[tokio::test]
async fn a_resync_by_force_has_the_cluster_look_at_its_prerequisites_again() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says(
        "ValidateForBackup",
        json!({"phase": "Failed", "checks": [{"id": "P4", "title": "Snapshots", "result": "Failed",
            "severity": "Block", "evidence": "no snapshot class", "fix": "make one"}]}),
    );

    let usual = sync(&it, "Default").await;
    let after_usual = it.state().await;
    let forced = sync(&it, "ForceResync").await;
    let after_forced = it.state().await;
    let stopped = it.call(Method::POST, &format!("{}/stopProtection", it.instance), None).await;
    it.operation(&stopped).await;
    let rests = sync(&it, "ForceResync").await;

    assert_eq!((&usual["status"], after_usual.as_str()), (&json!("Completed"), "ProtectionConfigured"));
    assert_eq!((warned(&forced).len(), after_forced.as_str()), (1, "ProtectionError"), "{forced}");
    assert_eq!(
        (warned(&rests).len(), it.state().await.as_str()),
        (1, "ProtectionStopped"),
        "what rests goes on resting"
    );
}

#[tokio::test]
async fn who_asks_for_a_sync_while_one_runs_joins_it() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.is_away(true);
    let path = format!("{}/sync", it.instance);
    let post = async |kind: &str| it.call(Method::POST, &path, Some(json!({"syncType": kind}))).await;
    let jobs = async || {
        let filter = "$filter=operation eq 'SyncProtection'";
        let listed = it.get(&format!("{}/backupJobs?{filter}", it.vault)).await;
        listed.body["value"].as_array().unwrap().len()
    };
    let followed = |answer: &world::Answer| answer.header("azure-asyncoperation").to_owned();

    let together: Vec<_> = futures::future::join_all((0..20).map(|_| post("Default"))).await;
    let made = jobs().await;
    let closer = [post("ForceResync").await, post("ForceResync").await];
    let made_closer = jobs().await;
    it.cluster.is_away(false);
    let job = it.job_of(&together[0]).await;
    it.ended(&job).await;
    it.job_of(&closer[0]).await;
    let after = post("Default").await;

    assert!(together.iter().chain(&closer).all(|answer| answer.status == 202), "{together:?}");
    assert!(together.iter().all(|answer| followed(answer) == followed(&together[0])), "{together:?}");
    assert_ne!(followed(&closer[0]), followed(&together[0]), "a closer look is not the same");
    assert_eq!(followed(&closer[0]), followed(&closer[1]));
    assert_eq!((made, made_closer), (1, 2));
    assert_ne!(it.job_of(&after).await, job, "one that has ended is joined by nobody");
}

#[tokio::test]
async fn a_backup_that_ended_after_its_job_was_given_up_comes_into_the_catalogue_at_once() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "InProgress"}));
    let job = it.job_of(&it.back_up().await).await;
    it.until(async || it.cluster.object("backups")).await;
    let store = it.world.app.store.as_ref();
    it.until(async || {
        let id: ResourceId = job.parse().unwrap();
        let mut found: Loaded<JobRecord> = load(store, &id).await.unwrap().unwrap();
        found.document.status = JobStatus::Failed;
        found.document.requested = true;
        found.document.ended_at = Some(it.world.app.clock.now());
        match store.commit(&[found.write().unwrap()], &audit()).await {
            Ok(()) => Some(()),
            Err(StoreError::Conflict(_)) => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));

    let told = sync(&it, "Default").await;

    assert_eq!(warned(&told), ["BackupEndedLate"], "{told}");
    let points = async || {
        let listed = it.get(&format!("{}/recoveryPoints", it.instance)).await;
        (listed.names() == [POINT]).then_some(())
    };
    it.until(points).await;
}
