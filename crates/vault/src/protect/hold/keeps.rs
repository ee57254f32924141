//! Whether a storage account, a container or a resource group with accounts may be deleted: not while recovery points lie
//! there that an immutable vault or a Resource Guard protects. Or it would be the way around both.

use super::{Place, places::points_in};
use crate::api::Each;
use crate::{
    api::{
        Loaded,
        guards::{Critical, GuardRecord},
        instances::InstanceRecord,
        load,
        points::PointRecord,
        read,
        resource::touched_above,
        storage::{ACCOUNT, AccountRecord, container_id},
        vaults::VaultRecord,
    },
    data_plane::{Located, located},
    keys::setting,
    store::{Change, Store, StoreError},
};
use arm::{ArmError, ResourceId, dataprotection::ImmutabilityState};
use std::collections::BTreeMap;

/// Instances that an error names.
const NAMED: usize = 5;

/// How a vault protects what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    /// Nothing goes before its time, whoever wants it.
    Locked,
    /// The same, until somebody who may takes immutability back.
    Unlocked,
    /// Nothing goes without the consent of this Resource Guard.
    Guard(ResourceId),
}

impl By {
    fn text(&self) -> String {
        match self {
            Self::Locked => "is immutable for good".to_owned(),
            Self::Unlocked => "is immutable".to_owned(),
            Self::Guard(guard) => format!("is guarded by '{guard}'"),
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Locked => "Wait until they have expired and are deleted: nobody can shorten that.",
            Self::Unlocked => {
                "Wait until they have expired and are deleted, or set the vault's immutability to Disabled first."
            }
            Self::Guard(_) => {
                "Delete the backup instances first, which needs the guard's consent, and wait until their data is gone."
            }
        }
    }
}

/// Why a place cannot be deleted, with a code for the refusal.
pub async fn keeps(
    store: &dyn Store,
    place: Place<'_>,
    code: &'static str,
) -> Result<Option<ArmError>, StoreError> {
    let mut vaults: BTreeMap<String, (ResourceId, BTreeMap<ResourceId, usize>)> = BTreeMap::new();
    for point in points_in(store, place).await?.into_iter().filter(|point| !point.document.deleting) {
        if let Some(instance) = point.id.parent()
            && let Some(vault) = instance.parent()
        {
            let (_, instances) =
                vaults.entry(vault.folded().to_owned()).or_insert_with(|| (vault, BTreeMap::new()));
            *instances.entry(instance).or_default() += 1;
        }
    }
    for (vault, instances) in vaults.into_values() {
        if let Some(by) = protecting(store, &vault).await? {
            let accounts = place.accounts.join("', '");
            let what = match place.container {
                Some(container) => format!("The container '{container}' of the storage account '{accounts}'"),
                None => format!("The storage account '{accounts}'"),
            };
            let message = format!(
                "{what} cannot be deleted: recovery points of {} lie there, and their vault '{vault}' {}. {}",
                named(store, &instances).await?,
                by.text(),
                by.remedy()
            );
            return Ok(Some(ArmError::new(409, code, message).about(vault.as_str())));
        }
    }
    Ok(None)
}

/// Why a resource group cannot be deleted, for the accounts that are in it.
pub async fn keeps_in(
    store: &dyn Store,
    group: &ResourceId,
    code: &'static str,
) -> Result<Option<ArmError>, StoreError> {
    let mut names = Vec::new();
    let mut each = Each::of(store, ACCOUNT, group);
    while let Some(stored) = each.next().await? {
        let account: Loaded<AccountRecord> = read(stored)?;
        names.push(account.id.name().to_owned());
    }

    for name in &names {
        if let Some(refusal) = keeps(store, Place { accounts: &[name], container: None }, code).await? {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}

/// Touches what a new recovery point holds in place: whoever found at this moment that nothing keeps the container, its account
/// or their group from being deleted meets a conflict, and looks again.
pub async fn claimed(
    store: &dyn Store,
    point: &ResourceId,
    record: &PointRecord,
) -> Result<Vec<Change>, StoreError> {
    let Some(vault) = point.parent().and_then(|instance| instance.parent()) else { return Ok(Vec::new()) };
    if protecting(store, &vault).await?.is_none() {
        return Ok(Vec::new());
    }
    let bucket = setting(&record.location, ".bucket").unwrap_or_default();
    let Ok(Located { account, .. }) = located(store, &record.location, None).await? else {
        return Ok(Vec::new());
    };
    let Ok(container) = container_id(&account, bucket) else { return Ok(Vec::new()) };
    let mut changes = touched_above(store, &container).await?;
    changes.push(Change::Touch(container));
    Ok(changes)
}

/// By what a vault protects its recovery points from being deleted.
async fn protecting(store: &dyn Store, vault: &ResourceId) -> Result<Option<By>, StoreError> {
    let Some(vault): Option<Loaded<VaultRecord>> = load(store, vault).await? else { return Ok(None) };
    match vault.document.settings.security_settings.immutability_settings.state {
        ImmutabilityState::Locked => return Ok(Some(By::Locked)),
        ImmutabilityState::Unlocked => return Ok(Some(By::Unlocked)),
        ImmutabilityState::Disabled => {}
    }
    let Some(id) = vault.document.guard else { return Ok(None) };
    let guard: Option<Loaded<GuardRecord>> = load(store, &id).await?;
    // A guard that is not there guards everything.
    let guards = guard.is_none_or(|guard| guard.document.guards(Critical::DeleteInstance));
    Ok(guards.then_some(By::Guard(id)))
}

async fn named(store: &dyn Store, instances: &BTreeMap<ResourceId, usize>) -> Result<String, StoreError> {
    let mut names = Vec::new();
    for (instance, points) in instances.iter().take(NAMED) {
        let found: Option<Loaded<InstanceRecord>> = load(store, instance).await?;
        let name =
            found.map_or_else(|| instance.name().to_owned(), |one| one.document.instance.friendly_name);
        names.push(format!("'{name}' ({points})"));
    }
    let more = instances.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("{more} more backup instances"));
    }
    Ok(names.join(", "))
}
