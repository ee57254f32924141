//! Opens every location and notes at its ConfigMap whether it can be used: own ones for writing, which claims
//! them and creates the repository, source ones for reading.

use crate::{
    context::Context,
    locations::{Access, LocationRecord, Role, STATE},
    status::MANAGER,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

/// The note at a location that can be used.
pub const READY: &str = "Ready";

/// Looks at every location once.
pub async fn look(context: &Context) {
    let records = match context.locations.list().await {
        Ok(records) => records,
        Err(error) => {
            tracing::warn!(%error, "could not list the storage locations");
            return;
        }
    };
    for (map, record) in records {
        let state = match record {
            Ok(record) => state(context, &record).await,
            Err(bad) => bad.to_string(),
        };
        if state != READY {
            tracing::warn!(location = map, state, "the storage location cannot be used");
        }
        note(context, &map, &state).await;
    }
}

async fn state(context: &Context, record: &LocationRecord) -> String {
    let access = match record.role {
        Role::Own => Access::Write,
        Role::Source => Access::Read,
    };
    match context.locations.open(&record.name, access).await {
        Ok(_) => READY.to_owned(),
        Err(error) => {
            let problem = error.problem();
            format!("{}: {}", problem.code, problem.message)
        }
    }
}

async fn note(context: &Context, map: &str, state: &str) {
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &context.config.namespace);
    let noted = async {
        let current = api.get(map).await?;
        if current.annotations().get(STATE).map(String::as_str) == Some(state) {
            return Ok(());
        }
        let patch = Patch::Merge(json!({"metadata": {"annotations": {STATE: state}}}));
        api.patch(
            map,
            &PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() },
            &patch,
        )
        .await
        .map(drop)
    };
    if let Err(error) = noted.await {
        tracing::warn!(location = map, %error, "could not note the state of the location");
    }
}
