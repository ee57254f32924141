//! Resource groups, subscriptions and providers of a running vault.

mod chain;
mod world;

use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use world::{ROLES, World};

#[tokio::test]
async fn a_group_lives_its_life() {
    let world = World::start().await;
    let admin = &world.administrator;
    let path = world.group("My-Group");
    let other_case = format!("{}/RESOURCEGROUPS/my-group", world.root());
    let body = json!({"location": "West Europe", "tags": {"Team": "a"}});

    let absent = world.call(admin, Method::HEAD, &path, None).await;
    let made = world.call(admin, Method::PUT, &path, Some(body.clone())).await;
    let again = world.call(admin, Method::PUT, &other_case, Some(body)).await;
    let patched = world.call(admin, Method::PATCH, &path, Some(json!({"tags": {"Team": "b"}}))).await;
    let found = world.get(admin, &other_case).await;
    let exists = world.call(admin, Method::HEAD, &path, None).await;
    let elsewhere = world.call(admin, Method::PUT, &path, Some(json!({"location": "x"}))).await;

    assert_eq!((absent.status, exists.status), (404, 204));
    assert_eq!((made.status, again.status, patched.status, found.status), (201, 200, 200, 200));
    for answer in [&made, &again, &found] {
        assert_eq!(answer.body["id"], path.as_str(), "as its creator wrote it");
        assert_eq!(answer.body["type"], "Microsoft.Resources/resourceGroups");
        assert_eq!(answer.body["location"], "westeurope");
        assert_eq!(answer.body["properties"]["provisioningState"], "Succeeded");
    }
    assert_eq!(found.body["tags"], json!({"Team": "b"}));
    assert_eq!((elsewhere.status, elsewhere.code()), (409, "InvalidResourceGroupLocation"));
}

#[tokio::test]
async fn what_happens_in_a_group_with_any_letters_in_its_name_can_be_followed() {
    let world = World::start().await;
    let admin = &world.administrator;
    let register = format!("{}/providers/Microsoft.DataProtection/register", world.root());
    assert_eq!(world.call(admin, Method::POST, &register, None).await.status, 200);
    let group = world.make_group("größe(1)").await;
    let vaults = format!("{group}/providers/Microsoft.DataProtection/backupVaults");
    let body = json!({"location": "local", "properties": {
        "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}});

    let mut made = Vec::new();
    for name in ["vault1", "vault2"] {
        made.push(world.call(admin, Method::PUT, &format!("{vaults}/{name}"), Some(body.clone())).await);
    }
    let asked = made[0].header("azure-asyncoperation").to_owned();
    let status = world.get_url(admin, &asked).await;
    let first = world.get(admin, &format!("{vaults}?$top=1")).await;
    let next = first.body["nextLink"].as_str().unwrap().to_owned();
    let second = world.get_url(admin, &next).await;

    assert!(made.iter().all(|one| one.status == 201), "{made:?}");
    assert_eq!(made[0].body["id"], format!("{vaults}/vault1"), "an id is no address");
    for address in [&asked, &next] {
        assert!(address.contains("/resourceGroups/gr%C3%B6%C3%9Fe(1)/"), "{address}");
    }
    assert_eq!((status.status, &status.body["status"]), (200, &json!("Succeeded")), "{status:?}");
    assert_eq!((first.names(), second.names()), (vec!["vault1"], vec!["vault2"]));
}

#[tokio::test]
async fn a_deletion_is_polled_to_its_end_and_takes_roles_with_it() {
    let world = World::start().await;
    let admin = &world.administrator;
    let path = world.make_group("g").await;
    let reader = world.person(Some("Reader"), &path).await;

    let begun = world.call(admin, Method::DELETE, &path, None).await;
    let location = begun.header("location").to_owned();
    let mut polled = world.get_url(admin, &location).await;
    for _ in 0..100 {
        if polled.status != 202 {
            break;
        }
        assert_eq!(polled.header("retry-after"), "1");
        tokio::time::sleep(Duration::from_millis(50)).await;
        polled = world.get_url(admin, &location).await;
    }

    assert_eq!((begun.status, begun.header("retry-after")), (202, "1"));
    assert!(location.starts_with(&world.url) && location.contains("api-version="), "{location}");
    assert_eq!((polled.status, &polled.body), (200, &serde_json::Value::Null));
    assert_eq!(world.get(admin, &path).await.code(), "ResourceGroupNotFound");
    assert_eq!(world.call(admin, Method::DELETE, &path, None).await.status, 404);
    world.make_group("g").await;
    assert_eq!(
        world.get(&reader, &path).await.code(),
        "AuthorizationFailed",
        "its role went with the first group"
    );
}

#[tokio::test]
async fn a_list_comes_in_pages_with_absolute_links() {
    let world = World::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        world.make_group(name).await;
    }

    let mut names = Vec::new();
    let mut page =
        world.get(&world.administrator, &format!("{}/resourcegroups?$top=2&$filter=", world.root())).await;
    let mut pages = 1;
    loop {
        names.extend(page.names().iter().map(|name| (*name).to_owned()));
        let Some(next) = page.body["nextLink"].as_str() else { break };
        assert!(next.starts_with(&world.url), "{next}");
        page = world.get_url(&world.administrator, next).await;
        pages += 1;
    }

    assert_eq!((names.join(""), pages), ("abcde".to_owned(), 3));
    let wrong =
        world.get(&world.administrator, &format!("{}/resourcegroups?$skiptoken=%21", world.root())).await;
    assert_eq!((wrong.status, wrong.code()), (400, "InvalidSkipToken"));
}

#[tokio::test]
async fn a_list_is_filtered_by_tag_and_by_what_the_caller_may_see() {
    let world = World::start().await;
    let tagged = json!({"location": "local", "tags": {"env": "prod"}});
    world.call(&world.administrator, Method::PUT, &world.group("one"), Some(tagged)).await;
    let two = world.make_group("two").await;
    let reader = world.person(Some("Reader"), &two).await;
    let nobody = world.person(None, "").await;
    let groups = format!("{}/resourcegroups", world.root());

    let by_tag = world
        .get(
            &world.administrator,
            &format!("{groups}?$filter=tagName%20eq%20'env'%20and%20tagValue%20eq%20'prod'"),
        )
        .await;
    let unknown = world.get(&world.administrator, &format!("{groups}?$filter=size%20eq%20'1'")).await;

    assert_eq!(by_tag.names(), ["one"]);
    assert_eq!((unknown.status, unknown.code()), (400, "InvalidFilterInQueryString"));
    assert_eq!(world.get(&reader, &groups).await.names(), ["two"]);
    assert_eq!(world.get(&nobody, &groups).await.code(), "AuthorizationFailed");
    assert_eq!(world.get(&reader, "/subscriptions").await.body["value"].as_array().unwrap().len(), 1);
    assert_eq!(world.get(&nobody, "/subscriptions").await.body["value"], json!([]));
}

#[tokio::test]
async fn two_puts_at_once_make_one_group() {
    let world = World::start().await;
    let path = world.group("contended");
    let put = |n: usize| {
        let body = json!({"location": "local", "tags": {"n": n.to_string()}});
        world.call(&world.administrator, Method::PUT, &path, Some(body))
    };

    let answers = futures::future::join_all((0..8).map(put)).await;

    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201 | 409)), "{answers:?}");
}

#[tokio::test]
async fn a_namespace_is_registered_and_unregistered() {
    let world = World::start().await;
    let admin = &world.administrator;
    let path = format!("{}/providers/microsoft.dataprotection", world.root());
    let state = async || world.get(admin, &path).await.body["registrationState"].clone();

    let before = state().await;
    let registered = world.call(admin, Method::POST, &format!("{path}/register"), None).await;
    let again = world.call(admin, Method::POST, &format!("{path}/register"), None).await;
    let after = state().await;
    world.call(admin, Method::POST, &format!("{path}/unregister"), None).await;

    assert_eq!(
        (before, after, state().await),
        ("NotRegistered".into(), "Registered".into(), "NotRegistered".into())
    );
    assert_eq!((registered.status, again.status), (200, 200));
    assert_eq!(registered.body["namespace"], "Microsoft.DataProtection");
    let all = world.get(admin, &format!("{}/providers", world.root())).await;
    assert_eq!(all.body["value"].as_array().unwrap().len(), 8);
    let unknown = world.get(admin, &format!("{}/providers/Microsoft.Nothing", world.root())).await;
    assert_eq!((unknown.status, unknown.code()), (404, "InvalidResourceNamespace"));
}

#[tokio::test]
async fn every_change_and_every_denied_call_is_in_the_audit_log_in_an_unbroken_chain() {
    let world = World::start().await;
    let nobody = world.person(None, "").await;
    let path = world.make_group("g").await;

    world.call(&nobody, Method::DELETE, &path, None).await;
    world.get(&world.administrator, &format!("{path}{ROLES}")).await;

    let rows = world.app.store.audit(0, 100).await.unwrap();
    let records: Vec<serde_json::Value> =
        rows.iter().map(|row| serde_json::from_str(&row.record).unwrap()).collect();
    let last = records.last().unwrap();
    assert_eq!(chain::first_broken(&rows), None);
    assert_eq!((&last["outcome"], &last["principal"]), (&json!("Denied"), &json!(nobody.object_id)));
    assert_eq!(last["action"], "Microsoft.Resources/subscriptions/resourceGroups/delete");
    assert_eq!(records[records.len() - 2]["outcome"], "Changed");
}
