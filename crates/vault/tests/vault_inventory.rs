//! Resource Graph, the lists of all resources, the lists of operations, and what is not offered.

mod dataprotection;
mod world;

use dataprotection::*;
use reqwest::Method;
use serde_json::{Value, json};
use world::{Answer, Person, World};

async fn graph(world: &World, who: &Person, query: &str, options: Value) -> Answer {
    let body = json!({"subscriptions": [world.subscription], "query": query, "options": options});
    let path = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01";
    world.call(who, Method::POST, path, Some(body)).await
}

fn rows(answer: &Answer) -> Vec<&str> {
    answer.body["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// Vaults `va` to `vc` in `g` and `vd` in `h`.
async fn four() -> World {
    let world = ready().await;
    for name in ["va", "vb", "vc"] {
        make_vault(&world, name).await;
    }
    world.make_group("h").await;
    let other = format!("{}/providers/Microsoft.DataProtection/backupVaults/vd", world.group("h"));
    let mut body = cli_vault();
    body["tags"] = json!({"AKSAzureBackup": "local"});
    assert_eq!(put(&world, &other, body).await.status, 201);
    world
}

#[tokio::test]
async fn the_queries_of_the_command_line_find_vaults() {
    let world = four().await;
    let options =
        json!({"$top": 1000, "$skip": 0, "resultFormat": "objectArray", "allowPartialScopes": false});
    let vaults = "resources | where type =~ 'microsoft.dataprotection/backupvaults'";
    let reader = world.person(Some("Backup Reader"), &vault(&world, "vb")).await;
    let ask = async |query: &str| graph(&world, &world.administrator, query, options.clone()).await;

    let all = ask(vaults).await;
    let in_group =
        ask(&format!("{vaults} | where resourceGroup in~ ('H') | where name in~ ('vd', 'va')")).await;
    let by_id = ask(&format!("{vaults} | where id in~ ('{}')", vault(&world, "VC"))).await;
    let instances = "RecoveryServicesResources | where type =~ 'microsoft.dataprotection/backupvaults/backupinstances'| extend protectionState = properties.currentProtectionState";
    let instances = ask(instances).await;
    let wrong = ask("resources | project x").await;
    let seen = graph(&world, &reader, vaults, options.clone()).await;

    assert_eq!(rows(&all), ["va", "vb", "vc", "vd"]);
    assert_eq!((&all.body["totalRecords"], &all.body["resultTruncated"]), (&json!(4), &json!("false")));
    let row = &all.body["data"][0];
    assert_eq!(
        (&row["type"], &row["resourceGroup"]),
        (&json!("microsoft.dataprotection/backupvaults"), &json!("g"))
    );
    assert_eq!(
        (&row["subscriptionId"], &row["tenantId"]),
        (&json!(world.subscription), &json!(world.tenant))
    );
    assert_eq!((rows(&in_group), rows(&by_id), rows(&seen)), (vec!["vd"], vec!["vc"], vec!["vb"]));
    assert_eq!((instances.status, rows(&instances).len()), (200, 0));
    assert_eq!((wrong.status, wrong.code()), (400, "InvalidQuery"));
}

#[tokio::test]
async fn answers_of_queries_come_in_pages() {
    let world = four().await;
    let vaults = "resources | where type =~ 'microsoft.dataprotection/backupvaults'";
    let admin = &world.administrator;

    let first = graph(&world, admin, vaults, json!({"$top": 3})).await;
    let token = first.body["$skipToken"].clone();
    let rest = graph(&world, admin, vaults, json!({"$top": 3, "$skipToken": token})).await;
    let skipped = graph(&world, admin, vaults, json!({"$skip": 2})).await;
    let beyond = graph(&world, admin, vaults, json!({"$skip": 99})).await;

    assert_eq!((rows(&first), rows(&rest)), (vec!["va", "vb", "vc"], vec!["vd"]));
    assert_eq!(rest.body["$skipToken"], Value::Null);
    assert_eq!((rows(&skipped), rows(&beyond).len()), (vec!["vc", "vd"], 0));
    for wrong in [json!({"$top": "x"}), json!({"$skip": -1}), json!({"$skipToken": "x"})] {
        assert_eq!(graph(&world, admin, vaults, wrong).await.status, 400);
    }
}

#[tokio::test]
async fn all_resources_are_listed_with_filters_and_in_pages() {
    let world = four().await;
    let guard = format!("{}/providers/Microsoft.DataProtection/resourceGuards/guard", world.group("g"));
    put(&world, &guard, json!({"location": "local"})).await;
    let all = format!("{}/resources", world.root());
    let reader = world.person(Some("Reader"), &world.group("h")).await;
    let filtered = async |filter: &str| {
        let query = filter.replace(' ', "%20").replace('\'', "%27");
        world
            .get(
                &world.administrator,
                &format!("{all}?$filter={query}&$expand=createdTime,changedTime,provisioningState"),
            )
            .await
    };

    let mut names = Vec::new();
    let mut page = world.get(&world.administrator, &format!("{all}?$top=2")).await;
    loop {
        names.extend(page.names().into_iter().map(str::to_owned));
        let Some(next) = page.body["nextLink"].as_str() else { break };
        page = world.get_url(&world.administrator, next).await;
    }
    let by_type =
        filtered("resourceGroup eq 'G' and resourceType eq 'Microsoft.DataProtection/resourceGuards'").await;
    let by_tag = filtered("tagName eq 'AKSAzureBackup' and tagValue eq 'local'").await;

    assert_eq!(names, ["va", "vb", "vc", "vd", "guard"]);
    assert_eq!((by_type.names(), by_tag.names()), (vec!["guard"], vec!["vd"]));
    assert_eq!(by_type.body["value"][0]["location"], "local");
    assert_eq!(filtered("size eq '1'").await.code(), "InvalidFilterInQueryString");
    assert_eq!(world.get(&reader, &all).await.names(), ["vd"]);
    assert_eq!(
        world.get(&world.administrator, &format!("{}/resources", world.group("h"))).await.names(),
        ["vd"]
    );
}

#[tokio::test]
async fn each_namespace_lists_what_can_be_done() {
    let world = World::start().await;
    let admin = &world.administrator;

    let ours = world.get(admin, "/providers/Microsoft.DataProtection/operations").await;
    let others = world.get(admin, "/providers/microsoft.authorization/operations").await;
    let unknown = world.get(admin, "/providers/Microsoft.Nothing/operations").await;

    assert!(ours.names().contains(&"Microsoft.DataProtection/backupVaults/backupPolicies/write"));
    assert!(ours.names().iter().all(|name| name.starts_with("Microsoft.DataProtection/")));
    assert!(others.names().contains(&"Microsoft.Authorization/roleAssignments/write"));
    assert_eq!((unknown.status, unknown.code()), (404, "InvalidResourceNamespace"));
}

#[tokio::test]
async fn what_is_not_offered_says_why() {
    let world = ready().await;
    let at = format!("{}/providers/Microsoft.DataProtection/locations/local", world.group("g"));

    let at_location = [
        "crossRegionRestore",
        "validateCrossRegionRestore",
        "fetchSecondaryRecoveryPoints",
        "fetchCrossRegionRestoreJob",
        "fetchCrossRegionRestoreJobs",
    ];
    let rehydrate = format!(
        "{}/providers/Microsoft.DataProtection/backupVaults/v/backupInstances/i/rehydrate",
        world.group("g")
    );
    let paths = at_location.map(|path| (format!("{at}/{path}"), "second region"));

    for (path, why) in paths.into_iter().chain([(rehydrate, "archive tier")]) {
        let refused = world.call(&world.administrator, Method::POST, &path, Some(json!({}))).await;
        assert_eq!((refused.status, refused.code()), (400, "UserErrorOperationNotSupported"), "{path}");
        assert!(refused.body["error"]["message"].as_str().unwrap().contains(why), "{refused:?}");
    }
}
