//! Lists of what is not there are told from lists with nothing in them.

mod world;

use reqwest::Method;
use serde_json::json;
use vault::api::{At, operations};
use world::World;

/// The lists below a resource or a resource group: name and path.
fn lists() -> Vec<(&'static str, &'static str)> {
    let below = |at: At| matches!(at, At::Above | At::Group | At::Scope);
    let lists = operations().filter(|one| {
        one.method == Method::GET && below(one.at) && !one.path.ends_with('}') && one.absent.is_none()
    });
    lists.map(|one| (one.name, one.path)).collect()
}

#[tokio::test]
async fn every_list_below_what_is_not_there_is_not_found() {
    let world = World::start().await;
    let admin = world.administrator.clone();
    let group = world.make_group("shop").await;
    let absent = format!("{group}/providers/Microsoft.ContainerService/managedClusters/nosuch");
    let lists = lists();

    for (name, path) in &lists {
        let of_group = path.matches('{').count() == 2 && path.contains("{group}");
        let parts = path.split('/').map(|part| match part {
            "{scope}" => absent.trim_start_matches('/').to_owned(),
            "{subscription}" => world.subscription.clone(),
            "{group}" if !of_group => "shop".to_owned(),
            part if part.starts_with('{') => "nosuch".to_owned(),
            part => part.to_owned(),
        });
        let answer = world.get(&admin, &parts.collect::<Vec<_>>().join("/")).await;
        let code = if of_group { "ResourceGroupNotFound" } else { "ResourceNotFound" };
        assert_eq!((answer.status, answer.code()), (404, code), "{name} {path}: {answer:?}");
        assert!(answer.body.to_string().contains("nosuch"), "{name}: {answer:?}");
    }
    for known in
        ["Jobs_List", "Alerts_GetAll", "RecoveryPoints_List", "BackupPolicies_List", "BlobContainers_List"]
    {
        assert!(lists.iter().any(|(name, _)| *name == known), "{known} is no list?");
    }
}

#[tokio::test]
async fn a_list_of_what_is_there_and_empty_is_empty() {
    let world = World::start().await;
    let admin = world.administrator.clone();
    let group = world.make_group("shop").await;
    let register = format!("{}/providers/Microsoft.DataProtection/register", world.root());
    world.call(&admin, Method::POST, &register, None).await;
    let vault = format!("{group}/providers/Microsoft.DataProtection/backupVaults/vault1");
    let body = json!({"location": "local", "properties": {
        "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}});
    world.call(&admin, Method::PUT, &vault, Some(body)).await;

    for list in [
        format!("{vault}/backupJobs"),
        format!("{vault}/backupInstances"),
        format!("{vault}/backupPolicies"),
        format!("{vault}/providers/Microsoft.AlertsManagement/alerts"),
        format!("{group}/providers/Microsoft.AlertsManagement/alerts"),
        format!("{group}/providers/Microsoft.Storage/storageAccounts"),
    ] {
        let answer = world.get(&admin, &list).await;
        assert_eq!((answer.status, &answer.body["value"]), (200, &json!([])), "{list}: {answer:?}");
    }
}
