//! The alerts of prerequisites: what was seen becomes changes for the commit of the look.

use super::{
    changes::{self, Told},
    kept::Kept,
    row::Row,
};
use crate::{
    alerts::{self, Event, Rule},
    api::{Loaded, instances::InstanceRecord},
    app::App,
    store::{Change, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The alerts that follow from what was seen.
pub(super) async fn tell(
    app: &App,
    instance: &Loaded<InstanceRecord>,
    kept: &mut Kept,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let rows = kept.rows(now);
    let mut changes = Vec::new();
    let mut standings = std::mem::take(&mut kept.standings);
    let seen = changes::look(&mut standings, &rows, |id| kept.is_unlisted(id), now);
    kept.standings = standings;
    for told in seen {
        match told {
            Told::Fails(row) => {
                if let Some(event) = event(instance, &row) {
                    changes.extend(alerts::fire(app, event, now).await?);
                }
            }
            Told::Holds(id) => {
                changes.extend(resolved(app, &instance.id, &id, "the prerequisite holds again", now).await?);
            }
            Told::Gone(id) => {
                let why = "the cluster's extension does not look at it any more";
                changes.extend(resolved(app, &instance.id, &id, why, now).await?);
            }
        }
    }
    Ok(changes)
}

/// Nobody looks any more: what is open can be ended by nothing else.
pub(super) async fn ended(
    app: &App,
    instance: &ResourceId,
    kept: &Kept,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    for (id, standing) in &kept.standings {
        if standing.open {
            let why = "the instance is not backed up on schedule any more";
            changes.extend(resolved(app, instance, id, why, now).await?);
        }
    }
    Ok(changes)
}

async fn resolved(
    app: &App,
    instance: &ResourceId,
    id: &str,
    why: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    match about(instance, id) {
        Some(about) => alerts::resolve(app, Rule::PrerequisiteFailure, &about, why, now).await,
        None => Ok(Vec::new()),
    }
}

/// What the alert of a check is about: always the instance, also where others fail for the same reason. Each of them ends
/// by itself, and none says of another that it holds again.
fn about(instance: &ResourceId, id: &str) -> Option<ResourceId> {
    instance.child("prerequisites", id).ok()
}

fn event(instance: &Loaded<InstanceRecord>, row: &Row) -> Option<Event> {
    let vault = instance.id.parent()?;
    let written = &instance.document.instance;
    let description = format!(
        "Prerequisite {} of '{}' does not hold: {} {}",
        row.id, written.friendly_name, row.title, row.evidence
    );
    let mut context = BTreeMap::from([
        ("prerequisite".to_owned(), row.id.clone()),
        ("prerequisiteTitle".to_owned(), row.title.clone()),
        ("backupInstanceId".to_owned(), instance.id.to_string()),
        ("backupInstanceFriendlyName".to_owned(), written.friendly_name.clone()),
        ("dataSourceId".to_owned(), written.source.resource.to_string()),
        ("errorMessage".to_owned(), row.evidence.clone()),
    ]);
    if let Some(code) = &row.code {
        context.insert("errorCode".to_owned(), code.clone());
    }
    if !row.fixes.is_empty() {
        context.insert("recommendedAction".to_owned(), row.fixes.join("\n"));
    }
    Some(Event {
        rule: Rule::PrerequisiteFailure,
        about: about(&instance.id, &row.id)?,
        vault,
        description,
        context,
    })
}
