//! Which recovery points lie where.

use crate::api::Each;
use crate::{
    api::{
        Loaded,
        points::{self, PointRecord},
        read,
    },
    keys::setting,
    store::{Store, StoreError},
};

/// Storage accounts, or one container of one.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The accounts, by their names, which are unique in the vault.
    pub accounts: &'a [&'a str],
    /// Only this container of theirs.
    pub container: Option<&'a str>,
}

impl Place<'_> {
    /// Whether a recovery point lies there.
    pub fn holds(&self, point: &PointRecord) -> bool {
        let is = |end: &str, wanted: &str| {
            setting(&point.location, end).is_some_and(|one| one.eq_ignore_ascii_case(wanted))
        };
        self.accounts.iter().any(|account| is(".config.storageAccount", account))
            && self.container.is_none_or(|container| is(".bucket", container))
    }
}

/// The recovery points that lie in a place, of all vaults.
pub async fn points_in(store: &dyn Store, place: Place<'_>) -> Result<Vec<Loaded<PointRecord>>, StoreError> {
    let mut found = Vec::new();
    if place.accounts.is_empty() {
        return Ok(found);
    }
    for subscription in store.subscriptions().await? {
        let mut each = Each::of(store, points::KIND, &subscription.id);
        while let Some(stored) = each.next().await? {
            let point: Loaded<PointRecord> = read(stored)?;
            if place.holds(&point.document) {
                found.push(point);
            }
        }
    }
    Ok(found)
}
