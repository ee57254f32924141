//! Alerts about data that goes with the place in which it lies: whoever deletes a storage account takes the recovery points
//! in it along, past soft delete and Resource Guard.

use super::{Event, Rule, fire};
use crate::{
    api::{
        Loaded,
        points::{self, PointRecord},
        read,
    },
    app::App,
    keys::setting,
    store::{Change, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use std::collections::BTreeMap;

const PAGE: u32 = 1_000;

/// The alerts of storage accounts that go, or of one container of one; one for each vault that has recovery points there.
pub async fn place_deleted(
    app: &App,
    accounts: &[&str],
    container: Option<&str>,
    by: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    if accounts.is_empty() {
        return Ok(changes);
    }
    for (vault, number) in points_in(app, accounts, container).await? {
        let accounts = accounts.join("', '");
        let place = match container {
            Some(container) => format!("container '{container}' of the storage account '{accounts}'"),
            None => format!("storage account '{accounts}'"),
        };
        let text = format!(
            "Vault '{}': '{by}' deleted the {place}, and with it {number} recovery points that lay there.",
            vault.name()
        );
        changes.extend(fire(app, Event::of_vault(Rule::DeleteBackupData, &vault, &vault, text), now).await?);
    }
    Ok(changes)
}

/// How many recovery points of which vault lie in a place.
async fn points_in(
    app: &App,
    accounts: &[&str],
    container: Option<&str>,
) -> Result<Vec<(ResourceId, usize)>, StoreError> {
    let mut found: BTreeMap<String, (ResourceId, usize)> = BTreeMap::new();
    for subscription in app.store.subscriptions().await? {
        let mut after: Option<String> = None;
        loop {
            let page = app.store.resources(points::KIND, &subscription.id, after.as_deref(), PAGE).await?;
            let is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
            after = page.last().map(|last| last.id.folded().to_owned());
            for stored in page {
                let point: Loaded<PointRecord> = read(stored)?;
                let is = |end: &str, wanted: &str| {
                    setting(&point.document.location, end).is_some_and(|one| one.eq_ignore_ascii_case(wanted))
                };
                let lies_there = accounts.iter().any(|account| is(".config.storageAccount", account))
                    && container.is_none_or(|container| is(".bucket", container));
                let vault = point.id.parent().and_then(|instance| instance.parent());
                if let (true, Some(vault)) = (lies_there, vault) {
                    found.entry(vault.folded().to_owned()).or_insert((vault, 0)).1 += 1;
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok(found.into_values().collect())
}
