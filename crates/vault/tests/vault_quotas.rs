//! What a vault takes at most, as its operator chose it.

mod world;

use arm::ResourceId;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use vault::{
    protect::quotas::Quotas,
    store::{Change, Expected},
};
use world::{
    Answer,
    protected::{POINT, Protected},
};

/// A vault with one job that is over, and so many more like it.
async fn with_jobs(quotas: Quotas, more: usize) -> Protected {
    let it = Protected::limited(quotas).await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let job = it.job_of(&it.back_up().await).await;
    it.ended(&job).await;
    let store = &it.world.app.store;
    let kept = store.resource(&job.parse().unwrap()).await.unwrap().unwrap();
    let copies: Vec<Change> = (0..more)
        .map(|number| {
            let id: ResourceId = format!("{}/backupJobs/copy-{number:05}", it.vault).parse().unwrap();
            Change::Put { id, document: kept.document.clone(), expected: Expected::Absent }
        })
        .collect();
    store.commit_unaudited(&copies).await.unwrap();
    it
}

async fn export(it: &Protected, filter: &str) -> Answer {
    it.call(Method::POST, &format!("{}/exportBackupJobs{filter}", it.vault), None).await
}

async fn exported(it: &Protected, begun: &Answer) -> Vec<Value> {
    assert_eq!(begun.status, 202, "{begun:?}");
    let result = it.world.get_url(&it.world.administrator, begun.header("location")).await;
    assert_eq!(result.status, 200);
    let text = |name: &str| result.body[name].as_str().unwrap_or_else(|| panic!("{:?}", result.body));
    let file = it.world.http.get(format!("{}?{}", text("blobUrl"), text("blobSasKey"))).send().await.unwrap();
    serde_json::from_slice(&file.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_export_holds_every_job_and_not_only_those_of_the_first_page() {
    let it = with_jobs(Quotas::default(), 2_345).await;

    let begun = export(&it, "").await;
    let jobs = exported(&it, &begun).await;

    let names: std::collections::BTreeSet<&str> =
        jobs.iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!((jobs.len(), names.len()), (2_347, 2_347), "the configuration of the instance is one");
    assert!(names.contains("copy-00000") && names.contains("copy-02344"));
}

#[tokio::test]
async fn an_export_that_would_be_too_large_is_refused_and_a_filter_makes_it_small_enough() {
    let it = with_jobs(Quotas { exported_jobs: 3, ..Quotas::default() }, 3).await;
    let later = it.world.app.clock.now() + SignedDuration::from_hours(1);

    let all = export(&it, "").await;
    let none = export(&it, &format!("?$filter=startTime eq '{later}'")).await;
    let wrong = export(&it, "?$filter=colour eq 'red'").await;

    assert_eq!((all.status, all.code()), (400, "UserErrorTooManyJobsToExport"));
    assert_eq!(exported(&it, &none).await, Vec::<Value>::new());
    assert_eq!(wrong.status, 400, "{wrong:?}");
}

#[tokio::test]
async fn an_export_of_few_jobs_that_say_very_much_is_refused_too_and_kept_nowhere() {
    let it = with_jobs(Quotas::default(), 0).await;
    let store = &it.world.app.store;
    let listed = it.get(&format!("{}/backupJobs?$filter=operation eq 'Backup'", it.vault)).await;
    let kept = listed.body["value"][0]["id"].as_str().unwrap().parse().unwrap();
    let document = store.resource(&kept).await.unwrap().unwrap().document;
    let copy = |number: usize, bytes: usize| {
        let id: ResourceId = format!("{}/backupJobs/loud-{number}", it.vault).parse().unwrap();
        let mut document = document.clone();
        document["details"]["Loud"] = json!("x".repeat(bytes));
        Change::Put { id, document, expected: Expected::Absent }
    };
    // A little under 16 MiB together, then a little above.
    let under: Vec<Change> = (0..15).map(|number| copy(number, 1024 * 1024)).collect();
    store.commit_unaudited(&under).await.unwrap();

    let fits = export(&it, "").await;
    let fits = exported(&it, &fits).await.len();
    store.commit_unaudited(&[copy(15, 1024 * 1024)]).await.unwrap();
    let operations = async || store.operations(arm::OperationStatus::Succeeded).await.unwrap().len();
    let before = operations().await;
    let refused = export(&it, "").await;
    let filtered = export(&it, "?$filter=status eq 'Failed'").await;

    assert_eq!(fits, 17);
    assert_eq!((refused.status, refused.code()), (400, "UserErrorTooManyJobsToExport"), "{refused:?}");
    assert!(refused.body.to_string().contains("$filter"), "{refused:?}");
    assert_eq!(exported(&it, &filtered).await, Vec::<Value>::new());
    assert_eq!(operations().await, before + 1, "only the export that was made");
}

#[tokio::test]
async fn the_operator_s_limits_are_those_that_hold() {
    let quotas = Quotas {
        policies: 1,
        instances: 1,
        backups_a_day: 1,
        namespaces: 2,
        operational_days: 10,
        ..Quotas::default()
    };
    let it = Protected::limited(quotas).await;
    it.protect().await;
    let instance = |name: &str| format!("{}/backupInstances/{name}", it.vault);
    let mut wide = it.wanted();
    wide["policyInfo"]["policyParameters"]["backupDatasourceParametersList"][0]["includedNamespaces"] =
        json!(["a", "b", "c"]);

    let policy = it.get(&format!("{}/backupPolicies/policy1", it.vault)).await.body;
    let mut long = policy.clone();
    long["properties"]["policyRules"][1]["lifecycles"][0]["deleteAfter"]["duration"] = json!("P11D");
    let put = async |path: String, body: Value| it.call(Method::PUT, &path, Some(body)).await;
    let second_policy = put(format!("{}/backupPolicies/policy2", it.vault), policy).await;
    let long_policy = put(format!("{}/backupPolicies/policy1", it.vault), long).await;
    let wide_instance = put(instance("one-shop"), json!({"properties": wide})).await;
    let second_instance = put(instance("two-shop"), json!({"properties": it.wanted()})).await;
    let first_backup = it.back_up().await;
    let second_backup = it.back_up().await;

    assert_eq!((second_policy.status, second_policy.code()), (400, "UserErrorMaxBackupPoliciesReached"));
    assert!(long_policy.body.to_string().contains("longer than 10 days"), "{long_policy:?}");
    assert!(wide_instance.body.to_string().contains("at most 2 are taken"), "{wide_instance:?}");
    assert_eq!((second_instance.status, second_instance.code()), (400, "UserErrorMaxBackupInstancesReached"));
    assert_eq!((first_backup.status, second_backup.status), (202, 429), "{second_backup:?}");
}

#[tokio::test]
async fn a_cluster_that_a_policy_protects_already_is_told_before_and_refused_as_the_instance_is_made() {
    let it = Protected::start().await;
    it.protect().await;
    let put = async |name: &str, body: &Value| {
        let path = format!("{}/backupInstances/{name}", it.vault);
        it.call(Method::PUT, &path, Some(json!({"properties": body}))).await
    };
    let ask = async |path: String, body: &Value| {
        let begun = it.call(Method::POST, &path, Some(json!({"backupInstance": body}))).await;
        it.operation(&begun).await.body
    };
    let policy = it.get(&format!("{}/backupPolicies/policy1", it.vault)).await.body;
    it.call(Method::PUT, &format!("{}/backupPolicies/policy2", it.vault), Some(policy)).await;
    let mut by_another = it.wanted();
    by_another["policyInfo"]["policyId"] = json!(format!("{}/backupPolicies/policy2", it.vault));

    let told = ask(format!("{}/validateForBackup", it.vault), &it.wanted()).await;
    let refused = put("two-shop", &it.wanted()).await;
    let itself = ask(format!("{}/validateForModifyBackup", it.instance), &it.wanted()).await;
    let again = put("one-shop", &it.wanted()).await;
    let other = put("two-shop", &by_another).await;
    // The second one may not come to the policy of the first one either.
    let moved = put("two-shop", &it.wanted()).await;
    let asked =
        ask(format!("{}/backupInstances/two-shop/validateForModifyBackup", it.vault), &it.wanted()).await;
    let deleted = it.call(Method::DELETE, &it.instance, None).await;
    let after = put("two-shop", &it.wanted()).await;
    let undeleted =
        it.call(Method::POST, &format!("{}/deletedBackupInstances/one-shop/undelete", it.vault), None).await;

    for said in [&told, &asked] {
        assert_eq!(said["error"]["code"], "UserErrorBackupInstanceAlreadyExists", "{said}");
        assert!(said.to_string().contains("one-shop"), "{said}");
    }
    for answer in [&refused, &moved, &undeleted] {
        assert_eq!(
            (answer.status, answer.code()),
            (409, "UserErrorBackupInstanceAlreadyExists"),
            "{answer:?}"
        );
    }
    assert_eq!(itself["status"], "Succeeded", "{itself}");
    assert_eq!((again.status, other.status), (200, 201), "{again:?} {other:?}");
    assert_eq!((deleted.status, after.status), (202, 200), "{deleted:?} {after:?}");
}

#[tokio::test]
async fn the_cluster_is_told_how_many_namespaces_are_taken_at_most_and_says_when_there_are_more() {
    let it = Protected::limited(Quotas { namespaces: 700, ..Quotas::default() }).await;
    let mut all = it.wanted();
    all["policyInfo"]["policyParameters"]["backupDatasourceParametersList"][0]["includedNamespaces"] =
        json!([]);
    let validate = async || {
        let body = json!({"backupInstance": all});
        let begun = it.call(Method::POST, &format!("{}/validateForBackup", it.vault), Some(body)).await;
        it.operation(&begun).await.body
    };
    let evidence = "UserErrorTooManyNamespaces: The backup takes 701 namespaces; at most 700 are supported.";
    it.cluster.says(
        "ValidateForBackup",
        json!({"phase": "Failed", "checks": [{"id": "P37", "title": "The backup takes at most 700 namespaces.",
            "severity": "Block", "result": "Failed", "evidence": evidence, "fix": "Name fewer."}]}),
    );

    let refused = validate().await;
    it.cluster.says("ValidateForBackup", json!({"phase": "Completed", "checks": []}));
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    it.ended(&it.job_of(&it.back_up().await).await).await;

    assert_eq!(refused["error"]["code"], "UserErrorTooManyNamespaces", "{refused}");
    assert!(refused.to_string().contains("Name fewer."), "{refused}");
    let asked = it.cluster.made("validateforbackups");
    assert!(asked.iter().all(|spec| spec["backup"]["mostNamespaces"] == 700), "{asked:?}");
    let made = it.cluster.made("backups");
    assert_eq!((made.len(), &made[0]["mostNamespaces"]), (1, &json!(700)));
}
