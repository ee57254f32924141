//! Management locks: what is under one is not deleted, or not written, and no snapshots are planned in a group under one.

mod world;

use reqwest::Method;
use serde_json::{Value, json};
use world::{Answer, Person, World, protected::Protected};

fn lock(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/locks/{name}")
}

fn level(level: &str) -> Option<Value> {
    Some(json!({"properties": {"level": level, "notes": "kept by the audit"}}))
}

async fn call(world: &World, who: &Person, method: Method, path: &str, body: Option<Value>) -> Answer {
    world.call(who, method, path, body).await
}

#[tokio::test]
async fn what_is_under_a_lock_is_not_deleted_until_the_lock_is_taken_away() {
    let it = Protected::start().await;
    let admin = &it.world.administrator;
    let keep = lock(&it.group, "keep");
    let policy = format!("{}/backupPolicies/policy1", it.vault);

    let made = call(&it.world, admin, Method::PUT, &keep, level("CanNotDelete")).await;
    let of_policy = it.call(Method::DELETE, &policy, None).await;
    let of_vault = it.call(Method::DELETE, &it.vault, None).await;
    let of_group = it.call(Method::DELETE, &it.group, None).await;
    let written = it.call(Method::PATCH, &it.vault, Some(json!({"tags": {"a": "b"}}))).await;
    let removed = it.call(Method::DELETE, &keep, None).await;
    let again = it.call(Method::DELETE, &keep, None).await;
    let now = it.call(Method::DELETE, &policy, None).await;

    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(
        (&made.body["id"], &made.body["type"]),
        (&json!(keep), &json!("Microsoft.Authorization/locks"))
    );
    assert_eq!(made.body["properties"], json!({"level": "CanNotDelete", "notes": "kept by the audit"}));
    for refused in [&of_policy, &of_vault, &of_group] {
        assert_eq!((refused.status, refused.code()), (409, "ScopeLocked"), "{refused:?}");
        assert!(refused.body.to_string().contains(&it.group), "{refused:?}");
    }
    assert_eq!(written.status, 200, "{written:?}");
    assert_eq!((removed.status, again.status, now.status), (200, 204, 200), "{now:?}");
}

#[tokio::test]
async fn what_is_only_to_be_read_is_not_written_either_and_a_lock_below_keeps_what_is_above_it() {
    let it = Protected::start().await;
    let read_only = lock(&it.vault, "frozen");

    assert_eq!(it.call(Method::PUT, &read_only, level("ReadOnly")).await.status, 201);
    let tagged = it.call(Method::PATCH, &it.vault, Some(json!({"tags": {"a": "b"}}))).await;
    let below = it.call(Method::PUT, &it.instance, Some(json!({"properties": it.wanted()}))).await;
    let asked = it.call(Method::POST, &format!("{}/exportBackupJobs", it.vault), None).await;
    let read = it.get(&it.vault).await;
    let beside = it.call(Method::PATCH, &it.group, Some(json!({"tags": {"a": "b"}}))).await;
    let above = it.call(Method::DELETE, &it.group, None).await;
    let softened = it.call(Method::PUT, &read_only, level("CanNotDelete")).await;
    let then = it.call(Method::PATCH, &it.vault, Some(json!({"tags": {"a": "b"}}))).await;

    for refused in [&tagged, &below, &asked, &above] {
        assert_eq!((refused.status, refused.code()), (409, "ScopeLocked"), "{refused:?}");
    }
    assert_eq!((read.status, beside.status), (200, 200), "{beside:?}");
    assert_eq!((softened.status, then.status), (200, 200), "{softened:?} {then:?}");
}

#[tokio::test]
async fn locks_are_inherited_and_listed_and_only_those_who_may_make_them() {
    let it = Protected::start().await;
    let world = &it.world;
    let contributor = world.person(Some("Contributor"), &world.root()).await;
    let list = |scope: &str, filter: &str| {
        format!("{scope}/providers/Microsoft.Authorization/locks?$filter={filter}")
    };
    for (scope, name) in [(world.root(), "all"), (it.group.clone(), "group"), (it.vault.clone(), "vault")] {
        assert_eq!(
            it.call(Method::PUT, &lock(&scope, name), level("CanNotDelete")).await.status,
            201,
            "{scope}"
        );
    }

    let by_contributor =
        call(world, &contributor, Method::PUT, &lock(&it.group, "mine"), level("ReadOnly")).await;
    let taken_away = call(world, &contributor, Method::DELETE, &lock(&it.group, "group"), None).await;
    let of_group = call(world, &contributor, Method::GET, &list(&it.group, ""), None).await;
    let at_group = it.get(&list(&it.group, "atScope()")).await;
    let wrong = it.get(&list(&it.group, "colour eq 'red'")).await;
    let absent = it.get(&lock(&it.group, "absent")).await;
    let nowhere = it.call(Method::PUT, &lock(&world.group("nowhere"), "l"), level("ReadOnly")).await;
    let unknown = it.call(Method::PUT, &lock(&it.group, "l"), level("Sometimes")).await;

    for refused in [&by_contributor, &taken_away] {
        assert_eq!((refused.status, refused.code()), (403, "AuthorizationFailed"), "{refused:?}");
    }
    let sorted = |answer: &Answer| {
        let mut names: Vec<String> = answer.names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(sorted(&of_group), ["all", "group", "vault"]);
    assert_eq!(sorted(&at_group), ["all", "group"]);
    assert_eq!((wrong.status, absent.status, absent.code()), (400, 404, "LockNotFound"));
    assert_eq!((nowhere.status, nowhere.code()), (404, "ResourceGroupNotFound"));
    assert_eq!(unknown.status, 400, "{unknown:?}");
}

#[tokio::test]
async fn a_cluster_is_not_protected_into_a_snapshot_group_under_a_lock() {
    let it = Protected::start().await;
    let snapshots = it.world.group("snapshots");
    let keep = lock(&snapshots, "keep");
    let validate = async || {
        let body = json!({"backupInstance": it.wanted()});
        let begun = it.call(Method::POST, &format!("{}/validateForBackup", it.vault), Some(body)).await;
        it.operation(&begun).await.body
    };
    assert_eq!(it.call(Method::PUT, &keep, level("CanNotDelete")).await.status, 201);

    let refused = validate().await;
    let made = it.call(Method::PUT, &it.instance, Some(json!({"properties": it.wanted()}))).await;
    let configured = it.operation(&made).await.body;
    let state = it.state().await;
    assert_eq!(it.call(Method::DELETE, &keep, None).await.status, 200);
    let resumed = it.call(Method::POST, &format!("{}/resumeProtection", it.instance), None).await;
    let resumed = it.operation(&resumed).await.body;

    for told in [&refused, &configured] {
        assert_eq!(told["error"]["code"], "UserErrorSnapshotResourceGroupHasLocks", "{told}");
        assert!(told.to_string().contains("az lock delete"), "{told}");
    }
    assert_eq!(state, "ConfiguringProtectionFailed");
    assert_eq!(resumed["status"], "Succeeded", "{resumed}");
    assert_eq!(it.state().await, "ProtectionConfigured");
}

#[tokio::test]
async fn a_lock_that_is_put_while_its_resource_is_deleted_holds_or_is_refused() {
    let it = Protected::start().await;
    let register = format!("{}/providers/Microsoft.ManagedIdentity/register", it.world.root());
    it.call(Method::POST, &register, None).await;
    let identity =
        |n: usize| format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-{n}", it.group);
    for n in 0..20 {
        let made = it.call(Method::PUT, &identity(n), Some(json!({"location": "local"}))).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    let mut wrong = Vec::new();
    for n in 0..20 {
        let (path, keep) = (identity(n), lock(&identity(n), "keep"));
        let (deleted, locked) = tokio::join!(
            it.call(Method::DELETE, &path, None),
            it.call(Method::PUT, &keep, level("CanNotDelete"))
        );
        let is_there = it.get(&path).await.status == 200;
        if is_there != (locked.status == 201) {
            wrong.push((n, deleted.status, locked.status));
        }
    }

    assert!(wrong.is_empty(), "locked and gone, or neither: {wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_deleted_or_written_behind_a_lock_that_is_put_above_it_meanwhile() {
    let it = Protected::start().await;
    let register = format!("{}/providers/Microsoft.ManagedIdentity/register", it.world.root());
    it.call(Method::POST, &register, None).await;
    let identity = |n: usize| {
        let kind = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";
        format!("{}/{kind}/id-{n}", it.world.group("snapshots"))
    };
    let keep = lock(&it.world.group("snapshots"), "keep");
    let body = || Some(json!({"location": "local", "tags": {"a": uuid::Uuid::new_v4()}}));

    for _ in 0..10 {
        for n in 0..6 {
            assert!(it.call(Method::PUT, &identity(n), body()).await.status < 300);
        }
        let change = |n: usize| {
            let (method, path, body) = match n {
                0..3 => (Method::DELETE, identity(n), None),
                3..6 => (Method::PUT, identity(n), body()),
                _ => (Method::PUT, keep.clone(), level("ReadOnly")),
            };
            let it = &it;
            async move { it.call(method, &path, body).await }
        };
        let answers = futures::future::join_all([0, 3, 1, 6, 4, 2, 5].map(change)).await;
        assert_eq!(answers[3].status, 201, "{:?}", answers[3]);
        assert_eq!(it.call(Method::DELETE, &keep, None).await.status, 200);
    }
    let rows = it.world.app.store.audit(0, 10_000).await.unwrap();

    let (mut is_locked, mut locks, mut behind) = (false, 0, Vec::new());
    for row in &rows {
        let record: Value = serde_json::from_str(&row.record).unwrap();
        let (action, scope) = (record["action"].as_str().unwrap(), record["scope"].as_str().unwrap());
        match action {
            "Microsoft.Authorization/locks/write" => (is_locked, locks) = (true, locks + 1),
            "Microsoft.Authorization/locks/delete" => is_locked = false,
            _ if is_locked && record["outcome"] == "Changed" && scope.contains("/snapshots/") => {
                behind.push(record);
            }
            _ => {}
        }
    }
    assert_eq!(locks, 10);
    assert!(behind.is_empty(), "{behind:#?}");
}

#[tokio::test]
async fn a_lock_whose_resource_is_gone_can_be_read_and_taken_away() {
    let it = Protected::start().await;
    let gone = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/gone", it.group);
    let keep = lock(&gone, "keep");
    let document = json!({"name": "keep", "scope": gone, "level": "CanNotDelete", "notes": null});
    let put = vault::store::Change::Put {
        id: keep.parse().unwrap(),
        document,
        expected: vault::store::Expected::Absent,
    };
    it.world.app.store.commit(&[put], &world::protected::audit()).await.unwrap();

    let read = it.get(&keep).await;
    let removed = it.call(Method::DELETE, &keep, None).await;

    assert_eq!((read.status, removed.status), (200, 200), "{read:?} {removed:?}");
    assert_eq!(it.get(&keep).await.code(), "LockNotFound");
}
