//! What every store must do. One suite for all of them.

use arm::{OperationStatus, ResourceId};
use identity::{Assignment, RoleId};
use jiff::Timestamp;
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{sync::Arc, time::Duration};
use vault::store::{
    AssignmentRecord, AuditEntry, AuditOutcome, Change, Claim, Ending, Expected, OperationRecord, Store,
    StoreError, Work, first_broken, sqlite::Sqlite,
};

struct World {
    store: Arc<dyn Store>,
    sqlite: Sqlite,
    folder: tempfile::TempDir,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("vault.db")).await.unwrap();
    World { store: Arc::new(sqlite.clone()), sqlite, folder }
}

/// A connection past the store.
async fn past(folder: &tempfile::TempDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.path().join("vault.db"));
    SqliteConnection::connect_with(&options).await.unwrap()
}

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

#[tokio::test]
async fn a_write_happens_only_to_what_was_read() {
    let World { store, folder: _folder, .. } = world().await;
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

#[tokio::test]
async fn all_changes_of_a_call_and_its_audit_record_happen_or_none() {
    let World { store, folder: _folder, .. } = world().await;
    let group = id(GROUP);
    let changes = [put(&group, json!({}), Expected::Absent), Change::Unassign("absent".into())];

    let failed = store.commit(&changes, &audit("both")).await;

    assert!(matches!(failed, Err(StoreError::Conflict(_))));
    assert_eq!(store.resource(&group).await.unwrap(), None);
    assert_eq!(store.audit(0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn lists_are_of_one_kind_below_one_id_in_order_and_in_pages() {
    let World { store, folder: _folder, .. } = world().await;
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

#[tokio::test]
async fn what_goes_takes_what_is_below_and_the_roles_there() {
    let World { store, folder: _folder, .. } = world().await;
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

    store.commit(&[Change::Remove(group.clone(), Expected::Version(1))], &audit("remove")).await.unwrap();

    assert_eq!(store.resource(&vault).await.unwrap(), None);
    assert!(store.resource(&beside).await.unwrap().is_some());
    let left: Vec<String> =
        store.assignments_of("p").await.unwrap().into_iter().map(|record| record.name).collect();
    assert_eq!(left, ["3"]);
}

#[tokio::test]
async fn an_operation_is_found_until_it_ends() {
    let World { store, folder: _folder, .. } = world().await;
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

fn claim(owner: &str, now: i64, connections: &[&str]) -> Claim {
    Claim {
        owner: owner.into(),
        now: Timestamp::from_second(now).unwrap(),
        until: Timestamp::from_second(now + 60).unwrap(),
        connections: connections.iter().map(|one| (*one).to_owned()).collect(),
        most: 10,
    }
}

#[tokio::test]
async fn due_work_is_claimed_by_one_and_comes_back_when_the_claim_ends() {
    let World { store, folder: _folder, .. } = world().await;
    let added =
        [work("a", 10, None), work("b", 5, None), work("later", 100, None), work("far", 5, Some("c1"))];
    let added = added.map(Change::AddWork);
    store.commit(&added, &audit("add")).await.unwrap();
    store.commit(&added[..1], &audit("add again")).await.unwrap();
    let ids = |found: Vec<Work>| found.into_iter().map(|one| (one.id, one.attempts)).collect::<Vec<_>>();

    let first = store.claim(&claim("one", 10, &["other"])).await.unwrap();
    let second = store.claim(&claim("two", 10, &["c1"])).await.unwrap();
    let renewed = store.renew("a", "one", Timestamp::from_second(200).unwrap()).await.unwrap();
    let stolen = store.renew("a", "two", Timestamp::from_second(200).unwrap()).await.unwrap();
    let after = store.claim(&claim("three", 90, &[])).await.unwrap();

    assert_eq!(ids(first), [("b".to_owned(), 1), ("a".to_owned(), 1)], "the longest due first");
    assert_eq!(ids(second), [("far".to_owned(), 1)]);
    assert_eq!((renewed, stolen), (true, false));
    assert_eq!(ids(after), [("b".to_owned(), 2)], "its claim was over, a's was renewed");
}

#[tokio::test]
async fn only_who_claimed_work_puts_it_down_or_ends_it() {
    let World { store, folder: _folder, .. } = world().await;
    store.commit(&[Change::AddWork(work("a", 0, None))], &audit("add")).await.unwrap();
    store.claim(&claim("one", 0, &[])).await.unwrap();
    let put_down = |owner: &str, due: i64| Change::PutDown {
        id: "a".into(),
        owner: owner.into(),
        due_at: Timestamp::from_second(due).unwrap(),
        advanced: true,
        document: json!({"step": 2}),
    };

    let strangers = store.commit(&[put_down("two", 5)], &audit("put down")).await;
    store.commit(&[put_down("one", 5)], &audit("put down")).await.unwrap();
    let too_late = store.commit(&[Change::Done("a".into(), "one".into())], &audit("done")).await;
    let next = store.next_due().await.unwrap();
    let again = store.claim(&claim("three", 5, &[])).await.unwrap();
    store.commit(&[Change::Done("a".into(), "three".into())], &audit("done")).await.unwrap();

    assert!(matches!((strangers, too_late), (Err(StoreError::Conflict(_)), Err(StoreError::Conflict(_)))));
    assert_eq!(next, Some(Timestamp::from_second(5).unwrap()));
    assert_eq!((again[0].attempts, &again[0].document), (1, &json!({"step": 2})));
    assert_eq!(store.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn failures_to_sign_in_are_counted_until_one_succeeds() {
    let World { store, folder: _folder, .. } = world().await;
    let at = Timestamp::UNIX_EPOCH;

    store.note_sign_in("c", Some(at)).await.unwrap();
    store.note_sign_in("c", Some(at)).await.unwrap();
    let two = store.failed_sign_ins("c").await.unwrap();
    store.note_sign_in("c", None).await.unwrap();

    assert_eq!((two.failures, two.last_at), (2, Some(at)));
    assert_eq!(store.failed_sign_ins("c").await.unwrap().failures, 0);
}

#[tokio::test]
async fn the_audit_log_grows_in_one_chain_and_cannot_be_rewritten() {
    let World { store, folder, .. } = world().await;
    let notes = (0..20).map(|n| {
        let store = store.clone();
        async move { store.note(&audit(&n.to_string())).await }
    });

    for noted in futures::future::join_all(notes).await {
        noted.unwrap();
    }
    let rows = store.audit(0, 100).await.unwrap();

    assert_eq!((rows.len(), first_broken(&rows)), (20, None));
    assert_eq!(store.audit(18, 100).await.unwrap().len(), 2);
    for statement in ["UPDATE audit SET record = ''", "DELETE FROM audit"] {
        let refused = sqlx::query(statement).execute(&mut past(&folder).await).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn a_write_waits_for_a_locked_database() {
    let World { store, folder, .. } = world().await;
    let mut other = past(&folder).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();

    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.note(&audit("waits")).await }
    });
    let read_meanwhile = store.audit(0, 10).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();

    assert_eq!(read_meanwhile.unwrap(), [], "readers are not held up");
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    let World { sqlite, folder, .. } = world().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&mut past(&folder).await).await.unwrap();
    sqlite.close().await;

    let refused = Sqlite::open(&folder.path().join("vault.db")).await.unwrap_err();

    assert!(matches!(refused, StoreError::Newer(_)), "{refused}");
}
