//! Alerts about data that goes with the place in which it lies: whoever deletes a storage account takes the recovery points
//! in it along, past soft delete. Where immutability or a Resource Guard protects them, it is refused instead.

use super::{Event, Rule, fire};
use crate::{
    app::App,
    protect::hold::{Place, points_in},
    store::{Change, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The alerts of storage accounts that go, or of one container of one; one for each vault that has recovery points there.
pub async fn place_deleted(
    app: &App,
    accounts: &[&str],
    container: Option<&str>,
    by: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut found: BTreeMap<String, (ResourceId, usize)> = BTreeMap::new();
    for point in points_in(app.store.as_ref(), Place { accounts, container }).await? {
        if let Some(vault) = point.id.parent().and_then(|instance| instance.parent()) {
            found.entry(vault.folded().to_owned()).or_insert((vault, 0)).1 += 1;
        }
    }
    for (vault, number) in found.into_values() {
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
