//! Alerts of a running vault: what fires them, what ends them, who may see and change them.

mod world;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use vault::alerts;
use world::{
    Answer,
    protected::{POINT, Protected},
};

const ALERTS: &str = "/providers/Microsoft.AlertsManagement/alerts";

fn failed() -> Value {
    let problem = json!({"severity": "Error", "code": "UserErrorKubernetesBackupHookFailed", "message": "a hook failed",
        "recommendedAction": ["Look at the hook."]});
    json!({"phase": "Failed", "problems": [problem], "problemCount": 1})
}

fn done() -> Value {
    json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": POINT}})
}

/// The alerts about a scope, as `name` of the alert and its essentials.
async fn alerts_at(it: &Protected, scope: &str) -> Vec<(String, Value)> {
    let listed = it.get(&format!("{scope}{ALERTS}")).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let all = listed.body["value"].as_array().unwrap().iter();
    all.map(|alert| (rule(alert), alert["properties"].clone())).collect()
}

fn rule(alert: &Value) -> String {
    alert["properties"]["essentials"]["alertRule"].as_str().unwrap().to_owned()
}

async fn rules(it: &Protected) -> Vec<String> {
    alerts_at(it, &it.vault).await.into_iter().map(|(rule, _)| rule).collect()
}

async fn back_up(it: &Protected, status: Value) -> (String, Value) {
    it.cluster.says("Backup", status);
    let job = it.job_of(&it.back_up().await).await;
    let ended = it.ended(&job).await;
    (job, ended)
}

async fn change(it: &Protected, name: &str, state: &str) -> Answer {
    let path = format!("{}{ALERTS}/{name}/changestate?newState={state}", it.vault);
    it.call(Method::POST, &path, None).await
}

async fn names(it: &Protected) -> Vec<String> {
    let listed = it.get(&format!("{}{ALERTS}", it.vault)).await;
    listed.names().into_iter().map(str::to_owned).collect()
}

async fn a_failure_and_what_ends_it(it: &mut Protected) {
    it.protect().await;
    let (job, _) = back_up(it, failed()).await;
    let first = alerts_at(it, &it.vault).await;
    it.later(SignedDuration::from_mins(1)).await;
    let (second_job, _) = back_up(it, failed()).await;
    let second = alerts_at(it, &it.vault).await;
    back_up(it, done()).await;
    let after = alerts_at(it, &it.vault).await;
    it.later(SignedDuration::from_mins(1)).await;
    back_up(it, failed()).await;
    let again = alerts_at(it, &it.vault).await;

    let [(rule, alert)] = &first[..] else { panic!("one alert: {first:?}") };
    let essentials = &alert["essentials"];
    assert_eq!(rule, "Backup Failure");
    assert_eq!(
        (&essentials["severity"], &essentials["monitorCondition"], &essentials["alertState"]),
        (&json!("Sev1"), &json!("Fired"), &json!("New"))
    );
    assert_eq!(essentials["targetResource"], it.vault.as_str());
    assert_eq!(
        (&alert["context"]["jobId"], &alert["context"]["backupInstanceId"]),
        (&json!(job), &json!(it.instance))
    );
    assert_eq!(alert["context"]["errorCode"], "UserErrorKubernetesBackupHookFailed");
    assert!(essentials["description"].as_str().unwrap().contains("a hook failed"), "{alert}");
    let [(_, counted)] = &second[..] else { panic!("still one alert: {second:?}") };
    assert_eq!(
        (&counted["cofferdam"]["occurrences"], &counted["context"]["jobId"]),
        (&json!(2), &json!(second_job))
    );
    let [(_, resolved)] = &after[..] else { panic!("still one alert: {after:?}") };
    assert_eq!(resolved["essentials"]["monitorCondition"], "Resolved");
    assert!(resolved["essentials"]["monitorConditionResolvedDateTime"].is_string());
    assert_eq!(again.len(), 2, "after a success a failure is news");
    assert_eq!(again[0].1["essentials"]["monitorCondition"], "Fired", "the newest comes first");
}

#[tokio::test]
async fn a_backup_that_fails_fires_once_counts_its_repetitions_and_resolves_at_the_next_success() {
    let mut it = Protected::start().await;

    a_failure_and_what_ends_it(&mut it).await;
}

#[tokio::test]
async fn a_restore_that_fails_has_an_alert_of_its_own() {
    let it = Protected::start().await;
    it.protect().await;
    back_up(&it, done()).await;
    it.cluster.says("Restore", failed());

    let criteria = json!({"objectType": "KubernetesClusterRestoreCriteria", "includeClusterScopeResources": true,
        "includedNamespaces": ["shop"], "persistentVolumeRestoreMode": "RestoreWithVolumeData", "conflictPolicy": "Skip"});
    let source = it.wanted()["dataSourceInfo"].clone();
    let request = json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": POINT,
        "sourceDataStoreType": "OperationalStore", "sourceResourceId": it.managed,
        "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
            "restoreLocation": "local", "datasourceInfo": source, "datasourceSetInfo": source,
            "restoreCriteria": [criteria]}});
    let begun = it.call(Method::POST, &format!("{}/restore", it.instance), Some(request)).await;
    let job = it.job_of(&begun).await;
    it.ended(&job).await;

    let all = alerts_at(&it, &it.vault).await;
    assert_eq!(all.iter().map(|(rule, _)| rule.as_str()).collect::<Vec<_>>(), ["Restore Failure"]);
    assert_eq!(
        (&all[0].1["context"]["jobId"], &all[0].1["essentials"]["severity"]),
        (&json!(job), &json!("Sev1"))
    );
}

#[tokio::test]
async fn a_slot_whose_backup_cannot_even_begin_fires_too() {
    let mut it = Protected::start().await;
    it.protect().await;
    let extension = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    it.remove(&extension).await;

    it.later(SignedDuration::from_hours(4)).await;
    it.until(async || (!rules(&it).await.is_empty()).then_some(())).await;

    let all = alerts_at(&it, &it.vault).await;
    assert_eq!(all[0].1["context"]["errorCode"], "UserErrorKubernetesBackupExtensionNotFoundError");
}

#[tokio::test]
async fn a_vault_whose_owner_switched_alerts_of_jobs_off_has_those_about_security_alone() {
    let it = Protected::start().await;
    it.protect().await;
    let off = json!({"properties": {"monitoringSettings": {"azureMonitorAlertSettings": {"alertsForAllJobFailures": "Disabled"}}}});
    let patched = it.call(Method::PATCH, &it.vault, Some(off)).await;

    let (_, ended) = back_up(&it, failed()).await;
    let after_job = rules(&it).await;
    it.call(Method::DELETE, &it.instance, None).await;

    assert_eq!((patched.status, &ended["properties"]["status"]), (200, &json!("Failed")));
    assert_eq!(after_job, Vec::<String>::new());
    assert_eq!(rules(&it).await, ["Delete Backup Data"]);
}

#[tokio::test]
async fn deleted_backup_data_fires_names_who_did_it_and_warns_before_it_goes_for_good() {
    let mut it = Protected::start().await;
    it.protect().await;
    back_up(&it, failed()).await;
    it.cluster.says("DeleteBackup", json!({"phase": "Completed"}));

    it.call(Method::DELETE, &it.instance, None).await;
    let deleted = alerts_at(&it, &it.vault).await;
    it.later(SignedDuration::from_hours(11 * 24)).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let long_before = rules(&it).await;
    it.later(SignedDuration::from_hours(36)).await;
    it.until(async || rules(&it).await.contains(&"Upcoming Purge".to_owned()).then_some(())).await;
    it.later(SignedDuration::from_hours(48)).await;
    it.until(async || rules(&it).await.contains(&"Purge Complete".to_owned()).then_some(())).await;

    let find = |name: &str| deleted.iter().find(|(rule, _)| rule == name).unwrap().1.clone();
    let alert = find("Delete Backup Data");
    assert_eq!(
        (&alert["essentials"]["severity"], &alert["context"]["callerObjectId"]),
        (&json!("Sev0"), &json!(it.world.administrator.object_id))
    );
    assert_eq!(
        find("Backup Failure")["essentials"]["monitorCondition"],
        "Resolved",
        "nothing can succeed any more"
    );
    assert!(!long_before.contains(&"Upcoming Purge".to_owned()), "{long_before:?}");
    let all = alerts_at(&it, &it.vault).await;
    let condition = |name: &str| {
        let found: Vec<_> = all.iter().filter(|(rule, _)| rule == name).collect();
        assert_eq!(found.len(), 1, "{name}: {all:?}");
        found[0].1["essentials"]["monitorCondition"].clone()
    };
    assert_eq!(
        (condition("Upcoming Purge"), condition("Purge Complete"), condition("Delete Backup Data")),
        (json!("Resolved"), json!("Fired"), json!("Fired"))
    );
}

#[tokio::test]
async fn who_brings_an_instance_back_in_time_ends_the_warning() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.call(Method::DELETE, &it.instance, None).await;
    it.later(SignedDuration::from_hours(12 * 24 + 1)).await;
    it.until(async || rules(&it).await.contains(&"Upcoming Purge".to_owned()).then_some(())).await;

    let undelete = format!("{}/deletedBackupInstances/one-shop/undelete", it.vault);
    let back = it.call(Method::POST, &undelete, None).await;

    assert_eq!(back.status, 202, "{back:?}");
    let all = alerts_at(&it, &it.vault).await;
    let warning = &all.iter().find(|(rule, _)| rule == "Upcoming Purge").unwrap().1;
    assert_eq!(warning["essentials"]["monitorCondition"], "Resolved");
}

#[tokio::test]
async fn an_alert_outlives_the_vault_that_it_is_about() {
    let it = Protected::start().await;
    let off = json!({"properties": {"securitySettings": {"softDeleteSettings": {"state": "Off"}}}});
    it.call(Method::PATCH, &it.vault, Some(off)).await;
    let [name] = &names(&it).await[..] else { panic!("one alert") };

    let deleted = it.call(Method::DELETE, &it.vault, None).await;
    let one = it.get(&format!("{}{ALERTS}/{name}", it.world.root())).await;
    let of_group = alerts_at(&it, &it.group).await;

    assert_eq!((deleted.status, one.status), (202, 200), "{one:?}");
    assert_eq!((rule(&one.body).as_str(), of_group.len()), ("Soft Delete Disabled for Vault", 1));
}

#[tokio::test]
async fn whatever_weakens_protection_fires_and_the_way_back_does_not() {
    let it = Protected::start().await;
    it.protect().await;
    let security = |settings: Value| json!({"properties": {"securitySettings": settings}});
    let patch = async |settings: Value| {
        let patched = it.call(Method::PATCH, &it.vault, Some(security(settings))).await;
        assert_eq!(patched.status, 200, "{patched:?}");
    };
    let act = async |verb: &str| {
        it.operation(&it.call(Method::POST, &format!("{}/{verb}", it.instance), None).await).await;
    };
    let days = |days: u32| json!({"softDeleteSettings": {"state": "On", "retentionDurationInDays": days}});
    let immutable = |state: &str| json!({"immutabilitySettings": {"state": state}});

    patch(days(30)).await;
    patch(immutable("Unlocked")).await;
    it.policy("P30D").await;
    let before = rules(&it).await;
    patch(immutable("Disabled")).await;
    patch(days(20)).await;
    it.policy("P8D").await;
    patch(json!({"softDeleteSettings": {"state": "Off"}})).await;
    act("stopProtection").await;
    let after = alerts_at(&it, &it.vault).await;
    act("resumeProtection").await;
    let resumed = alerts_at(&it, &it.vault).await;

    assert_eq!(before, Vec::<String>::new());
    let mut found: Vec<&str> = after.iter().map(|(rule, _)| rule.as_str()).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "Immutability Reduced",
            "Modify Policy with Shorter Retention",
            "Scheduled Backups Stopped",
            "Soft Delete Disabled for Vault",
            "Soft Delete Retention Reduced",
        ]
    );
    assert!(after.iter().all(|(_, alert)| alert["essentials"]["severity"] == "Sev0"));
    let stopped = resumed.iter().find(|(rule, _)| rule == "Scheduled Backups Stopped").unwrap();
    assert_eq!(stopped.1["essentials"]["monitorCondition"], "Resolved");
    assert_eq!(resumed.len(), after.len());
}

#[tokio::test]
async fn a_policy_that_keeps_for_a_shorter_time_fires_when_an_instance_gets_it() {
    let it = Protected::start().await;
    it.protect().await;
    let mut policy = it.get(&format!("{}/backupPolicies/policy1", it.vault)).await.body;
    for (name, days) in [("longer", "P9D"), ("shorter", "P5D")] {
        policy["properties"]["policyRules"][1]["lifecycles"][0]["deleteAfter"]["duration"] = json!(days);
        let path = format!("{}/backupPolicies/{name}", it.vault);
        assert_eq!(it.call(Method::PUT, &path, Some(policy.clone())).await.status, 200);
    }
    let give = async |name: &str| {
        let mut wanted = it.wanted();
        wanted["policyInfo"]["policyId"] = json!(format!("{}/backupPolicies/{name}", it.vault));
        it.operation(&it.call(Method::PUT, &it.instance, Some(json!({"properties": wanted}))).await).await;
    };

    give("longer").await;
    let longer = rules(&it).await;
    give("shorter").await;

    assert_eq!(longer, Vec::<String>::new());
    assert_eq!(rules(&it).await, ["Modify Protection with Shorter Retention"]);
}

#[tokio::test]
async fn a_reader_sees_alerts_and_changes_none_and_strangers_see_none() {
    let it = Protected::start().await;
    it.protect().await;
    back_up(&it, failed()).await;
    let [name] = &names(&it).await[..] else { panic!("one alert") };
    it.world.make_group("other").await;
    let reader = it.world.person(Some("Backup Reader"), &it.vault).await;
    let contributor = it.world.person(Some("Backup Contributor"), &it.vault).await;
    let stranger = it.world.person(Some("Owner"), &it.world.group("other")).await;
    let path = format!("{}{ALERTS}/{name}", it.vault);
    let change = format!("{path}/changestate?newState=Acknowledged");

    let seen = it.world.get(&reader, &path).await;
    let in_subscription = it.world.get(&reader, &format!("{}{ALERTS}", it.world.root())).await;
    let not_changed = it.world.call(&reader, Method::POST, &change, None).await;
    let comments = Some(json!({"comments": "I am at it"}));
    let changed = it.world.call(&contributor, Method::POST, &change, comments).await;
    let history = it.world.get(&reader, &format!("{path}/history")).await;
    let unseen = it.world.get(&stranger, &path).await;
    let unlisted = it.world.get(&stranger, &format!("{}{ALERTS}", it.world.root())).await;
    let elsewhere = it.world.get(&stranger, &format!("{}{ALERTS}/{name}", it.world.group("other"))).await;

    assert_eq!((seen.status, in_subscription.names()), (200, vec![name.as_str()]));
    assert_eq!((not_changed.status, not_changed.code()), (403, "AuthorizationFailed"));
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["properties"]["essentials"]["alertState"], "Acknowledged");
    let last = history.body["properties"]["modifications"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["oldValue"], &last["newValue"], &last["comments"], &last["modifiedBy"]),
        (&json!("New"), &json!("Acknowledged"), &json!("I am at it"), &json!(contributor.object_id))
    );
    assert_eq!((unseen.status, unlisted.names().len(), elsewhere.status), (403, 0, 404));
}

#[tokio::test]
async fn a_closed_alert_does_not_swallow_the_next_failure_and_one_that_is_opened_again_counts_on() {
    let mut it = Protected::start().await;
    it.protect().await;
    back_up(&it, failed()).await;
    let first = names(&it).await.remove(0);

    let wrong = change(&it, &first, "Forgotten").await;
    let closed = change(&it, &first, "closed").await;
    it.later(SignedDuration::from_mins(1)).await;
    back_up(&it, failed()).await;
    let second = names(&it).await.remove(0);
    change(&it, &second, "Closed").await;
    change(&it, &first, "New").await;
    back_up(&it, failed()).await;

    assert_eq!((wrong.status, wrong.code()), (400, "InvalidQueryParameter"));
    assert_eq!(
        (closed.status, &closed.body["properties"]["essentials"]["alertState"]),
        (200, &json!("Closed"))
    );
    assert_ne!(first, second);
    let counted = it.get(&format!("{}{ALERTS}/{first}", it.vault)).await;
    assert_eq!(counted.body["properties"]["cofferdam"]["occurrences"], 2, "{counted:?}");
    assert_eq!(names(&it).await.len(), 2);
}

#[tokio::test]
async fn an_alert_that_is_opened_again_and_closed_again_leaves_the_other_open_one_alone() {
    let mut it = Protected::start().await;
    it.protect().await;
    back_up(&it, failed()).await;
    let first = names(&it).await.remove(0);
    change(&it, &first, "Closed").await;
    it.later(SignedDuration::from_mins(1)).await;
    back_up(&it, failed()).await;
    let second = names(&it).await.remove(0);

    change(&it, &first, "New").await;
    change(&it, &first, "Closed").await;
    back_up(&it, failed()).await;

    let counted = it.get(&format!("{}{ALERTS}/{second}", it.vault)).await;
    assert_eq!(counted.body["properties"]["cofferdam"]["occurrences"], 2, "{counted:?}");
    assert_eq!(names(&it).await.len(), 2);
}

#[tokio::test]
async fn whoever_deletes_the_storage_account_deletes_backup_data_and_that_is_told() {
    let it = Protected::start().await;
    let account = format!("{}/providers/Microsoft.Storage/storageAccounts/shopstore", it.group);
    let container = |name: &str| format!("{account}/blobServices/default/containers/{name}");
    let register = format!("{}/providers/Microsoft.Storage/register", it.world.root());
    assert_eq!(it.call(Method::POST, &register, None).await.status, 200);
    let body = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
    let made = it.call(Method::PUT, &account, Some(body)).await;
    assert!(made.status < 300, "{made:?}");
    for name in ["backups", "others"] {
        let made = it.call(Method::PUT, &container(name), Some(json!({}))).await;
        assert!(made.status < 300, "{made:?}");
    }
    it.protect().await;
    it.writes_to("shopstore").await;
    back_up(&it, done()).await;

    it.call(Method::DELETE, &container("others"), None).await;
    let before = rules(&it).await;
    it.call(Method::DELETE, &container("backups"), None).await;
    let of_container = alerts_at(&it, &it.vault).await;
    it.call(Method::DELETE, &account, None).await;
    let of_account = alerts_at(&it, &it.vault).await;

    assert_eq!(before, Vec::<String>::new(), "nothing lay there");
    let [(rule, alert)] = &of_container[..] else { panic!("{of_container:?}") };
    assert_eq!((rule.as_str(), &alert["essentials"]["severity"]), ("Delete Backup Data", &json!("Sev0")));
    assert!(alert["essentials"]["description"].as_str().unwrap().contains("1 recovery points"), "{alert}");
    assert_eq!(of_account[0].1["cofferdam"]["occurrences"], 2, "{of_account:?}");
}

#[tokio::test]
async fn what_is_over_is_forgotten_after_a_month_and_what_is_open_is_not() {
    let mut it = Protected::start().await;
    it.protect().await;
    back_up(&it, failed()).await;
    it.operation(&it.call(Method::POST, &format!("{}/suspendBackups", it.instance), None).await).await;
    let all = it.get(&format!("{}{ALERTS}", it.vault)).await.body;
    let failure = all["value"].as_array().unwrap().iter().find(|one| rule(one) == "Backup Failure").unwrap();
    change(&it, failure["name"].as_str().unwrap(), "Closed").await;

    it.later(SignedDuration::from_hours(29 * 24)).await;
    alerts::sweep(&it.world.app).await.unwrap();
    let within = rules(&it).await;
    it.later(SignedDuration::from_hours(2 * 24)).await;
    alerts::sweep(&it.world.app).await.unwrap();

    assert_eq!(within.len(), 2, "{within:?}");
    assert_eq!(rules(&it).await, ["Scheduled Backups Stopped"]);
}

#[tokio::test]
async fn lists_have_pages_and_filters_and_resource_graph_knows_alerts() {
    let it = Protected::start().await;
    it.protect().await;
    back_up(&it, failed()).await;
    it.operation(&it.call(Method::POST, &format!("{}/stopProtection", it.instance), None).await).await;

    let first = it.get(&format!("{}{ALERTS}?pageCount=1&alertState=New", it.group)).await;
    let next = first.body["nextLink"].as_str().unwrap().to_owned();
    let second = it.world.get_url(&it.world.administrator, &next).await;
    let critical =
        it.get(&format!("{}{ALERTS}?severity=Sev0&api-version=2019-05-05-preview", it.vault)).await;
    let of_instance = it.get(&format!("{}{ALERTS}?monitorCondition=Fired", it.instance)).await;
    let query = "alertsmanagementresources | where type =~ 'microsoft.alertsmanagement/alerts' | where properties.essentials.severity in~ ('Sev1')";
    let graph = async |who: &world::Person| {
        let body = json!({"query": query});
        it.world.call(who, Method::POST, "/providers/Microsoft.ResourceGraph/resources", Some(body)).await
    };
    let found = graph(&it.world.administrator).await;
    let stranger = it.world.person(Some("Reader"), &it.world.group("snapshots")).await;
    let unseen = graph(&stranger).await;

    assert!(next.contains("alertState=New") && next.contains("pageCount=1"), "{next}");
    assert_eq!((first.names().len(), second.names().len()), (1, 1));
    assert_ne!(first.names(), second.names());
    assert_eq!(second.body["nextLink"], Value::Null, "{second:?}");
    assert_eq!(
        critical.body["value"].as_array().unwrap().iter().map(rule).collect::<Vec<_>>(),
        ["Scheduled Backups Stopped"]
    );
    assert_eq!(of_instance.names().len(), 2);
    assert_eq!(
        found.body["data"].as_array().unwrap().iter().map(rule).collect::<Vec<_>>(),
        ["Backup Failure"]
    );
    assert_eq!(unseen.body["data"], json!([]));
}
