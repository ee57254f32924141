//! Three replicas, real processes, on one PostgreSQL: all work is done, each step counts once, and a schedule fires once
//! for each of its times, while replicas are killed, frozen and started again.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use telemetry::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;
use vault::{
    app::App,
    seal::{KeySource, make_key},
    server::{Config, Limits, Vault},
    store::{AuditEntry, AuditOutcome, Change, Store, StoreError, Work},
    work::{Kinds, Step},
};

mod chain;
mod databases;

use chain::first_broken;
use databases::{Database, World};

const ITEMS: usize = 120;
/// Enough that the work outlasts what is done to the replicas: at most `ITEMS` steps are under way at a time.
const STEPS: i64 = 20;
const LEASE: Duration = Duration::from_secs(3);
/// How long a step takes.
const STEP: Duration = Duration::from_millis(1_500);
/// Between two firings of the schedule.
const EVERY: SignedDuration = SignedDuration::from_millis(150);

/// Two kinds of work whose steps take a while. What a step changes guards nothing by itself: only the claim keeps a step
/// from counting twice.
const KINDS: Kinds = &[
    ("steps", |app, work| Box::pin(steps(app, work))),
    ("timetable", |app, work| Box::pin(schedule(app, work))),
];

async fn steps(app: &Arc<App>, work: &Work) -> Result<Step, StoreError> {
    let done = work.document["done"].as_i64().unwrap() + 1;
    tokio::time::sleep(STEP).await;
    // A setting is no more than a change that makes the step audited.
    let changes = vec![Change::Set(format!("{} {done}", work.id), app.replica.clone())];
    if done == STEPS {
        return Ok(Step::Done(changes));
    }
    Ok(Step::Later { due_at: app.clock.now(), advanced: true, document: json!({"done": done}), changes })
}

async fn schedule(_: &Arc<App>, work: &Work) -> Result<Step, StoreError> {
    let fired = work.document["fired"].as_i64().unwrap() + 1;
    let next = work.due_at + EVERY;
    let firing = Work {
        id: format!("firing {fired}"),
        kind: "steps".into(),
        target: work.target.clone(),
        connection: None,
        due_at: work.due_at,
        attempts: 0,
        document: json!({"done": STEPS - 1}),
    };
    Ok(Step::Later {
        due_at: next,
        advanced: true,
        document: json!({"fired": fired}),
        changes: vec![Change::AddWork(firing)],
    })
}

fn config(data: &Path, url: &str, key: &str) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        database: Some(url.parse().unwrap()),
        wrapping_key: KeySource::Given(key.to_owned().into()),
        limits: Limits { lease: LEASE, ..Limits::default() },
        kinds: KINDS,
        ..Config::at(data.to_owned())
    }
}

/// What each replica's process runs; the test starts this same program with the variables set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_runs_here_when_the_test_beside_starts_it() {
    let Ok(url) = std::env::var("REPLICA_DATABASE") else { return };
    let (data, key) = (std::env::var("REPLICA_DATA").unwrap(), std::env::var("REPLICA_KEY").unwrap());
    let vault = Vault::open(config(Path::new(&data), &url, &key), Arc::new(SystemClock)).await.unwrap();
    vault.serve(CancellationToken::new()).await.unwrap();
}

struct Replica(Child);

impl Replica {
    fn start(data: &Path, url: &str, key: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_replica_runs_here_when_the_test_beside_starts_it", "--nocapture"])
            .env("REPLICA_DATABASE", url)
            .env("REPLICA_DATA", data)
            .env("REPLICA_KEY", key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }
}

/// As `kill -9` does.
impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn work(id: &str, kind: &str, document: serde_json::Value, due_at: Timestamp) -> Change {
    Change::AddWork(Work {
        id: id.into(),
        kind: kind.into(),
        target: "/subscriptions/s/resourceGroups/g".parse().unwrap(),
        connection: None,
        due_at,
        attempts: 0,
        document,
    })
}

fn audit(action: &str) -> AuditEntry {
    AuditEntry {
        at: SystemClock.now(),
        principal: "test".into(),
        action: action.into(),
        scope: "/".into(),
        outcome: AuditOutcome::Changed,
        correlation: "test".into(),
    }
}

/// How often a step of each work was committed.
async fn counted(store: &dyn Store) -> BTreeMap<String, i64> {
    let rows = store.audit(0, 1_000_000).await.unwrap();
    assert_eq!(first_broken(&rows), None);
    let mut counted = BTreeMap::new();
    for row in rows {
        let entry: AuditEntry = serde_json::from_str(&row.record).unwrap();
        if matches!(entry.action.as_str(), "steps" | "timetable") {
            *counted.entry(entry.correlation).or_default() += 1;
        }
    }
    counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_counts_once_while_replicas_are_killed_frozen_and_started_again() {
    let world = World::postgres().await;
    let Database::Postgres(url) = &world.database else { unreachable!() };
    let (store, key, now) = (world.store.as_ref(), make_key(), SystemClock.now());
    let data: Vec<_> = (0..3).map(|n| world.folder.path().join(n.to_string())).collect();
    let mut added: Vec<Change> =
        (0..ITEMS).map(|n| work(&format!("item {n:02}"), "steps", json!({"done": 0}), now)).collect();
    added.push(work("schedule", "timetable", json!({"fired": 0}), now));
    store.commit(&added, &audit("add")).await.unwrap();

    let mut replicas: Vec<Replica> = data.iter().map(|data| Replica::start(data, url, &key)).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for round in 0..6 {
        // Killed in the middle of its steps, and started again.
        let victim = round % 3;
        replicas[victim] = Replica::start(&data[victim], url, &key);
        // Frozen for longer than its claims hold; when it wakes, its steps are another replica's.
        let frozen = (round + 1) % 3;
        if round % 2 == 0 {
            replicas[frozen].signal(rustix::process::Signal::STOP);
            tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
            replicas[frozen].signal(rustix::process::Signal::CONT);
        }
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    let begun = Instant::now();
    let items_left = async || {
        let counted = counted(store).await;
        (0..ITEMS).any(|n| counted.get(&format!("item {n:02}")).copied().unwrap_or(0) < STEPS)
    };
    assert!(items_left().await, "the work was over before the last replica was killed");
    while items_left().await {
        assert!(begun.elapsed() < Duration::from_secs(240), "{:?}", counted(store).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // Nothing new is fired, and what was fired comes to its end.
    store.commit(&[Change::Drop("schedule".into())], &audit("stop")).await.unwrap();
    while store.next_due().await.unwrap().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(300));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    drop(replicas);

    let mut counted = counted(store).await;
    let fired = counted.remove("schedule").unwrap();
    for n in 0..ITEMS {
        assert_eq!(counted.remove(&format!("item {n:02}")), Some(STEPS), "item {n}");
    }
    for n in 1..=fired {
        assert_eq!(counted.remove(&format!("firing {n}")), Some(1), "firing {n} of {fired}");
    }
    assert!(counted.is_empty(), "{counted:?}");
    assert!(fired > 20, "{fired}");
    let mut by_replica: BTreeMap<String, u32> = BTreeMap::new();
    for n in 0..ITEMS {
        for step in 1..=STEPS {
            let replica = store.setting(&format!("item {n:02} {step}")).await.unwrap().unwrap();
            *by_replica.entry(replica).or_default() += 1;
        }
    }
    assert!(by_replica.len() > 3, "the work was shared: {by_replica:?}");
}
