//! `cofferdam location list`.

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use extension::locations::{LABEL, LocationRecord, STATE};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt, api::ListParams};
use serde::Serialize;
use storage::location::LocationSettings;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    role: String,
    settings: Option<LocationSettings>,
    state: String,
}

pub async fn run(cluster: &ClusterArgs, format: Format) -> Outcome {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await?, &cluster.namespace);
    let maps = maps
        .list(&ListParams::default().labels(LABEL))
        .await
        .map_err(|error| Failure::api("list storage locations", &error))?;
    let rows: Vec<Row> = maps.items.iter().map(row).collect();
    output::print(format, &rows, |rows| {
        let cells = rows.iter().map(|row| {
            let place = row.settings.as_ref().map_or_else(String::new, |settings| {
                format!("{}:{}/{}", settings.provider, settings.bucket, settings.prefix.as_str())
            });
            [row.name.clone(), row.role.clone(), place.trim_end_matches('/').to_owned(), row.state.clone()]
        });
        output::table(["name", "role", "place", "state"], cells)
    })?;
    Ok(Exit::Done)
}

fn row(map: &ConfigMap) -> Row {
    let noted = map.annotations().get(STATE).cloned();
    match LocationRecord::decode(map) {
        Ok(record) => Row {
            name: record.name,
            role: record.role.to_string(),
            settings: Some(record.settings),
            state: noted.unwrap_or_else(|| "not looked at yet".to_owned()),
        },
        Err(bad) => {
            Row { name: map.name_any(), role: "?".to_owned(), settings: None, state: bad.problems.join("; ") }
        }
    }
}
