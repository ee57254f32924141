//! Three replicas, real processes, on one PostgreSQL, and a cluster on a real tunnel: each slot of each schedule begins one
//! backup, also while the replica that holds the tunnel is killed.

mod databases;
mod forwarding;
mod world;

use databases::Database;
use forwarding::{Gateway, LEASE, Process, Relay, database, until};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use telemetry::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;
use vault::{
    api::{
        jobs::{self, JobRecord, JobStatus},
        read,
    },
    protect::quotas::Quotas,
    seal::make_key,
    store::Store,
};
use world::{
    Choices, World,
    fault_cluster::FaultCluster,
    protected::{POINT, Protected},
};

/// Each with a policy of its own, whose slots come at a second of the minute of its own.
const INSTANCES: usize = 4;
const EVERY: SignedDuration = SignedDuration::from_secs(60);
/// So many slots of each instance come after a replica was killed.
const SLOTS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_runs_here_when_the_test_beside_starts_it() {
    Process::run().await;
}

/// An instance of the cluster, backed up every minute from a second of it on.
async fn protect(it: &Protected, number: usize) -> String {
    let second = 60 / INSTANCES * number;
    let mut body = world::policy::body("", "P7D");
    let intervals =
        &mut body["properties"]["policyRules"][0]["trigger"]["schedule"]["repeatingTimeIntervals"];
    *intervals = json!([format!("R/2024-05-05T08:00:{second:02}+00:00/PT1M")]);
    let policy = format!("{}/backupPolicies/every-minute-{number}", it.vault);
    let made = it.call(Method::PUT, &policy, Some(body)).await;
    assert_eq!(made.status, 200, "{made:?}");
    let instance = format!("{}/backupInstances/shop-{number}", it.vault);
    let mut wanted = it.wanted();
    wanted["policyInfo"]["policyId"] = json!(policy);
    let made = it.call(Method::PUT, &instance, Some(json!({"properties": wanted}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(it.operation(&made).await.body["status"], "Succeeded");
    instance
}

/// The slots of the jobs of an instance, and how the jobs stand, from the first slot to the last.
async fn slots(store: &dyn Store, instance: &str) -> Vec<(Timestamp, JobStatus)> {
    let mut slots = Vec::new();
    for stored in store.resources_about(jobs::KIND, &instance.to_lowercase()).await.unwrap() {
        let job: JobRecord = read(stored).unwrap().document;
        slots.extend(job.slot.map(|slot| (slot, job.status)));
    }
    slots.sort_by_key(|(slot, _)| *slot);
    slots
}

fn done() -> Value {
    json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": POINT}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_slot_of_every_instance_begins_one_backup_while_one_of_three_replicas_is_killed() {
    let (database, key) = (database().await, make_key());
    let quotas = Quotas { shortest_interval: 1, ..Quotas::default() };
    let choices = Choices { quotas, ..Choices::default() };
    let first = World::replica_choosing(&database, &key, LEASE, None, choices).await;
    let it = Protected::over(first, Arc::new(FaultCluster::default())).await;
    it.cluster.says("Backup", done());
    let connected = it.call(Method::POST, &format!("{}/connect", it.managed), None).await;
    let (connection, token) = (&connected.body["connection"], connected.body["token"].as_str().unwrap());
    let store = Database::Postgres(database.clone()).open().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut replicas = Vec::new();
    for name in ["one", "two", "three"] {
        let (test, data) = ("a_replica_runs_here_when_the_test_beside_starts_it", folder.path().join(name));
        replicas.push(Process::start(test, &data, &database, &key, &it.world.url).await);
    }
    let (killed, port) = replicas.remove(0);
    let relay = Relay::to(port).await;
    let gateway = Gateway::new(relay.port, &it.world.ca, it.cluster.clone());
    gateway.keep(&it.world.ca, token, CancellationToken::new());
    let id = connection.as_str().unwrap();
    until("the tunnel ends at the first process", async || {
        let found = store.tunnel(id).await.unwrap()?;
        (found.address.ends_with(&format!(":{port}")) && found.held_until > SystemClock.now()).then_some(())
    })
    .await;
    let mut instances = Vec::new();
    for number in 0..INSTANCES {
        instances.push(protect(&it, number).await);
    }
    // Only the three processes are left.
    it.world.stop_signal().cancel();

    let begun = Instant::now();
    let wait = async |what: &str, slots_each: usize, since: Timestamp| {
        loop {
            let mut fewest = usize::MAX;
            for instance in &instances {
                let after = slots(store.as_ref(), instance).await;
                let over = after.iter().filter(|(slot, status)| *slot > since && status.is_over()).count();
                fewest = fewest.min(over);
            }
            if fewest >= slots_each {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(400), "{what}: an instance has {fewest}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    wait("each instance has a backup", 1, Timestamp::UNIX_EPOCH).await;
    relay.turn(replicas[0].1);
    drop(killed);
    wait("each instance has backups after the kill", SLOTS, SystemClock.now()).await;
    drop(replicas);

    let mut all = 0;
    for instance in &instances {
        let slots = slots(store.as_ref(), instance).await;
        all += slots.len();
        let distances: Vec<_> = slots.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0)).collect();
        assert!(distances.iter().all(|distance| *distance == EVERY), "{instance}: {slots:?}");
        // The last one may have been under way as the replicas ended.
        let before_the_last = &slots[..slots.len() - 1];
        assert!(before_the_last.iter().all(|(_, status)| *status == JobStatus::Completed), "{slots:?}");
    }
    let made = it.cluster.made("backups").len();
    assert!(made <= all && made + INSTANCES >= all, "{made} custom resources for {all} jobs");
}
