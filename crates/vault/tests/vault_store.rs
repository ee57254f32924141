//! What every store must do. One suite for all of them.

use arm::{OperationStatus, ResourceId};
use identity::{Assignment, RoleId};
use jiff::Timestamp;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use vault::store::{
    AssignmentRecord, AuditEntry, AuditOutcome, Change, Claim, ClientSecret, Ending, Expected, Grants,
    Holding, OAuthGrant, OperationRecord, Place, Principal, PrincipalKind, Sealed, SealedKey, StoreError,
    Subscription, Work,
};

mod chain;
mod databases;

use chain::first_broken;
use databases::{Database, World};

fn audit(action: &str) -> AuditEntry {
    AuditEntry {
        at: Timestamp::UNIX_EPOCH,
        principal: "p".into(),
        action: action.into(),
        scope: "/".into(),
        outcome: AuditOutcome::Changed,
        correlation: "c".into(),
    }
}

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

fn put(id: &ResourceId, document: serde_json::Value, expected: Expected) -> Change {
    Change::Put { id: id.clone(), document, expected }
}

const GROUP: &str = "/subscriptions/s/resourceGroups/G";

async fn a_write_happens_only_to_what_was_read(world: World) {
    let store = &world.store;
    let group = id(GROUP);
    let commit = async |change: Change| store.commit(&[change], &audit("put")).await;

    commit(put(&group, json!({"n": 1}), Expected::Absent)).await.unwrap();
    let twice = commit(put(&id(&GROUP.to_lowercase()), json!({"n": 2}), Expected::Absent)).await;
    commit(put(&group, json!({"n": 3}), Expected::Version(1))).await.unwrap();
    let stale = commit(put(&group, json!({"n": 4}), Expected::Version(1))).await;
    let found =
        store.resource(&id(&GROUP.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions"))).await.unwrap();

    let found = found.unwrap();
    assert_eq!((found.id.as_str(), found.document, found.version), (GROUP, json!({"n": 3}), 2));
    assert!(matches!((twice, stale), (Err(StoreError::Conflict(_)), Err(StoreError::Conflict(_)))));
}

async fn all_changes_of_a_call_and_its_audit_record_happen_or_none(world: World) {
    let store = &world.store;
    let group = id(GROUP);
    let changes = [put(&group, json!({}), Expected::Absent), Change::Unassign("absent".into())];

    let failed = store.commit(&changes, &audit("both")).await;

    assert!(matches!(failed, Err(StoreError::Conflict(_))));
    assert_eq!(store.resource(&group).await.unwrap(), None);
    assert_eq!(store.audit(0, 10).await.unwrap(), []);
}

async fn what_a_change_relies_on_stays_as_it_was_read_or_nothing_happens(world: World) {
    let store = &world.store;
    let group = id(GROUP);
    let below = group.with("Microsoft.DataProtection/backupVaults", "v").unwrap();
    store.commit(&[put(&group, json!({}), Expected::Absent)], &audit("make")).await.unwrap();
    let relying =
        |version: i64| [Change::Stays(group.clone(), version), put(&below, json!({}), Expected::Absent)];

    let read = store.commit(&relying(1), &audit("rely")).await;
    let unchanged = store.resource(&group).await.unwrap().unwrap().version;
    store.commit(&[put(&group, json!({"a": 1}), Expected::Version(1))], &audit("change")).await.unwrap();
    let changed = store.commit(&relying(1), &audit("rely")).await;
    store.commit(&[Change::Remove(group.clone(), Expected::Version(2))], &audit("remove")).await.unwrap();
    let gone = store.commit(&relying(2), &audit("rely")).await;

    assert!(read.is_ok() && unchanged == 1);
    assert!(matches!(changed, Err(StoreError::Conflict(_))));
    assert!(matches!(gone, Err(StoreError::Conflict(_))));
    assert_eq!(store.resource(&below).await.unwrap(), None);
}

async fn lists_are_of_one_kind_below_one_id_in_order_and_in_pages(world: World) {
    let store = &world.store;
    let names = ["b", "a", "c"].map(|name| id(&format!("/subscriptions/s/resourceGroups/{name}")));
    let others = [
        id("/subscriptions/s2/resourceGroups/x"),
        id("/subscriptions/s/resourceGroups/a/providers/Microsoft.DataProtection/backupVaults/v"),
    ];
    let changes: Vec<Change> =
        names.iter().chain(&others).map(|one| put(one, json!({}), Expected::Absent)).collect();
    store.commit(&changes, &audit("put")).await.unwrap();

    let kind = "Microsoft.Resources/resourceGroups";
    let page = async |after: Option<&str>, most: u32| -> Vec<String> {
        let found = store.resources(kind, &id("/subscriptions/S"), after, most).await.unwrap();
        found.iter().map(|one| one.id.name().to_owned()).collect()
    };

    assert_eq!(page(None, 10).await, ["a", "b", "c"]);
    assert_eq!(page(None, 2).await, ["a", "b"]);
    assert_eq!(page(Some("/subscriptions/s/resourcegroups/b"), 2).await, ["c"]);
    assert_eq!(page(Some("/a"), 1).await, ["a"], "a key before the first changes nothing");
}

async fn what_goes_takes_what_is_below_and_the_roles_there(world: World) {
    let store = &world.store;
    let (group, beside) = (id(GROUP), id("/subscriptions/s/resourceGroups/G2"));
    let vault = group.with("Microsoft.DataProtection/backupVaults", "v").unwrap();
    let assign = |name: &str, scope: &ResourceId| {
        let assignment = Assignment { principal: "p".into(), role: RoleId::new("r"), scope: scope.clone() };
        Change::Assign(AssignmentRecord { name: name.into(), assignment, document: json!({}) })
    };
    let made = [
        put(&group, json!({}), Expected::Absent),
        put(&beside, json!({}), Expected::Absent),
        put(&vault, json!({}), Expected::Absent),
        assign("1", &group),
        assign("2", &vault),
        assign("3", &beside),
    ];
    store.commit(&made, &audit("make")).await.unwrap();
    let at_vault = store.roles_at("p", &vault).await.unwrap();
    let of_another = store.roles_at("q", &vault).await.unwrap();

    store.commit(&[Change::Remove(group.clone(), Expected::Version(1))], &audit("remove")).await.unwrap();

    let mut scopes: Vec<ResourceId> = at_vault.into_iter().map(|one| one.scope).collect();
    scopes.sort_by_key(|scope| scope.as_str().len());
    assert_eq!(
        (scopes, of_another),
        (vec![group.clone(), vault.clone()], vec![]),
        "what is beside does not count"
    );
    assert_eq!(store.resource(&vault).await.unwrap(), None);
    assert!(store.resource(&beside).await.unwrap().is_some());
    let left: Vec<String> =
        store.assignments_of("p").await.unwrap().into_iter().map(|record| record.name).collect();
    assert_eq!(left, ["3"]);
    let roles = store.roles_of("p").await.unwrap();
    assert_eq!(roles, [Assignment { principal: "p".into(), role: RoleId::new("r"), scope: beside }]);
}

async fn an_operation_is_found_until_it_ends(world: World) {
    let store = &world.store;
    let operation = OperationRecord {
        id: "op".into(),
        kind: "delete".into(),
        target: id(GROUP),
        principal: "p".into(),
        status: OperationStatus::Inprogress,
        started_at: Timestamp::UNIX_EPOCH,
        ended_at: None,
        result: None,
        error: None,
    };
    store.commit(&[Change::Begin(operation.clone())], &audit("begin")).await.unwrap();

    let running = store.operations(OperationStatus::Inprogress).await.unwrap();
    let ending = Ending { status: OperationStatus::Succeeded, result: Some(json!({"a": 1})), error: None };
    let end = Change::End("op".into(), ending, Timestamp::UNIX_EPOCH);
    store.commit(std::slice::from_ref(&end), &audit("end")).await.unwrap();
    let twice = store.commit(&[end], &audit("end")).await;

    assert_eq!(running, [operation]);
    assert_eq!(store.operations(OperationStatus::Inprogress).await.unwrap(), []);
    let ended = store.operation("op").await.unwrap().unwrap();
    assert_eq!((ended.ended_at, ended.result), (Some(Timestamp::UNIX_EPOCH), Some(json!({"a": 1}))));
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "an operation ends once");
}

async fn operations_that_ended_long_ago_go_the_oldest_first_and_so_many_at_a_time(world: World) {
    let store = &world.store;
    let at = |second| Timestamp::from_second(second).unwrap();
    let operation = |name: &str, ended: Option<i64>| {
        Change::Begin(OperationRecord {
            id: name.into(),
            kind: "k".into(),
            target: id(GROUP),
            principal: "p".into(),
            status: ended.map_or(OperationStatus::Inprogress, |_| OperationStatus::Failed),
            started_at: at(0),
            ended_at: ended.map(at),
            result: None,
            error: None,
        })
    };
    let begun = [
        operation("running", None),
        operation("c", Some(30)),
        operation("a", Some(10)),
        operation("b", Some(20)),
        operation("late", Some(101)),
    ];
    store.commit(&begun, &audit("begin")).await.unwrap();
    let left = async || {
        let mut left = Vec::new();
        for name in ["a", "b", "c", "late", "running"] {
            left.extend(store.operation(name).await.unwrap().map(|found| found.id));
        }
        left
    };
    let forget = async |most| {
        store.commit_unaudited(&[Change::ForgetOperations { ended_by: at(100), most }]).await.unwrap();
        left().await
    };

    let (first, then, again) = (forget(2).await, forget(2).await, forget(2).await);

    assert_eq!(first, ["c", "late", "running"]);
    assert_eq!(then, ["late", "running"]);
    assert_eq!(again, ["late", "running"], "what is under way is never forgotten");
}

fn work(id: &str, due: i64, connection: Option<&str>) -> Work {
    Work {
        id: id.into(),
        kind: "job".into(),
        target: self::id(GROUP),
        connection: connection.map(Into::into),
        due_at: Timestamp::from_second(due).unwrap(),
        attempts: 0,
        document: json!({}),
    }
}

fn claim(owner: &str, now: i64, replica: &str) -> Claim {
    Claim {
        owner: owner.into(),
        now: Timestamp::from_second(now).unwrap(),
        until: Timestamp::from_second(now + 60).unwrap(),
        overdue: Timestamp::from_second(now - 5).unwrap(),
        replica: replica.into(),
        most: 10,
    }
}

async fn due_work_is_claimed_by_one_and_comes_back_when_the_claim_ends(world: World) {
    let store = &world.store;
    let added =
        [work("a", 10, None), work("b", 5, None), work("later", 100, None), work("far", 9, Some("c1"))];
    let added = added.map(Change::AddWork);
    store.commit(&added, &audit("add")).await.unwrap();
    store.commit(&added[..1], &audit("add again")).await.unwrap();
    let ids = |found: Vec<Work>| found.into_iter().map(|one| (one.id, one.attempts)).collect::<Vec<_>>();
    assert!(store.take_tunnel(&holding("c1", "s1", 1_000), None).await.unwrap());

    let first = store.claim(&claim("one", 10, "r2")).await.unwrap();
    let second = store.claim(&claim("two", 10, "r1")).await.unwrap();
    let renewed = store.renew("a", "one", Timestamp::from_second(200).unwrap()).await.unwrap();
    let stolen = store.renew("a", "two", Timestamp::from_second(200).unwrap()).await.unwrap();
    let after = store.claim(&claim("three", 90, "r2")).await.unwrap();

    assert_eq!(ids(first), [("b".to_owned(), 1), ("a".to_owned(), 1)], "the longest due first");
    assert_eq!(ids(second), [("far".to_owned(), 1)]);
    assert_eq!((renewed, stolen), (true, false));
    let over = [("b".to_owned(), 2), ("far".to_owned(), 2)];
    assert_eq!(
        ids(after),
        over,
        "their claims were over, a's was renewed; and far was not left to its holder for ever"
    );
}

fn holding(connection: &str, session: &str, until: i64) -> Holding {
    Holding {
        connection: connection.into(),
        replica: "r1".into(),
        address: "127.0.0.1:1".into(),
        session: session.into(),
        held_until: Timestamp::from_second(until).unwrap(),
    }
}

async fn a_tunnel_is_its_last_takers_and_an_older_one_changes_nothing(world: World) {
    let store = &world.store;
    let at = |second| Timestamp::from_second(second).unwrap();
    let second = Holding { replica: "r2".into(), ..holding("c", "s2", 100) };

    let taken = store.take_tunnel(&holding("c", "s1", 60), None).await.unwrap();
    let again = store.take_tunnel(&holding("c", "s9", 60), None).await.unwrap();
    let over = store.take_tunnel(&second, Some("s1")).await.unwrap();
    let late = store.take_tunnel(&holding("c", "s3", 200), Some("s1")).await.unwrap();
    let of_first = store.keep_tunnels("r1", at(300)).await.unwrap();
    store.leave_tunnel("s1").await.unwrap();
    let stands = store.tunnel("c").await.unwrap();
    let seen = (
        store.tunnels_elsewhere("r1", "127.0.0.1:7", at(99)).await.unwrap(),
        store.tunnels_elsewhere("r1", "127.0.0.1:1", at(99)).await.unwrap(),
        store.tunnels_elsewhere("r1", "127.0.0.1:7", at(100)).await.unwrap(),
    );
    let of_second = store.keep_tunnels("r2", at(300)).await.unwrap();
    store.leave_tunnel("s2").await.unwrap();
    let left = store.tunnel("c").await.unwrap().unwrap();

    assert_eq!((taken, again, over, late), (true, false, true, false));
    assert_eq!((of_first, of_second), (vec![], vec!["s2".to_owned()]));
    assert_eq!(stands, Some(second));
    assert_eq!(
        seen,
        (vec!["c".to_owned()], vec![], vec![]),
        "not at the own address, where an earlier run was, and not longer than its lease"
    );
    assert_eq!((left.session.as_str(), left.held_until), ("s2", at(0)));
    assert!(store.keep_tunnels("r2", at(400)).await.unwrap().is_empty(), "what is over is not renewed");
    let day = 86_400;
    store.tunnels_elsewhere("r1", "127.0.0.1:7", at(301 + day)).await.unwrap();
    assert_eq!(store.tunnel("c").await.unwrap(), None, "a day later it is forgotten");
}

async fn a_replica_that_ends_leaves_its_tunnels_and_those_of_no_other(world: World) {
    let store = &world.store;
    let second = Holding { replica: "r2".into(), ..holding("c2", "s2", 100) };
    for one in [&holding("c0", "s0", 100), &holding("c1", "s1", 100), &second] {
        assert!(store.take_tunnel(one, None).await.unwrap());
    }

    store.leave_tunnels("r1").await.unwrap();

    let mut until = Vec::new();
    for connection in ["c0", "c1", "c2"] {
        until.push(store.tunnel(connection).await.unwrap().unwrap().held_until.as_second());
    }
    assert_eq!(until, [0, 0, 100]);
}

const JOBS: &str = "Microsoft.DataProtection/backupVaults/backupJobs";
const EXTENSIONS: &str = "Microsoft.KubernetesConfiguration/extensions";

fn job(name: &str) -> ResourceId {
    id(&format!("{GROUP}/providers/Microsoft.DataProtection/backupVaults/v/backupJobs/{name}"))
}

/// Names of those that are about something.
async fn about(world: &World, kind: &str, about: &str) -> Vec<String> {
    let found = world.store.resources_about(kind, about).await.unwrap();
    found.into_iter().map(|one| one.id.name().to_owned()).collect()
}

async fn jobs_are_found_by_their_instance_and_extensions_by_their_identity(world: World) {
    let extension = id(&format!("{GROUP}/providers/{EXTENSIONS}/backup"));
    let hostile = json!({"error": "\"principalId\":\"other\" \0", "identity": {"principalId": "Mine"}});
    let changes = [
        put(
            &job("b"),
            json!({"instance": "/i/One", "friendlyName": "\0", "other": "/i/two"}),
            Expected::Absent,
        ),
        put(&job("a"), json!({"instance": "/i/one"}), Expected::Absent),
        put(&job("c"), json!({"instance": "/i/two"}), Expected::Absent),
        put(&id(GROUP), json!({"instance": "/i/one"}), Expected::Absent),
        put(&extension, hostile, Expected::Absent),
    ];
    world.store.commit(&changes, &audit("add")).await.unwrap();

    let change = put(&job("c"), json!({"instance": "/i/ONE", "status": "over"}), Expected::Version(1));
    let before = about(&world, JOBS, "/I/one").await;
    world.store.commit(&[change], &audit("change")).await.unwrap();

    assert_eq!(before, ["a", "b"], "in order, whatever the case, and nothing of another kind");
    assert_eq!(about(&world, JOBS, "/i/one").await, ["a", "b", "c"]);
    assert!(about(&world, JOBS, "/i/two").await.is_empty());
    assert_eq!(about(&world, EXTENSIONS, "mine").await, ["backup"]);
    assert!(about(&world, EXTENSIONS, "other").await.is_empty());
}

async fn what_was_kept_before_there_was_an_index_is_found_by_it(world: World) {
    let change = put(&job("a"), json!({"instance": "/i/one"}), Expected::Absent);
    world.store.commit(&[change], &audit("add")).await.unwrap();
    world.store.close().await;
    let older = "DROP INDEX resources_about; ALTER TABLE resources DROP COLUMN about;
                 DELETE FROM _sqlx_migrations WHERE description = 'about';";
    world.past(older).await.unwrap();

    let store = world.database.open().await.unwrap();

    let found = store.resources_about(JOBS, "/i/one").await.unwrap();
    assert_eq!(found.into_iter().map(|one| one.id).collect::<Vec<_>>(), [job("a")]);
}

async fn only_who_claimed_work_puts_it_down_or_ends_it(world: World) {
    let store = &world.store;
    store.commit(&[Change::AddWork(work("a", 0, None))], &audit("add")).await.unwrap();
    store.claim(&claim("one", 0, "r1")).await.unwrap();
    let put_down = |owner: &str, due: i64| Change::PutDown {
        id: "a".into(),
        owner: owner.into(),
        due_at: Timestamp::from_second(due).unwrap(),
        advanced: true,
        document: json!({"step": 2}),
        connection: None,
    };

    let strangers = store.commit(&[put_down("two", 5)], &audit("put down")).await;
    store.commit(&[put_down("one", 5)], &audit("put down")).await.unwrap();
    let too_late = store.commit(&[Change::Done("a".into(), "one".into())], &audit("done")).await;
    let next = store.next_due().await.unwrap();
    let again = store.claim(&claim("three", 5, "r1")).await.unwrap();
    store.commit(&[Change::Done("a".into(), "three".into())], &audit("done")).await.unwrap();

    assert!(matches!((strangers, too_late), (Err(StoreError::Conflict(_)), Err(StoreError::Conflict(_)))));
    assert_eq!(next, Some(Timestamp::from_second(5).unwrap()));
    assert_eq!((again[0].attempts, &again[0].document), (1, &json!({"step": 2})));
    assert_eq!(store.next_due().await.unwrap(), None);
}

async fn a_grant_is_written_as_it_was_read_and_goes_with_its_family_its_principal_or_its_time(world: World) {
    let store = &world.store;
    let at = |second| Timestamp::from_second(second).unwrap();
    let grant = |id: &str, family: &str, principal: &str, ends: i64| OAuthGrant {
        id: id.into(),
        family: family.into(),
        principal: Some(principal.into()),
        document: json!({"n": 1}),
        expires_at: at(ends),
        version: 1,
    };
    let all = [
        grant("a", "f", "p", 10),
        grant("b", "f", "q", 20),
        grant("c", "g", "p", 30),
        grant("d", "h", "r", 5),
    ];
    let changes = all.clone().map(|one| Change::PutGrant(one, Expected::Absent));
    store.commit_unaudited(&changes).await.unwrap();
    let left = async || {
        let mut left = String::new();
        for id in ["a", "b", "c", "d"] {
            if store.oauth_grant(id).await.unwrap().is_some() {
                left.push_str(id);
            }
        }
        left
    };

    let used = OAuthGrant { document: json!({"n": 2}), ..all[0].clone() };
    store.commit_unaudited(&[Change::PutGrant(used.clone(), Expected::Version(1))]).await.unwrap();
    let twice = store.commit_unaudited(&[Change::PutGrant(used, Expected::Version(1))]).await;
    let read = store.oauth_grant("a").await.unwrap().unwrap();
    let again = store.commit_unaudited(&[Change::PutGrant(all[1].clone(), Expected::Absent)]).await;
    store.commit_unaudited(&[Change::RemoveGrants(Grants::EndedBy(at(5)))]).await.unwrap();
    let after_time = left().await;
    store.commit_unaudited(&[Change::RemoveGrants(Grants::Family("f".into()))]).await.unwrap();
    let after_family = left().await;
    store.commit(&[Change::RemovePrincipal("p".into())], &audit("remove")).await.unwrap();

    assert!(matches!((twice, again), (Err(StoreError::Conflict(_)), Err(StoreError::Conflict(_)))));
    assert_eq!((read.document, read.version, read.expires_at), (json!({"n": 2}), 2, at(10)));
    assert_eq!((after_time.as_str(), after_family.as_str(), left().await.as_str()), ("abc", "c", ""));
}

async fn the_principal_of_a_resource_goes_with_what_it_is_in(world: World) {
    let store = &world.store;
    let (group, beside) = (id(GROUP), id("/subscriptions/s/resourceGroups/G2"));
    let principal = |object_id: &str, group: &ResourceId| Principal {
        object_id: object_id.into(),
        client_id: format!("client-{object_id}"),
        name: object_id.into(),
        kind: PrincipalKind::ManagedIdentity,
        resource: Some(group.with("Microsoft.ManagedIdentity/userAssignedIdentities", object_id).unwrap()),
        created_at: Timestamp::UNIX_EPOCH,
    };
    let secret = ClientSecret {
        id: "s".into(),
        client_id: "client-one".into(),
        hash: "h".into(),
        created_at: Timestamp::UNIX_EPOCH,
    };
    let assignment =
        Assignment { principal: "one".into(), role: RoleId::new("r"), scope: id("/subscriptions/s") };
    let made = [
        put(&group, json!({}), Expected::Absent),
        Change::AddPrincipal(principal("one", &group)),
        Change::AddPrincipal(principal("two", &beside)),
        Change::AddSecret(secret),
        Change::Assign(AssignmentRecord { name: "n".into(), assignment, document: json!({}) }),
    ];
    store.commit(&made, &audit("make")).await.unwrap();

    store.commit(&[Change::Remove(group, Expected::Version(1))], &audit("remove")).await.unwrap();

    assert_eq!(store.principal("one").await.unwrap(), None);
    assert_eq!(store.client_secrets("client-one").await.unwrap(), []);
    assert_eq!(store.assignments_of("one").await.unwrap(), []);
    assert!(store.principal("two").await.unwrap().is_some());
}

async fn failures_to_sign_in_are_counted_until_one_succeeds(world: World) {
    let store = &world.store;
    let at = Timestamp::UNIX_EPOCH;

    store.note_sign_in("c", Some(at)).await.unwrap();
    store.note_sign_in("c", Some(at)).await.unwrap();
    let two = store.failed_sign_ins("c").await.unwrap();
    store.note_sign_in("c", None).await.unwrap();

    assert_eq!((two.failures, two.last_at), (2, Some(at)));
    assert_eq!(store.failed_sign_ins("c").await.unwrap().failures, 0);
}

async fn the_audit_log_grows_in_one_chain_and_cannot_be_rewritten(world: World) {
    let store = &world.store;
    let other = world.database.open().await.unwrap();
    let notes = (0..20).map(|n| {
        let store = if n % 2 == 0 { store.clone() } else { other.clone() };
        async move { store.note(&audit(&n.to_string())).await }
    });

    for noted in futures::future::join_all(notes).await {
        noted.unwrap();
    }
    let rows = store.audit(0, 100).await.unwrap();

    assert_eq!((rows.len(), first_broken(&rows)), (20, None));
    assert_eq!(store.audit(18, 100).await.unwrap().len(), 2);
    for statement in ["UPDATE audit SET record = ''", "DELETE FROM audit"] {
        let refused = world.past(statement).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

async fn a_write_waits_for_a_locked_database(world: World) {
    let store = &world.store;
    let locked = match &world.database {
        Database::Sqlite(_) => "BEGIN IMMEDIATE",
        Database::Postgres(_) => "BEGIN; LOCK TABLE audit IN EXCLUSIVE MODE",
    };
    let other = world.database.connect().await;
    other.execute(locked).await;

    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.note(&audit("waits")).await }
    });
    let read_meanwhile = store.audit(0, 10).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let early = waiting.is_finished();
    other.execute("ROLLBACK").await;

    assert_eq!(read_meanwhile.unwrap(), [], "readers are not held up");
    assert!(!early, "it waited");
    waiting.await.unwrap().unwrap();
}

async fn a_database_of_a_newer_program_is_left_alone(world: World) {
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', TRUE, '', 0)";
    world.past(newer).await.unwrap();
    world.store.close().await;

    let refused = world.database.open().await.unwrap_err();

    assert!(matches!(refused, StoreError::Newer(_)), "{refused}");
}

async fn a_setting_that_two_replicas_make_at_once_is_made_by_one(world: World) {
    let again = world.database.open().await.unwrap();
    let set = |before: Option<&str>, value: &str| Change::SetIf {
        name: "x".into(),
        before: before.map(Into::into),
        value: value.into(),
    };

    let (one, other) =
        tokio::join!(async { world.store.commit(&[set(None, "1")], &audit("set")).await }, async {
            again.commit(&[set(None, "2")], &audit("set")).await
        },);
    let made = world.store.setting("x").await.unwrap().unwrap();
    let stale = world.store.commit(&[set(Some("0"), "3")], &audit("set")).await;
    world.store.commit(&[set(Some(&made), "3")], &audit("set")).await.unwrap();

    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1, "{one:?} {other:?}");
    assert!(matches!(one.and(other), Err(StoreError::Conflict(_))));
    assert!(matches!(stale, Err(StoreError::Conflict(_))));
    assert_eq!(again.setting("x").await.unwrap().as_deref(), Some("3"));
}

async fn a_setting_that_went_can_be_made_again(world: World) {
    let store = &world.store;
    let make = [Change::SetIf { name: "x".into(), before: None, value: "1".into() }];
    store.commit(&make, &audit("set")).await.unwrap();

    store.commit(&[Change::Unset("X".into()), Change::Unset("x".into())], &audit("unset")).await.unwrap();

    assert_eq!(store.setting("x").await.unwrap(), None);
    store.commit(&[Change::Unset("x".into())], &audit("unset")).await.unwrap();
    store.commit(&make, &audit("set")).await.unwrap();
}

async fn what_is_sealed_is_found_in_whole_and_changed_only_as_it_was_read(world: World) {
    let store = &world.store;
    let key = SealedKey { id: "k".into(), sealed: vec![1, 0, 255], created_at: Timestamp::UNIX_EPOCH };
    store
        .commit(&[Change::AddKey(key.clone()), Change::Keep("ca".into(), vec![2])], &audit("keep"))
        .await
        .unwrap();
    let reseal = |place, id: &str, before: u8, sealed: u8| Change::Reseal {
        place,
        id: id.into(),
        before: vec![before],
        sealed: vec![sealed],
    };

    let all = store.sealed().await.unwrap();
    let twice = store.commit(&[Change::Keep("ca".into(), vec![3])], &audit("keep")).await;
    let stale = store.commit(&[reseal(Place::Secret, "ca", 9, 3)], &audit("seal")).await;
    store.commit(&[reseal(Place::Secret, "ca", 2, 3)], &audit("seal")).await.unwrap();

    let names: Vec<String> = all.iter().map(Sealed::name).collect();
    assert_eq!(names, ["signing key k", "ca"]);
    assert!(matches!((twice, stale), (Err(StoreError::Conflict(_)), Err(StoreError::Conflict(_)))));
    assert_eq!(store.secret("ca").await.unwrap(), Some(vec![3]));
    assert_eq!(store.signing_keys().await.unwrap(), [key]);
}

async fn people_and_what_they_may_come_and_go_together(world: World) {
    let store = &world.store;
    let at = Timestamp::from_millisecond(1_234_567).unwrap();
    let principal = Principal {
        object_id: "o".into(),
        client_id: "c".into(),
        name: "Zoë\0".into(),
        kind: PrincipalKind::ManagedIdentity,
        resource: Some(id(GROUP)),
        created_at: at,
    };
    let secret = ClientSecret { id: "s".into(), client_id: "c".into(), hash: "h".into(), created_at: at };
    let assignment = Assignment { principal: "o".into(), role: RoleId::new("r"), scope: id(GROUP) };
    let record = AssignmentRecord { name: "a".into(), assignment, document: json!({"x": "y"}) };
    let subscription = Subscription { id: id("/subscriptions/S"), name: "Default".into(), created_at: at };
    let made = [
        Change::AddPrincipal(principal.clone()),
        Change::AddSecret(secret.clone()),
        Change::Assign(record.clone()),
        Change::AddSubscription(subscription.clone()),
        Change::Register(subscription.id.clone(), "Microsoft.X".into()),
        Change::Register(subscription.id.clone(), "microsoft.x".into()),
        Change::Set("setting".into(), "1".into()),
        Change::Set("setting".into(), "2".into()),
    ];
    store.commit(&made, &audit("make")).await.unwrap();

    let found = store.principal_of_client("C").await.unwrap().unwrap();
    let same = store.commit(&[Change::AddPrincipal(principal.clone())], &audit("again")).await;
    store.commit(&[Change::Describe("a".into(), json!(1))], &audit("describe")).await.unwrap();
    let described = store.assignments_in(&id("/subscriptions/s")).await.unwrap();
    store.commit(&[Change::RemovePrincipal("o".into())], &audit("remove")).await.unwrap();

    assert_eq!(
        (&found.object_id, found.kind, found.resource, found.created_at),
        (&principal.object_id, PrincipalKind::ManagedIdentity, Some(id(GROUP)), at)
    );
    assert!(found.name.starts_with("Zoë"));
    assert!(matches!(same, Err(StoreError::Conflict(_))));
    assert_eq!(described, [AssignmentRecord { document: json!(1), ..record }]);
    assert_eq!(store.principal("o").await.unwrap(), None);
    assert_eq!(store.client_secrets("c").await.unwrap(), []);
    assert_eq!(store.assignment("a").await.unwrap(), None);
    assert_eq!(store.subscriptions().await.unwrap(), std::slice::from_ref(&subscription));
    assert_eq!(
        store.registrations(&subscription.id).await.unwrap(),
        BTreeSet::from(["microsoft.x".to_owned()])
    );
    assert_eq!(store.setting("setting").await.unwrap().as_deref(), Some("2"));
    assert_eq!(store.principal("\0").await.unwrap(), None, "a NUL is no failure of the database");
}

async fn many_who_claim_at_once_never_get_the_same(world: World) {
    let added: Vec<Change> = (0..200).map(|n| Change::AddWork(work(&format!("{n:03}"), 0, None))).collect();
    world.store.commit(&added, &audit("add")).await.unwrap();
    let other = world.database.open().await.unwrap();

    let claims = (0..40).map(|n| {
        let store = if n % 2 == 0 { world.store.clone() } else { other.clone() };
        tokio::spawn(async move { store.claim(&claim(&n.to_string(), 0, "r1")).await.unwrap() })
    });
    let mut got: Vec<String> = Vec::new();
    for claimed in claims.collect::<Vec<_>>() {
        let claimed = claimed.await.unwrap();
        assert!(claimed.len() <= 10);
        got.extend(claimed.into_iter().map(|one| one.id));
    }
    // What was locked by another claim at that moment was passed over, not waited for.
    got.extend(
        world
            .store
            .claim(&Claim { most: 200, ..claim("last", 0, "r1") })
            .await
            .unwrap()
            .into_iter()
            .map(|one| one.id),
    );

    let distinct: BTreeSet<&String> = got.iter().collect();
    assert_eq!((got.len(), distinct.len()), (200, 200));
}

async fn a_claim_whose_owner_died_is_due_when_it_ends(world: World) {
    let store = &world.store;
    store.commit(&[Change::AddWork(work("a", 0, None))], &audit("add")).await.unwrap();

    store.claim(&claim("dead", 0, "r1")).await.unwrap();
    let next = store.next_due().await.unwrap();
    store.commit_unaudited(&[Change::Hurry("a".into(), Timestamp::from_second(-5).unwrap())]).await.unwrap();
    let again = store.claim(&claim("next", 60, "r1")).await.unwrap();

    assert_eq!(next, Some(Timestamp::from_second(60).unwrap()));
    assert_eq!((again[0].attempts, again[0].due_at), (2, Timestamp::from_second(-5).unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_open_an_empty_database_at_once_find_one_schema() {
    let database = Database::Postgres(databases::new_database(databases::shared(), "").await);

    let opened = (0..6).map(|_| {
        let database = database.clone();
        tokio::spawn(async move { database.open().await })
    });
    let opened: Vec<_> = opened.collect();

    for one in opened {
        let store = one.await.unwrap().unwrap();
        store.note(&audit("here")).await.unwrap();
    }
    let rows = database.open().await.unwrap().audit(0, 10).await.unwrap();
    assert_eq!((rows.len(), first_broken(&rows)), (6, None));
}

on_each_database! {
    a_write_happens_only_to_what_was_read,
    all_changes_of_a_call_and_its_audit_record_happen_or_none,
    what_a_change_relies_on_stays_as_it_was_read_or_nothing_happens,
    lists_are_of_one_kind_below_one_id_in_order_and_in_pages,
    what_goes_takes_what_is_below_and_the_roles_there,
    an_operation_is_found_until_it_ends,
    operations_that_ended_long_ago_go_the_oldest_first_and_so_many_at_a_time,
    due_work_is_claimed_by_one_and_comes_back_when_the_claim_ends,
    a_tunnel_is_its_last_takers_and_an_older_one_changes_nothing,
    a_replica_that_ends_leaves_its_tunnels_and_those_of_no_other,
    jobs_are_found_by_their_instance_and_extensions_by_their_identity,
    what_was_kept_before_there_was_an_index_is_found_by_it,
    only_who_claimed_work_puts_it_down_or_ends_it,
    a_grant_is_written_as_it_was_read_and_goes_with_its_family_its_principal_or_its_time,
    the_principal_of_a_resource_goes_with_what_it_is_in,
    failures_to_sign_in_are_counted_until_one_succeeds,
    the_audit_log_grows_in_one_chain_and_cannot_be_rewritten,
    a_write_waits_for_a_locked_database,
    a_database_of_a_newer_program_is_left_alone,
    a_setting_that_two_replicas_make_at_once_is_made_by_one,
    a_setting_that_went_can_be_made_again,
    what_is_sealed_is_found_in_whole_and_changed_only_as_it_was_read,
    people_and_what_they_may_come_and_go_together,
    many_who_claim_at_once_never_get_the_same,
    a_claim_whose_owner_died_is_due_when_it_ends,
}
