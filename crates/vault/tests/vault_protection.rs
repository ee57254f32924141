//! Instances, jobs and recovery points of a running vault, with a cluster that has bad days.

mod world;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use world::{
    fault_cluster::Fault,
    protected::{POINT, Protected},
};

fn done() -> serde_json::Value {
    json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": POINT}, "objects": 12, "bytesAdded": 4096,
        "volumes": {"snapshots": 1, "fileCopies": 0, "notProtected": 0}, "problems": [], "problemCount": 0})
}

#[tokio::test]
async fn a_backup_on_demand_becomes_a_recovery_point_with_its_tag_and_end() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", done());

    let job = it.job_of(&it.back_up().await).await;
    let ended = it.ended(&job).await;
    let points = it.get(&format!("{}/recoveryPoints?$filter=", it.instance)).await;

    let properties = &ended["properties"];
    assert_eq!(
        (properties["status"].as_str(), properties["isUserTriggered"].as_bool()),
        (Some("Completed"), Some(true)),
        "{ended}"
    );
    assert_eq!(properties["extendedInfo"]["targetRecoverPoint"]["recoveryPointID"], POINT);
    let point = &points.body["value"][0];
    assert_eq!((point["name"].as_str(), points.body["value"].as_array().unwrap().len()), (Some(POINT), 1));
    assert_eq!(point["properties"]["retentionTagName"], "Default");
    let made: jiff::Timestamp = point["properties"]["recoveryPointTime"].as_str().unwrap().parse().unwrap();
    let ends: jiff::Timestamp = point["properties"]["expiryTime"].as_str().unwrap().parse().unwrap();
    assert_eq!(ends.duration_since(made), SignedDuration::from_hours(7 * 24));
    let spec = &it.cluster.made("backups")[0];
    assert_eq!(
        (&spec["includedNamespaces"], &spec["snapshotResourceGroup"]),
        (&json!(["shop"]), &json!("snapshots"))
    );
    assert!(it.cluster.bindings().iter().all(|name| name == "backuprb"));
}

#[tokio::test]
async fn a_lost_answer_a_broken_connection_and_a_restart_make_no_second_backup() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.meets(&[Fault::NotConnected, Fault::Status(500, "etcd has no leader")]);

    let job = it.job_of(&it.back_up().await).await;
    it.until(async || (!it.cluster.bindings().is_empty()).then_some(())).await;
    for _ in 0..3 {
        it.cluster.meets(&[Fault::LostAnswer, Fault::LostAnswer]);
        it.world.clock.advance(SignedDuration::from_secs(6));
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    }
    let mut it = it.restart().await;
    it.cluster.says("Backup", done());
    it.later(SignedDuration::from_secs(120)).await;
    let ended = it.ended(&job).await;

    assert_eq!(ended["properties"]["status"], "Completed", "{ended}");
    assert_eq!(it.cluster.made("backups").len(), 1, "one custom resource, whatever happened");
    assert_eq!(
        it.get(&format!("{}/recoveryPoints", it.instance)).await.body["value"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_job_whose_cluster_is_lost_says_so_and_no_stale_step_until_it_is_back() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "InProgress", "stage": "await-cut"}));
    let job = it.job_of(&it.back_up().await).await;
    let progress = async |wanted: &str| {
        it.until(async || {
            let job = it.get(&job).await.body;
            let tasks = job["properties"]["extendedInfo"]["subTasks"].as_array().unwrap().clone();
            let now = tasks.into_iter().find(|task| task["taskStatus"] == "InProgress");
            now.filter(|task| task["taskProgress"] == wanted)
        })
        .await
    };
    progress("await-cut").await;

    it.cluster.is_away(true);
    let lost = progress("waiting for the cluster to be reached again").await;
    let cluster = it.get(it.managed.as_str()).await;
    it.cluster.is_away(false);
    let back = progress("await-cut").await;
    it.cluster.says("Backup", done());
    let ended = it.ended(&job).await;

    assert_eq!((&lost["taskName"], &back["taskName"]), (&json!("Take Snapshots"), &json!("Take Snapshots")));
    assert_eq!(cluster.body["properties"]["cofferdam"]["reachable"], false, "{cluster:?}");
    assert_eq!(ended["properties"]["status"], "Completed", "{ended}");
}

#[tokio::test]
async fn a_cluster_that_is_lost_in_the_middle_of_a_validation_does_not_fail_it() {
    let it = Protected::start().await;
    it.cluster.answers_nothing_after("POST");

    let made = it.call(Method::PUT, &it.instance, Some(json!({"properties": it.wanted()}))).await;
    let is_away = async || {
        let cluster = it.get(it.managed.as_str()).await.body;
        (cluster["properties"]["cofferdam"]["reachable"] == false).then_some(())
    };
    it.until(is_away).await;
    it.cluster.is_away(false);
    let ended = it.operation(&made).await;

    assert_eq!(ended.body["status"], "Succeeded", "{ended:?}");
    assert_eq!(it.state().await, "ProtectionConfigured");
    assert_eq!(it.cluster.made("validateforbackups").len(), 1, "it was not asked a second time");
}

#[tokio::test]
async fn a_vault_without_a_binding_is_refused_and_told_what_to_do() {
    let it = Protected::start().await;
    it.protect().await;
    it.remove(&it.binding()).await;

    let job = it.job_of(&it.back_up().await).await;
    let ended = it.ended(&job).await;
    let validated = it
        .call(
            Method::POST,
            &format!("{}/validateForBackup", it.vault),
            Some(json!({"backupInstance": it.wanted()})),
        )
        .await;
    let validated = it.operation(&validated).await;

    let error = &ended["properties"]["errorDetails"][0];
    assert_eq!(error["code"], "UserErrorTrustedAccessGatewayReturnedForbidden", "{ended}");
    assert!(error["recommendedAction"][0].as_str().unwrap().contains("trustedaccess rolebinding create"));
    assert_eq!(validated.body["status"], "Failed");
    assert_eq!(validated.body["error"]["code"], "UserErrorTrustedAccessGatewayReturnedForbidden");
    assert_eq!(it.cluster.made("backups").len(), 0);
}

#[tokio::test]
async fn where_roles_do_not_count_a_validation_succeeds_and_says_so_and_so_does_the_job_that_configures() {
    let it = Protected::start().await;
    let ask = json!({"backupInstance": it.wanted()});
    let validated = async || {
        let begun =
            it.call(Method::POST, &format!("{}/validateForBackup", it.vault), Some(ask.clone())).await;
        let ended = it.operation(&begun).await;
        assert_eq!(ended.body["status"], "Succeeded", "{ended:?}");
        let result = it.world.get_url(&it.world.administrator, begun.header("location")).await;
        assert_eq!(result.body["warningDetails"], ended.body["properties"]["warningDetails"], "{result:?}");
        result.body["warningDetails"].clone()
    };

    let identity = validated().await;
    it.extension_has("credentialSecret", "store-keys").await;
    let fixed = validated().await;
    it.protect().await;
    let jobs = it.get(&format!("{}/backupJobs", it.vault)).await;

    assert_eq!(identity, json!(null), "roles decide over what the pod's identity may do");
    let is_told = |warnings: &serde_json::Value| {
        let warning = &warnings[0]["warning"];
        assert_eq!((warnings.as_array().unwrap().len(), &warning["code"]), (1, &json!("RolesNotEnforced")));
        let message = warning["message"].as_str().unwrap();
        assert!(message.contains("'store-keys'") && message.contains("do not count there"), "{message}");
    };
    is_told(&fixed);
    let all = jobs.body["value"].as_array().unwrap();
    let job = all.iter().find(|job| job["properties"]["operation"] == "ConfigureProtection").unwrap();
    assert_eq!(job["properties"]["status"], "Completed", "{job}");
    let shown = it.get(job["id"].as_str().unwrap()).await;
    is_told(&shown.body["properties"]["extendedInfo"]["warningDetails"]);
}

#[tokio::test]
async fn a_restore_is_planned_in_the_cluster_and_says_what_it_would_do() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", done());
    it.ended(&it.job_of(&it.back_up().await).await).await;
    let plan = format!("namespace shop\n{}", "  configmaps: would be created\n".repeat(2_000));
    it.cluster.says(
        "Restore",
        json!({"phase": "CompletedWithWarnings", "plan": plan, "outcomes": {"created": 7, "skipped": 2},
            "problems": [{"severity": "Warning", "code": "StorageClassMissing", "message": "no class fast"}], "problemCount": 1}),
    );
    let source = it.wanted()["dataSourceInfo"].clone();
    let request = json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": POINT,
        "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "restoreLocation": "local",
            "datasourceInfo": source, "restoreCriteria": [
                {"objectType": "KubernetesClusterRestoreCriteria", "includedNamespaces": ["shop"]}]}});

    let begun = it.call(Method::POST, &format!("{}/planRestore", it.instance), Some(request)).await;
    let ended = it.ended(&it.job_of(&begun).await).await;

    let (properties, details) =
        (&ended["properties"], &ended["properties"]["extendedInfo"]["additionalDetails"]);
    assert_eq!(
        (properties["operation"].as_str(), properties["operationCategory"].as_str()),
        (Some("PlanRestore"), Some("Restore")),
        "{ended}"
    );
    assert_eq!(
        (details["ObjectsCreated"].as_str(), details["ObjectsSkipped"].as_str()),
        (Some("7"), Some("2"))
    );
    let shown = details["Plan"].as_str().unwrap();
    assert!(shown.starts_with("namespace shop\n") && shown.len() <= 20_000, "{}", shown.len());
    assert_eq!(properties["extendedInfo"]["warningDetails"][0]["warning"]["code"], "StorageClassMissing");
    assert_eq!(it.cluster.made("restores")[0]["operation"], "Plan");
}

#[tokio::test]
async fn an_instance_needs_a_policy_that_is_there_keeps_its_snapshot_group_and_is_not_validated_by_half() {
    let it = Protected::start().await;
    it.protect().await;
    let with = |pointer: &str, value: serde_json::Value| {
        let mut wanted = it.wanted();
        *wanted.pointer_mut(pointer).unwrap() = value;
        wanted
    };
    let added = |name: &str, value: serde_json::Value| {
        let mut wanted = it.wanted();
        wanted[name] = value;
        wanted
    };
    let group = "/policyInfo/policyParameters/dataStoreParametersList/0/resourceGroupId";
    let policy = format!("{}/backupPolicies/absent", it.vault);

    let mut refused = Vec::new();
    for wanted in [
        with("/policyInfo/policyId", json!(policy)),
        with(group, json!(it.world.group("shop"))),
        with("/friendlyName", json!("a\u{1b}[2Jb")),
        added("identityDetails", json!({"userAssignedIdentityArmUrl": it.world.group("shop")})),
        added("validationType", json!("Banana")),
    ] {
        refused.push(it.call(Method::PUT, &it.instance, Some(json!({"properties": wanted}))).await);
    }
    let wrong = json!({"backupInstance": {"policyInfo": 7, "dataSourceInfo": "x"}});
    refused
        .push(it.call(Method::POST, &format!("{}/validateForModifyBackup", it.instance), Some(wrong)).await);
    let cut = json!({"backupInstance": {"POLICYINFO": {"policyParameters": {"backupDatasourceParametersList": [{}]}}}});
    let read = it.call(Method::POST, &format!("{}/validateForModifyBackup", it.instance), Some(cut)).await;

    for answer in &refused {
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert!(refused[0].body.to_string().contains("policyId"), "{:?}", refused[0]);
    assert!(refused[1].body.to_string().contains("resourceGroupId"), "{:?}", refused[1]);
    assert!(refused[2].body.to_string().contains("friendlyName"), "{:?}", refused[2]);
    assert_eq!(it.operation(&read).await.body["status"], "Succeeded");
    assert_eq!(it.state().await, "ProtectionConfigured");
}

#[tokio::test]
async fn what_a_cluster_says_is_bounded_and_a_lie_is_no_recovery_point() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": "../../secrets"},
        "completionTime": "2999-01-01T00:00:00Z", "problems": [{"severity": "Warning", "code": "X", "message": "m".repeat(100_000)}]}));

    let job = it.job_of(&it.back_up().await).await;
    let ended = it.ended(&job).await;

    assert_eq!(ended["properties"]["status"], "Failed", "{ended}");
    assert!(ended.to_string().len() < 20_000);
    assert_eq!(it.get(&format!("{}/recoveryPoints", it.instance)).await.body["value"], json!([]));
}

async fn jobs(it: &Protected) -> Vec<serde_json::Value> {
    let listed = it.get(&format!("{}/backupJobs", it.vault)).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let all = listed.body["value"].as_array().unwrap().iter();
    // What people did to the instance is another matter.
    all.filter(|job| job["properties"]["operationCategory"] != "Management").cloned().collect()
}

async fn points(it: &Protected) -> Vec<String> {
    let listed = it.get(&format!("{}/recoveryPoints", it.instance)).await;
    listed.names().into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_slot_of_the_schedule_begins_one_backup_and_missed_ones_are_made_up_for_once() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", done());

    it.later(SignedDuration::from_hours(4)).await;
    let first =
        it.until(async || jobs(&it).await.first().map(|job| job["id"].as_str().unwrap().to_owned())).await;
    // A slot that comes while it is under way would begin nothing.
    it.ended(&first).await;
    it.later(SignedDuration::from_hours(13)).await;
    it.until(async || (jobs(&it).await.len() == 2).then_some(())).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let after = jobs(&it).await;

    assert_eq!(after.len(), 2, "three slots were missed, one backup makes up for them");
    assert!(after.iter().all(|job| job["properties"]["isUserTriggered"] == false), "{after:?}");
}

#[tokio::test]
async fn a_clock_that_ran_ahead_and_was_put_right_silences_no_schedule() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", done());

    it.later(SignedDuration::from_hours(72)).await;
    it.until(async || (jobs(&it).await.len() == 1).then_some(())).await;
    it.later(-SignedDuration::from_hours(72)).await;
    // The vault looks twice a second whether its clock went back.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    it.later(SignedDuration::from_hours(4)).await;
    it.until(async || (jobs(&it).await.len() == 2).then_some(())).await;

    assert!(it.cluster.made("backups").len() <= 2, "{:?}", it.cluster.made("backups"));
}

#[tokio::test]
async fn an_instance_is_stopped_resumed_deleted_and_brought_back() {
    let it = Protected::start().await;
    it.protect().await;
    let act = async |verb: &str| {
        let answer = it.call(Method::POST, &format!("{}/{verb}", it.instance), None).await;
        assert_eq!(answer.status, 202, "{verb}: {answer:?}");
        it.operation(&answer).await;
        it.state().await
    };

    let stopped = act("stopProtection").await;
    let refused = it.back_up().await;
    let resumed = act("resumeProtection").await;
    let suspended = act("suspendBackups").await;
    act("resumeBackups").await;
    let deleted = it.call(Method::DELETE, &it.instance, None).await;
    it.operation(&deleted).await;
    let gone = it.get(&it.instance).await;
    let listed = it.get(&format!("{}/deletedBackupInstances", it.vault)).await;
    let undelete = format!("{}/deletedBackupInstances/one-shop/undelete", it.vault);
    let back = it.call(Method::POST, &undelete, None).await;
    it.operation(&back).await;
    let again = it.call(Method::DELETE, &format!("{}/backupInstances/absent", it.vault), None).await;

    assert_eq!(
        (stopped.as_str(), resumed.as_str(), suspended.as_str()),
        ("ProtectionStopped", "ProtectionConfigured", "BackupSchedulesSuspended")
    );
    assert_eq!((refused.status, refused.code()), (409, "UserErrorBackupInstanceInvalidState"));
    assert_eq!((gone.status, listed.names()), (404, vec!["one-shop"]));
    assert!(listed.body["value"][0]["properties"]["deletionInfo"]["scheduledPurgeTime"].is_string());
    assert_eq!(it.state().await, "ProtectionStopped");
    assert_eq!(again.status, 204);
}

#[tokio::test]
async fn a_deletion_whose_cluster_is_lost_for_a_moment_goes_on_within_a_minute_and_not_half_an_hour_later() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", done());
    let job = it.job_of(&it.back_up().await).await;
    it.ended(&job).await;
    let off = json!({"properties": {"securitySettings": {"softDeleteSettings": {"state": "Off"}}}});
    assert_eq!(it.call(Method::PATCH, &it.vault, Some(off)).await.status, 200);

    it.cluster.answers_nothing_after("POST");
    it.call(Method::DELETE, &it.instance, None).await;
    let is_away =
        async || it.cluster.object("deletebackups").filter(|_| it.world.app.clusters.connected().is_empty());
    it.until(is_away).await;
    it.cluster.is_away(false);
    it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));
    // No more than a minute of the vault's time goes by meanwhile.
    it.until(async || it.cluster.object("deletebackups").is_none().then_some(())).await;

    assert_eq!(it.cluster.made("deletebackups").len(), 1, "it was asked for once");
}

#[tokio::test]
async fn a_job_is_cancelled_and_thaws_in_the_cluster_first() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "InProgress", "stage": "snapshots"}));
    let job = it.job_of(&it.back_up().await).await;
    it.until(async || it.cluster.object("backups")).await;

    let cancelled = it.call(Method::POST, &format!("{job}/cancel"), None).await;
    it.until(async || {
        it.world.clock.advance(SignedDuration::from_secs(1));
        it.cluster.object("backups").filter(|object| object["spec"]["cancel"] == true)
    })
    .await;
    let between = it.get(&job).await;
    it.cluster.says("Backup", json!({"phase": "Cancelled"}));
    it.world.clock.advance(SignedDuration::from_secs(20));
    let ended = it.ended(&job).await;

    assert_eq!(cancelled.status, 202, "{cancelled:?}");
    assert_eq!(between.body["properties"]["status"], "Cancelling");
    assert_eq!(ended["properties"]["status"], "Cancelled");
}

#[tokio::test]
async fn a_backup_that_ends_after_its_job_was_given_up_leaves_no_recovery_point_that_nobody_knows() {
    let mut it = Protected::start().await;
    it.protect().await;
    let job = it.job_of(&it.back_up().await).await;
    it.until(async || it.cluster.object("backups")).await;
    it.cluster.is_away(true);
    it.later(SignedDuration::from_mins(70)).await;
    let given_up = it.ended(&job).await;

    it.cluster.is_away(false);
    it.within_the_hour(async || {
        it.cluster.object("backups").filter(|backup| backup["spec"]["cancel"] == true)
    })
    .await;
    it.cluster.says("Backup", done());
    let found =
        it.within_the_hour(async || Some(points(&it).await).filter(|points| !points.is_empty())).await;
    let told = it.get(&job).await.body;

    let code = "KubernetesBackupCustomResourcesTrackingTimeOutError";
    assert_eq!(given_up["properties"]["errorDetails"][0]["code"], code, "{given_up}");
    assert_eq!(found, [POINT]);
    assert_eq!(told["properties"]["status"], "Failed", "what was told stays told");
    let warning = &told["properties"]["extendedInfo"]["warningDetails"][0]["warning"];
    assert_eq!(warning["code"], "BackupEndedLate", "{told}");
}

#[tokio::test]
async fn a_shallow_validation_asks_the_cluster_nothing() {
    let it = Protected::start().await;
    it.cluster.says("ValidateForBackup", json!({"phase": "Failed", "checks": []}));
    let validate = async |kind: &str| {
        let mut wanted = it.wanted();
        wanted["validationType"] = json!(kind);
        let body = json!({"backupInstance": wanted});
        let begun = it.call(Method::POST, &format!("{}/validateForBackup", it.vault), Some(body)).await;
        it.operation(&begun).await.body["status"].clone()
    };

    let shallow = validate("ShallowValidation").await;
    let asked = it.cluster.made("validateforbackups").len();
    let deep = validate("DeepValidation").await;

    assert_eq!((shallow, asked, deep), (json!("Succeeded"), 0, json!("Failed")));
}
