//! Connecting a cluster: a one-time token for agent and gateway, and what a person applies in the cluster. A cluster has
//! one connection; a new one ends the one before.

use super::{
    act::{answer, of_path},
    enrolment::{self, NewConnection},
    wish::Wish,
};
use crate::{
    api::{Call, Failure, resource::TRIES},
    manifests::ConnectSettings,
    reply::Reply,
    store::StoreError,
};
use arm::ArmError;
use serde_json::{Value, json};

/// Opens a connection; the one before ends with it.
pub async fn connect(call: &Call<'_>) -> Result<Reply, Failure> {
    let wish = Wish::of(call.optional_json()?.as_ref())?;
    for _ in 0..TRIES {
        let mut cluster = of_path(call).await?;
        let new = enrolment::open(call.now);
        let body = document(call, &new, &wish).await?;
        if wish.dry_run {
            return Ok(Reply::json(200, body));
        }
        let mut changes = enrolment::keep(&cluster.id, &new)?;
        let former = cluster.document.cut();
        if let Some(former) = &former {
            changes.extend(enrolment::forget(call.app.store.as_ref(), &cluster.id, former).await?);
        }
        cluster.document.connection = Some(new.id.to_string());
        changes.push(cluster.write()?);
        match call.commit(&changes).await {
            Ok(()) => {
                if let Some(former) = &former {
                    call.app.clusters.disconnected(former);
                }
                return Ok(Reply::json(200, body));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Ends the connection: the certificates of agent and gateway are refused from now on.
pub async fn disconnect(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let mut cluster = of_path(call).await?;
        let Some(former) = cluster.document.cut() else { return Ok(answer(call, 200, &cluster)) };
        let mut changes = enrolment::forget(call.app.store.as_ref(), &cluster.id, &former).await?;
        changes.push(cluster.write()?);
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.clusters.disconnected(&former);
                return Ok(answer(call, 200, &cluster));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// What the person who connects is told, once. Nothing is committed yet: a vault that cannot tell leaves the connection
/// that there is.
async fn document(call: &Call<'_>, new: &NewConnection, wish: &Wish) -> Result<Value, Failure> {
    let app = call.app;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, correlation = call.correlation, "could not write what connects a cluster");
        let message = format!(
            "The vault cannot write what connects a cluster: {error}. Ask its operator; the log has more under {}.",
            call.correlation
        );
        ArmError::new(500, "ConnectManifestUnavailable", message)
    };
    let authorities = tokio::fs::read_to_string(&app.authorities).await;
    let settings = ConnectSettings {
        vault: app.public.to_string(),
        authorities: authorities.map_err(|error| failed(&error))?,
        token: new.token.clone(),
        image: app.agent_image.clone(),
        proxy: wish.proxy.clone(),
    };
    let mut told = json!({
        "connection": new.id,
        "token": new.token.as_str(),
        "expiresAt": new.enrolment.expires_at,
        "vault": settings.vault,
        "authorities": settings.authorities,
    });
    if wish.manifest {
        let manifest = app.manifests.documents(&settings).map_err(|error| failed(&error))?;
        if manifest.is_empty() {
            return Err(nothing_to_apply().into());
        }
        if let Some(fields) = told.as_object_mut() {
            fields.insert("manifest".to_owned(), manifest.into());
        }
    }
    Ok(told)
}

fn nothing_to_apply() -> ArmError {
    ArmError::new(
        409,
        "ConnectManifestUnavailable",
        "This vault offers no extension packages and so has no manifest that would connect a cluster; nothing was changed. Its operator starts it with `cofferdam vault serve --packages DIRECTORY`. Who has a manifest asks for the token alone, with \"manifest\": false.",
    )
}
