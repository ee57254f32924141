//! Prerequisites of a running vault: validation tells all that is wrong, and what is protected is looked at again.

mod world;

use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use vault::{
    protect::prerequisites::{self, Looks},
    store::{Change, Work},
};
use world::{
    Answer, Choices, Person,
    fault_cluster::Fault,
    protected::{Protected, audit},
    receiver::{Receiver, settings},
};

const ALERTS: &str = "/providers/Microsoft.AlertsManagement/alerts";
const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);

/// What an extension says of one check.
fn check(id: &str, severity: &str, result: &str) -> Value {
    json!({"id": id, "title": format!("Title of {id}."), "severity": severity, "needed": true, "result": result,
        "evidence": format!("evidence of {id}"), "recommendedAction": [format!("kubectl mend {id}"), format!("or else {id}")]})
}

fn status(phase: &str, checks: &[Value]) -> Value {
    json!({"phase": phase, "checks": checks})
}

/// A protected instance whose prerequisites are looked at every five minutes.
async fn looked_at(choices: Choices) -> Protected {
    let looks = choices.looks.unwrap_or(Looks { every: Some(FIVE_MINUTES), at_once: 8 });
    let it = Protected::choosing(Choices { looks: Some(looks), ..choices }).await;
    it.cluster.says("ValidateForBackup", status("Completed", &[check("P12", "Block", "Passed")]));
    it.protect().await;
    it
}

async fn report(it: &Protected) -> Value {
    let answer = it.get(&format!("{}/prerequisites", it.instance)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["properties"].clone()
}

fn row(report: &Value, id: &str) -> Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("{id}: {report}")).clone()
}

/// Waits until the cluster has answered a look that began after a time.
async fn answered(it: &Protected, after: Timestamp) -> Value {
    it.within_the_hour(async || {
        let report = report(it).await;
        let at: Option<Timestamp> = report["clusterAnsweredAt"].as_str().and_then(|at| at.parse().ok());
        at.filter(|at| *at > after).map(|_| report)
    })
    .await
}

/// What the vault does by itself, while its clock stands still.
async fn standing_still<T>(look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come about within 30 s");
}

/// Alerts about prerequisites, as `P23 Fired`, the newest first.
async fn told(it: &Protected) -> Vec<String> {
    let listed = it.get(&format!("{}{ALERTS}?alertRule=Prerequisite%20Failure", it.vault)).await;
    let one = |alert: &Value| {
        let (essentials, context) = (&alert["properties"]["essentials"], &alert["properties"]["context"]);
        assert_eq!(essentials["severity"], "Sev1");
        format!(
            "{} {}",
            context["prerequisite"].as_str().unwrap(),
            essentials["monitorCondition"].as_str().unwrap()
        )
    };
    listed.body["value"].as_array().unwrap().iter().map(one).collect()
}

async fn principal(it: &Protected) -> String {
    it.get(&it.vault).await.body["identity"]["principalId"].as_str().unwrap().to_owned()
}

/// Another cluster that is protected by the same vault.
async fn second_instance(it: &Protected) -> String {
    let second: ResourceId = it.managed.as_str().replace("/one", "/two").parse().unwrap();
    it.connect_another(&second).await;
    let body: Value = serde_json::from_str(
        &it.wanted()
            .to_string()
            .replace(it.managed.as_str(), second.as_str())
            .replace("one/shop", "two/shop"),
    )
    .unwrap();
    let other = format!("{}/backupInstances/two-shop", it.vault);
    let put = it.call(Method::PUT, &other, Some(json!({"properties": body}))).await;
    assert_eq!(it.operation(&put).await.body["status"], "Succeeded", "{put:?}");
    other
}

/// Takes the vault's role on the cluster away.
async fn take_the_role(it: &Protected) {
    let principal = principal(it).await;
    it.unassign(&principal, it.managed.as_str()).await;
}

async fn give_the_role(it: &Protected) {
    let vault = Person { object_id: principal(it).await, ..it.world.administrator.clone() };
    let made = it.world.assign(&it.world.administrator, "Reader", &vault, it.managed.as_str()).await;
    assert_eq!(made.status, 201, "{made:?}");
}

async fn validated(it: &Protected, path: &str, body: Value) -> Value {
    let begun: Answer = it.call(Method::POST, path, Some(body)).await;
    it.operation(&begun).await.body
}

fn restore(it: &Protected) -> Value {
    let source = it.wanted()["dataSourceInfo"].clone();
    let criteria = json!({"objectType": "KubernetesClusterRestoreCriteria", "includeClusterScopeResources": true,
        "includedNamespaces": ["shop"], "persistentVolumeRestoreMode": "RestoreWithVolumeData", "conflictPolicy": "Skip"});
    json!({"restoreRequestObject": {"objectType": "AzureBackupRecoveryPointBasedRestoreRequest",
        "recoveryPointId": world::protected::POINT, "sourceDataStoreType": "OperationalStore",
        "sourceResourceId": it.managed, "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo",
            "recoveryOption": "FailIfExists", "restoreLocation": "local", "datasourceInfo": source,
            "datasourceSetInfo": source, "restoreCriteria": [criteria]}}})
}

#[tokio::test]
async fn every_validation_tells_all_that_is_wrong_inside_the_cluster_and_outside_of_it_at_once() {
    let it = Protected::start().await;
    it.protect().await;
    let point = json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": world::protected::POINT}});
    it.cluster.says("Backup", point);
    let job = it.job_of(&it.back_up().await).await;
    it.ended(&job).await;
    let mut coded = check("P20", "Block", "Failed");
    coded["code"] = json!("UserErrorPVSnapshotDisallowedByPolicy");
    let found = [
        check("P12", "Block", "Failed"),
        coded,
        check("P13", "Warn", "Failed"),
        check("P6", "Block", "NotObservable"),
    ];
    it.cluster.says("ValidateForBackup", status("Failed", &found));
    it.cluster.says("ValidateForRestore", status("Failed", &found));
    take_the_role(&it).await;
    let unregister = format!("{}/providers/Microsoft.KubernetesConfiguration/unregister", it.world.root());
    assert_eq!(it.call(Method::POST, &unregister, None).await.status, 200);

    let backup = json!({"backupInstance": it.wanted()});
    let mut another = backup.clone();
    another["backupInstance"]["policyInfo"]["policyParameters"]["backupDatasourceParametersList"][0]["includedNamespaces"] =
        json!(["other"]);
    let modify = validated(&it, &format!("{}/validateForModifyBackup", it.instance), another).await;
    let restored = validated(&it, &format!("{}/validateRestore", it.instance), restore(&it)).await;
    let deleted = it.call(Method::DELETE, &it.instance, None).await;
    assert_eq!(deleted.status, 202, "{deleted:?}");
    let fresh = validated(&it, &format!("{}/validateForBackup", it.vault), backup).await;

    for ended in [&fresh, &modify, &restored] {
        assert_eq!(ended["status"], "Failed", "{ended}");
        let details = ended["error"]["details"].as_array().unwrap();
        let of = |name: &str, detail: &Value| {
            let all = detail["additionalInfo"].as_array().unwrap().iter();
            all.filter(|one| one["type"] == name).map(|one| one["info"].clone()).next().unwrap_or_default()
        };
        let ids: Vec<String> = details
            .iter()
            .map(|one| of("prerequisite", one)["id"].as_str().unwrap_or("none").to_owned())
            .collect();
        assert_eq!(ids, ["P7", "P23", "P12", "P20"], "what warns or was not seen is no failure: {ended}");
        let codes: Vec<&str> = details.iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(
            codes,
            [
                "MissingSubscriptionRegistration",
                "KubernetesBackupListExtensionsError",
                "UserErrorPrerequisiteNotMet",
                "UserErrorPVSnapshotDisallowedByPolicy"
            ]
        );
        assert_eq!(ended["error"]["code"], codes[0]);
        for detail in details {
            let actions = of("recommendedAction", detail)["recommendedAction"].clone();
            assert!(!actions.as_array().unwrap().is_empty(), "{detail}");
        }
        assert_eq!(
            of("recommendedAction", &details[2])["recommendedAction"],
            json!(["kubectl mend P12", "or else P12"])
        );
    }
}

#[tokio::test]
async fn what_the_cluster_could_not_observe_blocks_no_validation() {
    let it = Protected::start().await;
    let found = [
        check("P4", "Block", "NotObservable"),
        check("P12", "Block", "Skipped"),
        check("P2", "Block", "NotApplicable"),
    ];
    it.cluster.says("ValidateForBackup", status("CompletedWithWarnings", &found));

    let body = json!({"backupInstance": it.wanted()});
    let ended = validated(&it, &format!("{}/validateForBackup", it.vault), body).await;

    assert_eq!(ended["status"], "Succeeded", "{ended}");
}

#[tokio::test]
async fn a_role_that_is_taken_away_at_noon_is_an_alert_at_five_past_and_over_when_it_is_back() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let webhooks = vec![settings(folder.path(), receiver.port, &[])];
    let mut it = looked_at(Choices { webhooks, ..Choices::default() }).await;
    let before = answered(&it, Timestamp::UNIX_EPOCH).await;
    it.later(SignedDuration::ZERO).await;

    take_the_role(&it).await;
    let taken = it.world.app.clock.now();
    it.later(FIVE_MINUTES).await;
    standing_still(async || (told(&it).await == ["P23 Fired"]).then_some(())).await;
    let alerts = it.get(&format!("{}{ALERTS}", it.vault)).await.body["value"].clone();
    standing_still(async || (receiver.told() == ["Prerequisite Failure Fired"]).then_some(())).await;
    let open = report(&it).await;
    let mut it = it.restart().await;
    let still = answered(&it, taken + FIVE_MINUTES + FIVE_MINUTES).await;
    let (counted, said) = (told(&it).await, receiver.told());
    it.later(SignedDuration::ZERO).await;
    give_the_role(&it).await;
    it.later(FIVE_MINUTES).await;
    standing_still(async || (told(&it).await == ["P23 Resolved"]).then_some(())).await;
    let all = standing_still(async || Some(receiver.received()).filter(|all| all.len() == 2)).await;

    assert_eq!((&before["state"], &row(&before, "P23")["verdict"]), (&json!("Well"), &json!("Passed")));
    let alert = &alerts[0]["properties"];
    let fired: Timestamp = alert["essentials"]["startDateTime"].as_str().unwrap().parse().unwrap();
    assert!(fired.duration_since(taken) <= FIVE_MINUTES, "{fired} after {taken}");
    assert_eq!(alert["context"]["errorCode"], "KubernetesBackupListExtensionsError", "{alert}");
    assert_eq!(alert["context"]["backupInstanceId"], it.instance.as_str());
    assert!(
        alert["context"]["recommendedAction"].as_str().unwrap().contains("role assignment create"),
        "{alert}"
    );
    let failed = row(&open, "P23");
    assert_eq!(
        (&open["state"], &failed["verdict"], &failed["alert"]),
        (&json!("Blocked"), &json!("Failed"), &json!(true))
    );
    assert_eq!(open["checks"][0]["id"], "P23", "the worst first");
    assert_eq!(row(&still, "P23")["since"], failed["since"], "a restart forgets nothing");
    assert_eq!(counted, ["P23 Fired"], "the same failure is told once");
    assert_eq!(said, ["Prerequisite Failure Fired"]);
    assert_eq!(all[1].told(), "Prerequisite Failure Resolved");
    assert!(all.iter().all(|message| !message.signature.is_empty()));
    assert_eq!(all[0].json()["data"]["essentials"]["configurationItems"], json!(["one-shop"]));
}

#[tokio::test]
async fn what_changes_inside_a_cluster_is_told_for_a_handful_of_requests_a_look_and_nothing_stays_there() {
    let it = looked_at(Choices::default()).await;
    let first = answered(&it, Timestamp::UNIX_EPOCH).await;
    let at = |report: &Value| report["clusterAnsweredAt"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let (asked, made) = (it.cluster.bindings().len(), it.cluster.made("validateforbackups").len());

    it.cluster.says(
        "ValidateForBackup",
        status("Failed", &[check("P12", "Block", "Failed"), check("P13", "Warn", "Failed")]),
    );
    let broken = answered(&it, at(&first)).await;
    let (requests, looks) =
        (it.cluster.bindings().len() - asked, it.cluster.made("validateforbackups").len() - made);
    let fired = told(&it).await;
    it.cluster.says("ValidateForBackup", status("Completed", &[check("P12", "Block", "Passed")]));
    answered(&it, at(&broken)).await;
    let resolved = told(&it).await;

    assert_eq!(fired, ["P12 Fired"], "what warns is in the document alone");
    assert_eq!(resolved, ["P12 Resolved"]);
    assert_eq!(row(&broken, "P13")["verdict"], "Failed");
    assert_eq!(
        (&row(&broken, "P12")["observedBy"], &row(&broken, "P3")["observedBy"]),
        (&json!("cluster"), &json!("vault"))
    );
    let catalogue = broken["checks"].as_array().unwrap().len();
    assert!(catalogue >= 53, "every check is there, looked at or not: {catalogue}");
    assert_eq!(row(&broken, "P16")["verdict"], "NotObservable", "nobody looked");
    assert!(looks == 1 && requests <= 4, "{requests} requests for {looks} looks");
    assert!(it.cluster.object("validateforbackups").is_none(), "nothing stays in the cluster");
    let specs = it.cluster.made("validateforbackups");
    assert_eq!(specs.last().unwrap()["readOnly"], true, "a look writes nothing into the store");
}

#[tokio::test]
async fn a_cluster_that_is_away_is_asked_nothing_and_what_it_said_does_not_count_as_seen() {
    let it = looked_at(Choices::default()).await;
    it.cluster.says(
        "ValidateForBackup",
        status("Failed", &[check("P12", "Block", "Failed"), check("P20", "Block", "Passed")]),
    );
    let first = answered(&it, Timestamp::UNIX_EPOCH).await;
    let when = first["clusterAnsweredAt"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let made = it.cluster.made("validateforbackups").len();

    it.cluster.is_away(true);
    let away = it
        .within_the_hour(async || {
            let report = report(&it).await;
            report["clusterNotAskedBecause"].is_string().then_some(report)
        })
        .await;
    let (while_away, open) = (it.cluster.made("validateforbackups").len() - made, told(&it).await);
    it.cluster.is_away(false);
    it.cluster.says("ValidateForBackup", status("Completed", &[check("P12", "Block", "Passed")]));
    let back = answered(&it, when).await;

    assert_eq!(while_away, 0);
    assert_eq!(
        (&row(&away, "P20")["verdict"], &row(&away, "P12")["verdict"]),
        (&json!("NotObservable"), &json!("NotObservable"))
    );
    assert!(row(&away, "P20")["evidence"]["sentence"].as_str().unwrap().contains("Passed"), "{away}");
    assert_eq!(open, ["P12 Fired"], "that nobody can look mends nothing");
    assert_eq!(back["clusterNotAskedBecause"], Value::Null);
    assert_eq!(told(&it).await, ["P12 Resolved"]);
}

#[tokio::test]
async fn no_more_clusters_are_asked_at_a_time_than_the_operator_allows() {
    let looks = Looks { every: Some(FIVE_MINUTES), at_once: 1 };
    let it = looked_at(Choices { looks: Some(looks), ..Choices::default() }).await;
    let other = second_instance(&it).await;
    let both_answered = async |after: Timestamp| {
        let at =
            |report: &Value| report["clusterAnsweredAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        it.within_the_hour(async || {
            let other = it.get(&format!("{other}/prerequisites")).await.body["properties"].clone();
            let one = report(&it).await;
            [at(&one), at(&other)].iter().all(|at| at.is_some_and(|at| at > after)).then_some(())
        })
        .await;
    };
    let made =
        || it.cluster.made("validateforbackups").iter().filter(|spec| spec["readOnly"] == true).count();
    both_answered(Timestamp::UNIX_EPOCH).await;

    it.cluster.says("ValidateForBackup", json!({"phase": "InProgress"}));
    let (before, now) = (made(), it.world.app.clock.now());
    it.world.clock.advance(FIVE_MINUTES);
    standing_still(async || (made() > before).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let at_once = made() - before;
    it.cluster.says("ValidateForBackup", status("Completed", &[]));
    both_answered(now).await;

    assert_eq!(at_once, 1);
}

#[tokio::test]
async fn what_is_not_backed_up_on_schedule_any_more_is_not_looked_at_and_leaves_no_alert_open() {
    let mut it = looked_at(Choices::default()).await;
    answered(&it, Timestamp::UNIX_EPOCH).await;
    it.later(SignedDuration::ZERO).await;
    take_the_role(&it).await;
    it.within_the_hour(async || (told(&it).await == ["P23 Fired"]).then_some(())).await;

    let stopped = it.call(Method::POST, &format!("{}/stopProtection", it.instance), None).await;
    it.within_the_hour(async || (told(&it).await == ["P23 Resolved"]).then_some(())).await;
    let stranger = it.world.person(None, "").await;
    let denied = it.world.get(&stranger, &format!("{}/prerequisites", it.instance)).await;
    let reader = it.world.person(Some("Backup Reader"), &it.vault).await;
    let seen = it.world.get(&reader, &format!("{}/prerequisites", it.instance)).await;

    assert_eq!(stopped.status, 202, "{stopped:?}");
    assert_eq!((denied.status, seen.status), (403, 200), "{denied:?} {seen:?}");
    assert_eq!(seen.body["properties"]["state"], "NotLookedAt", "{seen:?}");
    assert_eq!(seen.body["type"], "Microsoft.DataProtection/backupVaults/backupInstances/prerequisites");
}

#[tokio::test]
async fn a_cluster_fires_alerts_of_known_checks_alone_and_what_it_lists_no_more_is_over() {
    let it = looked_at(Choices::default()).await;
    let first = answered(&it, Timestamp::UNIX_EPOCH).await;
    let at = |report: &Value| report["clusterAnsweredAt"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let mut hostile: Vec<Value> = (0..100).map(|n| check(&format!("mine-{n}"), "Block", "Failed")).collect();
    hostile.push(check("P12", "Block", "Failed"));

    it.cluster.says("ValidateForBackup", status("Failed", &hostile));
    let failed = answered(&it, at(&first)).await;
    let fired = told(&it).await;
    it.cluster.says("ValidateForBackup", status("Completed", &[]));
    let after = answered(&it, at(&failed)).await;

    assert_eq!(fired, ["P12 Fired"]);
    assert_eq!(failed["summary"]["blocking"], 1, "{failed}");
    assert_eq!(told(&it).await, ["P12 Resolved"], "nothing else could ever end it");
    assert_eq!(row(&after, "P12")["verdict"], "NotObservable");
}

/// What the alerts about prerequisites say, the newest first.
async fn said(it: &Protected) -> Vec<(String, Value)> {
    let listed = it.get(&format!("{}{ALERTS}?alertRule=Prerequisite%20Failure", it.vault)).await;
    let one = |alert: &Value| {
        let properties = &alert["properties"];
        (properties["essentials"]["description"].as_str().unwrap().to_owned(), properties["context"].clone())
    };
    listed.body["value"].as_array().unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn what_fails_for_two_instances_by_one_cause_is_one_alert_that_ends_with_the_last_of_them() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let webhooks = vec![settings(folder.path(), receiver.port, &[])];
    let it = looked_at(Choices { webhooks, ..Choices::default() }).await;
    let other = second_instance(&it).await;
    let counts = async |number: &str| {
        let said = said(&it).await;
        (said.len() == 1 && said[0].1["affectedInstances"] == number).then_some(())
    };

    let unregister = format!("{}/providers/Microsoft.KubernetesConfiguration/unregister", it.world.root());
    assert_eq!(it.call(Method::POST, &unregister, None).await.status, 200);
    it.within_the_hour(async || counts("2").await).await;
    let (both, context) = said(&it).await.remove(0);
    let stopped = it.call(Method::POST, &format!("{}/stopProtection", it.instance), None).await;
    it.within_the_hour(async || counts("1").await).await;
    let (one, still) = (said(&it).await.remove(0).0, told(&it).await);
    let register = unregister.replace("unregister", "register");
    assert_eq!(it.call(Method::POST, &register, None).await.status, 200);
    it.within_the_hour(async || (told(&it).await == ["P7 Resolved"]).then_some(())).await;
    let of_rule = || receiver.received().into_iter().filter(|one| one.told().starts_with("Prerequisite"));
    let messages = standing_still(async || Some(of_rule().collect::<Vec<_>>()).filter(|all| all.len() == 2));
    let messages = messages.await;

    assert_eq!(stopped.status, 202, "{stopped:?}");
    assert!(both.contains("for 2 backup instances of vault") && both.contains("not registered"), "{both}");
    assert_eq!(context["errorCode"], "MissingSubscriptionRegistration", "{context}");
    assert!(one.contains("for 1 backup instance of vault"), "{one}");
    assert_eq!(still, ["P7 Fired"]);
    let seen = it.get(&format!("{other}/prerequisites")).await.body["properties"].clone();
    assert_eq!(row(&seen, "P7")["verdict"], "Passed", "{seen}");
    assert_eq!(messages[1].told(), "Prerequisite Failure Resolved", "one message for both");
    let vault = it.vault.rsplit('/').next().unwrap();
    assert_eq!(messages[0].json()["data"]["essentials"]["configurationItems"], json!([vault]));
}

#[tokio::test]
async fn a_role_that_one_clusters_instance_lacks_is_an_alert_of_that_instance_alone() {
    let it = looked_at(Choices::default()).await;
    second_instance(&it).await;

    take_the_role(&it).await;
    it.within_the_hour(async || (told(&it).await == ["P23 Fired"]).then_some(())).await;
    let (text, context) = said(&it).await.remove(0);

    assert_eq!(context["backupInstanceId"], it.instance.as_str(), "{context}");
    assert!(context["affectedInstances"].is_null() && text.contains("one/shop"), "{text}");
}

#[tokio::test]
async fn an_instance_that_is_stopped_while_its_cluster_is_asked_leaves_no_question_there() {
    let it = looked_at(Choices::default()).await;
    answered(&it, Timestamp::UNIX_EPOCH).await;
    it.cluster.says("ValidateForBackup", json!({"phase": "InProgress"}));
    it.world.clock.advance(FIVE_MINUTES);
    standing_still(async || it.cluster.object("validateforbackups")).await;

    let stopped = it.call(Method::POST, &format!("{}/stopProtection", it.instance), None).await;
    it.within_the_hour(async || {
        let gone = it.cluster.object("validateforbackups").is_none();
        let report = report(&it).await;
        (gone && report["state"] == "NotLookedAt").then_some(())
    })
    .await;

    assert_eq!(stopped.status, 202, "{stopped:?}");
}

#[tokio::test]
async fn old_questions_that_a_cluster_keeps_hold_up_a_look_once_and_not_for_each_of_them() {
    let it = looked_at(Choices::default()).await;
    answered(&it, Timestamp::UNIX_EPOCH).await;
    let store = it.world.app.store.as_ref();
    let id = prerequisites::work_id(&it.instance.parse().unwrap());
    let found = store.work(&id).await.unwrap().unwrap();
    let mut document = found.document.clone();
    document["left"] = json!(["a", "b", "c", "d", "e"]);
    let with_left = Work::new(id.clone(), prerequisites::KIND, found.target, found.due_at, document);
    store.commit(&[Change::Drop(id), Change::AddWork(with_left)], &audit()).await.unwrap();

    it.cluster.meets(&[Fault::Status(500, "not now")]);
    let asked = it.cluster.bindings().len();
    it.world.clock.advance(FIVE_MINUTES);
    standing_still(async || it.cluster.object("validateforbackups")).await;

    assert_eq!(it.cluster.bindings().len() - asked, 2, "one that stays, and the new question");
}
