//! Storage accounts through the whole vault, over TLS: what they are, who reaches their data, and that it goes with them.

mod world;

use jiff::SignedDuration;
use object_store::{ObjectStoreExt, PutPayload, path::Path};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use storage::{StoreErrorKind, StorePath, conformance::violations};
use vault::data_plane::{NotAdmitted, vault_may_access};
use world::{
    World,
    stored::{ACCOUNT, CONTRIBUTOR, StoredWorld, eventually},
};

const EXTENSION: &str =
    "/subscriptions/s/resourceGroups/nodes/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ext";

fn at(name: &str) -> StorePath {
    StorePath::parse(name).unwrap()
}

fn audited(rows: &[vault::store::AuditRow], principal: &str) -> Vec<Value> {
    let records = rows.iter().map(|row| serde_json::from_str::<Value>(&row.record).unwrap());
    records.filter(|record| record["principal"] == principal).collect()
}

#[tokio::test]
async fn an_account_is_made_found_changed_and_deleted() {
    let stored = StoredWorld::start().await;
    let world = &stored.world;
    let path = &stored.account;

    let found = stored
        .call(Method::GET, &path.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions"), None)
        .await;
    let patched = stored.call(Method::PATCH, path, Some(json!({"tags": {"a": "b"}}))).await;
    let again = stored.put_account(ACCOUNT, json!({"allowSharedKeyAccess": true})).await;
    let listed = stored
        .call(Method::GET, &format!("{}/providers/Microsoft.Storage/storageAccounts", stored.group), None)
        .await;
    let keys = stored.call(Method::POST, &format!("{path}/listKeys?$expand=kerb"), None).await;
    let gone = stored.call(Method::DELETE, path, None).await;
    let absent = stored.call(Method::DELETE, path, None).await;

    assert_eq!(found.status, 200, "{found:?}");
    let is = &found.body;
    assert_eq!((&is["id"], &is["name"]), (&json!(path), &json!(ACCOUNT)));
    assert_eq!(is["type"], "Microsoft.Storage/storageAccounts");
    assert_eq!(
        (&is["kind"], &is["sku"]),
        (&json!("StorageV2"), &json!({"name": "Standard_LRS", "tier": "Standard"}))
    );
    let properties = &is["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(properties["primaryEndpoints"]["blob"], format!("{}/{ACCOUNT}/", world.url));
    assert_eq!(properties["allowSharedKeyAccess"], false);
    assert_eq!(properties["networkAcls"]["defaultAction"], "Allow");
    assert_eq!((patched.status, &patched.body["tags"]), (200, &json!({"a": "b"})));
    assert_eq!((again.status, &again.body["properties"]["allowSharedKeyAccess"]), (200, &json!(false)));
    assert_eq!(listed.names(), [ACCOUNT]);
    assert_eq!((keys.status, keys.code()), (400, "UserErrorOperationNotSupported"));
    assert_eq!((gone.status, absent.status), (200, 204));
    assert_eq!(stored.call(Method::GET, path, None).await.code(), "ResourceNotFound");
}

#[tokio::test]
async fn names_are_unique_in_the_vault_and_come_free_with_their_account() {
    let stored = StoredWorld::start().await;
    let other = stored.world.make_group("other").await;
    let elsewhere = format!("{other}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}");
    let body = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
    let check = format!("{}/providers/Microsoft.Storage/checkNameAvailability", stored.world.root());
    let available = async |name: &str| {
        let body = json!({"name": name, "type": "Microsoft.Storage/storageAccounts"});
        let answer = stored.call(Method::POST, &check, Some(body)).await.body;
        (answer["nameAvailable"].as_bool().unwrap(), answer["reason"].as_str().unwrap_or_default().to_owned())
    };

    let taken = stored.call(Method::PUT, &elsewhere, Some(body.clone())).await;
    let checked = [
        available(ACCOUNT).await,
        available("free").await,
        available("healthz").await,
        available("No").await,
    ];
    let reserved = stored.put_account("metadata", json!({})).await;
    stored.call(Method::DELETE, &stored.group, None).await;
    eventually("the name is free", async || available(ACCOUNT).await.0).await;
    let made = stored.call(Method::PUT, &elsewhere, Some(body)).await;

    assert_eq!((taken.status, taken.code()), (409, "StorageAccountAlreadyTaken"));
    let no = |reason: &str| (false, reason.to_owned());
    assert_eq!(
        checked,
        [no("AlreadyExists"), (true, String::new()), no("AccountNameInvalid"), no("AccountNameInvalid")]
    );
    assert_eq!((reserved.status, reserved.code()), (400, "AccountNameInvalid"));
    assert_eq!(made.status, 200, "{made:?}");
}

#[tokio::test]
async fn containers_are_the_same_from_both_sides() {
    let stored = StoredWorld::start().await;
    let identity = stored.identity(EXTENSION).await;
    stored.assign(CONTRIBUTOR, &identity, &stored.account).await;
    let token = stored.token(&identity);
    let container = stored.container("backups");

    let again =
        stored.call(Method::PUT, &container, Some(json!({"properties": {"metadata": {"a": "b"}}}))).await;
    let other = stored.data(Method::PUT, "other?restype=container", &token, "").await;
    let twice = stored.data(Method::PUT, "other?restype=container", &token, "").await;
    let listed = stored
        .call(
            Method::GET,
            &format!("{}/blobServices/default/containers?$maxpagesize=1", stored.account),
            None,
        )
        .await;
    let public = stored
        .call(Method::PUT, &stored.container("open"), Some(json!({"properties": {"publicAccess": "Blob"}})))
        .await;
    let wrong = stored.call(Method::PUT, &stored.container("No"), None).await;
    let service = stored.call(Method::GET, &format!("{}/blobServices/default", stored.account), None).await;
    let gone = stored.call(Method::DELETE, &container, None).await;
    let absent = stored.call(Method::DELETE, &container, None).await;
    let deleted = stored.data(Method::DELETE, "other?restype=container", &token, "").await;

    assert_eq!((again.status, &again.body["properties"]["metadata"]["a"]), (200, &json!("b")));
    assert_eq!(again.body["type"], "Microsoft.Storage/storageAccounts/blobServices/containers");
    assert_eq!((other.0, twice), (201, (409, "ContainerAlreadyExists".into())));
    assert_eq!(listed.names(), ["backups"]);
    let next = listed.body["nextLink"].as_str().unwrap();
    assert!(next.contains("maxpagesize=1"), "{next}");
    assert_eq!((public.status, public.code()), (409, "PublicAccessNotPermitted"));
    assert_eq!((wrong.status, wrong.code()), (400, "InvalidResourceName"));
    assert_eq!((service.status, &service.body["name"]), (200, &json!("default")));
    assert_eq!((gone.status, absent.status, deleted.0), (200, 204, 202));
    let seen = stored.data(Method::GET, "backups/x", &token, "").await;
    assert_eq!(seen, (404, "ContainerNotFound".into()));
    let records = audited(&stored.world.app.store.audit(0, 1_000).await.unwrap(), &identity.object_id);
    let actions: Vec<_> = records.iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert!(actions.iter().any(|action| action.ends_with("containers/write")), "{actions:?}");
    assert!(actions.iter().any(|action| action.ends_with("containers/delete")), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_product_s_own_suite_passes_through_the_whole_vault() {
    let stored = StoredWorld::start().await;
    let identity = stored.identity(EXTENSION).await;
    stored.assign(CONTRIBUTOR, &identity, &stored.container("backups")).await;

    let broken = violations(stored.location("backups", &stored.token(&identity)).await, 1_050).await;

    assert_eq!(broken, []);
}

#[tokio::test]
async fn object_store_writes_large_blobs_in_blocks_and_reads_them_back() {
    let stored = StoredWorld::start().await;
    let identity = stored.identity(EXTENSION).await;
    stored.assign(CONTRIBUTOR, &identity, &stored.group).await;
    let client = stored.object_store("backups", &stored.token(&identity));
    let part = |n: u8| vec![n; 6 * 1024 * 1024];

    let mut upload = client.put_multipart(&Path::from("large")).await.unwrap();
    for n in 0..3 {
        upload.put_part(PutPayload::from(part(n))).await.unwrap();
    }
    upload.complete().await.unwrap();
    let back = client.get(&Path::from("large")).await.unwrap().bytes().await.unwrap();
    let some =
        client.get_range(&Path::from("large"), 6 * 1024 * 1024 - 1..6 * 1024 * 1024 + 1).await.unwrap();

    assert!(back == [part(0), part(1), part(2)].concat());
    assert_eq!(some.as_ref(), [0, 1]);
}

#[tokio::test]
async fn a_role_that_is_removed_stops_the_next_write_and_one_that_is_granted_heals_it() {
    let stored = StoredWorld::start().await;
    let identity = stored.identity(EXTENSION).await;
    let location = stored.location("backups", &stored.token(&identity)).await;

    let before = location.create(&at("zero"), "x".into()).await.unwrap_err();
    let role = stored.assign(CONTRIBUTOR, &identity, &stored.container("backups")).await;
    location.create(&at("one"), "x".into()).await.unwrap();
    stored.unassign(&role).await;
    let mut n = 0;
    let mut refused = None;
    let took = eventually("a write is refused", async || {
        n += 1;
        refused = location.create(&at(&format!("more{n}")), "x".into()).await.err();
        refused.is_some()
    });
    let took = took.await;
    stored.assign("Storage Blob Data Reader", &identity, &stored.world.root()).await;
    let read = location.read(&at("one")).await.unwrap();
    let still = location.create(&at("two"), "x".into()).await.unwrap_err();
    stored.assign(CONTRIBUTOR, &identity, &stored.account).await;
    location.create(&at("two"), "x".into()).await.unwrap();

    assert!(took < Duration::from_secs(10), "{took:?}");
    for error in [before, refused.unwrap(), still] {
        assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("AuthorizationPermissionMismatch"), "{error}");
    }
    assert_eq!(read, "x");
    let denied = audited(&stored.world.app.store.audit(0, 1_000).await.unwrap(), &identity.object_id);
    let outcomes: Vec<Value> = denied.iter().map(|record| record["outcome"].clone()).collect();
    let again = json!({"DeniedAgain": {"times": 1}});
    assert_eq!(
        outcomes,
        [json!("Denied"), json!("Denied"), again],
        "two times, the second one with a repetition"
    );
    assert_eq!(denied[0]["scope"], stored.container("backups"));
}

#[tokio::test]
async fn what_a_machine_is_refused_for_hours_is_a_record_an_hour_and_one_when_it_ends() {
    let stored = StoredWorld::start().await;
    let identity = stored.identity(EXTENSION).await;
    let location = stored.location("backups", &stored.token(&identity)).await;
    let outcomes = async || -> Vec<Value> {
        let rows = audited(&stored.world.app.store.audit(0, 1_000).await.unwrap(), &identity.object_id);
        rows.iter().map(|record| record["outcome"].clone()).collect()
    };
    let refused = async |times: usize| {
        for _ in 0..times {
            location.read(&at("one")).await.unwrap_err();
        }
    };

    refused(60).await;
    let at_once = outcomes().await;
    let (app, now) = (&stored.world.app, stored.world.app.clock.now());
    app.refused_again.flush(app.store.as_ref(), now + SignedDuration::from_mins(59)).await.unwrap();
    let within_the_hour = outcomes().await;
    app.refused_again.flush(app.store.as_ref(), now + SignedDuration::from_mins(61)).await.unwrap();
    refused(5).await;
    let after_it = outcomes().await;
    stored.assign("Storage Blob Data Reader", &identity, &stored.account).await;
    location.read(&at("one")).await.unwrap_err();
    let ended = outcomes().await;

    let again = |times: u32| json!({"DeniedAgain": {"times": times}});
    assert_eq!(at_once, [json!("Denied")]);
    assert_eq!(within_the_hour, at_once);
    assert_eq!(after_it, [json!("Denied"), again(59)]);
    assert_eq!(ended, [json!("Denied"), again(59), again(5)], "it is not there, and may be read");
}

#[tokio::test]
async fn only_a_token_of_this_vault_for_stored_data_is_taken() {
    let stored = StoredWorld::start().await;
    let admin = stored.world.administrator.clone();
    let url = format!("{}/backups/x", stored.endpoint());

    let management = stored.data(Method::GET, "backups/x", &admin.token, "").await;
    let forged = stored.data(Method::GET, "backups/x", "x.y.z", "").await;
    let none = stored.world.http.get(&url).send().await.unwrap();
    let key = stored.world.http.get(&url).header("authorization", "SharedKey acct:xyz").send().await.unwrap();
    let answer =
        stored.world.ask_with(&admin.client_id, &admin.secret, "https://storage.azure.com/.default").await;
    let owner =
        stored.data(Method::GET, "backups/x", answer.body["access_token"].as_str().unwrap(), "").await;
    let unknown = stored
        .world
        .http
        .get(format!("{}/nosuch/box/x", stored.world.url))
        .header("x-ms-version", "2021-12-02");
    let unknown = unknown.bearer_auth(answer.body["access_token"].as_str().unwrap()).send().await.unwrap();

    assert_eq!(management, (401, "InvalidAuthenticationInfo".into()));
    assert_eq!(forged, (401, "InvalidAuthenticationInfo".into()));
    let challenge = none.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains(&stored.world.tenant) && challenge.contains("https://storage.azure.com"),
        "{challenge}"
    );
    assert_eq!((none.status().as_u16(), key.status().as_u16()), (401, 403));
    assert_eq!(owner, (403, "AuthorizationPermissionMismatch".into()), "an owner is not let at data");
    assert_eq!(unknown.headers()["x-ms-error-code"], "ResourceNotFound");
}

#[tokio::test]
async fn network_rules_let_in_addresses_and_listed_resources_alone() {
    let stored = StoredWorld::start().await;
    let vault = format!("{}/providers/Microsoft.DataProtection/backupVaults/vault1", stored.group);
    let (extension, of_vault) = (stored.identity(EXTENSION).await, stored.identity(&vault).await);
    for one in [&extension, &of_vault] {
        stored.assign(CONTRIBUTOR, one, &stored.account).await;
    }
    let write = async |who| stored.data(Method::PUT, "backups/x", &stored.token(who), "x").await;
    let may = async || {
        let (account, vault) = (stored.account.parse().unwrap(), vault.parse().unwrap());
        vault_may_access(stored.world.app.store.as_ref(), &account, &vault).await.unwrap()
    };
    let (ok, no) = ((201, String::new()), (403, "AuthorizationFailure".to_owned()));

    assert_eq!(
        (write(&extension).await, write(&of_vault).await, may().await),
        (ok.clone(), ok.clone(), Ok(()))
    );
    stored.rules(json!({"defaultAction": "Deny"})).await;
    assert_eq!((write(&extension).await, write(&of_vault).await), (no.clone(), no.clone()));
    assert!(matches!(may().await, Err(NotAdmitted::Network { .. })));
    stored.rules(json!({"ipRules": [{"value": "10.0.0.0/8", "action": "Allow"}]})).await;
    assert_eq!(write(&extension).await, no);
    stored
        .rules(json!({"resourceAccessRules": [{"tenantId": stored.world.tenant, "resourceId": vault}]}))
        .await;
    assert_eq!(
        (write(&extension).await, write(&of_vault).await, may().await),
        (no.clone(), ok.clone(), Ok(()))
    );
    stored.rules(json!({"resourceAccessRules": [], "ipRules": [{"value": "127.0.0.0/8"}]})).await;
    assert_eq!((write(&extension).await, write(&of_vault).await), (ok.clone(), ok.clone()));
    stored.rules(json!({"ipRules": [], "bypass": "AzureServices"})).await;
    assert_eq!((write(&extension).await, write(&of_vault).await), (no, ok));
}

#[tokio::test]
async fn what_an_account_held_goes_with_it() {
    let stored = StoredWorld::start().await;
    let identity = stored.identity(EXTENSION).await;
    stored.assign(CONTRIBUTOR, &identity, &stored.group).await;
    let token = stored.token(&identity);
    assert_eq!(stored.data(Method::PUT, "backups/x", &token, "x").await.0, 201);
    assert_eq!(stored.folders().len(), 1);

    stored.call(Method::DELETE, &stored.container("backups"), None).await;
    stored.call(Method::PUT, &stored.container("backups"), None).await;
    let fresh = stored.data(Method::GET, "backups/x", &token, "").await;
    stored.call(Method::DELETE, &stored.account, None).await;
    let after = stored.data(Method::GET, "backups/x", &token, "").await;
    eventually("the folder is gone", async || stored.folders().is_empty()).await;
    stored.put_account(ACCOUNT, json!({})).await;
    stored.call(Method::PUT, &stored.container("backups"), None).await;
    let again = stored.data(Method::GET, "backups/x", &token, "").await;

    assert_eq!(fresh, (404, "BlobNotFound".into()), "a container of the same name is another one");
    assert_eq!(after, (404, "ResourceNotFound".into()));
    assert_eq!(again, (404, "BlobNotFound".into()));
}

#[tokio::test]
async fn data_and_rules_are_there_after_a_restart() {
    let stored = StoredWorld::start().await;
    let identity = stored.identity(EXTENSION).await;
    stored.assign(CONTRIBUTOR, &identity, &stored.account).await;
    assert_eq!(stored.data(Method::PUT, "backups/x", &stored.token(&identity), "x").await.0, 201);

    let StoredWorld { world, group, account } = stored;
    let world: World = world.restart().await;
    let stored = StoredWorld { world, group, account };
    let location = stored.location("backups", &stored.token(&identity)).await;

    assert_eq!(location.read(&at("x")).await.unwrap(), "x");
}
