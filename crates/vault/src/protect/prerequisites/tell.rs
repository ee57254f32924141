//! The alerts of prerequisites: what was seen becomes changes for the commit of the look.

use super::{
    changes::{self, Told},
    kept::Kept,
    row::{By, Row, known},
};
use crate::{
    alerts::{self, Counted, Event, Rule},
    api::{Loaded, instances::InstanceRecord},
    app::App,
    store::{Change, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use prerequisites::Scope;
use sha2::{Digest, Sha256};
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
    // A standing forgets where it was counted when it ends.
    let before = standings.clone();
    let counted = |id: &str| before.get(id).and_then(|standing| standing.counted.clone());
    let seen = changes::look(&mut standings, &rows, |id| kept.is_unlisted(id), now);
    for told in seen {
        match told {
            Told::Fails(row) => {
                if let Some(event) = common(instance, &row) {
                    let (joined, counted) = alerts::join(app, event, describe, now).await?;
                    changes.extend(joined);
                    standings.entry(row.id).or_default().counted = Some(counted);
                } else if let Some(event) = event(instance, &row) {
                    changes.extend(alerts::fire(app, event, now).await?);
                }
            }
            Told::Holds(id) => {
                let why = "the prerequisite holds again";
                changes.extend(over(app, &instance.id, &id, counted(&id), why, now).await?);
            }
            Told::Gone(id) => {
                let why = "the cluster's extension does not look at it any more";
                changes.extend(over(app, &instance.id, &id, counted(&id), why, now).await?);
            }
        }
    }
    kept.standings = standings;
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
            changes.extend(over(app, instance, id, standing.counted.clone(), why, now).await?);
        }
    }
    Ok(changes)
}

/// Ends the instance's own alert, or its part in that of many.
async fn over(
    app: &App,
    instance: &ResourceId,
    id: &str,
    counted: Option<Counted>,
    why: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    match counted {
        Some(counted) => alerts::leave(app, Rule::PrerequisiteFailure, &counted, describe, why, now).await,
        None => resolved(app, instance, id, why, now).await,
    }
}

/// What the alert of many says.
fn describe(number: u64, vault: &ResourceId, context: &BTreeMap<String, String>) -> String {
    let text = |name: &str| context.get(name).map(String::as_str).unwrap_or_default();
    let instances = if number == 1 { "backup instance" } else { "backup instances" };
    format!(
        "Prerequisite {} does not hold for {number} {instances} of vault '{}': {} {}",
        text("prerequisite"),
        vault.name(),
        text("prerequisiteTitle"),
        text("errorMessage")
    )
}

/// The alert of a cause that is not the instance's own: what the vault itself saw to fail for the subscription or the vault,
/// and that names nothing of the instance's cluster. Whatever has the same words has the same cause.
fn common(instance: &Loaded<InstanceRecord>, row: &Row) -> Option<Event> {
    let scope = known(&row.id)?.scope;
    if row.by != By::Vault || !matches!(scope, Scope::Subscription | Scope::Vault) {
        return None;
    }
    let cluster = &instance.document.instance.source.resource;
    let is_own = |object: &String| {
        let object = object.to_lowercase();
        object.starts_with(cluster.folded()) || object.starts_with(instance.id.folded())
    };
    if row.objects.iter().any(is_own) {
        return None;
    }
    let vault = instance.id.parent()?;
    let mut hash = Sha256::new();
    // What fails for the subscription fails for all clusters in it.
    let subscription = cluster.subscription_id().to_lowercase();
    for part in row.objects.iter().chain([&row.evidence, &subscription]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let cause: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let about = vault.child("prerequisites", &format!("{}-{cause}", row.id)).ok()?;
    let context = context(row);
    Some(Event { rule: Rule::PrerequisiteFailure, about, vault, description: String::new(), context })
}

/// What is known of a check, whoever it fails for.
fn context(row: &Row) -> BTreeMap<String, String> {
    let mut context = BTreeMap::from([
        ("prerequisite".to_owned(), row.id.clone()),
        ("prerequisiteTitle".to_owned(), row.title.clone()),
        ("errorMessage".to_owned(), row.evidence.clone()),
    ]);
    if let Some(code) = &row.code {
        context.insert("errorCode".to_owned(), code.clone());
    }
    if !row.fixes.is_empty() {
        context.insert("recommendedAction".to_owned(), row.fixes.join("\n"));
    }
    context
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

/// What the alert of a check is about that fails for reasons of the instance's own.
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
    let mut context = context(row);
    context.extend([
        ("backupInstanceId".to_owned(), instance.id.to_string()),
        ("backupInstanceFriendlyName".to_owned(), written.friendly_name.clone()),
        ("dataSourceId".to_owned(), written.source.resource.to_string()),
    ]);
    Some(Event {
        rule: Rule::PrerequisiteFailure,
        about: about(&instance.id, &row.id)?,
        vault,
        description,
        context,
    })
}
