//! Databases that go away, fill up or are damaged: nothing is lost that was answered, nothing is half there, and the same
//! store goes on when they are back.

use arm::ResourceId;
use jiff::Timestamp;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use vault::store::{
    AuditEntry, AuditOutcome, Change, Expected, Store, StoreError, postgres::Postgres, sqlite::Sqlite,
};

mod chain;
mod databases;
mod small;

use chain::first_broken;
use databases::{Server, new_database, own, shared};
use small::Small;

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

fn id(name: &str) -> ResourceId {
    format!("/subscriptions/s/resourceGroups/{name}").parse().unwrap()
}

fn put(name: &str, document: serde_json::Value) -> Change {
    Change::Put { id: id(name), document, expected: Expected::Absent }
}

/// Tries until the database is back.
async fn until_it_works(store: &dyn Store, action: &str) {
    let begun = Instant::now();
    while let Err(error) = store.note(&audit(action)).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_in_the_middle_of_commits_loses_nothing_that_was_answered() {
    let server = Server::start();
    let url = new_database(&server, "").await;
    let store = Arc::new(Postgres::open(&url.parse().unwrap()).await.unwrap());
    let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));

    let writers = (0..6).map(|writer| {
        let (store, stop, refused) = (store.clone(), stop.clone(), refused.clone());
        tokio::spawn(async move {
            let mut answered = Vec::new();
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Two resources in one commit: both or neither.
                let pair = [format!("w{writer}n{n}a"), format!("w{writer}n{n}b")];
                let changes = pair.clone().map(|name| put(&name, json!({})));
                match store.commit(&changes, &audit(&pair[0])).await {
                    Ok(()) => answered.push(pair[0].clone()),
                    Err(StoreError::Unavailable(_)) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            answered
        })
    });
    let writers: Vec<_> = writers.collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.crash();
        server.up();
    }
    until_it_works(store.as_ref(), "back").await;
    stop.store(true, Ordering::Relaxed);
    let mut answered = Vec::new();
    for writer in writers {
        answered.extend(writer.await.unwrap());
    }

    let kind = "Microsoft.Resources/resourceGroups";
    let there = store.resources(kind, &"/subscriptions/s".parse().unwrap(), None, 1_000_000).await.unwrap();
    let names: std::collections::BTreeSet<&str> = there.iter().map(|one| one.id.name()).collect();
    let rows = store.audit(0, 1_000_000).await.unwrap();
    for first in &answered {
        let second = first.replace('a', "b");
        assert!(names.contains(first.as_str()) && names.contains(second.as_str()), "{first} was answered");
    }
    for name in &names {
        let other = if name.ends_with('a') { name.replace('a', "b") } else { name.replace('b', "a") };
        assert!(names.contains(other.as_str()), "{name} is there without {other}");
    }
    assert!(answered.len() > 20 && refused.load(Ordering::Relaxed) > 0, "{} {refused:?}", answered.len());
    assert_eq!(first_broken(&rows), None);
    assert_eq!(rows.len(), names.len() / 2 + 1, "one record for each commit that happened");
    assert_eq!(rows.last().unwrap().number, i64::try_from(rows.len()).unwrap(), "no gaps");
}

/// Fills the disk, makes room again, and looks at what is left.
async fn fills_up(store: &dyn Store, reserve: &Path) {
    // No two parts alike: PostgreSQL compresses what repeats.
    let noise: String =
        (0..20_000_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let large = json!({"x": noise});
    let mut written = 0;
    let refused = loop {
        match store
            .commit(
                &[put(&format!("g{written}"), large.clone()), put(&format!("h{written}"), json!({}))],
                &audit("put"),
            )
            .await
        {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "it never filled up");
    };
    let read = store.resource(&id("g0")).await;

    std::fs::remove_file(reserve).unwrap();
    until_it_works(store, "room again").await;

    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert_eq!(read.unwrap().unwrap().document, large, "reads go on");
    assert_eq!(store.resource(&id(&format!("g{written}"))).await.unwrap(), None, "nothing is half there");
    assert_eq!(store.resource(&id(&format!("h{written}"))).await.unwrap(), None);
    let rows = store.audit(0, 100_000).await.unwrap();
    assert_eq!((rows.len(), first_broken(&rows)), (written + 1, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_sqlite_refuses_writes_and_nothing_else() {
    let small = Small::of(8);
    let reserve = small.path().join("reserve");
    std::fs::write(&reserve, vec![0; 2_000_000]).unwrap();
    let store = Sqlite::open(&small.path().join("vault.db")).await.unwrap();

    fills_up(&store, &reserve).await;

    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgresql_refuses_writes_and_nothing_else() {
    let (server, small) = (Server::start(), Small::of(24));
    let reserve = small.path().join("reserve");
    std::fs::write(&reserve, vec![0; 4_000_000]).unwrap();
    let space = small.path().join("space");
    std::fs::create_dir(&space).unwrap();
    own(small.path());
    own(&space);
    let statement = format!("CREATE TABLESPACE small LOCATION '{}'", space.display());
    server.execute(&statement).await;
    let url = new_database(&server, "TABLESPACE small").await;
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();

    fills_up(&store, &reserve).await;

    store.close().await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_waits_too_long_for_a_lock_is_given_up() {
    let url = new_database(shared(), "").await;
    let database = databases::Database::Postgres(url.clone());
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();
    let other = database.connect().await;
    other.execute("BEGIN; LOCK TABLE settings IN ACCESS EXCLUSIVE MODE").await;

    let begun = Instant::now();
    let refused = store.setting("x").await.unwrap_err();
    other.execute("ROLLBACK").await;

    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(25));
    assert_eq!(store.setting("x").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_host_vanished_is_told_and_asked_again_when_it_is_back() {
    let server = Server::start();
    let url = new_database(&server, "").await;
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();
    assert_eq!(store.setting("x").await.unwrap(), None);

    let silence = server.silenced();
    let begun = Instant::now();
    let (read, renewed) =
        tokio::join!(store.setting("x"), store.renew("nothing", "nobody", Timestamp::UNIX_EPOCH));
    let took = begun.elapsed();
    drop(silence);
    let again = store.setting("x").await;

    let is_unavailable = |error: &StoreError| matches!(error, StoreError::Unavailable(_));
    assert!(read.as_ref().is_err_and(is_unavailable), "{read:?}");
    assert!(renewed.as_ref().is_err_and(is_unavailable), "{renewed:?}");
    assert!(took < Duration::from_secs(50), "{took:?}");
    assert!(matches!(again, Ok(None)), "{again:?}");
}

/// Another replica that hangs in the middle of a change.
async fn holds_the_audit_log(url: &str) -> PgConnection {
    let mut other = PgConnection::connect(url).await.unwrap();
    other.execute("SELECT pg_advisory_lock(869192610029899031)").await.unwrap();
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_waited_in_vain_for_another_replica_do_not_stand_in_the_way_of_the_next() {
    let url = new_database(shared(), "").await;
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();
    let other = holds_the_audit_log(&url).await;

    let waited = store.note(&audit("waits")).await;
    other.close().await.unwrap();
    let next = store.note(&audit("next")).await;

    assert!(matches!(waited, Err(StoreError::Unavailable(_))), "{waited:?}");
    assert!(next.is_ok(), "{next:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_steps_that_only_wait_go_on_while_a_crowd_of_changes_waits_for_another_replica() {
    let url = new_database(shared(), "").await;
    let store = Arc::new(Postgres::open(&url.parse().unwrap()).await.unwrap());
    let other = holds_the_audit_log(&url).await;
    let crowd: Vec<_> = (0..40)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.note(&audit(&n.to_string())).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let begun = Instant::now();
    let read = store.setting("x").await;
    let renewed = store.renew("nothing", "nobody", Timestamp::UNIX_EPOCH).await;
    let took = begun.elapsed();
    other.close().await.unwrap();

    assert!(matches!((&read, &renewed), (Ok(None), Ok(false))), "{read:?} {renewed:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    for change in crowd {
        change.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_caller_went_away_while_it_waited_leaves_no_lock_behind() {
    let url = new_database(shared(), "").await;
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();
    let replica = Postgres::open(&url.parse().unwrap()).await.unwrap();
    let other = holds_the_audit_log(&url).await;

    let left = tokio::time::timeout(Duration::from_millis(500), store.note(&audit("left"))).await;
    other.close().await.unwrap();
    let begun = Instant::now();
    let next = [replica.note(&audit("elsewhere")).await, store.note(&audit("here")).await];

    assert!(left.is_err(), "{left:?}");
    assert!(next.iter().all(Result::is_ok) && begun.elapsed() < Duration::from_secs(10), "{next:?}");
    let said: Vec<String> = store.audit(0, 10).await.unwrap().into_iter().map(|row| row.record).collect();
    assert!(said.len() == 2 && said.iter().all(|record| !record.contains("left")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_changes_that_waited_together_one_that_is_refused_takes_no_other_with_it() {
    let url = new_database(shared(), "").await;
    let store = Arc::new(Postgres::open(&url.parse().unwrap()).await.unwrap());
    store.commit(&[put("there", json!({}))], &audit("first")).await.unwrap();
    let other = holds_the_audit_log(&url).await;
    // More than go together; one of the first of them wants a name that is taken.
    let names: Vec<String> =
        (0..50).map(|n| if n == 5 { "there".to_owned() } else { format!("g{n}") }).collect();
    let crowd: Vec<_> = names
        .iter()
        .cloned()
        .map(|name| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(&[put(&name, json!({}))], &audit(&name)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.close().await.unwrap();

    for (name, change) in names.iter().zip(crowd) {
        let answer = change.await.unwrap();
        let is_there = store.resource(&id(name)).await.unwrap().is_some();
        match name.as_str() {
            "there" => assert!(matches!(answer, Err(StoreError::Conflict(_))), "{answer:?}"),
            _ => assert!(answer.is_ok() && is_there, "{name}: {answer:?}"),
        }
    }
    let rows = store.audit(0, 100).await.unwrap();
    assert_eq!((rows.len(), first_broken(&rows)), (50, None), "one record for each that was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unreadable_is_told_from_what_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vault.db");
    std::fs::write(&file, "this is no database".repeat(500)).unwrap();
    let url = new_database(shared(), "").await;
    let database = databases::Database::Postgres(url.clone());
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();
    database.past("DROP TABLE resources; INSERT INTO settings VALUES ('a', 'b')").await.unwrap();

    let no_database = Sqlite::open(&file).await.unwrap_err();
    let no_table = store.resource(&id("g")).await.unwrap_err();
    let no_server = Postgres::open(&"postgres://vault@%2Fnowhere/vault".parse().unwrap()).await.unwrap_err();

    assert!(matches!(no_database, StoreError::Damaged(_)), "{no_database}");
    assert!(matches!(no_table, StoreError::Damaged(_)), "{no_table}");
    assert!(matches!(no_server, StoreError::Unavailable(_)), "{no_server}");
    assert_eq!(store.setting("a").await.unwrap().as_deref(), Some("b"));
}
