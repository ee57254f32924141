//! Restores objects into new namespaces: we, the bare client and Velero in turn.

use crate::Plan;
use crate::bare::Copies;
use crate::capture::{empty_namespace, rate};
use crate::cluster::Cluster;
use crate::environment::Environment;
use crate::product::{self, Product};
use crate::results::Measured;
use crate::velero::{self, Velero};
use anyhow::Result;
use std::collections::BTreeMap;

/// From this size on, Velero is measured once only.
const LARGE: usize = 20_000;

/// Measures one size in a cluster of its own.
pub async fn measure(plan: &Plan, size: usize, environment: &Environment) -> Result<Measured> {
    let mut measured = Measured { environment: environment.clone(), made: size, ..Measured::default() };
    println!("restore of {size} objects: filling the cluster");
    let cluster = Cluster::up(&plan.cluster, true).await?;
    let empty = empty_namespace(&cluster).await?;
    let namespaces = cluster.fill(size, "generated").await?;
    let copies = Copies::read(&cluster.client).await?;
    product::install(&cluster)?;
    let product = Product::start(&cluster).await?;
    let location = product.new_location(&format!("restore-{size}"))?;
    let backup = product.back_up(&location, &namespaces, false).await?.object;
    let empty_backup = product.back_up(&location, &empty, false).await?.object;
    let mut beside = match &plan.velero {
        Some((programs, patience)) => {
            let velero = Velero::start(&cluster, programs, *patience).await?;
            let backups = (velero.back_up(&namespaces).await?.name, velero.back_up(&empty).await?.name);
            Some((velero, backups))
        }
        None => None,
    };
    for round in 0..plan.rounds {
        let to = |who: &str, from: &[String]| mappings(from, &format!("{who}{round}"));
        let fixed = product.restore(&empty_backup, &to("ours", &empty)).await?.took;
        let (took, created) = copies.create(&cluster.client, &to("bare", &namespaces)).await?;
        let bare = created as f64 / took.as_secs_f64();
        let done = product.restore(&backup, &to("ours", &namespaces)).await?;
        let ours = rate(done.objects, done.took);
        measured.objects = done.objects;
        measured.fixed.add(fixed.as_secs_f64());
        measured.seconds.add(done.took.as_secs_f64());
        measured.ours.add(ours);
        measured.bare.add(bare);
        measured.ratio.add(ours / bare);
        println!(
            "  round {round}: {} objects in {:.2} s (fixed {:.2} s): {ours:.0}/s, bare {bare:.0}/s, ratio {:.2}",
            done.objects,
            done.took.as_secs_f64(),
            fixed.as_secs_f64(),
            ours / bare
        );
        if (size < LARGE || round + 1 == plan.rounds)
            && let Some((velero, backups)) = beside.take()
        {
            let fixed = velero.restore(&backups.1, &to("velero", &empty)).await?.took;
            let done: velero::Done = velero.restore(&backups.0, &to("velero", &namespaces)).await?;
            let rate = rate(done.objects, done.took);
            measured.velero.add(rate);
            measured.velero_fixed.add(fixed.as_secs_f64());
            measured.velero_peak.add(velero.peak_memory()?);
            measured.velero_ended_early |= !done.ended;
            // One that is at work still would stand in the way of what follows.
            beside = done.ended.then_some((velero, backups));
            println!("    Velero: {} objects in {:.1} s: {rate:.1}/s", done.objects, done.took.as_secs_f64());
        }
    }
    measured.peak.add(product.peak_memory()?);
    println!("  peak memory {}", measured.peak.shown());
    Ok(measured)
}

fn mappings(from: &[String], prefix: &str) -> BTreeMap<String, String> {
    from.iter().map(|name| (name.clone(), format!("{prefix}-{name}"))).collect()
}
