//! How long it takes until the snapshots of many volumes are cut, from the request of a backup and, beside it, from
//! bare requests for the same snapshots.

use crate::Plan;
use crate::api;
use crate::cluster::Cluster;
use crate::environment::Environment;
use crate::product::{self, Product};
use crate::results::Cut;
use anyhow::{Result, bail};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NAMESPACE: &str = "volumes";
const CONTENTS: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents";
const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1/namespaces/volumes/volumesnapshots";
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the contents of all snapshots are looked at: each look is a list.
const LOOK: Duration = Duration::from_millis(100);

/// Measures in a full cluster.
pub async fn measure(plan: &Plan, volumes: usize, environment: &Environment) -> Result<Cut> {
    let mut measured = Cut { environment: environment.clone(), volumes, ..Cut::default() };
    println!("snapshots of {volumes} volumes: making them");
    let cluster = Cluster::up(&plan.cluster, false).await?;
    make_volumes(&cluster, volumes).await?;
    product::install(&cluster)?;
    let product = Product::start(&cluster).await?;
    let location = product.new_location("snapshots")?;
    product.back_up(&location, &["empty".to_owned()], false).await?;
    let namespaces = [NAMESPACE.to_owned()];
    for round in 0..plan.rounds {
        let before = cut(&cluster).await?;
        let begun = Instant::now();
        let (last, done) = tokio::try_join!(
            all_cut(&cluster, begun, before + volumes),
            product.back_up(&location, &namespaces, true)
        )?;
        let bare = bare(&cluster, volumes, round).await?;
        measured.cut.add(last.as_secs_f64());
        measured.complete.add(done.took.as_secs_f64());
        measured.bare.add(bare.as_secs_f64());
        println!(
            "  round {round}: cut after {:.2} s, complete after {:.2} s; bare {:.2} s",
            last.as_secs_f64(),
            done.took.as_secs_f64(),
            bare.as_secs_f64()
        );
    }
    Ok(measured)
}

async fn make_volumes(cluster: &Cluster, volumes: usize) -> Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    api::create(&cluster.client, "/api/v1/namespaces", &namespace).await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims");
    for number in 0..volumes {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": format!("data-{number}")},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "16Mi"}},
                "storageClassName": "standard",
            },
        });
        api::create(&cluster.client, &path, &claim).await?;
    }
    until(PATIENCE, "claims are bound", || async {
        let claims = api::list(&cluster.client, &path).await?;
        Ok(claims.iter().all(|claim| claim["status"]["phase"] == "Bound"))
    })
    .await
}

/// Snapshots requested by hand, all at once, of the same claims.
async fn bare(cluster: &Cluster, volumes: usize, round: usize) -> Result<Duration> {
    let class = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": format!("bare-{round}")},
        "driver": "csi.cofferdam.test", "deletionPolicy": "Delete",
    });
    let classes = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses";
    api::create(&cluster.client, classes, &class).await?;
    let before = cut(cluster).await?;
    let begun = Instant::now();
    let snapshots: Vec<Value> = (0..volumes)
        .map(|number| {
            json!({
                "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
                "metadata": {"name": format!("bare-{round}-{number}")},
                "spec": {
                    "volumeSnapshotClassName": format!("bare-{round}"),
                    "source": {"persistentVolumeClaimName": format!("data-{number}")},
                },
            })
        })
        .collect();
    try_join_all(snapshots.iter().map(|body| api::create(&cluster.client, SNAPSHOTS, body))).await?;
    let took = all_cut(cluster, begun, before + volumes).await?;
    api::delete(&cluster.client, SNAPSHOTS).await?;
    until(PATIENCE, "snapshots are gone", || async { Ok(cut(cluster).await? <= before) }).await?;
    Ok(took)
}

/// Waits until so many snapshots are cut.
async fn all_cut(cluster: &Cluster, begun: Instant, wanted: usize) -> Result<Duration> {
    until(PATIENCE, "snapshots are cut", || async { Ok(cut(cluster).await? >= wanted) }).await?;
    Ok(begun.elapsed())
}

/// Snapshots that are cut: the data is as it was at one instant and cannot be lost by writing on.
async fn cut(cluster: &Cluster) -> Result<usize> {
    let contents = api::list(&cluster.client, CONTENTS).await?;
    let cut = |content: &&Value| {
        content["status"]["snapshotHandle"].is_string() && content["status"]["creationTime"].is_number()
    };
    // A content that is bound to a handle beforehand was not cut anew.
    Ok(contents
        .iter()
        .filter(|content| content["spec"]["source"]["volumeHandle"].is_string())
        .filter(cut)
        .count())
}

async fn until<F: Future<Output = Result<bool>>>(
    patience: Duration,
    what: &str,
    look: impl Fn() -> F,
) -> Result<()> {
    let begun = Instant::now();
    while !look().await? {
        if begun.elapsed() > patience {
            bail!("not within {patience:?}: {what}");
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
