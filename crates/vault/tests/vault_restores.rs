//! Restores that are refused, and what a Resource Guard keeps people from doing with an instance.

mod world;

use reqwest::Method;
use serde_json::{Value, json};
use telemetry::Clock;
use vault::{
    people,
    store::{AuditEntry, AuditOutcome},
};
use world::{
    Answer, Person,
    protected::{POINT, Protected},
};

/// An instance with a recovery point.
async fn backed_up() -> Protected {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    it.cluster.says("Restore", json!({"phase": "Completed", "problems": [], "problemCount": 0}));
    let job = it.job_of(&it.back_up().await).await;
    assert_eq!(it.ended(&job).await["properties"]["status"], "Completed");
    it
}

fn to(target: &str) -> Value {
    let datasource = json!({"objectType": "Datasource", "datasourceType": "Microsoft.ContainerService/managedClusters",
        "resourceID": target, "resourceUri": target, "resourceName": "one",
        "resourceType": "Microsoft.ContainerService/managedClusters", "resourceLocation": "local"});
    let criteria = json!({"objectType": "KubernetesClusterRestoreCriteria", "includeClusterScopeResources": true,
        "persistentVolumeRestoreMode": "RestoreWithVolumeData", "conflictPolicy": "Skip"});
    json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": POINT,
        "sourceDataStoreType": "OperationalStore",
        "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
            "restoreLocation": "local", "datasourceInfo": datasource, "datasourceSetInfo": datasource,
            "restoreCriteria": [criteria]}})
}

async fn act(it: &Protected, who: &Person, verb: &str, body: Value) -> Answer {
    it.world.call(who, Method::POST, &format!("{}/{verb}", it.instance), Some(body)).await
}

/// Both calls that lead to a restore.
async fn both(it: &Protected, who: &Person, request: Value) -> [Answer; 2] {
    let validate = json!({"restoreRequestObject": request});
    [act(it, who, "restore", request).await, act(it, who, "validateRestore", validate).await]
}

async fn denied(it: &Protected) -> usize {
    let rows = it.world.app.store.audit(0, 100_000).await.unwrap();
    let outcome = |record: &str| serde_json::from_str::<AuditEntry>(record).unwrap().outcome;
    rows.iter().filter(|row| matches!(outcome(&row.record), AuditOutcome::Denied)).count()
}

#[tokio::test]
async fn who_may_not_read_the_source_or_the_target_does_not_restore() {
    let it = backed_up().await;
    let managed = it.managed.to_string();
    // A vault's operator, in a group where the cluster is not seen.
    let blind = it.world.person(Some("Backup Operator"), &it.vault).await;
    let other = it.world.make_group("other").await;
    let elsewhere = format!("{other}/providers/Microsoft.ContainerService/managedClusters/two");
    let sees_source = it.world.person(Some("Backup Operator"), &it.vault).await;
    it.world.assign(&it.world.administrator, "Reader", &sees_source, &managed).await;
    let before = denied(&it).await;

    let no_source = both(&it, &blind, to(&managed)).await;
    let no_target = both(&it, &sees_source, to(&elsewhere)).await;
    let nobody = it.world.person(None, &it.vault).await;
    let no_role = both(&it, &nobody, to(&managed)).await;
    let with_both = act(&it, &sees_source, "restore", to(&managed)).await;

    for refused in &no_source {
        assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"), "{refused:?}");
        assert!(refused.body.to_string().contains(&managed), "{refused:?}");
    }
    for refused in &no_target {
        assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"), "{refused:?}");
        assert!(refused.body.to_string().contains(&elsewhere), "{refused:?}");
    }
    for refused in &no_role {
        assert_eq!((refused.status, refused.code()), (403, "AuthorizationFailed"), "{refused:?}");
    }
    assert_eq!(denied(&it).await - before, 6, "each refusal is in the audit log");
    assert_eq!(with_both.status, 202, "{with_both:?}");
    it.ended(&it.job_of(&with_both).await).await;
    assert_eq!(it.cluster.made("restores").len(), 1);
}

#[tokio::test]
async fn a_restore_to_another_subscription_completes_only_where_the_vault_allows_it() {
    let it = backed_up().await;
    let admin = it.world.administrator.clone();
    let (store, now) = (it.world.app.store.clone(), it.world.clock.now());
    let added = people::add_subscription(store.as_ref(), "other", &admin.client_id, None, now).await.unwrap();
    let subscription = added.id;
    let again = people::add_subscription(store.as_ref(), "OTHER", &admin.client_id, None, now).await;
    let audited = store.audit(0, 1_000).await.unwrap();
    let audited = audited.iter().filter(|row| row.record.contains("add subscription")).count();
    let target =
        format!("{subscription}/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/two");
    let switch = async |state: &str| {
        let body = json!({"properties": {"featureSettings": {"crossSubscriptionRestoreSettings": {"state": state}}}});
        let changed = it.call(Method::PATCH, &it.vault, Some(body)).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    };

    switch("Disabled").await;
    let off = both(&it, &admin, to(&target)).await;
    switch("Enabled").await;
    let nowhere = act(&it, &admin, "restore", to(&target)).await;
    it.connect_another(&target.parse().unwrap()).await;
    let on = act(&it, &admin, "restore", to(&target)).await;
    let job = it.ended(&it.job_of(&on).await).await;
    switch("PermanentlyDisabled").await;
    let for_ever = both(&it, &admin, to(&target)).await;
    let at_home = act(&it, &admin, "restore", to(it.managed.as_str())).await;

    for refused in off.iter().chain(&for_ever) {
        let code = "UserErrorCrossSubscriptionRestoreNotAllowed";
        assert_eq!((refused.status, refused.code()), (403, code), "{refused:?}");
    }
    assert!(matches!(again, Err(people::PeopleError::SubscriptionExists(..))), "{again:?}");
    assert_eq!(audited, 1);
    let code = "UserErrorKubernetesBackupExtensionNotFoundError";
    assert_eq!((nowhere.status, nowhere.code()), (400, code), "there is no such cluster yet: {nowhere:?}");
    assert_eq!((on.status, &job["properties"]["status"]), (202, &json!("Completed")), "{job}");
    assert!(job.to_string().contains(&target), "{job}");
    assert!(!it.cluster.made("restores").is_empty());
    assert_eq!(at_home.status, 202);
}

#[tokio::test]
async fn a_target_that_cannot_take_a_restore_is_refused_before_anything_begins() {
    let it = backed_up().await;
    let admin = it.world.administrator.clone();
    let managed = it.managed.to_string();
    let other = |path: &str, value: Value| {
        let mut request = to(&managed);
        *request.pointer_mut(path).unwrap() = value;
        request
    };
    let sources = |id: &str| {
        let mut request = to(&managed);
        request["sourceResourceId"] = json!(id);
        request
    };

    let nowhere = format!("{}/providers/Microsoft.ContainerService/managedClusters/none", it.group);
    let table = [
        (to(&nowhere), 400, "UserErrorKubernetesBackupExtensionNotFoundError"),
        (to(&it.group), 400, "InvalidRequestContent"),
        (sources(&nowhere), 400, "InvalidRequestContent"),
        (other("/recoveryPointId", json!("none")), 404, "UserErrorRecoveryPointNotFound"),
        (other("/recoveryPointId", json!("../../x")), 400, "InvalidRequestContent"),
        (other("/sourceDataStoreType", json!("VaultStore")), 400, "InvalidRequestContent"),
        (other("/restoreTargetInfo/restoreCriteria", json!([])), 400, "InvalidRequestContent"),
        (other("/restoreTargetInfo/datasourceInfo/resourceID", json!("no id")), 400, "InvalidRequestContent"),
    ];
    for (request, status, code) in table {
        let refused = act(&it, &admin, "restore", request.clone()).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{request}: {refused:?}");
    }
    it.remove(&it.binding()).await;
    let no_binding = act(&it, &admin, "restore", to(&managed)).await;

    let code = "UserErrorTrustedAccessGatewayReturnedForbidden";
    assert_eq!((no_binding.status, no_binding.code()), (403, code), "{no_binding:?}");
    assert!(it.cluster.made("restores").is_empty());
}

/// An instance with a recovery point in a guarded vault, who looks after it, and who may approve.
struct Guarded {
    it: Protected,
    guard: String,
    backup: Person,
    approver: Person,
}

impl Guarded {
    async fn start() -> Self {
        let it = backed_up().await;
        let group = it.world.make_group("guards").await;
        let guard = format!("{group}/providers/Microsoft.DataProtection/resourceGuards/guard");
        let made = it.call(Method::PUT, &guard, Some(json!({"location": "local", "properties": {}}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        let backup = it.world.person(Some("Backup Contributor"), &it.group).await;
        for scope in [guard.as_str(), it.managed.as_str()] {
            it.world.assign(&it.world.administrator, "Reader", &backup, scope).await;
        }
        let approver = it.world.person(Some("Backup MUA Operator"), &guard).await;
        let body = json!({"properties": {"resourceGuardResourceId": guard}});
        let path = format!("{}/backupResourceGuardProxies/DppResourceGuardProxy", it.vault);
        let mapped = it.world.call(&backup, Method::PUT, &path, Some(body)).await;
        assert_eq!(mapped.status, 200, "{mapped:?}");
        Self { it, guard, backup, approver }
    }

    async fn send(
        &self,
        consent: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let url = format!("{}{path}?api-version=2026-06-01", self.it.world.url);
        let mut request = self.it.world.http.request(method, url).bearer_auth(&self.backup.token);
        if let Some(person) = consent {
            request = request.header("x-ms-authorization-auxiliary", format!("Bearer {}", person.token));
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        Answer::of(request.body(body).send().await.unwrap()).await
    }

    fn approvals(&self, mut body: Value, kind: &str) -> Value {
        body["resourceGuardOperationRequests"] = json!([format!("{}/{kind}/default", self.guard)]);
        body
    }
}

#[tokio::test]
async fn nobody_restores_suspends_or_stops_a_guarded_instance_without_consent() {
    let all = Guarded::start().await;
    let it = &all.it;
    let before = denied(it).await;

    let table = [
        ("restore", "triggerRestoreRequests", to(it.managed.as_str()), "ProtectionConfigured"),
        ("suspendBackups", "suspendBackupsRequests", json!({}), "BackupSchedulesSuspended"),
        ("stopProtection", "stopProtectionRequests", json!({}), "ProtectionStopped"),
    ];
    let mut state = it.state().await;
    for (verb, kind, body, after) in table {
        let path = format!("{}/{verb}", it.instance);
        let send = async |consent, body: Value| all.send(consent, Method::POST, &path, Some(body)).await;
        let bare = send(None, body.clone()).await;
        let alone = send(None, all.approvals(body.clone(), kind)).await;
        let other =
            send(Some(&all.approver), all.approvals(body.clone(), "deleteBackupInstanceRequests")).await;
        let unchanged = it.state().await;
        let agreed = send(Some(&all.approver), all.approvals(body, kind)).await;

        let missing = "UserErrorResourceGuardOperationRequestsMissing";
        assert_eq!((bare.status, bare.code()), (403, missing), "{verb}: {bare:?}");
        assert_eq!((other.status, other.code()), (403, missing), "{verb}: {other:?}");
        let not_approved = "UserErrorResourceGuardOperationNotApproved";
        assert_eq!((alone.status, alone.code()), (403, not_approved), "{verb}: {alone:?}");
        assert_eq!(unchanged, state, "{verb}");
        assert_eq!(agreed.status, 202, "{verb}: {agreed:?}");
        state = it.state().await;
        assert_eq!(state, after, "{verb}");
    }

    assert_eq!(denied(it).await - before, 9, "each refusal is in the audit log");
    let restores = async || (it.cluster.made("restores").len() == 1).then_some(());
    it.until(restores).await;
}

#[tokio::test]
async fn nobody_deletes_a_guarded_instance_without_consent() {
    for is_unlocked in [true, false] {
        let all = Guarded::start().await;
        let it = &all.it;
        let unlock = format!("{}/backupResourceGuardProxies/DppResourceGuardProxy/unlockDelete", it.vault);
        let body = json!({"resourceToBeDeleted": it.instance});
        let body = all.approvals(body, "deleteBackupInstanceRequests");

        let bare = all.send(None, Method::DELETE, &it.instance, None).await;
        let by_owner = it.call(Method::DELETE, &it.instance, None).await;
        let stranger = it.world.person(Some("Reader"), &all.guard).await;
        let by_reader = all.send(Some(&stranger), Method::DELETE, &it.instance, None).await;
        let there = it.state().await;
        let deleted = if is_unlocked {
            let unlocked = all.send(Some(&all.approver), Method::POST, &unlock, Some(body)).await;
            assert_eq!(unlocked.status, 200, "{unlocked:?}");
            all.send(None, Method::DELETE, &it.instance, None).await
        } else {
            all.send(Some(&all.approver), Method::DELETE, &it.instance, None).await
        };

        let missing = "UserErrorResourceGuardOperationRequestsMissing";
        assert_eq!((bare.status, bare.code()), (403, missing), "{bare:?}");
        assert_eq!((by_owner.status, by_owner.code()), (403, missing), "not even who owns all: {by_owner:?}");
        assert_eq!(by_reader.code(), "UserErrorResourceGuardOperationNotApproved", "{by_reader:?}");
        assert_eq!(there, "ProtectionConfigured");
        assert_eq!(deleted.status, 202, "{deleted:?}");
        assert_eq!(it.get(&it.instance).await.status, 404);
    }
}

#[tokio::test]
async fn a_flood_of_refusals_of_a_guard_is_counted_in_the_audit_log_and_not_written_one_by_one() {
    let all = Guarded::start().await;
    let it = &all.it;
    let before = denied(it).await;

    for _ in 0..80 {
        let refused = all.send(None, Method::DELETE, &it.instance, None).await;
        assert_eq!(refused.status, 403);
    }
    let written = denied(it).await - before;
    it.world.app.denials.flush_all(it.world.app.store.as_ref()).await.unwrap();

    let rows = it.world.app.store.audit(0, 100_000).await.unwrap();
    let entries = rows.iter().map(|row| serde_json::from_str::<AuditEntry>(&row.record).unwrap());
    let counted: u32 = entries
        .filter_map(|entry| match entry.outcome {
            AuditOutcome::DeniedAgain { times } => Some(times),
            _ => None,
        })
        .sum();
    assert!(written <= 30, "{written}");
    assert_eq!(written + counted as usize, 80, "and none is lost");
}

/// The roles of vault and cluster, each with the code that names it when it is missing.
const OF_IDENTITIES: [(&str, &str); 3] = [
    ("vault on the cluster", "KubernetesBackupListExtensionsError"),
    ("vault on the snapshots", "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup"),
    ("cluster on the snapshots", "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup"),
];

#[tokio::test]
async fn neither_a_backup_nor_a_restore_begins_without_each_role_of_vault_and_cluster() {
    let it = backed_up().await;
    let admin = it.world.administrator.clone();
    let vault = it.get(&it.vault).await.body["identity"]["principalId"].as_str().unwrap().to_owned();
    let cluster =
        it.get(it.managed.as_str()).await.body["identity"]["principalId"].as_str().unwrap().to_owned();
    let (managed, snapshots) = (it.managed.to_string(), it.world.group("snapshots"));
    let held =
        [("Reader", &vault, &managed), ("Reader", &vault, &snapshots), ("Contributor", &cluster, &snapshots)];
    let there = || it.cluster.made("backups").len() + it.cluster.made("restores").len();
    let before = there();

    for ((role, principal, scope), (what, code)) in held.into_iter().zip(OF_IDENTITIES) {
        it.unassign(principal, scope).await;
        let backup = it.ended(&it.job_of(&it.back_up().await).await).await;
        let begun = act(&it, &admin, "restore", to(&managed)).await;
        let restore = it.ended(&it.job_of(&begun).await).await;
        let who = Person { object_id: principal.clone(), ..admin.clone() };
        assert_eq!(it.world.assign(&admin, role, &who, scope).await.status, 201);

        for job in [backup, restore] {
            let properties = &job["properties"];
            assert_eq!(properties["status"], "Failed", "{what}: {job:#}");
            assert_eq!(properties["errorDetails"][0]["code"], code, "{what}: {job:#}");
        }
        assert_eq!(there(), before, "{what}: nothing reaches the cluster");
    }

    let healed = it.ended(&it.job_of(&it.back_up().await).await).await;
    assert_eq!(healed["properties"]["status"], "Completed", "{healed:#}");
}
