//! Backup vaults of a running server: their life, identity, rules, lists and return.

mod dataprotection;
mod world;

use dataprotection::*;
use reqwest::Method;
use serde_json::{Value, json};
use world::{Answer, World};

#[tokio::test]
async fn a_vault_lives_its_life_as_the_command_line_expects() {
    let world = ready().await;
    for version in VERSIONS {
        let path = vault(&world, "My-Vault");
        let other_case = path.to_lowercase().replace("/subscriptions", "/SUBSCRIPTIONS");

        let made = at(&world, version, Method::PUT, &path, Some(cli_vault())).await;
        let polled = world.get_url(&world.administrator, made.header("azure-asyncoperation")).await;
        let found = at(&world, version, Method::GET, &other_case, None).await;
        let deleted = at(&world, version, Method::DELETE, &path, None).await;
        let status = world.get_url(&world.administrator, deleted.header("azure-asyncoperation")).await;
        let result = world.get_url(&world.administrator, deleted.header("location")).await;
        let again = at(&world, version, Method::DELETE, &path, None).await;
        let gone = at(&world, version, Method::GET, &path, None).await;

        assert_eq!((made.status, made.header("retry-after")), (201, "1"), "{made:?}");
        assert_eq!((polled.status, &polled.body["status"]), (200, &json!("Succeeded")));
        assert_eq!(found.body, made.body, "the body of the first answer is complete");
        assert_eq!(
            (&found.body["id"], &found.body["type"]),
            (&json!(path), &json!("Microsoft.DataProtection/backupVaults"))
        );
        assert_eq!(found.body["properties"]["provisioningState"], "Succeeded");
        assert_eq!(found.body["properties"]["isVaultProtectedByResourceGuard"], false);
        assert_eq!(found.body["identity"]["type"], "SystemAssigned");
        assert_eq!(found.body["identity"]["tenantId"], world.tenant.as_str());
        assert_eq!((deleted.status, &deleted.body), (202, &Value::Null));
        assert_eq!((status.body["status"].as_str(), result.status), (Some("Succeeded"), 200));
        assert_eq!(result.body["objectType"], "OperationJobExtendedInfo");
        assert_eq!((again.status, gone.status, gone.code()), (204, 404, "ResourceNotFound"));
    }
}

#[tokio::test]
async fn the_documented_vault_is_taken_and_shown_as_it_was_sent() {
    let world = ready().await;
    let path = vault(&world, "v1");

    for version in VERSIONS {
        let answer = at(&world, version, Method::PUT, &path, Some(documented_vault())).await;

        let sent = documented_vault();
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        for field in ["storageSettings", "securitySettings", "featureSettings", "monitoringSettings"] {
            let (is, was) = (&answer.body["properties"][field], &sent["properties"][field]);
            assert_eq!(is.to_string().replace("14.0", "14"), was.to_string(), "{field}");
        }
        assert_eq!((&answer.body["location"], &answer.body["tags"]), (&json!("eastus"), &json!({})));
    }
}

#[tokio::test]
async fn an_update_without_principal_id_keeps_the_identity_and_its_roles() {
    let world = ready().await;
    let path = make_vault(&world, "v1").await;
    let before = world.get(&world.administrator, &path).await.body;
    let principal = before["identity"]["principalId"].as_str().unwrap().to_owned();
    let mut sent = before.clone();
    sent["identity"] = json!({"type": "SystemAssigned"});
    sent["tags"] = json!({"a": "b"});

    let updated = put(&world, &path, sent).await;
    let kept = world.app.store.principal(&principal).await.unwrap();
    let both = patch(&world, &path, json!({"identity": {"type": "None"}})).await;
    let gone = world.app.store.principal(&principal).await.unwrap();
    let new = patch(&world, &path, json!({"identity": {"type": "SystemAssigned"}})).await;

    assert_eq!((updated.status, &updated.body["tags"]), (200, &json!({"a": "b"})), "{updated:?}");
    assert_eq!(updated.body["identity"], before["identity"]);
    assert_eq!(kept.unwrap().resource.unwrap().as_str(), path);
    assert_eq!((both.status, &both.body["identity"]), (200, &json!({"type": "None"})));
    assert!(gone.is_none(), "with the identity its principal goes");
    assert_ne!(new.body["identity"]["principalId"], principal.as_str());
}

#[tokio::test]
async fn an_identity_that_is_a_resource_needs_the_right_to_give_it_away() {
    let world = ready().await;
    let group = world.group("g");
    let id = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine");
    let identity = json!({"location": "local", "principalId": "p1", "clientId": "c1"});
    let change = ::vault::store::Change::Put {
        id: id.parse().unwrap(),
        document: identity,
        expected: ::vault::store::Expected::Absent,
    };
    world.app.store.commit_unaudited(&[change]).await.unwrap();
    let backup = world.person(Some("Backup Contributor"), &group).await;
    let mut body = cli_vault();
    body["identity"] = json!({"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {&id: {}}});
    let path = vault(&world, "v1");

    let refused = by(&world, &backup, VERSIONS[0], Method::PUT, &path, Some(body.clone())).await;
    let made = put(&world, &path, body.clone()).await;
    body["identity"]["userAssignedIdentities"] = json!({format!("{id}2"): {}});
    let missing = put(&world, &path, body).await;
    let less = patch(&world, &path, json!({"identity": {"type": "SystemAssigned"}})).await;

    assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"));
    assert_eq!(
        made.body["identity"]["userAssignedIdentities"][&id],
        json!({"principalId": "p1", "clientId": "c1"})
    );
    assert_eq!(made.body["identity"]["type"], "SystemAssigned,UserAssigned");
    assert_eq!((missing.status, missing.code()), (400, "FailedIdentityOperation"));
    assert_eq!(less.body["identity"]["userAssignedIdentities"], Value::Null);
    assert_eq!(less.body["identity"]["principalId"], made.body["identity"]["principalId"]);
}

async fn patch(world: &World, path: &str, body: Value) -> Answer {
    world.call(&world.administrator, Method::PATCH, path, Some(body)).await
}

#[tokio::test]
async fn what_is_irreversible_is_refused_by_put_and_patch() {
    let world = ready().await;
    let path = make_vault(&world, "v1").await;
    let state =
        |name: &str, state: &str| json!({"properties": {"securitySettings": {name: {"state": state}}}});

    let locked = patch(&world, &path, state("immutabilitySettings", "Locked")).await;
    let unlocked = patch(&world, &path, state("immutabilitySettings", "Unlocked")).await;
    let mut whole = cli_vault();
    whole["properties"]["securitySettings"]["immutabilitySettings"] = json!({"state": "Disabled"});
    let replaced = put(&world, &path, whole).await;
    let forgotten = put(&world, &path, cli_vault()).await;

    assert_eq!(locked.status, 200, "{locked:?}");
    for refused in [unlocked, replaced] {
        assert_eq!((refused.status, refused.code()), (400, "UserErrorImmutabilityLockedIsIrreversible"));
    }
    let still = &forgotten.body["properties"]["securitySettings"]["immutabilitySettings"]["state"];
    assert_eq!((forgotten.status, still), (200, &json!("Locked")));
}

#[tokio::test]
async fn what_a_vault_protects_keeps_it_and_its_redundancy() {
    let world = ready().await;
    let path = make_vault(&world, "v1").await;
    make_instance(&world, &path, "i1", "none").await;
    let mut other = cli_vault();
    other["properties"]["storageSettings"][0]["type"] = json!("GeoRedundant");

    let changed = put(&world, &path, other.clone()).await;
    let deleted = delete(&world, &path).await;
    remove_instance(&world, &path, "i1").await;
    let empty = put(&world, &path, other).await;

    assert_eq!((changed.status, changed.code()), (400, "UserErrorBackupStorageRedundancyCannotBeChanged"));
    assert_eq!((deleted.status, deleted.code()), (409, "UserErrorBackupVaultContainsBackupInstances"));
    assert_eq!(empty.status, 200);
    assert_eq!(delete(&world, &path).await.status, 202);
}

#[tokio::test]
async fn a_write_that_read_another_version_is_refused() {
    let world = ready().await;
    let path = make_vault(&world, "v1").await;
    let before = world.get(&world.administrator, &path).await;
    put(&world, &path, cli_vault()).await;
    let url = format!("{}{path}?api-version=2024-04-01", world.url);
    let conditional = async |tag: &str| {
        let request = world.http.put(&url).bearer_auth(&world.administrator.token).header("if-match", tag);
        Answer::of(request.body(cli_vault().to_string()).send().await.unwrap()).await
    };
    let mut stale = cli_vault();
    stale["eTag"] = before.body["eTag"].clone();

    let refused = conditional(before.header("etag")).await;
    let in_body = put(&world, &path, stale).await;
    let now = world.get(&world.administrator, &path).await;
    let taken = conditional(now.header("etag")).await;

    assert_eq!((refused.status, refused.code()), (412, "PreconditionFailed"));
    assert_eq!((in_body.status, in_body.code()), (412, "PreconditionFailed"));
    assert_eq!(now.body["eTag"], now.header("etag"));
    assert_eq!(taken.status, 200);
}

#[tokio::test]
async fn lists_show_what_the_caller_may_read_in_pages() {
    let world = ready().await;
    for name in ["va", "vb", "vc"] {
        make_vault(&world, name).await;
    }
    world.make_group("h").await;
    let other = format!("{}/providers/Microsoft.DataProtection/backupVaults/vd", world.group("h"));
    assert_eq!(put(&world, &other, cli_vault()).await.status, 201);
    let reader = world.person(Some("Backup Reader"), &vault(&world, "vb")).await;
    let all = format!("{}/providers/Microsoft.DataProtection/backupVaults", world.root());
    let in_group = format!("{}/providers/Microsoft.DataProtection/backupVaults", world.group("g"));

    let page = world.get(&world.administrator, &format!("{all}?$top=3")).await;
    let rest = world.get_url(&world.administrator, page.body["nextLink"].as_str().unwrap()).await;

    assert_eq!((page.names(), rest.names()), (vec!["va", "vb", "vc"], vec!["vd"]));
    assert_eq!(world.get(&world.administrator, &in_group).await.names(), ["va", "vb", "vc"]);
    assert_eq!(world.get(&reader, &all).await.names(), ["vb"]);
    assert_eq!(world.get(&reader, &in_group).await.names(), ["vb"]);
}

#[tokio::test]
async fn a_deleted_vault_comes_back_with_its_settings_and_policies_until_its_time_is_over() {
    let world = ready().await;
    let path = make_vault(&world, "v1").await;
    patch(
        &world,
        &path,
        json!({"properties": {"securitySettings": {"softDeleteSettings": {"state": "AlwaysOn"}}}}),
    )
    .await;
    put(&world, &format!("{path}/backupPolicies/daily"), documented_policy()).await;
    let deleted =
        format!("{}/providers/Microsoft.DataProtection/locations/local/deletedVaults", world.root());

    delete(&world, &path).await;
    let list = world.get(&world.administrator, &deleted).await;
    let one = list.body["value"][0].clone();
    let shown = world.get(&world.administrator, one["id"].as_str().unwrap()).await;
    let url = format!("{}{path}?api-version=2026-06-01", world.url);
    let back = world.http.put(&url).bearer_auth(&world.administrator.token);
    let back = back.header("x-ms-deleted-vault-id", one["id"].as_str().unwrap());
    let back = Answer::of(back.body(json!({"location": "local"}).to_string()).send().await.unwrap()).await;

    assert_eq!(one["properties"]["originalBackupVaultName"], "v1");
    assert_eq!(shown.body, one);
    assert_eq!(back.status, 201, "{back:?}");
    assert_eq!(back.body["properties"]["securitySettings"]["softDeleteSettings"]["state"], "AlwaysOn");
    assert_eq!(world.get(&world.administrator, &format!("{path}/backupPolicies")).await.names(), ["daily"]);
    assert_eq!(world.get(&world.administrator, &deleted).await.names(), Vec::<&str>::new());

    delete(&world, &path).await;
    world
        .clock
        .set(telemetry::Clock::now(world.clock.as_ref()) + jiff::SignedDuration::from_hours(14 * 24 + 1));
    let token = world.sign_in(&world.administrator).await;
    let late = world::Person { token, ..world.administrator.clone() };
    assert_eq!(world.get(&late, &deleted).await.names(), Vec::<&str>::new());
}

#[tokio::test]
async fn names_are_checked_and_features_told() {
    let world = ready().await;
    make_vault(&world, "taken").await;
    let names = format!(
        "{}/providers/Microsoft.DataProtection/locations/local/checkNameAvailability",
        world.group("g")
    );
    let features =
        format!("{}/providers/Microsoft.DataProtection/locations/local/checkFeatureSupport", world.root());
    let check = async |name: &str| {
        let body = json!({"name": name, "type": "Microsoft.DataProtection/BackupVaults"});
        world.call(&world.administrator, Method::POST, &names, Some(body)).await.body
    };
    let body = json!({"objectType": "FeatureValidationRequest", "featureType": "DataSourceType",
        "featureName": "Microsoft.ContainerService/managedClusters"});

    let supported = world.call(&world.administrator, Method::POST, &features, Some(body)).await;

    assert_eq!(check("free").await["nameAvailable"], true);
    assert_eq!(
        (&check("TAKEN").await["reason"], &check("_").await["reason"]),
        (&json!("AlreadyExists"), &json!("Invalid"))
    );
    assert_eq!(supported.body["features"][0]["supportStatus"], "GenerallyAvailable");
    assert_eq!(supported.body["objectType"], "FeatureValidationResponse");
}

#[tokio::test]
async fn a_vault_needs_a_registered_namespace_a_group_and_a_fitting_name() {
    let world = World::start().await;
    world.make_group("g").await;
    let unregistered = put(&world, &vault(&world, "v1"), cli_vault()).await;
    let world = ready().await;
    let nowhere = vault(&world, "v1").replace("/g/", "/nowhere/");

    let no_group = put(&world, &nowhere, cli_vault()).await;
    let bad_name = put(&world, &vault(&world, "v_1"), cli_vault()).await;
    let moved = async {
        make_vault(&world, "v1").await;
        let mut body = cli_vault();
        body["location"] = json!("elsewhere");
        put(&world, &vault(&world, "v1"), body).await
    };
    let moved = moved.await;

    assert_eq!((unregistered.status, unregistered.code()), (409, "MissingSubscriptionRegistration"));
    assert_eq!((no_group.status, no_group.code()), (404, "ResourceGroupNotFound"));
    assert_eq!((bad_name.status, bad_name.code()), (400, "UserErrorInvalidBackupVaultName"));
    assert_eq!((moved.status, moved.code()), (409, "InvalidResourceLocation"));
}

#[tokio::test]
async fn deleting_the_group_is_no_way_around_what_a_vault_protects() {
    let world = ready().await;
    let path = make_vault(&world, "v1").await;
    let principal = world.get(&world.administrator, &path).await.body["identity"]["principalId"].clone();
    let principal = principal.as_str().unwrap().to_owned();
    make_instance(&world, &path, "i1", "none").await;

    let kept = delete(&world, &world.group("g")).await;
    remove_instance(&world, &path, "i1").await;
    let begun = delete(&world, &world.group("g")).await;
    for _ in 0..100 {
        if world.get_url(&world.administrator, begun.header("location")).await.status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    assert_eq!((kept.status, kept.code()), (409, "ResourceGroupDeletionBlocked"));
    assert_eq!(begun.status, 202);
    assert!(world.app.store.principal(&principal).await.unwrap().is_none(), "its identity went with it");
}
