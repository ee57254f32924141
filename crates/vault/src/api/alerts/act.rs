//! The calls on alerts.

use super::{
    READ,
    shown::{self, shown},
    wanted::{Wanted, one_of, wrong},
};
use crate::{
    alerts::{self, AlertRecord, AlertState, KIND, id_of},
    api::{
        Call, Failure,
        resource::{self, Loaded, TRIES, load},
    },
    reply::Reply,
    store::StoreError,
};
use arm::{ArmError, Fields, ResourceId};

/// Those about a scope that the caller may see and asks for, the newest first.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let wanted = Wanted::read(&call.address, call.now)?;
    let scope = call.scope()?;
    resource::page(call, KIND, &call.subscription()?.id, |stored| {
        let alert: Loaded<AlertRecord> = resource::read(stored)?;
        let record = &alert.document;
        let seen = is_about(record, scope) && call.may(READ, &record.about) && wanted.fits(record);
        Ok(seen.then(|| shown(&alert)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::json(200, shown(&existing(call).await?)))
}

/// What happened to one.
pub async fn history(call: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::json(200, shown::history(&existing(call).await?)))
}

/// Somebody is at it, or it is done. In the state that it has already it stays as it is.
pub async fn change_state(call: &Call<'_>) -> Result<Reply, Failure> {
    let state = one_of(&call.address, "newState", &AlertState::ALL, |one| one.text())?;
    let state = state.ok_or_else(|| wrong("newState", "it is required: New, Acknowledged or Closed"))?;
    let comments = comments(call)?;
    for _ in 0..TRIES {
        let mut alert = existing(call).await?;
        if alert.document.state == state && comments.is_empty() {
            return Ok(Reply::json(200, shown(&alert)));
        }
        let (store, who) = (call.app.store.as_ref(), &call.caller.object_id);
        let changes = alerts::change_state(store, &mut alert, state, who, &comments, call.now).await?;
        match call.commit(&changes).await {
            Ok(()) => return Ok(Reply::json(200, shown(&alert))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.params.get("alert").to_owned()).into())
}

/// Clients send an object with them, or the text alone.
fn comments(call: &Call<'_>) -> Result<String, ArmError> {
    let Some(body) = call.optional_json()? else { return Ok(String::new()) };
    if let Some(text) = body.as_str() {
        return Ok(text.to_owned());
    }
    Ok(Fields::of(&body)?.text("comments")?.unwrap_or_default().to_owned())
}

/// The alert of the path, if it is about the scope.
async fn existing(call: &Call<'_>) -> Result<Loaded<AlertRecord>, Failure> {
    let (scope, name) = (call.scope()?, call.params.get("alert"));
    let missing = || {
        let message =
            format!("There is no alert '{name}' about '{scope}'. List those that there are: GET …/alerts.");
        ArmError::new(404, "AlertNotFound", message).about(name)
    };
    let id = id_of(scope.subscription_id(), name).map_err(|_| missing())?;
    let found: Option<Loaded<AlertRecord>> = load(call.app.store.as_ref(), &id).await?;
    Ok(found.filter(|alert| is_about(&alert.document, scope)).ok_or_else(missing)?)
}

fn is_about(alert: &AlertRecord, scope: &ResourceId) -> bool {
    scope.covers(&alert.vault) || scope.covers(&alert.about)
}
