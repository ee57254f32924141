//! Captures a cluster of growing size: we, the bare client and Velero in turn.

use crate::Plan;
use crate::api;
use crate::bare::Lists;
use crate::cluster::Cluster;
use crate::environment::Environment;
use crate::product::{self, Product};
use crate::results::Measured;
use crate::velero::Velero;
use anyhow::Result;
use serde_json::json;
use std::time::Duration;

/// From this size on, Velero is measured once only.
const LARGE: usize = 100_000;

/// Measures each size in one cluster that is filled up from one to the next; each is `kept` as soon as it is there.
pub async fn measure(
    plan: &Plan,
    sizes: &[usize],
    environment: &Environment,
    mut kept: impl FnMut(Measured) -> Result<()>,
) -> Result<()> {
    let cluster = Cluster::up(&plan.cluster, true).await?;
    let empty = empty_namespace(&cluster).await?;
    product::install(&cluster)?;
    let mut there = 0;
    for &size in sizes {
        println!("capture of {size} objects: filling the cluster");
        cluster.fill(size.saturating_sub(there), &format!("generated-{size}")).await?;
        there = there.max(size);
        kept(one_size(plan, &cluster, size, &empty, environment).await?)?;
    }
    Ok(())
}

async fn one_size(
    plan: &Plan,
    cluster: &Cluster,
    size: usize,
    empty: &[String],
    environment: &Environment,
) -> Result<Measured> {
    let mut measured = Measured { environment: environment.clone(), made: size, ..Measured::default() };
    // New processes, so that peak memory is that of this size.
    let product = Product::start(cluster).await?;
    let mut beside = match &plan.velero {
        Some((programs, patience)) => Some(Velero::start(cluster, programs, *patience).await?),
        None => None,
    };
    let location = product.new_location(&format!("warm-{size}"))?;
    let kinds = product.back_up(&location, &[], false).await?.object;
    let lists = Lists::of_backup(&cluster.client, &kinds).await?;
    for round in 0..plan.rounds {
        let location = product.new_location(&format!("round-{size}-{round}"))?;
        let opened = product.back_up(&location, empty, false).await?.took;
        let fixed = product.back_up(&location, empty, false).await?.took;
        let listed = lists.objects() as f64 / lists.read(&cluster.client).await?.as_secs_f64();
        let done = product.back_up(&location, &[], false).await?;
        let again = product.back_up(&location, &[], false).await?;
        let ours = rate(done.objects, done.took);
        measured.objects = done.objects;
        measured.opening.add(opened.saturating_sub(fixed).as_secs_f64());
        measured.fixed.add(fixed.as_secs_f64());
        measured.seconds.add(done.took.as_secs_f64());
        measured.again.add(rate(again.objects, again.took));
        measured.ours.add(ours);
        measured.bare.add(listed);
        measured.ratio.add(ours / listed);
        println!(
            "  round {round}: {} objects in {:.2} s (fixed {:.2} s): {ours:.0}/s, bare {listed:.0}/s, ratio {:.2}",
            done.objects,
            done.took.as_secs_f64(),
            fixed.as_secs_f64(),
            ours / listed
        );
        if (size < LARGE || round + 1 == plan.rounds)
            && let Some(velero) = beside.take()
        {
            let fixed = velero.back_up(empty).await?.took;
            let done = velero.back_up(&[]).await?;
            let rate = rate(done.objects, done.took);
            measured.velero.add(rate);
            measured.velero_fixed.add(fixed.as_secs_f64());
            measured.velero_ended_early |= !done.ended;
            println!("    Velero: {} objects in {:.1} s: {rate:.0}/s", done.objects, done.took.as_secs_f64());
            measured.velero_peak.add(velero.peak_memory()?);
            // One that is at work still would stand in the way of what follows.
            beside = done.ended.then_some(velero);
        }
    }
    measured.peak.add(product.peak_memory()?);
    println!("  peak memory {}", measured.peak.shown());
    Ok(measured)
}

/// A namespace with nothing in it: an operation on it costs what every operation costs.
pub async fn empty_namespace(cluster: &Cluster) -> Result<Vec<String>> {
    let name = "empty".to_owned();
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    api::create(&cluster.client, "/api/v1/namespaces", &body).await?;
    Ok(vec![name])
}

/// Objects per second, everything included.
pub fn rate(objects: u64, took: Duration) -> f64 {
    objects as f64 / took.as_secs_f64().max(0.001)
}
