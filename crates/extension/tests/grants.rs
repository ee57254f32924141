//! Keys and locations by grant, against a vault over real TLS that does what the contract says, and what goes wrong.

mod world;

use extension::{
    grants::{GrantError, GrantPurpose},
    locations::{Access, LocationError, READY, Role, STATE},
};
use jiff::SignedDuration;
use protection::code;
use resources::{Backup, Restore, ValidateForBackup};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use storage::StorePath;
use world::{FakeVault, Say, World, location_map};

fn backup() -> GrantPurpose {
    GrantPurpose::job::<Backup>("job-1")
}

fn look() -> GrantPurpose {
    GrantPurpose::job::<ValidateForBackup>("look-1")
}

fn restore() -> GrantPurpose {
    GrantPurpose::job::<Restore>("job-2")
}

/// The settings of a directory whose key the vault keeps.
fn directory(world: &World) -> BTreeMap<String, String> {
    let pairs = [
        ("configuration.backupStorageLocation.provider", "local".to_owned()),
        ("configuration.backupStorageLocation.bucket", world.store()),
        ("repositoryKey", "vault".to_owned()),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn with_vault_key(mut settings: BTreeMap<String, String>) -> BTreeMap<String, String> {
    settings.insert("repositoryKey".to_owned(), "vault".to_owned());
    settings
}

fn code_of(error: &LocationError) -> String {
    error.problem().code
}

#[tokio::test]
async fn a_grant_is_asked_for_with_a_token_for_which_the_projected_one_was_exchanged() {
    let world = World::start().await;
    let vault = world.client();

    let granted = vault.grant(&backup(), "default").await.unwrap();
    vault.grant(&GrantPurpose::Upkeep, "default").await.unwrap();

    assert_eq!(granted.password().expose(), b"the-repository-password");
    let expected = json!({"purpose": "job", "kind": "Backup", "name": "job-1", "location": "default"});
    assert_eq!(world.vault.asked(), [expected, json!({"purpose": "upkeep", "location": "default"})]);
    assert_eq!(
        world.vault.token_scopes(),
        [format!("{}/.default", world.vault.url())],
        "one token serves both"
    );
}

#[tokio::test]
async fn a_projected_token_that_is_not_accepted_says_what_to_check() {
    let world = World::start().await;
    std::fs::write(world.file("token"), "of somebody else").unwrap();

    let refused = world.client().grant(&backup(), "default").await.unwrap_err();

    assert!(matches!(&refused, GrantError::Identity(error) if !error.temporary), "{refused}");
    assert!(refused.to_string().contains("No federated credential matches"), "{refused}");
    assert!(!refused.to_string().contains("of somebody else"), "{refused}");
    assert!(refused.problem().recommended_action[0].contains("federated"));
}

#[tokio::test]
async fn a_refusal_is_final_and_has_its_code_and_the_next_step() {
    let world = World::start().await;
    let cases = [
        (Say::Refuse(403, "GrantDenied"), code::GRANT_DENIED),
        (Say::Refuse(403, "GrantMissingRole"), code::LOCATION_MISSING_PERMISSIONS),
        (Say::Refuse(404, "GrantUnknownJob"), code::GRANT_UNKNOWN_JOB),
    ];

    for (say, code) in cases {
        let before = world.vault.asked().len();
        world.vault.say([say]);
        let refused = world.client().grant(&restore(), "vault-1").await.unwrap_err();

        assert_eq!(refused.problem().code, code);
        assert!(refused.problem().message.contains("As the test said"), "{refused}");
        assert!(!refused.problem().recommended_action.is_empty());
        assert_eq!(world.vault.asked().len(), before + 1, "it is not asked again");
    }
}

#[tokio::test]
async fn a_vault_that_is_busy_is_asked_again_and_one_that_stays_busy_is_given_up() {
    let world = World::start().await;
    world.vault.say([Say::Refuse(503, "ServerBusy"), Say::Grant("own", BTreeMap::new())]);

    let granted = world.client().grant(&backup(), "default").await;
    let asked = world.vault.asked().len();
    world.vault.say([Say::Refuse(503, "ServerBusy")]);
    let given_up = world.client().grant(&backup(), "default").await.unwrap_err();

    assert!(granted.is_ok(), "{granted:?}");
    assert_eq!((asked, world.vault.asked().len()), (2, 5));
    assert!(given_up.is_temporary(), "{given_up}");
}

#[tokio::test]
async fn a_vault_that_is_gone_is_a_temporary_failure_that_names_it() {
    let world = World::start().await;
    let vault = world.client();
    vault.grant(&backup(), "default").await.unwrap();

    world.vault.vanish();
    let gone = vault.grant(&backup(), "default").await.unwrap_err();

    assert!(gone.is_temporary(), "{gone}");
    assert!(gone.problem().message.contains(&world.vault.url()), "{gone}");
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_exchanged_anew_at_once() {
    let world = World::start().await;
    let vault = world.client();
    vault.grant(&backup(), "default").await.unwrap();

    world.vault.revoke_tokens();
    vault.grant(&backup(), "default").await.unwrap();

    assert_eq!(world.vault.token_scopes().len(), 2);
}

#[tokio::test]
async fn a_grant_that_has_ended_opens_nothing() {
    let world = World::start().await;
    world.vault.say([Say::Ended]);

    let ended = world.client().grant(&backup(), "default").await.unwrap_err();

    assert!(ended.to_string().contains("ended at"), "{ended}");
    assert!(!ended.to_string().contains("the-repository-password"));
}

#[tokio::test]
async fn only_the_authorities_in_the_file_are_trusted_and_a_corrected_file_counts_at_once() {
    let world = World::start().await;
    let other = FakeVault::start(world.clock.clone()).await;
    let vault = world.client();
    let right = world.vault.authority();

    std::fs::write(world.file("ca.crt"), other.authority()).unwrap();
    let distrusted = vault.grant(&backup(), "default").await.unwrap_err();
    std::fs::write(world.file("ca.crt"), "none").unwrap();
    let empty = vault.grant(&backup(), "default").await.unwrap_err();
    std::fs::write(world.file("ca.crt"), right).unwrap();
    let trusted = vault.grant(&backup(), "default").await;

    assert!(!distrusted.is_temporary(), "{distrusted}");
    assert!(distrusted.problem().recommended_action[0].contains("certificate authority"), "{distrusted:?}");
    assert!(matches!(empty, GrantError::Authorities { .. }), "{empty}");
    assert!(trusted.is_ok(), "{trusted:?}");
}

#[tokio::test]
async fn a_repository_is_made_and_opened_with_the_granted_key_alone() {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &directory(&world)));
    let locations = world.locations("cluster-1").await;

    let open = locations.open("default", Access::Begin, &backup()).await.unwrap();
    world.vault.say([Say::OtherPassword("own")]);
    let wrong = locations.open("default", Access::Read, &restore()).await.unwrap_err();

    assert_eq!(open.password.expose(), b"the-repository-password");
    assert_eq!(code_of(&wrong), code::WRONG_REPOSITORY_KEY, "{wrong}");
    assert!(!format!("{open:?}{wrong:?}").contains("the-repository-password"));
}

#[tokio::test]
async fn each_job_asks_for_itself_and_the_upkeep_asks_when_its_grant_ends() {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &directory(&world)));
    let locations = world.locations("cluster-1").await;
    let asked = || world.vault.asked().len();

    locations.open("default", Access::Begin, &backup()).await.unwrap();
    locations.open("default", Access::Begin, &GrantPurpose::job::<Backup>("job-9")).await.unwrap();
    let by_jobs = asked();
    for _ in 0..3 {
        locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await.unwrap();
    }
    let by_upkeep = asked();
    world.pass(SignedDuration::from_mins(61));
    locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await.unwrap();

    assert_eq!((by_jobs, by_upkeep, asked()), (2, 3, 4));
}

#[tokio::test]
async fn upkeep_that_the_vault_refuses_is_refused_at_the_end_of_the_grant_and_heals_by_itself() {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &directory(&world)));
    let locations = world.locations("cluster-1").await;
    locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await.unwrap();

    world.vault.say([Say::Refuse(403, "GrantDenied")]);
    world.pass(SignedDuration::from_mins(61));
    let refused = locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await.unwrap_err();
    world.vault.say([Say::Grant("own", BTreeMap::new())]);
    let healed = locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await;

    assert_eq!(code_of(&refused), code::GRANT_DENIED);
    assert!(healed.is_ok(), "{healed:?}");
}

#[tokio::test]
async fn a_grant_to_read_does_not_open_for_writing() {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &directory(&world)));
    world.vault.say([Say::Grant("source", BTreeMap::new())]);

    let refused =
        world.locations("cluster-1").await.open("default", Access::Begin, &backup()).await.unwrap_err();

    assert_eq!(code_of(&refused), code::GRANT_DENIED, "{refused}");
}

#[tokio::test]
async fn a_location_without_a_config_map_is_the_vaults_to_describe_and_is_only_read() {
    let world = World::start().await;
    world.vault.role_to_write(true);
    let container = world.vault.container();
    world.cluster.put(location_map("default", Role::Own, &with_vault_key(container.clone())));
    world.locations("source").await.open("default", Access::Begin, &backup()).await.unwrap();
    world.vault.say([Say::Grant("own", container.clone())]);
    let target = world.locations("target").await;

    let read = target.open("vault-3f1c", Access::Read, &restore()).await.unwrap();
    let written = target.open("vault-3f1c", Access::Write, &restore()).await.unwrap_err();
    let other = target.open("3f1c", Access::Read, &restore()).await.unwrap_err();

    assert_eq!(read.record.role, Role::Source);
    assert!(matches!(written, LocationError::ReadOnly(_)), "{written}");
    assert!(matches!(other, LocationError::Unknown(_)), "{other}");
    let asked = world.vault.asked();
    let last = json!({"purpose": "job", "kind": "Restore", "name": "job-2", "location": "vault-3f1c"});
    assert_eq!(asked.last(), Some(&last));
    let scopes = world.vault.token_scopes();
    assert!(scopes.iter().any(|scope| scope == "https://storage.azure.com/.default"), "{scopes:?}");
}

#[tokio::test]
async fn a_granted_location_is_read_no_longer_than_the_vault_grants_it() {
    let world = World::start().await;
    world.vault.role_to_write(true);
    let container = world.vault.container();
    world.cluster.put(location_map("default", Role::Own, &with_vault_key(container.clone())));
    world.locations("source").await.open("default", Access::Begin, &backup()).await.unwrap();
    world.vault.say([Say::Grant("source", container.clone())]);
    let open = world.locations("target").await.open("vault-1", Access::Read, &restore()).await.unwrap();
    let config = StorePath::parse("cofferdam/config").unwrap();

    world.pass(SignedDuration::from_mins(61));
    let renewed = open.root.read(&config).await;
    world.vault.say([Say::Refuse(403, "GrantDenied")]);
    let still = open.root.read(&config).await;
    world.pass(SignedDuration::from_mins(61));
    let refused = open.root.read(&config).await.unwrap_err();

    assert!(renewed.is_ok() && still.is_ok(), "{renewed:?} {still:?}");
    assert_eq!(extension::locations::store_problem(&refused).code, code::GRANT_DENIED, "{refused}");
    assert!(!refused.temporary);
}

#[tokio::test]
async fn a_vault_cannot_make_the_extension_use_its_secrets_or_its_disk_or_send_its_token_elsewhere() {
    let world = World::start().await;
    let mut with_secret = world.vault.container();
    with_secret.insert("credentialSecret".to_owned(), "store-default".to_owned());
    let mut disk = directory(&world);
    disk.remove("repositoryKey");
    let mut elsewhere = world.vault.container();
    let address = "configuration.backupStorageLocation.config.storageAccountURI".to_owned();
    elsewhere.insert(address, "https://127.0.0.1:9/acct".to_owned());
    let locations = world.locations("target").await;

    for (settings, expected) in [
        (with_secret, "may not set credentialSecret"),
        (disk, "directory"),
        (elsewhere, "at an address that is not the vault's"),
    ] {
        world.vault.say([Say::Grant("source", settings)]);
        let refused = locations.open("vault-1", Access::Read, &restore()).await.unwrap_err();

        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[tokio::test]
async fn a_role_that_is_taken_away_shows_with_its_code_and_heals_with_a_fresh_token() {
    let world = World::start().await;
    world.vault.role_to_write(true);
    let settings = with_vault_key(world.vault.container());
    world.cluster.put(location_map("default", Role::Own, &settings));
    let locations = world.locations("cluster-1").await;
    let open = locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await.unwrap();
    let before = locations.verify_writable(&open).await;

    world.vault.role_to_write(false);
    let refused = locations.verify_writable(&open).await.unwrap_err();
    world.vault.role_to_write(true);
    let healed = locations.verify_writable(&open).await;

    assert!(before.is_ok(), "{before:?}");
    assert_eq!(code_of(&refused), code::LOCATION_MISSING_PERMISSIONS, "{refused}");
    let steps = refused.problem().recommended_action;
    assert!(steps[0].contains("Storage Blob Data Contributor"), "{steps:?}");
    assert!(healed.is_ok(), "{healed:?}");
}

#[tokio::test]
async fn what_movers_get_trusts_the_vault_and_holds_a_token_instead_of_the_identity() {
    let world = World::start().await;
    world.vault.role_to_write(true);
    let settings = with_vault_key(world.vault.container());
    world.cluster.put(location_map("default", Role::Own, &settings));
    let locations = world.locations("cluster-1").await;
    let open = locations.open("default", Access::Begin, &backup()).await.unwrap();

    let settings = locations.settings_elsewhere(&open.record).await.unwrap();
    let credential = locations.credential(&open.record).await.unwrap().credential().await.unwrap();
    let source = storage::credential::StaticCredential::new(credential.value);
    let elsewhere = settings.open(Arc::new(source), world.clock.clone()).await.unwrap();
    let reached = elsewhere.repository.size(&StorePath::parse("config").unwrap()).await;

    assert!(settings.ca_cert().is_some_and(|pem| pem.contains("BEGIN CERTIFICATE")));
    assert!(reached.is_ok(), "{reached:?}");
}

#[tokio::test]
async fn a_backup_outlives_an_outage_of_the_vault_and_a_restore_from_elsewhere_waits_for_it() {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &directory(&world)));
    let locations = world.locations("cluster-1").await;
    let own = locations.open("default", Access::Begin, &backup()).await.unwrap();
    world.cluster.put(location_map("other", Role::Source, &directory(&world)));
    world.vault.say([Say::Grant("source", BTreeMap::new())]);
    let source = locations.open("other", Access::Read, &restore()).await.unwrap();
    let config = StorePath::parse("cofferdam/config").unwrap();

    world.vault.say([Say::Refuse(503, "ServerBusy")]);
    world.pass(SignedDuration::from_mins(61));
    let own = own.root.read(&config).await;
    let source = source.root.read(&config).await.unwrap_err();

    assert!(own.is_ok(), "{own:?}");
    assert!(source.temporary, "{source}");
}

#[tokio::test]
async fn without_a_vault_a_location_that_needs_one_says_so() {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &directory(&world)));
    let locations = world.locations("cluster-1").await.with_vault(None);

    for name in ["default", "vault-1"] {
        let refused = locations.open(name, Access::Read, &restore()).await.unwrap_err();

        assert!(matches!(refused, LocationError::Grant(GrantError::NoVault(_))), "{refused}");
        assert_eq!(code_of(&refused), code::LOCATION_NOT_READY);
    }
}

#[tokio::test]
async fn a_look_at_an_empty_location_claims_nothing_and_says_that_the_first_backup_will() {
    let world = World::start().await;
    std::fs::create_dir_all(world.store()).unwrap();
    world.cluster.put(location_map("default", Role::Own, &directory(&world)));
    let locations = world.locations("cluster-1").await;

    let seen = locations.inspect("default", &look()).await;
    let written = std::fs::read_dir(world.store()).unwrap().count();

    assert!(seen.as_ref().is_ok_and(|seen| seen.contains("no repository yet")), "{seen:?}");
    assert_eq!((written, world.vault.asked().len()), (0, 0));
}

#[tokio::test]
async fn a_look_finds_a_repository_that_was_lost_and_puts_no_empty_one_in_its_place() {
    let world = World::start().await;
    let mut map = location_map("default", Role::Own, &directory(&world));
    world.cluster.put(map.clone());
    let locations = world.locations("cluster-1").await;
    locations.open("default", Access::Begin, &GrantPurpose::Upkeep).await.unwrap();
    map["metadata"]["annotations"] = json!({STATE: READY});
    world.cluster.put(map);

    let before = locations.inspect("default", &look()).await;
    for entry in std::fs::read_dir(world.store()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }
    let lost = locations.inspect("default", &look()).await.unwrap_err();
    let written = std::fs::read_dir(world.store()).unwrap().count();

    assert!(before.is_ok(), "{before:?}");
    assert_eq!(code_of(&lost), code::REPOSITORY_DAMAGED, "{lost}");
    assert!(lost.problem().recommended_action[0].contains("who emptied the store"), "{lost:?}");
    assert_eq!(written, 0);
}

#[tokio::test]
async fn a_look_sees_whose_a_location_is_and_what_else_lies_there() {
    let world = World::start().await;
    world.cluster.put(location_map("default", Role::Own, &directory(&world)));
    world.locations("cluster-1").await.open("default", Access::Begin, &backup()).await.unwrap();

    let own = world.locations("cluster-1").await.inspect("default", &look()).await;
    let other = world.locations("cluster-2").await.inspect("default", &look()).await.unwrap_err();
    std::fs::remove_file(format!("{}/{}", world.store(), storage::owner::OWNER_FILE)).unwrap();
    let unmarked = world.locations("cluster-1").await.inspect("default", &look()).await.unwrap_err();

    assert!(own.is_ok(), "{own:?}");
    assert_eq!(code_of(&other), code::LOCATION_OWNED_BY_OTHER_CLUSTER, "{other}");
    assert_eq!(code_of(&unmarked), code::LOCATION_NOT_EMPTY, "{unmarked}");
}
