//! What the tests of Backup vaults share: a registered subscription with a group, and the documented bodies.

#![allow(dead_code)]

use crate::world::{Answer, Person, World};
use reqwest::Method;
use serde_json::{Value, json};

/// One that the command line sends, and one that the SDK sends.
pub const VERSIONS: [&str; 2] = ["2024-04-01", "2026-06-01"];

/// A vault server where a group `g` waits for Backup vaults.
pub async fn ready() -> World {
    ready_in(World::start().await).await
}

/// The same in a vault that runs already.
pub async fn ready_in(world: World) -> World {
    let register = format!("{}/providers/Microsoft.DataProtection/register", world.root());
    assert_eq!(world.call(&world.administrator, Method::POST, &register, None).await.status, 200);
    world.make_group("g").await;
    world
}

pub fn vault(world: &World, name: &str) -> String {
    format!("{}/providers/Microsoft.DataProtection/backupVaults/{name}", world.group("g"))
}

/// A call of the administrator in a version.
pub async fn at(world: &World, version: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    by(world, &world.administrator, version, method, path, body).await
}

/// A call in a version.
pub async fn by(
    world: &World,
    who: &Person,
    version: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let separator = if path.contains('?') { '&' } else { '?' };
    world.call(who, method, &format!("{path}{separator}api-version={version}"), body).await
}

pub async fn put(world: &World, path: &str, body: Value) -> Answer {
    world.call(&world.administrator, Method::PUT, path, Some(body)).await
}

pub async fn delete(world: &World, path: &str) -> Answer {
    world.call(&world.administrator, Method::DELETE, path, None).await
}

/// What `az dataprotection backup-vault create` sends.
pub fn cli_vault() -> Value {
    json!({"identity": {"type": "SystemAssigned"}, "location": "local",
        "properties": {"securitySettings": {"softDeleteSettings": {"retentionDurationInDays": 14.0, "state": "On"}},
            "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}})
}

pub async fn make_vault(world: &World, name: &str) -> String {
    let path = vault(world, name);
    let made = put(world, &path, cli_vault()).await;
    assert_eq!(made.status, 201, "{made:?}");
    path
}

/// The documented vault.
pub fn documented_vault() -> Value {
    json!({"location":"eastus","identity":{"type":"SystemAssigned"},"tags":{},
     "properties":{"storageSettings":[{"datastoreType":"VaultStore","type":"GeoRedundant"}],
      "securitySettings":{"softDeleteSettings":{"state":"On","retentionDurationInDays":14},
        "immutabilitySettings":{"state":"Unlocked"}},
      "featureSettings":{"crossSubscriptionRestoreSettings":{"state":"Enabled"},
        "crossRegionRestoreSettings":{"state":"Enabled"}},
      "monitoringSettings":{"azureMonitorAlertSettings":{"alertsForAllJobFailures":"Enabled"}}}})
}

/// The documented policy in the operational tier.
pub fn documented_policy() -> Value {
    json!({"properties":{"objectType":"BackupPolicy",
     "datasourceTypes":["Microsoft.ContainerService/managedClusters"],
     "policyRules":[
      {"objectType":"AzureBackupRule","name":"BackupHourly",
       "backupParameters":{"objectType":"AzureBackupParams","backupType":"Incremental"},
       "dataStore":{"objectType":"DataStoreInfoBase","dataStoreType":"OperationalStore"},
       "trigger":{"objectType":"ScheduleBasedTriggerContext",
         "schedule":{"repeatingTimeIntervals":["R/2024-05-05T08:00:00+00:00/PT4H"],"timeZone":"UTC"},
         "taggingCriteria":[
           {"isDefault":false,"taggingPriority":25,"tagInfo":{"tagName":"Daily","id":"Daily_"},
            "criteria":[{"objectType":"ScheduleBasedBackupCriteria","absoluteCriteria":["FirstOfDay"]}]},
           {"isDefault":true,"taggingPriority":99,"tagInfo":{"tagName":"Default","id":"Default_"}}]}},
      {"objectType":"AzureRetentionRule","name":"Daily","isDefault":false,"lifecycles":[
        {"deleteAfter":{"objectType":"AbsoluteDeleteOption","duration":"P7D"},
         "sourceDataStore":{"objectType":"DataStoreInfoBase","dataStoreType":"OperationalStore"},
         "targetDataStoreCopySettings":[]}]},
      {"objectType":"AzureRetentionRule","name":"Default","isDefault":true,"lifecycles":[
        {"deleteAfter":{"objectType":"AbsoluteDeleteOption","duration":"P7D"},
         "sourceDataStore":{"objectType":"DataStoreInfoBase","dataStoreType":"OperationalStore"},
         "targetDataStoreCopySettings":[]}]}]}})
}

/// The documented policy whose default rule keeps for another time.
pub fn policy_keeping(duration: &str) -> Value {
    let mut policy = documented_policy();
    policy["properties"]["policyRules"][2]["lifecycles"][0]["deleteAfter"]["duration"] = json!(duration);
    policy
}

/// Something that uses a policy, put into the store directly.
pub async fn make_instance(world: &World, vault: &str, name: &str, policy: &str) {
    let id = format!("{vault}/backupInstances/{name}").parse().unwrap();
    let document = json!({"properties": {"policyInfo": {"policyId": policy}}});
    let put = ::vault::store::Change::Put { id, document, expected: ::vault::store::Expected::Absent };
    world.app.store.commit_unaudited(&[put]).await.unwrap();
}

pub async fn remove_instance(world: &World, vault: &str, name: &str) {
    let id = format!("{vault}/backupInstances/{name}").parse().unwrap();
    let remove = ::vault::store::Change::Remove(id, ::vault::store::Expected::Version(1));
    world.app.store.commit_unaudited(&[remove]).await.unwrap();
}
