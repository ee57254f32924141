//! The checks of a resource manager against the program as it is served: each thing is taken away in turn, its check says
//! so and no other, and the command that it prints brings it back.

mod protected;
mod served;

use management::versions;
use protected::{Found, World, text};
use serde_json::{Value, json};
use vault::{directory::DataDirectory, server::open_store};

/// What a resource manager alone can answer for a vault's own cluster. The rest needs a cluster, or Azure.
const SEEN: [&str; 12] = ["P14", "P22", "P23", "P24", "P25", "P3", "P32", "P5", "P6", "P7", "P9", "P40"];

#[test]
fn a_resource_manager_alone_answers_its_checks_and_the_rest_is_not_called_well() {
    let world = World::start();

    let found = world.preflight(&["--profile", "aks"]);
    let alone = Found::of(&world.command(&["preflight", "-o", "json"]).output().unwrap());
    let nobody = ["preflight", "--arm", "https://127.0.0.1:9", "--arm-token-file", "/dev/null", "-o", "json"];
    let nobody = Found::of(
        &world.command(&[&nobody[..], &["--cluster-id", &world.cluster]].concat()).output().unwrap(),
    );

    let mut seen = SEEN;
    seen.sort_unstable();
    assert_eq!(found.with("Passed"), seen, "{:#}", found.document);
    assert_eq!(found.with("Failed"), [""; 0], "{:#}", found.document);
    assert_eq!(found.code, 3, "what nobody saw is not done");
    for id in ["P1", "P4", "P16", "P21", "P28", "P42"] {
        assert_eq!(found.check(id)["result"], "NotObservable", "{:#}", found.check(id));
    }
    for id in SEEN {
        assert_eq!(
            alone.check(id)["result"],
            match id {
                "P40" => "NotApplicable",
                _ => "NotObservable",
            },
            "{id}"
        );
        assert_ne!(nobody.check(id)["result"], "Passed", "{id}");
    }
    assert!(alone.check("P7")["evidence"].as_str().unwrap().contains("--arm URL"));
}

#[test]
fn each_thing_that_is_taken_away_is_named_by_its_check_alone_and_its_command_brings_it_back() {
    let world = World::start();
    let [reads_cluster, reads_group, writes_group, writes_store] = world.assignments();
    let take_role = |assignment| world.role(&["delete", "--yes"], assignment);
    let unregister = |provider: &str| {
        let subscription = world.vault.split('/').nth(2).unwrap();
        let path = format!("/subscriptions/{subscription}/providers/{provider}/unregister");
        world.call("POST", &path, versions::RESOURCES, None);
    };
    let taken: [(&str, &str, &str, &dyn Fn()); 9] = [
        ("P3", "UserErrorTrustedAccessGatewayReturnedForbidden", "none of 0 bindings", &|| {
            world.delete_binding()
        }),
        ("P7", "MissingSubscriptionRegistration", "Microsoft.KubernetesConfiguration is ", &|| {
            unregister("Microsoft.KubernetesConfiguration")
        }),
        ("P7", "MissingSubscriptionRegistration", "Microsoft.ContainerService is ", &|| {
            unregister("Microsoft.ContainerService")
        }),
        ("P7", "MissingSubscriptionRegistration", "Microsoft.DataProtection is ", &|| {
            unregister("Microsoft.DataProtection")
        }),
        ("P25", "UserErrorNoDefaultBackupStorageLocationFound", "the container shop does not exist", &|| {
            world.delete_container()
        }),
        ("P23", "KubernetesBackupListExtensionsError", "R1 Reader of the vault", &|| {
            take_role(&reads_cluster)
        }),
        (
            "P23",
            "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup",
            "R2 Reader of the vault",
            &|| take_role(&reads_group),
        ),
        (
            "P23",
            "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup",
            "R3 Contributor of the cluster",
            &|| take_role(&writes_group),
        ),
        (
            "P6",
            "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation",
            "Storage Blob Data Contributor of the extension",
            &|| take_role(&writes_store),
        ),
    ];

    for (id, code, evidence, take) in taken {
        take();
        let broken = world.preflight(&[]);
        let only = world.preflight(&["--only", id]);
        world.mend(&broken, id);
        let mended = world.preflight(&[]);

        assert_eq!(broken.with("Failed"), [id], "{:#}", broken.document);
        assert_eq!(broken.check(id)["code"], code, "{:#}", broken.check(id));
        assert!(broken.check(id)["evidence"].as_str().unwrap().contains(evidence), "{:#}", broken.check(id));
        assert_eq!(only.document["checks"].as_array().unwrap().len(), 1);
        let weighs = match id {
            "P25" => 3,
            _ => 5,
        };
        assert_eq!((broken.code, only.code), (weighs, weighs), "{id}");
        assert_eq!(mended.check(id)["result"], "Passed", "{:#}", mended.check(id));
        assert_eq!(mended.with("Failed"), [""; 0], "{:#}", mended.document);
    }
}

/// What is in the audit log of a vault of what others than the vault itself did.
fn acts(world: &World) -> Vec<String> {
    let read = async {
        let directory = DataDirectory::open(&world.served.data).unwrap();
        let store = open_store(&directory, None).await.unwrap();
        let rows = store.audit(0, 10_000).await.unwrap();
        store.close().await;
        rows
    };
    let rows = tokio::runtime::Runtime::new().unwrap().block_on(read);
    let records = rows.into_iter().map(|row| row.record);
    records.filter(|record| serde_json::from_str::<Value>(record).unwrap()["principal"] != "vault").collect()
}

#[test]
fn a_look_and_a_plan_change_nothing_at_the_vault_whose_audit_log_would_name_it() {
    let world = World::start();
    let [_, reads_group, ..] = world.assignments();
    world.preflight(&[]);

    let before = acts(&world);
    for more in [&["--profile", "aks"][..], &[], &["--fix", "--dry-run"]] {
        world.preflight(more);
    }
    let looked = acts(&world);
    world.role(&["delete", "--yes"], &reads_group);
    let taken = acts(&world);
    let planned = world.preflight(&["--fix", "--dry-run"]);
    let still = acts(&world);

    assert!(!before.is_empty(), "what made this world is there");
    assert_eq!(looked, before, "a look changed something");
    assert!(taken.len() > looked.len(), "a change is named");
    assert_eq!(planned.with("Failed"), ["P23"], "{:#}", planned.document);
    assert_eq!(still, taken, "a plan changed something");
}

#[test]
fn a_firewall_that_does_not_know_the_vault_is_named_until_the_vault_is_on_its_list() {
    let world = World::start();
    let rules = |rules: Value| {
        let body = json!({"properties": {"networkAcls": rules}});
        world.call("PATCH", &world.account, versions::STORAGE, Some(body));
    };

    rules(json!({"defaultAction": "Deny", "bypass": "None"}));
    let closed = world.preflight(&["--profile", "aks"]);
    rules(
        json!({"defaultAction": "Deny", "bypass": "None", "resourceAccessRules": [{"resourceId": world.vault}]}),
    );
    let trusted = world.preflight(&["--profile", "aks"]);

    assert_eq!(closed.with("Failed"), ["P9"], "{:#}", closed.document);
    assert!(
        closed.check("P9")["evidence"].as_str().unwrap().contains(&world.vault),
        "{:#}",
        closed.check("P9")
    );
    assert_eq!(trusted.check("P9")["result"], "Passed", "{:#}", trusted.check("P9"));
}

#[test]
fn a_lock_on_the_snapshot_group_is_named_until_it_is_gone() {
    let world = World::start();
    let lock = format!("{}/providers/Microsoft.Authorization/locks/keep", world.snapshots);

    world.call("PUT", &lock, versions::LOCKS, Some(json!({"properties": {"level": "CanNotDelete"}})));
    let locked = world.preflight(&[]);
    world.call("DELETE", &lock, versions::LOCKS, None);
    let free = world.preflight(&[]);

    assert_eq!((locked.with("Failed"), locked.code), (vec!["P32"], 5), "{:#}", locked.document);
    let check = locked.check("P32");
    assert_eq!(check["code"], "UserErrorSnapshotResourceGroupHasLocks", "{check:#}");
    assert!(check["evidence"].as_str().unwrap().contains("CanNotDelete keep"), "{check:#}");
    assert!(check["fix"].as_str().unwrap().contains("az lock delete"), "{check:#}");
    assert_eq!(free.check("P32")["result"], "Passed", "{:#}", free.check("P32"));
    assert_eq!(free.with("Failed"), [""; 0], "{:#}", free.document);
}

#[test]
fn somebody_who_may_only_read_is_told_which_rights_are_missing() {
    let world = World::start();
    let made =
        world.done(&["vault", "add-principal", "reader", "-o", "json", "--data", text(&world.served.data)]);
    let reader: Value = serde_json::from_str(&made).unwrap();
    let scope = world.vault.split("/resourceGroups/").next().unwrap();
    let who = reader["objectId"].as_str().unwrap();
    world.done(&["role", "assignment", "create", "--assignee", who, "--role", "Reader", "--scope", scope]);
    let name = format!("principal-{}.json", reader["clientId"].as_str().unwrap());
    let file = world.served.data.join(name);

    let url = world.served.url.as_str();
    world.done(&[
        "login",
        "--vault-url",
        url,
        "--credential-file",
        text(&file),
        "--ca",
        text(&world.authority()),
    ]);
    let found = world.preflight(&[]);

    assert_eq!(found.with("Failed"), ["P22"], "{:#}", found.document);
    let evidence = found.check("P22")["evidence"].as_str().unwrap();
    for right in ["U1: Microsoft.KubernetesConfiguration/extensions/write", "U2: ", "role Backup Contributor"]
    {
        assert!(evidence.contains(right), "{evidence}");
    }
}
