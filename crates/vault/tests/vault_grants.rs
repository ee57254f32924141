//! What an extension is granted, and what not.

mod world;

use arm::ResourceId;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use vault::{
    api::{
        Loaded,
        extensions::{ExtensionIdentity, ExtensionRecord},
        load, put,
    },
    keys::{ExportedKey, import},
    store::{Change, Expected, Principal, PrincipalKind},
};
use world::{
    Answer, Person,
    protected::{POINT, Protected, audit, restore},
};

const CONTRIBUTOR: &str = "Storage Blob Data Contributor";
const READER: &str = "Storage Blob Data Reader";

/// A backup that ended well.
fn done() -> Value {
    json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": POINT}, "objects": 1, "bytesAdded": 1,
        "volumes": {"snapshots": 0, "fileCopies": 0, "notProtected": 0}, "problems": [], "problemCount": 0})
}

/// The identity of the extension of the cluster of the world.
async fn extension(it: &Protected) -> Person {
    extension_of(it, &it.managed).await
}

async fn extension_of(it: &Protected, managed: &ResourceId) -> Person {
    let id = managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    let found: Option<Loaded<ExtensionRecord>> = load(it.world.app.store.as_ref(), &id).await.unwrap();
    signed_in(it, &found.unwrap().document.identity.unwrap().principal_id).await
}

/// With a token of the vault, as the extension's pod gets one for its own.
async fn signed_in(it: &Protected, object_id: &str) -> Person {
    let token = it.token_for(object_id).await;
    Person { object_id: object_id.to_owned(), token, ..it.world.administrator.clone() }
}

/// The location of the extension is in an account that the resource manager knows.
async fn into_known_account(it: &Protected) -> String {
    let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    let store = it.world.app.store.as_ref();
    let mut found: Loaded<ExtensionRecord> = load(store, &id).await.unwrap().unwrap();
    let subscription = it.world.root().trim_start_matches("/subscriptions/").to_owned();
    for (name, value) in
        [("storageAccount", "backups1"), ("resourceGroup", "shop"), ("subscriptionId", subscription.as_str())]
    {
        let name = format!("configuration.backupStorageLocation.config.{name}");
        found.document.settings.insert(name, value.to_owned());
    }
    store.commit(&[found.write().unwrap()], &audit()).await.unwrap();
    let register = format!("{}/providers/Microsoft.Storage/register", it.world.root());
    assert_eq!(it.call(Method::POST, &register, None).await.status, 200);
    let account = format!("{}/providers/Microsoft.Storage/storageAccounts/backups1", it.group);
    let body =
        json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}});
    let made = it.call(Method::PUT, &account, Some(body)).await;
    assert_eq!(made.status, 200, "{made:?}");
    for container in ["backups", "other"] {
        let path = format!("{account}/blobServices/default/containers/{container}");
        let made = it.call(Method::PUT, &path, Some(json!({"properties": {}}))).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    account
}

/// Another cluster with the same settings of its location.
async fn second_cluster(it: &Protected) -> Person {
    let store = it.world.app.store.as_ref();
    let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    let first: Loaded<ExtensionRecord> = load(store, &id).await.unwrap().unwrap();
    let other =
        format!("{}/providers/Microsoft.ContainerService/managedClusters/two", it.group).parse().unwrap();
    let cluster = store.resource(&it.managed).await.unwrap().unwrap();
    let principal = Principal {
        object_id: uuid::Uuid::new_v4().to_string(),
        client_id: uuid::Uuid::new_v4().to_string(),
        name: "extension of two".to_owned(),
        kind: PrincipalKind::ManagedIdentity,
        resource: Some(other),
        created_at: it.world.app.clock.now(),
    };
    let other = principal.resource.clone().unwrap();
    let identity = Some(ExtensionIdentity {
        resource: other.clone(),
        principal_id: principal.object_id.clone(),
        client_id: principal.client_id.clone(),
    });
    let second = ExtensionRecord { identity, ..first.document };
    let changes = [
        Change::AddPrincipal(principal.clone()),
        put(&other, &cluster.document, Expected::Absent).unwrap(),
        put(
            &other.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap(),
            &second,
            Expected::Absent,
        )
        .unwrap(),
    ];
    store.commit(&changes, &audit()).await.unwrap();
    signed_in(it, &principal.object_id).await
}

async fn ask(it: &Protected, who: &Person, body: Value) -> Answer {
    it.world.call(who, Method::POST, "/cluster/v1/grants", Some(body)).await
}

fn upkeep() -> Value {
    json!({"purpose": "upkeep", "location": "default"})
}

fn of_job(kind: &str, job: &str, location: &str) -> Value {
    json!({"purpose": "job", "kind": kind, "name": job.rsplit('/').next(), "location": location})
}

#[tokio::test]
async fn a_location_has_one_key_whether_or_not_it_says_how_its_account_is_reached() {
    let it = Protected::start().await;
    into_known_account(&it).await;
    let who = extension(&it).await;
    let contributor = it.world.assign(&it.world.administrator, CONTRIBUTOR, &who, &it.group).await;
    assert_eq!(contributor.status, 201, "{contributor:?}");
    let (store, now) = (it.world.app.store.as_ref(), it.world.app.clock.now());
    let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    let mut found: Loaded<ExtensionRecord> = load(store, &id).await.unwrap().unwrap();
    let uri = "configuration.backupStorageLocation.config.storageAccountURI".to_owned();
    let mut settings = found.document.settings.clone();
    settings.insert(uri.clone(), "https://vault.example/backups1".to_owned());
    // As it was kept when the URI still made another key of it.
    let old = ExportedKey {
        id: "00112233445566778899".to_owned(),
        settings,
        owner: Some(it.managed.clone()),
        repository_password: "of before".to_owned(),
    };
    assert_eq!(import(store, &it.world.app.wrapping, &[old], now).await.unwrap(), 1);

    let without = ask(&it, &who, upkeep()).await;
    found.document.settings.insert(uri, "https://other.example/backups1".to_owned());
    store.commit(&[found.write().unwrap()], &audit()).await.unwrap();
    let with = ask(&it, &who, upkeep()).await;

    for granted in [without, with] {
        assert_eq!(granted.body["repositoryPassword"], "of before", "{granted:?}");
    }
}

#[tokio::test]
async fn only_the_identity_of_an_extension_is_granted_anything() {
    let it = Protected::start().await;
    let owner = it.world.administrator.clone();

    let granted = ask(&it, &extension(&it).await, upkeep()).await;
    let refused = ask(&it, &owner, upkeep()).await;

    assert_eq!((granted.status, granted.body["role"].as_str()), (200, Some("own")), "{granted:?}");
    assert_eq!(granted.body["repositoryPassword"].as_str().unwrap().len(), 64);
    assert_eq!((refused.status, refused.code()), (403, "GrantDenied"), "{refused:?}");
}

#[tokio::test]
async fn a_job_of_another_cluster_an_unknown_one_and_one_that_has_ended_are_granted_nothing() {
    let it = Protected::start().await;
    it.protect().await;
    let (one, two) = (extension(&it).await, second_cluster(&it).await);
    let job = it.job_of(&it.back_up().await).await;

    let during = ask(&it, &one, of_job("Backup", &job, "default")).await;
    let of_the_other = ask(&it, &two, of_job("Backup", &job, "default")).await;
    let as_restore = ask(&it, &one, of_job("Restore", &job, "default")).await;
    let elsewhere = ask(&it, &one, of_job("Backup", &job, "vault-0a1b2c3d")).await;
    it.cluster.says("Backup", done());
    it.ended(&job).await;
    let after = ask(&it, &one, of_job("Backup", &job, "default")).await;

    assert_eq!(during.status, 200, "{during:?}");
    let codes: Vec<_> =
        [&of_the_other, &as_restore, &elsewhere, &after].iter().map(|one| one.code()).collect();
    assert_eq!(codes, ["GrantUnknownJob", "GrantDenied", "GrantDenied", "GrantUnknownJob"]);
    for refused in [of_the_other, as_restore, elsewhere, after] {
        assert!(refused.body.get("repositoryPassword").is_none(), "{refused:?}");
    }
}

/// A restore of the first cluster's recovery point into the second one is under way; the name of the location that it reads.
async fn restore_under_way(it: &Protected, two: &ResourceId) -> (String, String) {
    it.cluster.says("Restore", json!({"phase": "InProgress"}));
    let begun = it.call(Method::POST, &format!("{}/restore", it.instance), Some(restore(two))).await;
    let job = it.job_of(&begun).await;
    let made = it.until(async || it.cluster.made("restores").pop()).await;
    (job, made["recoveryPoint"]["location"].as_str().unwrap().to_owned())
}

/// A cluster with a recovery point in a container of the vault, and a second one whose extension may read there.
struct Elsewhere {
    it: Protected,
    container: String,
    /// The extension that wrote it.
    one: Person,
    two: ResourceId,
    /// The extension of the second cluster.
    reader: Person,
}

impl Elsewhere {
    async fn start() -> Self {
        let it = Protected::start().await;
        let account = into_known_account(&it).await;
        let container = format!("{account}/blobServices/default/containers/backups");
        let owner = it.world.administrator.clone();
        let one = extension(&it).await;
        assert_eq!(it.world.assign(&owner, CONTRIBUTOR, &one, &account).await.status, 201);
        it.protect().await;
        it.cluster.says("Backup", done());
        it.ended(&it.job_of(&it.back_up().await).await).await;
        let two: ResourceId =
            format!("{}/providers/Microsoft.ContainerService/managedClusters/two", it.group).parse().unwrap();
        it.connect_another(&two).await;
        let reader = extension_of(&it, &two).await;
        let all = Self { it, container, one, two, reader };
        all.may_read().await;
        all
    }

    async fn may_read(&self) {
        let owner = &self.it.world.administrator;
        let given = self.it.world.assign(owner, READER, &self.reader, &self.container).await;
        assert_eq!(given.status, 201, "{given:?}");
    }
}

#[tokio::test]
async fn a_restore_elsewhere_reads_the_source_while_it_runs_and_only_by_a_role_of_its_own() {
    let all = Elsewhere::start().await;
    let Elsewhere { it, container, one, two, reader } = &all;
    let own = ask(it, one, upkeep()).await;
    let (job, location) = restore_under_way(it, two).await;

    it.unassign(&reader.object_id, container).await;
    let without = ask(it, reader, of_job("Restore", &job, &location)).await;
    all.may_read().await;
    let with = ask(it, reader, of_job("Restore", &job, &location)).await;
    let of_the_first = ask(it, one, of_job("Restore", &job, &location)).await;
    let as_its_own = ask(it, reader, of_job("Restore", &job, "default")).await;
    it.cluster.says("Restore", json!({"phase": "Completed", "problems": [], "problemCount": 0}));
    it.ended(&job).await;
    let after = ask(it, reader, of_job("Restore", &job, &location)).await;

    assert_eq!((without.status, without.code()), (403, "GrantMissingRole"), "{without:?}");
    assert!(without.body["error"]["message"].as_str().unwrap().contains(READER), "{without:?}");
    assert_eq!((with.status, with.body["role"].as_str()), (200, Some("source")), "{with:?}");
    assert_eq!(with.body["repositoryPassword"], own.body["repositoryPassword"]);
    let codes = [&of_the_first, &as_its_own, &after].map(|refused| refused.code().to_owned());
    assert_eq!(codes, ["GrantUnknownJob", "GrantDenied", "GrantUnknownJob"]);
    for refused in [without, of_the_first, as_its_own, after] {
        assert!(refused.body.get("repositoryPassword").is_none(), "{refused:?}");
    }
}

/// A question about a restore of the first cluster's recovery point into the second one is asked there: the call, and the
/// name and location of the question.
async fn question_under_way(it: &Protected, two: &ResourceId) -> (Answer, String, String) {
    it.cluster.says("ValidateForRestore", json!({"phase": "InProgress"}));
    let body = json!({"restoreRequestObject": restore(two)});
    let begun = it.call(Method::POST, &format!("{}/validateRestore", it.instance), Some(body)).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let object = it.until(async || it.cluster.object("validateforrestores")).await;
    let text = |at: &str| object.pointer(at).unwrap().as_str().unwrap().to_owned();
    let location = text("/spec/restore/recoveryPoint/location");
    (begun, text("/metadata/name"), location)
}

#[tokio::test]
async fn a_question_about_a_restore_elsewhere_opens_the_source_for_reading_to_whom_it_is_put_and_no_longer() {
    let all = Elsewhere::start().await;
    let Elsewhere { it, container, one, two, reader } = &all;
    let own = ask(it, one, upkeep()).await;
    let unasked = of_job("ValidateForRestore", "d5a2c4de-0000-4000-8000-000000000000", "vault-0a1b2c3d");
    let (begun, name, location) = question_under_way(it, two).await;
    let question = || of_job("ValidateForRestore", &name, &location);

    it.unassign(&reader.object_id, container).await;
    let without = ask(it, reader, question()).await;
    all.may_read().await;
    let with = ask(it, reader, question()).await;
    let refused = [
        // The first cluster may even write there, and was not asked.
        (ask(it, one, question()).await, "GrantUnknownJob"),
        (ask(it, &it.world.administrator, question()).await, "GrantDenied"),
        (ask(it, reader, unasked).await, "GrantUnknownJob"),
        (ask(it, reader, of_job("ValidateForRestore", &name, "vault-0a1b2c3d")).await, "GrantUnknownJob"),
        // A question is no job: nothing is restored, written or deleted by it.
        (ask(it, reader, of_job("Restore", &name, &location)).await, "GrantUnknownJob"),
        (ask(it, reader, of_job("DeleteBackup", &name, &location)).await, "GrantDenied"),
        (ask(it, reader, json!({"purpose": "upkeep", "location": location})).await, "GrantDenied"),
    ];
    it.cluster.says("ValidateForRestore", json!({"phase": "Completed", "checks": []}));
    let ended = it.operation(&begun).await;
    let after = ask(it, reader, question()).await;

    assert_eq!((without.status, without.code()), (403, "GrantMissingRole"), "{without:?}");
    assert!(without.body["error"]["message"].as_str().unwrap().contains(READER), "{without:?}");
    assert_eq!((with.status, with.body["role"].as_str()), (200, Some("source")), "{with:?}");
    assert_eq!(with.body["repositoryPassword"], own.body["repositoryPassword"]);
    assert_eq!(own.body["role"], "own", "who writes is told so");
    assert_eq!(ended.body["status"], "Succeeded", "to read the container is enough: {ended:?}");
    for (answer, code) in refused.into_iter().chain([(after, "GrantUnknownJob")]) {
        assert_eq!(answer.code(), code, "{answer:?}");
        assert!(answer.body.get("repositoryPassword").is_none(), "{answer:?}");
    }
    assert!(without.body.get("repositoryPassword").is_none(), "{without:?}");
}

#[tokio::test]
async fn a_location_that_one_cluster_writes_to_is_not_opened_to_another_before_that_cluster_is_gone() {
    let it = Protected::start().await;
    let account = into_known_account(&it).await;
    let (one, two) = (extension(&it).await, second_cluster(&it).await);
    for who in [&one, &two] {
        assert_eq!(it.world.assign(&it.world.administrator, CONTRIBUTOR, who, &account).await.status, 201);
    }
    let first = ask(&it, &one, upkeep()).await;

    let refused = ask(&it, &two, upkeep()).await;
    it.remove(&it.managed).await;
    let heir = ask(&it, &two, upkeep()).await;

    assert_eq!((refused.status, refused.code()), (403, "GrantDenied"), "{refused:?}");
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("managedClusters/one") && message.contains("prefix of its own"), "{message}");
    assert_eq!(heir.status, 200, "{heir:?}");
    assert_eq!(heir.body["repositoryPassword"], first.body["repositoryPassword"]);
}

#[tokio::test]
async fn a_location_outside_stays_its_first_clusters_also_when_that_is_gone() {
    let it = Protected::start().await;
    let (one, two) = (extension(&it).await, second_cluster(&it).await);
    assert_eq!(ask(&it, &one, upkeep()).await.status, 200);

    it.remove(&it.managed).await;
    let refused = ask(&it, &two, upkeep()).await;

    assert_eq!((refused.status, refused.code()), (403, "GrantDenied"), "{refused:?}");
}

#[tokio::test]
async fn the_key_of_a_known_account_needs_a_role_on_it_or_on_the_container() {
    let it = Protected::start().await;
    let account = into_known_account(&it).await;
    let container = format!("{account}/blobServices/default/containers/backups");
    let other = format!("{account}/blobServices/default/containers/other");
    let who = extension(&it).await;
    let owner = it.world.administrator.clone();

    let without = ask(&it, &who, upkeep()).await;
    for (role, scope) in [(READER, &account), (CONTRIBUTOR, &other)] {
        assert_eq!(it.world.assign(&owner, role, &who, scope).await.status, 201);
    }
    let too_little = ask(&it, &who, upkeep()).await;
    assert_eq!(it.world.assign(&owner, CONTRIBUTOR, &who, &container).await.status, 201);
    let granted = ask(&it, &who, upkeep()).await;

    for refused in [without, too_little] {
        assert_eq!((refused.status, refused.code()), (403, "GrantMissingRole"), "{refused:?}");
        assert!(refused.body["error"]["message"].as_str().unwrap().contains(CONTRIBUTOR), "{refused:?}");
    }
    assert_eq!(granted.status, 200, "{granted:?}");
}

#[tokio::test]
async fn a_backup_whose_extension_got_another_location_meanwhile_does_not_get_that_ones_key() {
    let it = Protected::start().await;
    it.protect().await;
    let who = extension(&it).await;
    let job = it.job_of(&it.back_up().await).await;

    into_known_account(&it).await;
    let refused = ask(&it, &who, of_job("Backup", &job, "default")).await;

    assert_eq!((refused.status, refused.code()), (403, "GrantDenied"), "{refused:?}");
    assert!(
        refused.body["error"]["message"].as_str().unwrap().contains("location was changed"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn every_grant_is_in_the_audit_log_and_refusals_do_not_fill_it() {
    let it = Protected::start().await;
    let who = extension(&it).await;
    let owner = it.world.administrator.clone();
    let of_grants = async || {
        let rows = it.world.app.store.audit(0, 1_000).await.unwrap();
        let of = |outcome: &str| {
            rows.iter()
                .filter(|row| row.record.contains("grant upkeep") && row.record.contains(outcome))
                .count()
        };
        (of("\"Changed\""), of("\"Denied\""))
    };

    for _ in 0..50 {
        ask(&it, &owner, upkeep()).await;
    }
    ask(&it, &who, upkeep()).await;
    ask(&it, &who, upkeep()).await;

    let (granted, denied) = of_grants().await;
    assert_eq!(granted, 2);
    assert!((1..50).contains(&denied), "{denied}");
}

#[tokio::test]
async fn a_look_that_is_refused_for_days_is_one_row_when_it_begins_and_one_when_it_ends() {
    let it = Protected::start().await;
    let account = into_known_account(&it).await;
    let rows = async |it: &Protected| -> Vec<String> {
        let rows = it.world.app.store.audit(0, 1_000).await.unwrap();
        let look = |row: &String| row.contains("grant upkeep") || row.contains("grant job ValidateForBackup");
        let outcome = |row: String| if row.contains("\"Denied\"") { "denied" } else { "granted" }.to_owned();
        rows.into_iter().map(|row| row.record).filter(look).map(outcome).collect()
    };
    let look = async |it: &Protected, wanted: u16| {
        let who = extension(it).await;
        for number in 0..12 {
            let asked = of_job("ValidateForBackup", &format!("look-{number}"), "default");
            for asked in [asked, upkeep()] {
                let answer = ask(it, &who, asked).await;
                assert_eq!(answer.status, wanted, "{answer:?}");
            }
        }
    };

    look(&it, 403).await;
    it.world.clock.advance(SignedDuration::from_hours(24));
    let it = it.restart().await;
    look(&it, 403).await;
    let refused = rows(&it).await;
    let who = extension(&it).await;
    // The token of a day ago has ended.
    let owner = signed_in(&it, &it.world.administrator.object_id).await;
    assert_eq!(it.world.assign(&owner, CONTRIBUTOR, &who, &account).await.status, 201);
    let question = of_job("ValidateForBackup", "look-13", "default");
    assert_eq!(ask(&it, &who, question).await.status, 200);
    assert_eq!(ask(&it, &who, upkeep()).await.status, 200);
    let ended = rows(&it).await;

    assert_eq!(refused, ["denied", "denied"], "one for each purpose");
    assert_eq!(ended, ["denied", "denied", "granted", "granted"]);
}

#[tokio::test]
async fn grants_for_looks_are_one_row_of_the_audit_log_an_hour_and_not_one_each() {
    let it = Protected::start().await;
    let rows = async || {
        let rows = it.world.app.store.audit(0, 1_000).await.unwrap();
        rows.iter().filter(|row| row.record.contains("grant job ValidateForBackup")).count()
    };
    let a_dozen_looks = async || {
        let who = extension(&it).await;
        for look in 0..12 {
            let asked = of_job("ValidateForBackup", &format!("look-{look}"), "default");
            let granted = ask(&it, &who, asked).await;
            assert_eq!(granted.status, 200, "{granted:?}");
        }
    };

    a_dozen_looks().await;
    let first = rows().await;
    it.world.clock.advance(SignedDuration::from_mins(61));
    a_dozen_looks().await;

    assert_eq!((first, rows().await), (1, 2));
}
