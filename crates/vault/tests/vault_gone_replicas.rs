//! Three replicas, real processes on one PostgreSQL, delete what a cluster left behind, and are killed again and again: each
//! recovery point goes once, and each snapshot is named once.

mod databases;
mod gone;

use arm::ResourceId;
use databases::{Database, World};
use gone::{audit, audited, doomed, folder, held, keep_location, repository, write_point, written::handle};
use std::{
    collections::BTreeSet,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use telemetry::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;
use vault::{
    api::{Loaded, load, points::PointRecord},
    directory::DataDirectory,
    protect::gone::left,
    rewrap,
    seal::{KeySource, make_key},
    server::{Config, Limits, Vault},
    store::Store,
};

const POINTS: usize = 16;
const KILLS: u32 = 4;
const LEASE: Duration = Duration::from_secs(2);

fn config(data: &Path, url: &str, key: &str, blobs: &str) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        database: Some(url.parse().unwrap()),
        wrapping_key: KeySource::Given(key.to_owned().into()),
        limits: Limits { lease: LEASE, ..Limits::default() },
        stores: vec![format!("default=file://{blobs}").parse().unwrap()],
        ..Config::at(data.to_owned())
    }
}

/// What each replica's process runs; the test starts this same program with the variables set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_runs_here_when_the_test_beside_starts_it() {
    let Ok(url) = std::env::var("REPLICA_DATABASE") else { return };
    let of = |name: &str| std::env::var(name).unwrap();
    let config = config(Path::new(&of("REPLICA_DATA")), &url, &of("REPLICA_KEY"), &of("REPLICA_BLOBS"));
    let vault = Vault::open(config, Arc::new(SystemClock)).await.unwrap();
    vault.serve(CancellationToken::new()).await.unwrap();
}

struct Replica(Child);

impl Replica {
    fn start(data: &Path, url: &str, key: &str, blobs: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_replica_runs_here_when_the_test_beside_starts_it", "--nocapture"])
            .env("REPLICA_DATABASE", url)
            .env("REPLICA_DATA", data)
            .env("REPLICA_KEY", key)
            .env("REPLICA_BLOBS", blobs)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

/// As `kill -9` does.
impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn listed(store: &dyn Store, points: &[ResourceId]) -> Vec<PointRecord> {
    let mut found = Vec::new();
    for point in points {
        let record: Option<Loaded<PointRecord>> = load(store, point).await.unwrap();
        found.extend(record.map(|record| record.document));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recovery_point_goes_once_while_replicas_are_killed() {
    let world = World::postgres().await;
    let Database::Postgres(url) = &world.database else { unreachable!() };
    let (store, key, now) = (world.store.as_ref(), make_key(), SystemClock.now());
    let blobs = world.folder.path().join("blobs");
    std::fs::create_dir(&blobs).unwrap();
    let own = DataDirectory::open(&world.folder.path().join("own")).unwrap();
    let mut wrapping = KeySource::Given(key.to_string().into()).open(&own).unwrap();
    rewrap::settle(store, &mut wrapping, now).await.unwrap();
    let group = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/g";
    let subscription = vault::store::Subscription {
        id: "/subscriptions/11111111-1111-4111-8111-111111111111".parse().unwrap(),
        name: "s".into(),
        created_at: now,
    };
    store.commit(&[vault::store::Change::AddSubscription(subscription)], &audit(now)).await.unwrap();
    keep_location(store, &wrapping, group, now).await;
    let repo = repository(&blobs, gone::PASSWORD, now).await;
    let cluster: ResourceId =
        format!("{group}/providers/Microsoft.ContainerService/managedClusters/one").parse().unwrap();
    let instance = format!("{group}/providers/Microsoft.DataProtection/backupVaults/v/backupInstances/i");
    let ids: Vec<String> = (0..POINTS).map(|n| format!("p{n:02}")).collect();
    let mut points = Vec::new();
    for id in &ids {
        write_point(&repo, id, Arc::new(SystemClock)).await;
        let (point, changes) = doomed(&instance, &cluster, id, now);
        store.commit(&changes, &audit(now)).await.unwrap();
        points.push(point);
    }
    write_point(&repo, "stays", Arc::new(SystemClock)).await;

    let data: Vec<_> = (0..3).map(|n| world.folder.path().join(n.to_string())).collect();
    let start = |n: usize| Replica::start(&data[n], url, &key, &blobs);
    let mut replicas: Vec<Option<Replica>> = (0..3).map(|n| Some(start(n))).collect();
    let (begun, mut kills, mut before) = (Instant::now(), 0, POINTS);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let there = listed(store, &points).await;
        if there.is_empty() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "{there:?}");
        if kills < KILLS && there.len() < before {
            // In the middle of it, all at once. What a killed one held counts for half an hour, unless somebody unlocks.
            replicas.iter_mut().for_each(|replica| *replica = None);
            for lock in std::fs::read_dir(folder(&blobs).join("locks")).into_iter().flatten() {
                std::fs::remove_file(lock.unwrap().path()).unwrap();
            }
            before = listed(store, &points).await.len();
            replicas = (0..3).map(|n| Some(start(n))).collect();
            kills += 1;
        }
    }
    drop(replicas);

    assert_eq!(kills, KILLS, "it was over before the last kill");
    assert_eq!(held(&repo).await, ["stays"]);
    let left = left::list(store).await.unwrap();
    let handles: Vec<String> =
        left.into_iter().flat_map(|left| left.record.snapshots).map(|one| one.handle).collect();
    let expected: BTreeSet<String> = ids.iter().map(|id| handle(id)).collect();
    assert_eq!(handles.len(), POINTS, "each is named once: {handles:?}");
    assert_eq!(handles.into_iter().collect::<BTreeSet<_>>(), expected);
    for point in &points {
        let told = audited(store, point.as_str()).await;
        let ends = told.iter().filter(|action| action.contains("deleted the recovery point itself")).count();
        assert_eq!(ends, 1, "{point}: {told:?}");
    }
}
