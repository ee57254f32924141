//! How long a preflight of a cluster with many objects takes, and what it holds in memory meanwhile.

use crate::Plan;
use crate::cluster::{Cluster, KEY, STORE, bucket};
use crate::environment::Environment;
use crate::process::{beside, measured};
use crate::results::Preflight;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::Command;

/// Measures on a control plane with so many objects.
pub async fn measure(plan: &Plan, objects: usize, environment: &Environment) -> Result<Preflight> {
    println!("preflight: a control plane with {objects} objects");
    let cluster = Cluster::up(&plan.cluster, true).await?;
    cluster.fill(objects, "preflight").await?;
    let mut outcome = Preflight { environment: environment.clone(), ..Preflight::default() };
    for _ in 0..plan.rounds {
        let bucket = bucket("preflight")?;
        let key = std::env::temp_dir().join(format!("bench-key-{}", std::process::id()));
        std::fs::write(&key, KEY)?;
        let mut command = Command::new(beside("cofferdam")?);
        command.env("KUBECONFIG", &cluster.kubeconfig).args(["preflight", "-o", "json"]);
        for setting in [
            "provider=aws".to_owned(),
            format!("bucket={bucket}"),
            "config.region=us-east-1".to_owned(),
            format!("config.s3Url={STORE}"),
            "config.s3ForcePathStyle=true".to_owned(),
        ] {
            command.args(["--set", &format!("configuration.backupStorageLocation.{setting}")]);
        }
        for field in ["aws_access_key_id", "aws_secret_access_key"] {
            command.args(["--credential-file", &format!("{field}={}", key.display())]);
        }
        let (said, took, peak) = measured(&mut command)?;
        std::fs::remove_file(&key)?;
        let document: Value = serde_json::from_str(&said).context("preflight prints a document")?;
        judge(&document, objects, &mut outcome)?;
        println!("  {:.2} s, {peak:.1} MiB, {:?}", took.as_secs_f64(), outcome.well);
        outcome.seconds.add(took.as_secs_f64());
        outcome.peak.add(peak);
    }
    Ok(outcome)
}

/// A fast preflight that saw nothing is no preflight.
fn judge(document: &Value, objects: usize, outcome: &mut Preflight) -> Result<()> {
    let checks = document["checks"].as_array().context("a list of checks")?;
    let check = |id: &str| checks.iter().find(|check| check["id"] == id).cloned().unwrap_or_default();
    for id in ["P4", "P6", "P10", "P11", "P17", "P19", "P31", "P37", "P44"] {
        if check(id)["result"] != "Passed" {
            bail!("{id} did not pass: {:#}", check(id));
        }
    }
    outcome.objects = check("P31")["details"]["numbers"]["objects"].as_u64().unwrap_or_default();
    if outcome.objects < objects as u64 {
        bail!("preflight counts {} of {objects} objects", outcome.objects);
    }
    let well = checks.iter().filter(|one| one["result"] == "Passed" || one["result"] == "NotApplicable");
    outcome.well = (well.count() as u64, checks.len() as u64);
    Ok(())
}
