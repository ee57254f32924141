//! `cofferdam location`: add, list and check storage locations.

mod add;
mod list;
mod show;

use crate::{
    cluster::ClusterArgs,
    exit::{Failure, Outcome},
    output::Format,
};
use clap::Subcommand;
use extension::locations::{LocationRecord, Locations, STATE};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use std::{collections::BTreeMap, sync::Arc};
use telemetry::SystemClock;

#[derive(Debug, Subcommand)]
pub enum LocationCommand {
    /// Add a location, or change one
    Add(add::AddArgs),
    /// List locations
    List,
    /// Show one location, and whether it can be used from here
    Show(show::ShowArgs),
}

pub async fn run(command: LocationCommand, cluster: &ClusterArgs, format: Format) -> Outcome {
    match command {
        LocationCommand::Add(args) => add::run(args, cluster, format).await,
        LocationCommand::List => list::run(cluster, format).await,
        LocationCommand::Show(args) => show::run(args, cluster, format).await,
    }
}

/// The locations of the cluster, opened with the person's own rights.
pub async fn locations(client: &Client, namespace: &str) -> Result<Locations, Failure> {
    let uid = cluster_uid(client).await?;
    Ok(Locations::new(client.clone(), namespace, uid, Arc::new(SystemClock)))
}

/// The UID of `kube-system`, which identifies the cluster.
pub async fn cluster_uid(client: &Client) -> Result<String, Failure> {
    let api: Api<Namespace> = Api::all(client.clone());
    let system =
        api.get("kube-system").await.map_err(|error| Failure::api("read namespace kube-system", &error))?;
    Ok(system.uid().unwrap_or_default())
}

/// Takes away what the extension noted at a location earlier: it looks again at once, and what it says then is
/// about the settings and Secrets of now.
pub async fn forget_state(maps: &Api<ConfigMap>, location: &str) -> Result<(), Failure> {
    forget(maps, location, &[STATE]).await
}

/// Takes notes of the extension at a location away.
async fn forget(maps: &Api<ConfigMap>, location: &str, notes: &[&str]) -> Result<(), Failure> {
    let name = LocationRecord::config_map_name(location);
    let notes: BTreeMap<&str, Option<&str>> = notes.iter().map(|note| (*note, None)).collect();
    let nothing = serde_json::json!({"metadata": {"annotations": notes}});
    maps.patch(&name, &PatchParams::default(), &Patch::Merge(&nothing))
        .await
        .map(drop)
        .map_err(|error| Failure::api(format!("write ConfigMap {name}"), &error))
}

/// Reads `key=value`.
pub fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form key=value")),
    }
}

/// Settings from `--set` arguments; a key given twice is an error.
pub fn settings(given: &[(String, String)]) -> Result<BTreeMap<String, String>, Failure> {
    let mut settings = BTreeMap::new();
    for (key, value) in given {
        if settings.insert(key.clone(), value.clone()).is_some() {
            return Err(
                Failure::usage(format!("setting {key} is given twice")).next("Give each setting once.")
            );
        }
    }
    Ok(settings)
}
