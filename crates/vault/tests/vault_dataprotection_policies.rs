//! Backup policies of a running server.

mod dataprotection;
mod world;

use dataprotection::*;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn the_documented_policy_is_taken_and_shown_as_it_was_sent() {
    let world = ready().await;
    let vault = make_vault(&world, "v1").await;
    let path = format!("{vault}/backupPolicies/akspolicy");

    for version in VERSIONS {
        let put = at(&world, version, Method::PUT, &path, Some(documented_policy())).await;
        let found = at(&world, version, Method::GET, &path, None).await;

        assert_eq!(put.status, 200, "{put:?}");
        assert_eq!(found.body, put.body);
        assert_eq!((&found.body["name"], &found.body["id"]), (&json!("akspolicy"), &json!(path)));
        assert_eq!(found.body["type"], "Microsoft.DataProtection/backupVaults/backupPolicies");
        let (sent, shown) = (&documented_policy()["properties"], &found.body["properties"]);
        assert_eq!(shown["datasourceTypes"], sent["datasourceTypes"]);
        for (number, rule) in sent["policyRules"].as_array().unwrap().iter().enumerate().skip(1) {
            assert_eq!(shown["policyRules"][number], *rule);
        }
        assert_eq!(
            shown["policyRules"][0]["trigger"]["schedule"],
            sent["policyRules"][0]["trigger"]["schedule"]
        );
    }
    assert_eq!(
        world.get(&world.administrator, &format!("{vault}/backupPolicies")).await.names(),
        ["akspolicy"]
    );
}

#[tokio::test]
async fn a_policy_goes_when_nobody_uses_it() {
    let world = ready().await;
    let vault = make_vault(&world, "v1").await;
    let path = format!("{vault}/backupPolicies/akspolicy");
    put(&world, &path, documented_policy()).await;
    make_instance(&world, &vault, "i1", &path).await;

    let used = delete(&world, &path).await;
    remove_instance(&world, &vault, "i1").await;
    let gone = delete(&world, &path).await;
    let again = delete(&world, &path).await;

    assert_eq!((used.status, used.code()), (409, "UserErrorBackupPolicyInUse"));
    assert_eq!((gone.status, again.status), (200, 204));
    assert_eq!(world.get(&world.administrator, &path).await.status, 404);
}

#[tokio::test]
async fn every_fault_of_a_policy_is_named_at_once() {
    let world = ready().await;
    let vault = make_vault(&world, "v1").await;
    let mut wrong = documented_policy();
    wrong["properties"]["datasourceTypes"] = json!(["Microsoft.Compute/disks"]);
    wrong["properties"]["policyRules"][0]["trigger"]["schedule"]["repeatingTimeIntervals"] =
        json!(["R/2024-05-05T08:00:00Z/PT1H"]);
    wrong["properties"]["policyRules"][2]["lifecycles"][0]["deleteAfter"]["duration"] = json!("P1000D");

    let refused = put(&world, &format!("{vault}/backupPolicies/akspolicy"), wrong).await;

    let details = refused.body["error"]["details"].as_array().unwrap();
    let targets: Vec<&str> = details.iter().map(|one| one["target"].as_str().unwrap()).collect();
    assert_eq!(refused.status, 400);
    assert_eq!(
        targets,
        [
            "properties.datasourceTypes",
            "properties.policyRules[2].lifecycles[0].deleteAfter.duration",
            "properties.policyRules[0].trigger.schedule.repeatingTimeIntervals[0]",
        ]
    );
}

#[tokio::test]
async fn a_policy_that_copies_to_the_vault_tier_is_refused_by_the_documented_code_and_not_kept() {
    let world = ready().await;
    let vault = make_vault(&world, "v1").await;
    let path = format!("{vault}/backupPolicies/akspolicy");
    let mut both_tiers = documented_policy();
    both_tiers["properties"]["policyRules"][1]["lifecycles"][0]["targetDataStoreCopySettings"] = json!([{
        "copyAfter": {"objectType": "ImmediateCopyOption"},
        "dataStore": {"objectType": "DataStoreInfoBase", "dataStoreType": "VaultStore"}}]);

    for version in VERSIONS {
        let refused = at(&world, version, Method::PUT, &path, Some(both_tiers.clone())).await;

        assert_eq!((refused.status, refused.code()), (400, "DppUserErrorVaultTierPolicyNotSupported"));
    }
    assert_eq!(world.get(&world.administrator, &path).await.status, 404);
}

#[tokio::test]
async fn an_immutable_vault_keeps_the_retention_of_its_policies() {
    let world = ready().await;
    let vault = make_vault(&world, "v1").await;
    let path = format!("{vault}/backupPolicies/akspolicy");
    put(&world, &path, policy_keeping("P30D")).await;
    let immutable =
        json!({"properties": {"securitySettings": {"immutabilitySettings": {"state": "Unlocked"}}}});

    let before = put(&world, &path, policy_keeping("P20D")).await;
    world.call(&world.administrator, Method::PATCH, &vault, Some(immutable)).await;
    let shorter = put(&world, &path, policy_keeping("P10D")).await;
    let longer = put(&world, &path, policy_keeping("P40D")).await;

    assert_eq!((before.status, longer.status), (200, 200));
    assert_eq!((shorter.status, shorter.code()), (400, "UserErrorRetentionReductionBlockedByImmutability"));
}

#[tokio::test]
async fn policies_need_a_vault_and_rights_in_it() {
    let world = ready().await;
    let vault = make_vault(&world, "v1").await;
    let path = format!("{vault}/backupPolicies/akspolicy");
    let operator = world.person(Some("Backup Operator"), &vault).await;
    let nowhere = format!("{}/backupPolicies/akspolicy", dataprotection::vault(&world, "none"));

    let missing = put(&world, &nowhere, documented_policy()).await;
    let denied = by(&world, &operator, VERSIONS[1], Method::PUT, &path, Some(documented_policy())).await;
    put(&world, &path, documented_policy()).await;
    let seen = world.get(&operator, &path).await;

    assert_eq!((missing.status, missing.code()), (404, "ResourceNotFound"));
    assert_eq!((denied.status, denied.code()), (403, "AuthorizationFailed"));
    assert_eq!(seen.status, 200);
}
