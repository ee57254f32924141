//! Fires, resolves and closes alerts: reads what is open, decides, and gives back the changes for the caller's commit.

use super::record::{AlertRecord, AlertState, Condition, id_of, new_name};
use super::{KIND, Rule};
use crate::{
    api::{Loaded, load, put},
    app::App,
    store::{Change, Expected, Store, StoreError},
    webhooks,
};
use arm::ResourceId;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Of what kind it is.
    pub rule: Rule,
    /// In which vault.
    pub vault: ResourceId,
    /// To what of it.
    pub about: ResourceId,
    /// A sentence.
    pub description: String,
    /// What else is known.
    pub context: BTreeMap<String, String>,
}

pub(super) type Alert = Loaded<AlertRecord>;

/// The changes by which something is told. While an alert of the same kind about the same thing is open, it is counted in
/// that one.
pub async fn fire(app: &App, event: Event, now: Timestamp) -> Result<Vec<Change>, StoreError> {
    let index = index(event.rule, &event.about);
    let pointed = app.store.setting(&index).await?;
    if let Some(mut alert) = pointed_at(app.store.as_ref(), &event.about, pointed.as_deref()).await? {
        let mut changes = Vec::new();
        if alert.document.repeat(event, now) {
            changes = webhooks::messages(app, &alert, Condition::Fired, now)?;
        }
        changes.push(alert.write()?);
        return Ok(changes);
    }
    let name = new_name(now);
    let id = place(&event.about, &name)?;
    let alert = Alert { id, document: AlertRecord::fired(event, now), version: 0 };
    // Whoever is second of two that fire at once has a conflict, reads again, and is counted in the first one's.
    let mut changes = vec![Change::SetIf { name: index, before: pointed, value: name }];
    changes.push(put(&alert.id, &alert.document, Expected::Absent)?);
    changes.extend(webhooks::messages(app, &alert, Condition::Fired, now)?);
    Ok(changes)
}

/// The changes by which an open alert ends, if there is one.
pub async fn resolve(
    app: &App,
    rule: Rule,
    about: &ResourceId,
    why: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let index = index(rule, about);
    let pointed = app.store.setting(&index).await?;
    let Some(mut alert) = pointed_at(app.store.as_ref(), about, pointed.as_deref()).await? else {
        return Ok(Vec::new());
    };
    alert.document.resolve(why, now);
    let mut changes = vec![alert.write()?, Change::Unset(index)];
    changes.extend(webhooks::messages(app, &alert, Condition::Resolved, now)?);
    Ok(changes)
}

/// The changes by which somebody says how far people are.
pub async fn change_state(
    store: &dyn Store,
    alert: &mut Alert,
    to: AlertState,
    by: &str,
    comments: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let was_open = alert.document.is_open();
    alert.document.change_state(to, by, comments, now);
    let mut changes = vec![alert.write()?];
    let index = index(alert.document.rule, &alert.document.about);
    let pointed = store.setting(&index).await?;
    match (was_open, alert.document.is_open()) {
        // Only this alert's own: another one of the kind may be open, and what happens next is counted there.
        (true, false) if pointed.as_deref() == Some(alert.id.name()) => {
            changes.push(Change::Unset(index));
        }
        // Another one is open meanwhile: what happens next is counted there.
        (false, true) if pointed_at(store, &alert.document.about, pointed.as_deref()).await?.is_none() => {
            changes.push(Change::SetIf { name: index, before: pointed, value: alert.id.name().to_owned() });
        }
        _ => {}
    }
    Ok(changes)
}

/// The setting that names the open alert of a kind about a thing.
pub fn index(rule: Rule, about: &ResourceId) -> String {
    format!("open alert/{rule:?}/{}", about.folded())
}

pub(super) async fn pointed_at(
    store: &dyn Store,
    about: &ResourceId,
    name: Option<&str>,
) -> Result<Option<Alert>, StoreError> {
    let Some(name) = name else { return Ok(None) };
    let found: Option<Alert> = load(store, &place(about, name)?).await?;
    Ok(found.filter(|alert| alert.document.is_open()))
}

pub(super) fn place(about: &ResourceId, name: &str) -> Result<ResourceId, StoreError> {
    id_of(about.subscription_id(), name)
        .map_err(|error| StoreError::Damaged(format!("{KIND} {name}: {error}")))
}
