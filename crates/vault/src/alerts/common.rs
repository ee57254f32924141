//! Alerts of what many instances have in common: one alert that counts them, and ends with the last.

use super::{
    AlertRecord, Condition, Event, Rule,
    change::{Alert, index, place, pointed_at},
    record::{Describe, new_name},
};
use crate::{
    api::{load, put},
    app::App,
    store::{Change, Expected, StoreError},
    webhooks,
};
use arm::ResourceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an instance is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// What the alert is about.
    pub about: ResourceId,
    /// The alert's name.
    pub alert: String,
}

/// The changes by which one more instance is counted in the alert of its cause, and in which. `describe` says of how many
/// instances it speaks.
pub async fn join(
    app: &App,
    event: Event,
    describe: Describe,
    now: Timestamp,
) -> Result<(Vec<Change>, Counted), StoreError> {
    let (about, index) = (event.about.clone(), index(event.rule, &event.about));
    let pointed = app.store.setting(&index).await?;
    if let Some(mut alert) = pointed_at(app.store.as_ref(), &about, pointed.as_deref()).await? {
        let mut changes = Vec::new();
        if alert.document.join(describe, now) {
            changes = webhooks::messages(app, &alert, Condition::Fired, now)?;
        }
        changes.push(alert.write()?);
        return Ok((changes, Counted { about, alert: alert.id.name().to_owned() }));
    }
    let name = new_name(now);
    let document = AlertRecord::fired(event, now).of_the_first(describe);
    let alert = Alert { id: place(&about, &name)?, document, version: 0 };
    // Whoever is second of two that fire at once has a conflict, reads again, and is counted in the first one's.
    let mut changes = vec![Change::SetIf { name: index, before: pointed, value: name.clone() }];
    changes.push(put(&alert.id, &alert.document, Expected::Absent)?);
    changes.extend(webhooks::messages(app, &alert, Condition::Fired, now)?);
    Ok((changes, Counted { about, alert: name }))
}

/// The changes by which an instance is counted no more; with the last one the alert ends. Also one that somebody closed
/// counts on: it may be opened again.
pub async fn leave(
    app: &App,
    rule: Rule,
    counted: &Counted,
    describe: Describe,
    why: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let found: Option<Alert> = load(app.store.as_ref(), &place(&counted.about, &counted.alert)?).await?;
    let Some(mut alert) = found.filter(|alert| alert.document.condition == Condition::Fired) else {
        return Ok(Vec::new());
    };
    let was_open = alert.document.is_open();
    if !alert.document.leave(describe, now) {
        return Ok(vec![alert.write()?]);
    }
    alert.document.resolve(why, now);
    let mut changes = vec![alert.write()?];
    let index = index(rule, &counted.about);
    if app.store.setting(&index).await?.as_deref() == Some(counted.alert.as_str()) {
        changes.push(Change::Unset(index));
    }
    if was_open {
        changes.extend(webhooks::messages(app, &alert, Condition::Resolved, now)?);
    }
    Ok(changes)
}
