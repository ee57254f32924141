//! Multi-user authorization end to end: a guard in one group, a vault in another, and people with different roles.

mod dataprotection;
mod world;

use dataprotection::*;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use vault::{
    cluster_link::NoClusters,
    seal::{CustomerKey, make_key},
};
use world::{Answer, Choices, Person, World};

const PROXY: &str = "backupResourceGuardProxies/DppResourceGuardProxy";

/// A guarded vault, its backup administrator and someone who may approve.
struct Guarded {
    world: World,
    vault: String,
    guard: String,
    backup: Person,
    approver: Person,
}

async fn guard_of(world: &World, exclusions: Value) -> String {
    let group = world.make_group("guards").await;
    let guard = format!("{group}/providers/Microsoft.DataProtection/resourceGuards/guard");
    let body =
        json!({"location": "local", "properties": {"vaultCriticalOperationExclusionList": exclusions}});
    let made = put(world, &guard, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    guard
}

async fn guarded(exclusions: Value) -> Guarded {
    guarded_in(ready().await, exclusions).await
}

async fn guarded_in(world: World, exclusions: Value) -> Guarded {
    let vault = make_vault(&world, "v1").await;
    let guard = guard_of(&world, exclusions).await;
    let backup = world.person(Some("Backup Contributor"), &world.group("g")).await;
    world.assign(&world.administrator, "Reader", &backup, &guard).await;
    let approver = world.person(Some("Backup MUA Operator"), &guard).await;
    let body = json!({"properties": {"resourceGuardResourceId": guard}});
    let mapped = by(&world, &backup, VERSIONS[0], Method::PUT, &format!("{vault}/{PROXY}"), Some(body)).await;
    assert_eq!(mapped.status, 200, "{mapped:?}");
    Guarded { world, vault, guard, backup, approver }
}

impl Guarded {
    fn request(&self, kind: &str) -> String {
        format!("{}/{kind}/default", self.guard)
    }

    /// A call of the backup administrator, with the consent of someone or without.
    async fn call(
        &self,
        consent: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let url = format!("{}{path}?api-version=2026-06-01", self.world.url);
        let mut request = self.world.http.request(method, url).bearer_auth(&self.backup.token);
        if let Some(person) = consent {
            request = request.header("x-ms-authorization-auxiliary", format!("Bearer {}", person.token));
        }
        let request = request.body(body.map(|body| body.to_string()).unwrap_or_default());
        Answer::of(request.send().await.unwrap()).await
    }
}

#[tokio::test]
async fn a_guard_shows_what_it_guards_and_its_requests() {
    let world = ready().await;
    let guard =
        guard_of(&world, json!(["Microsoft.DataProtection/backupVaults/backupInstances/restore/action"]))
            .await;

    for version in VERSIONS {
        let shown = at(&world, version, Method::GET, &guard, None).await;
        let list =
            at(&world, version, Method::GET, &format!("{guard}/deleteResourceGuardProxyRequests"), None)
                .await;
        let one =
            at(&world, version, Method::GET, &format!("{guard}/deleteBackupInstanceRequests/default"), None)
                .await;

        let operations = shown.body["properties"]["resourceGuardOperations"].as_array().unwrap();
        let named = |name: &str| operations.iter().any(|one| one["vaultCriticalOperation"] == name);
        assert!(named("Microsoft.DataProtection/backupVaults/backupInstances/delete"), "{shown:?}");
        assert!(!named("Microsoft.DataProtection/backupVaults/backupInstances/restore/action"));
        assert_eq!(list.body["value"][0]["id"], format!("{guard}/deleteResourceGuardProxyRequests/default"));
        assert_eq!((one.status, &one.body["name"]), (200, &json!("default")));
    }
    for (path, status) in [
        ("getBackupSecurityPINRequests", 200),
        ("updateProtectionPolicyRequests/default", 200),
        ("updateProtectionPolicyRequests/other", 404),
        ("nothingRequests", 404),
    ] {
        assert_eq!(
            world.get(&world.administrator, &format!("{guard}/{path}")).await.status,
            status,
            "{path}"
        );
    }
    let lists = [world.root(), world.group("guards")];
    for scope in lists {
        let all = world
            .get(&world.administrator, &format!("{scope}/providers/Microsoft.DataProtection/resourceGuards"))
            .await;
        assert_eq!(all.names(), ["guard"]);
    }
    let tagged =
        world.call(&world.administrator, Method::PATCH, &guard, Some(json!({"tags": {"a": "b"}}))).await;
    assert_eq!((tagged.status, &tagged.body["tags"]), (200, &json!({"a": "b"})));
}

#[tokio::test]
async fn what_weakens_a_guarded_vault_needs_consent() {
    let all = guarded(json!([])).await;
    let request = all.request("disableSoftDeleteRequests");
    let off = |requests: Value| {
        json!({"properties": {"resourceGuardOperationRequests": requests,
            "securitySettings": {"softDeleteSettings": {"state": "Off"}}}})
    };
    let harmless = json!({"properties": {"monitoringSettings": {"azureMonitorAlertSettings": {"alertsForAllJobFailures": "Disabled"}}}});

    let fine = all.call(None, Method::PATCH, &all.vault, Some(harmless)).await;
    let missing = all.call(None, Method::PATCH, &all.vault, Some(off(json!([])))).await;
    let alone = all.call(None, Method::PATCH, &all.vault, Some(off(json!([request])))).await;
    let stranger = all.world.person(Some("Reader"), &all.guard).await;
    let wrong = all.call(Some(&stranger), Method::PATCH, &all.vault, Some(off(json!([request])))).await;
    let other = all.request("deleteBackupInstanceRequests");
    let other = all.call(Some(&all.approver), Method::PATCH, &all.vault, Some(off(json!([other])))).await;
    let agreed = all.call(Some(&all.approver), Method::PATCH, &all.vault, Some(off(json!([request])))).await;

    assert_eq!(fine.status, 200);
    assert_eq!(fine.body["properties"]["isVaultProtectedByResourceGuard"], true);
    assert_eq!((missing.status, missing.code()), (403, "UserErrorResourceGuardOperationRequestsMissing"));
    assert_eq!(other.code(), "UserErrorResourceGuardOperationRequestsMissing");
    for denied in [alone, wrong] {
        assert_eq!((denied.status, denied.code()), (403, "UserErrorResourceGuardOperationNotApproved"));
    }
    assert_eq!(agreed.status, 200, "{agreed:?}");
    let rows = all.world.app.store.audit(0, 1_000).await.unwrap();
    let denied =
        rows.iter().filter(|row| row.record.contains("Denied") && row.record.contains("backupVaults/write"));
    assert_eq!(denied.count(), 4, "every refusal is in the audit log");
}

#[tokio::test]
async fn another_key_of_the_customer_needs_consent_unless_the_guard_leaves_that_out() {
    const CHANGE: &str = "Microsoft.DataProtection/backupVaults/write#modifyEncryptionSettings";
    let folder = tempfile::tempdir().unwrap();
    let given = ["v1", "v2"].map(|version| {
        let file = folder.path().join(version);
        std::fs::write(&file, make_key().as_bytes()).unwrap();
        format!("https://kv.example/keys/mine/{version}={}", file.display()).parse::<CustomerKey>().unwrap()
    });
    let world = async || {
        let choices = Choices { customer_keys: given.to_vec().into(), ..Choices::default() };
        ready_in(World::choosing(choices, Arc::new(NoClusters)).await).await
    };
    let all = guarded_in(world().await, json!([])).await;
    let request = all.request("dppModifyEncryptionSettingsRequests");
    let to = |version: &str, requests: Value| {
        json!({"properties": {"resourceGuardOperationRequests": requests, "securitySettings": {"encryptionSettings": {
            "keyVaultProperties": {"keyUri": format!("https://kv.example/keys/mine/{version}")},
            "kekIdentity": {"identityType": "SystemAssigned"}}}}})
    };

    let first = all.call(None, Method::PATCH, &all.vault, Some(to("v1", json!([])))).await;
    let alone = all.call(None, Method::PATCH, &all.vault, Some(to("v1", json!([request])))).await;
    let agreed =
        all.call(Some(&all.approver), Method::PATCH, &all.vault, Some(to("v1", json!([request])))).await;
    let same = all.call(None, Method::PATCH, &all.vault, Some(to("v1", json!([])))).await;
    let second = all.call(None, Method::PATCH, &all.vault, Some(to("v2", json!([])))).await;
    let shown = all.world.get(&all.world.administrator, &all.guard).await;
    let free = guarded_in(world().await, json!([CHANGE])).await;
    let unguarded = free.call(None, Method::PATCH, &free.vault, Some(to("v1", json!([])))).await;

    for refused in [&first, &second] {
        assert_eq!((refused.status, refused.code()), (403, "UserErrorResourceGuardOperationRequestsMissing"));
    }
    assert_eq!((alone.status, alone.code()), (403, "UserErrorResourceGuardOperationNotApproved"));
    assert_eq!((agreed.status, same.status), (200, 200), "{agreed:?} {same:?}");
    let operations = shown.body["properties"]["resourceGuardOperations"].as_array().unwrap();
    let named = operations.iter().find(|one| one["vaultCriticalOperation"] == CHANGE).unwrap();
    assert_eq!(
        named["requestResourceType"],
        "Microsoft.DataProtection/resourceGuards/dppModifyEncryptionSettingsRequests"
    );
    assert_eq!(unguarded.status, 200, "{unguarded:?}");
}

#[tokio::test]
async fn no_guard_leaves_out_what_would_take_its_protection_away() {
    let all = guarded(json!([])).await;
    let admin = all.world.administrator.clone();
    let excluding = |name: &str| json!({"vaultCriticalOperationExclusionList": ["Microsoft.DataProtection/backupVaults/backupInstances/delete", name]});
    let names = [
        "Microsoft.DataProtection/backupVaults/write#reduceSoftDeleteSecurity",
        "microsoft.dataprotection/backupvaults/backupresourceguardproxies/DELETE",
    ];

    let mut refused = Vec::new();
    for name in names {
        let body = json!({"location": "local", "properties": excluding(name)});
        refused.push(put(&all.world, &all.guard, body.clone()).await);
        refused.push(put(&all.world, &format!("{}2", all.guard), body).await);
        let body = json!({"properties": excluding(name)});
        refused.push(all.world.call(&admin, Method::PATCH, &all.guard, Some(body)).await);
    }
    let shown = all.world.get(&admin, &all.guard).await;
    let off = json!({"properties": {"securitySettings": {"softDeleteSettings": {"state": "Off"}}}});
    let guarded = all.call(None, Method::PATCH, &all.vault, Some(off)).await;

    for answer in refused {
        assert_eq!(
            (answer.status, answer.code()),
            (400, "BMSUserErrorInvalidCriticalOperationExclusionList"),
            "{answer:?}"
        );
        assert_eq!(
            answer.body["error"]["target"], "properties.vaultCriticalOperationExclusionList[1]",
            "{answer:?}"
        );
    }
    assert_eq!(shown.body["properties"]["vaultCriticalOperationExclusionList"], json!([]));
    assert_eq!(all.world.get(&admin, &format!("{}2", all.guard)).await.status, 404);
    assert_eq!(guarded.code(), "UserErrorResourceGuardOperationRequestsMissing");
}

#[tokio::test]
async fn an_approver_may_be_the_caller_for_a_while() {
    let all = guarded(json!([])).await;
    let body = json!({"properties": {"resourceGuardOperationRequests": [all.request("disableSoftDeleteRequests")],
        "securitySettings": {"softDeleteSettings": {"state": "Off"}}}});

    let before = all.call(None, Method::PATCH, &all.vault, Some(body.clone())).await;
    all.world.assign(&all.world.administrator, "Backup MUA Operator", &all.backup, &all.guard).await;
    let after = all.call(None, Method::PATCH, &all.vault, Some(body)).await;

    assert_eq!((before.status, after.status), (403, 200));
}

#[tokio::test]
async fn a_guard_goes_only_after_it_was_unlocked_and_a_guard_in_use_stays() {
    let all = guarded(json!([])).await;
    let proxy = format!("{}/{PROXY}", all.vault);
    let unlock = format!("{proxy}/unlockDelete");
    let body = json!({"resourceGuardOperationRequests": [all.request("deleteResourceGuardProxyRequests")],
        "resourceToBeDeleted": proxy});

    let in_use = delete(&all.world, &all.guard).await;
    let vault_stays = delete(&all.world, &all.vault).await;
    let group_stays = delete(&all.world, &all.world.group("g")).await;
    let locked = all.call(None, Method::DELETE, &proxy, None).await;
    let denied = all.call(None, Method::POST, &unlock, Some(body.clone())).await;
    let unlocked = all.call(Some(&all.approver), Method::POST, &unlock, Some(body)).await;
    let by_other = delete(&all.world, &proxy).await;
    let removed = all.call(None, Method::DELETE, &proxy, None).await;
    let again = all.call(None, Method::DELETE, &proxy, None).await;
    let vault = all.world.get(&all.backup, &all.vault).await;
    let alerts = format!("{}/providers/Microsoft.AlertsManagement/alerts", all.vault);
    let alerts = all.world.get(&all.backup, &alerts).await;

    let told = &alerts.body["value"][0]["properties"];
    assert_eq!(
        (&told["essentials"]["alertRule"], &told["context"]["callerObjectId"], alerts.names().len()),
        (&json!("MUA Disabled"), &json!(all.backup.object_id), 1)
    );
    assert_eq!((in_use.status, in_use.code()), (409, "UserErrorResourceGuardInUse"));
    assert_eq!((vault_stays.status, vault_stays.code()), (409, "UserErrorBackupVaultGuarded"));
    assert_eq!((group_stays.status, group_stays.code()), (409, "ResourceGroupDeletionBlocked"));
    assert_eq!((locked.status, locked.code()), (403, "UserErrorResourceGuardOperationRequestsMissing"));
    assert_eq!((denied.status, denied.code()), (403, "UserErrorResourceGuardOperationNotApproved"));
    assert_eq!(unlocked.status, 200, "{unlocked:?}");
    assert!(unlocked.body["unlockDeleteExpiryTime"].is_string());
    assert_eq!(by_other.status, 403, "it was unlocked for one caller");
    assert_eq!((removed.status, again.status), (200, 204));
    assert_eq!(vault.body["properties"]["isVaultProtectedByResourceGuard"], false);
    assert_eq!(delete(&all.world, &all.guard).await.status, 200);
}

#[tokio::test]
async fn a_mapping_shows_the_requests_and_needs_sight_of_the_guard() {
    let all = guarded(json!([])).await;
    let proxy = format!("{}/{PROXY}", all.vault);
    let blind = all.world.person(Some("Backup Contributor"), &all.world.group("g")).await;
    let body = json!({"properties": {"resourceGuardResourceId": all.guard}});

    let shown = all.world.get(&all.backup, &proxy).await;
    let list = all.world.get(&all.backup, &format!("{}/backupResourceGuardProxies", all.vault)).await;
    let unseen = by(&all.world, &blind, VERSIONS[1], Method::PUT, &proxy, Some(body.clone())).await;
    let misnamed = put(&all.world, &format!("{}/backupResourceGuardProxies/other", all.vault), body).await;
    let nowhere = json!({"properties": {"resourceGuardResourceId": format!("{}2", all.guard)}});
    let nowhere = put(&all.world, &proxy, nowhere).await;

    let details = shown.body["properties"]["resourceGuardOperationDetails"].as_array().unwrap();
    let request = all.request("deleteBackupInstanceRequests");
    assert!(details.iter().any(|one| one["defaultResourceRequest"] == request.as_str()), "{shown:?}");
    assert_eq!(list.names(), ["DppResourceGuardProxy"]);
    assert_eq!((unseen.status, unseen.code()), (403, "LinkedAuthorizationFailed"));
    assert_eq!((misnamed.status, misnamed.code()), (400, "UserErrorInvalidResourceGuardProxyName"));
    assert_eq!((nowhere.status, nowhere.code()), (400, "UserErrorResourceGuardNotFound"));
}

#[tokio::test]
async fn shorter_retention_needs_consent_unless_the_guard_leaves_it_out() {
    let policies = "Microsoft.DataProtection/backupVaults/backupPolicies/write";
    for (exclusions, expected) in [(json!([]), 403), (json!([policies]), 200)] {
        let all = guarded(exclusions).await;
        let path = format!("{}/backupPolicies/akspolicy", all.vault);
        all.call(None, Method::PUT, &path, Some(policy_keeping("P30D"))).await;
        let mut agreed = policy_keeping("P10D");
        agreed["properties"]["resourceGuardOperationRequests"] =
            json!([all.request("updateProtectionPolicyRequests")]);

        let longer = all.call(None, Method::PUT, &path, Some(policy_keeping("P40D"))).await;
        let shorter = all.call(None, Method::PUT, &path, Some(policy_keeping("P20D"))).await;
        let agreed = all.call(Some(&all.approver), Method::PUT, &path, Some(agreed)).await;

        assert_eq!((longer.status, shorter.status, agreed.status), (200, expected, 200));
    }
}

#[tokio::test]
async fn a_token_that_is_none_of_this_vault_stands_for_nobody() {
    let all = guarded(json!([])).await;
    let forged = Person { token: format!("{}x", all.approver.token), ..all.approver.clone() };
    let body = json!({"properties": {"resourceGuardOperationRequests": [all.request("disableSoftDeleteRequests")],
        "securitySettings": {"softDeleteSettings": {"state": "Off"}}}});

    let refused = all.call(Some(&forged), Method::PATCH, &all.vault, Some(body)).await;

    assert_eq!((refused.status, refused.code()), (401, "InvalidAuxiliaryTokens"));
}

#[tokio::test]
async fn a_guard_does_not_go_with_its_group_while_it_guards_a_vault_elsewhere() {
    let set = guarded(json!([])).await;
    let group = set.world.group("guards");
    let admin = &set.world.administrator;

    let refused = set.world.call(admin, Method::DELETE, &group, None).await;
    let own = set.world.make_group("both").await;
    let body = json!({"location": "local", "properties": {}});
    let unused = format!("{own}/providers/Microsoft.DataProtection/resourceGuards/unused");
    assert_eq!(put(&set.world, &unused, body).await.status, 201);
    let free = set.world.call(admin, Method::DELETE, &own, None).await;

    assert_eq!((refused.status, refused.code()), (409, "ResourceGroupDeletionBlocked"), "{refused:?}");
    assert!(refused.body.to_string().contains(&set.vault), "{refused:?}");
    assert_eq!(set.world.get(admin, &set.guard).await.status, 200);
    assert_eq!(free.status, 202, "{free:?}");
}
