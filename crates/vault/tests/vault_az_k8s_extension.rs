//! The documented requests of `az k8s-extension` against a running vault. The part of the cluster's agent is played here:
//! it reports what an agent reports.

mod official;
mod replayed;
mod world;

use arm::ResourceId;
use replayed::{Az, names};
use reqwest::Method;
use serde_json::{Value, json};
use tunnel::ConnectionId;
use vault::api::{
    Loaded,
    extensions::{self, ExtensionRecord},
    load,
};
use world::{protected::Protected, stored::StoredWorld};

const ADDRESS: &str = "configuration.backupStorageLocation.config.storageAccountURI";

/// What the agent of a cluster says it has done with `backup`.
async fn agent_says(it: &Protected, connection: ConnectionId, state: &str) {
    let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    let found: Loaded<ExtensionRecord> = load(it.world.app.store.as_ref(), &id).await.unwrap().unwrap();
    let generation = found.document.generation;
    let body = json!({"agentVersion": "0.1.0", "cluster": {}, "extensions": [
        {"name": "backup", "generation": generation, "state": state, "version": "0.1.0"}]});
    extensions::report(&it.world.app, &it.managed, connection, body.to_string().as_bytes()).await.unwrap();
}

async fn settings(az: &Az<'_>, path: &str) -> Value {
    az.get(path).await["properties"]["configurationSettings"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_is_made_shown_updated_and_deleted() {
    for version in ["2023-05-01", "2025-03-01"] {
        let mut it = Protected::start().await;
        let id: ResourceId =
            it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
        it.remove(&id).await;
        let connection = it.joined().await;
        let stored = StoredWorld::over(it.world).await;
        let account = stored.account.clone();
        it.world = stored.world;
        let az = Az { world: &it.world, version };
        let cluster = Az { world: &it.world, version: "2026-06-01" }.get(it.managed.as_str()).await;
        let found = Az { world: &it.world, version: "2025-08-01" }.get(&account).await;
        let provider = format!("{}/providers/Microsoft.KubernetesConfiguration", it.world.root());
        let provider = Az { world: &it.world, version: "2024-11-01" }.get(&provider).await;
        assert_eq!(found["location"], cluster["location"], "the client compares them letter by letter");
        assert_eq!(provider["registrationState"], "Registered");

        let uri = found["properties"]["primaryEndpoints"]["blob"].as_str().unwrap();
        let body = json!({"properties": {"extensionType": "microsoft.dataprotection.kubernetes",
            "autoUpgradeMinorVersion": true, "releaseTrain": "stable", "scope": {"cluster": {}},
            "configurationSettings": {
                "configuration.backupStorageLocation.bucket": "backups",
                "configuration.backupStorageLocation.config.storageAccount": "acct",
                "configuration.backupStorageLocation.config.resourceGroup": "backup",
                "configuration.backupStorageLocation.config.subscriptionId": it.world.subscription,
                "configuration.backupStorageLocation.config.useAAD": "true",
                (ADDRESS): uri, "credentials.tenantId": it.world.tenant}}});
        let path = id.as_str();
        let missing = az.send(Method::GET, path, None).await;
        let begun = az.send(Method::PUT, path, Some(&body)).await;
        agent_says(&it, connection, "Installed").await;
        let ended = az.polled(&begun).await;
        let made = az.get(path).await;
        let list = format!("{}/providers/Microsoft.KubernetesConfiguration/extensions", it.managed);
        let listed = az.list(&list).await;

        assert_eq!((missing.status, missing.code()), (404, "ResourceNotFound"));
        assert_eq!((begun.status, &ended["status"]), (201, &json!("Succeeded")), "{begun:?}");
        let properties = &made["properties"];
        assert_eq!(
            (&properties["provisioningState"], &properties["currentVersion"]),
            (&json!("Succeeded"), &json!("0.1.0"))
        );
        assert_eq!(properties["extensionType"], "microsoft.dataprotection.kubernetes");
        assert_eq!(properties["scope"]["cluster"]["releaseNamespace"], "dataprotection-microsoft");
        assert_eq!(properties["configurationSettings"], body["properties"]["configurationSettings"]);
        assert!(properties["aksAssignedIdentity"]["principalId"].is_string(), "{properties}");
        assert!(properties["statuses"].is_array(), "{properties}");
        assert_eq!(names(&listed), ["backup"]);

        let before = settings(&az, path).await;
        let change = json!({"properties": {"autoUpgradeMinorVersion": true,
            "configurationSettings": {"resources.limits.memory": "1Gi"}}});
        let begun = az.send(Method::PATCH, path, Some(&change)).await;
        agent_says(&it, connection, "Installed").await;
        let ended = az.polled(&begun).await;
        let mut merged = before;
        merged["resources.limits.memory"] = json!("1Gi");
        assert_eq!((begun.status, &ended["status"]), (200, &json!("Succeeded")), "{begun:?}");
        assert_eq!(settings(&az, path).await, merged);

        let begun = az.send(Method::DELETE, &format!("{path}?forceDelete=false"), None).await;
        agent_says(&it, connection, "Removed").await;
        let ended = az.polled(&begun).await;
        let gone = az.send(Method::GET, path, None).await;
        let again = az.send(Method::DELETE, &format!("{path}?forceDelete=false"), None).await;
        assert_eq!((begun.status, &ended["status"]), (202, &json!("Succeeded")), "{begun:?}");
        assert_eq!((gone.status, gone.code(), again.status), (404, "ResourceNotFound", 204));
    }
}
