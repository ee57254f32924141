//! `cofferdam location show`: one location, and whether it can be read from here.

use super::locations;
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use extension::{
    grants::GrantPurpose,
    locations::{Access, LocationError, LocationRecord, STATE},
    points,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use serde::Serialize;
use std::collections::BTreeMap;
use storage::owner;

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Name of the location
    #[arg(default_value = "default")]
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    name: String,
    role: String,
    settings: BTreeMap<String, String>,
    seen_by_the_extension: Option<String>,
    owner: Option<String>,
    recovery_points: Option<usize>,
    problem: Option<String>,
}

pub async fn run(args: ShowArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let client = cluster.client().await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &cluster.namespace);
    let name = LocationRecord::config_map_name(&args.name);
    let map =
        maps.get(&name).await.map_err(|error| Failure::api(format!("read ConfigMap {name}"), &error))?;
    let record = LocationRecord::decode(&map).map_err(LocationError::from)?;
    let mut view = View {
        name: record.name.clone(),
        role: record.role.to_string(),
        settings: record.to_settings(),
        seen_by_the_extension: map.annotations().get(STATE).cloned(),
        owner: None,
        recovery_points: None,
        problem: None,
    };
    let looked = look(&mut view, &locations(&client, &cluster.namespace).await?, &args.name).await;
    if let Err(error) = &looked {
        view.problem = Some(error.to_string());
    }
    output::print(format, &view, text)?;
    match looked {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(error.into()),
    }
}

async fn look(
    view: &mut View,
    locations: &extension::locations::Locations,
    name: &str,
) -> Result<(), LocationError> {
    let open = locations.open(name, Access::Read, &GrantPurpose::Upkeep).await?;
    view.owner = owner::survey(open.root.as_ref()).await?.owner.map(|marker| marker.cluster);
    view.recovery_points = Some(points::list(&open.repo).await?.len());
    Ok(())
}

fn text(view: &View) -> String {
    let mut lines = vec![format!("location         {} ({})", view.name, view.role)];
    for (key, value) in &view.settings {
        lines.push(format!("  {key} = {}", value.lines().next().unwrap_or_default()));
    }
    if let Some(state) = &view.seen_by_the_extension {
        lines.push(format!("extension says   {state}"));
    }
    if let Some(owner) = &view.owner {
        lines.push(format!("owner            cluster {owner}"));
    }
    if let Some(points) = view.recovery_points {
        lines.push(format!("recovery points  {points}"));
    }
    lines.join("\n")
}
