//! A cluster writes through the vault's data plane, and the vault deletes in the store behind it: both see the same repository
//! and the same locks, on a disk and in an object store.

mod gone;
mod world;

use arm::ResourceId;
use engine::{Lock, locks};
use gone::{PASSWORD, audit, doomed, held, keep_key, made_in, write_point};
use jiff::SignedDuration;
use repository::LockMode;
use std::sync::Arc;
use storage::{Prefixed, StorePath, location::REPOSITORY_FOLDER};
use telemetry::{Clock, SystemClock};
use vault::{
    api::{Loaded, load, points::PointRecord},
    cluster_link::NoClusters,
};
use world::{
    Choices, World,
    stored::{CONTRIBUTOR, StoredWorld, eventually},
};

async fn what_a_cluster_wrote_is_deleted_in_the_store_behind(store: &str, choices: Choices) {
    let world = World::choosing(choices, Arc::new(NoClusters)).await;
    let stored = StoredWorld::in_store(world, store).await;
    let (app, clock) = (stored.world.app.clone(), stored.world.clock.clone());
    let now = clock.now();
    keep_key(app.store.as_ref(), &app.wrapping, now).await;
    let cluster: ResourceId =
        format!("{}/providers/Microsoft.ContainerService/managedClusters/one", stored.group).parse().unwrap();
    let writer = stored.identity(cluster.as_str()).await;
    stored.assign(CONTRIBUTOR, &writer, &stored.container("backups")).await;
    let location = stored.location("backups", &stored.token(&writer)).await;
    let folder = StorePath::parse(REPOSITORY_FOLDER).unwrap();
    let repo = made_in(Arc::new(Prefixed::new(location, folder)), PASSWORD, now).await;
    for id in ["p0", "p1"] {
        write_point(&repo, id, clock.clone()).await;
    }
    let instance =
        format!("{}/providers/Microsoft.DataProtection/backupVaults/v/backupInstances/i", stored.group);
    let (point, changes) = doomed(&instance, &cluster, "p0", now);
    let record = async || {
        let found: Option<Loaded<PointRecord>> = load(app.store.as_ref(), &point).await.unwrap();
        found.map(|found| found.document)
    };

    let writing = Lock::acquire(&repo, LockMode::Shared, clock.clone()).await.unwrap();
    app.store.commit(&changes, &audit(now)).await.unwrap();
    eventually("the lock of the cluster counts", async || {
        let why = record().await.and_then(|record| record.kept_because);
        why.is_some_and(|why| why.contains("locked by"))
    })
    .await;
    let while_locked = held(&repo).await;
    writing.release().await.unwrap();
    eventually("the vault deletes it", async || {
        clock.advance(SignedDuration::from_secs(5));
        record().await.is_none()
    })
    .await;

    assert_eq!(while_locked, ["p0", "p1"]);
    assert_eq!(held(&repo).await, ["p1"], "as the cluster sees it");
    assert_eq!(locks(&repo, SystemClock.now()).await.unwrap(), [], "nor is a lock left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cluster_wrote_is_deleted_on_a_disk() {
    what_a_cluster_wrote_is_deleted_in_the_store_behind("default", Choices::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cluster_wrote_is_deleted_in_an_object_store() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (keys, moto) = (tempfile::tempdir().unwrap(), storage::emulators::Emulator::moto().await);
    moto.create_bucket("cold").await;
    for (name, value) in moto.secret_data() {
        std::fs::write(keys.path().join(name), value).unwrap();
    }
    let url = format!(
        "cold=s3://cold/vaults/a?endpoint={}&region=us-east-1&path-style=true&credentials={}",
        moto.endpoint(),
        keys.path().display()
    );
    let choices = Choices { stores: vec![url.parse().unwrap()], ..Choices::default() };

    what_a_cluster_wrote_is_deleted_in_the_store_behind("cold", choices).await;
}
