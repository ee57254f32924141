//! Recovery points of instances that the catalogue does not know. A repository tells the cluster's UID, the instance's label
//! and what was selected; it does not tell names of vaults, policies or clusters. So they are shown in a vault of their own
//! under names that say so, with protection stopped: nothing of them ends, and all of them can be restored.

use super::found::{DEFAULT_TAG, FoundPoint, Scanned, asked_tag, fresh};
use crate::{
    api::{
        Group, Loaded,
        extensions::BACKUP_NAMESPACE,
        instances::{InstanceRecord, ProtectionState},
        load,
        points::PointRecord,
        vaults::{VaultIdentity, VaultRecord, fresh_settings},
    },
    store::{Change, Store, StoreError},
};
use arm::{
    ResourceId,
    instance::{BackupInstance, BackupParameters, CLUSTERS, Datasource},
};
use jiff::Timestamp;
use protection::policy::Lifetime;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the resource group, of the vault in it, and of the policy that nobody knows any more.
pub const NAME: &str = "recovered";
const VAULT: &str = "Microsoft.DataProtection/backupVaults";
const NAMESPACE: &str = "Microsoft.DataProtection";
const LOCATION: &str = "local";
/// The longest that a policy can keep anything: what was agreed is not known.
const LONGEST: &str = "P360D";

/// The ids of all that is adopted, and the changes that do it.
pub async fn changes(
    store: &dyn Store,
    strangers: &[(&Scanned, &FoundPoint)],
    now: Timestamp,
) -> Result<(Vec<ResourceId>, Vec<Change>), StoreError> {
    if strangers.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let first = store.subscriptions().await?.into_iter().next();
    let subscription = first.ok_or_else(|| StoreError::Damaged("there is no subscription".to_owned()))?.id;
    let (vault, mut changes) = vault(store, &subscription).await?;
    let (mut adopted, mut made) = (Vec::new(), BTreeSet::new());
    for (repository, point) in strangers {
        let instance = vault.child("backupInstances", &point.instance).map_err(wrong)?;
        let record = instance_record(&vault, point)?;
        let cluster = record.instance.source.resource.clone();
        if made.insert(point.instance.clone()) {
            let found: Option<Loaded<InstanceRecord>> = load(store, &instance).await?;
            if found.is_none() {
                changes.push(fresh(&instance, &record)?);
            }
        }
        let id = instance.child("recoveryPoints", &point.id).map_err(wrong)?;
        if adopted.contains(&id) || store.resource(&id).await?.is_some() {
            continue;
        }
        let lifetime: Lifetime = LONGEST.parse().map_err(|error| StoreError::Damaged(format!("{error}")))?;
        let time = point.completed.min(now);
        let record = PointRecord {
            time,
            job: vault.child("backupJobs", &point.backup).map_err(wrong)?,
            cluster,
            namespace: BACKUP_NAMESPACE.to_owned(),
            location: repository.settings.clone(),
            key: repository.key.clone(),
            is_partial: point.is_partial,
            tag_asked: asked_tag(point).is_some(),
            tag: asked_tag(point).unwrap_or_else(|| DEFAULT_TAG.to_owned()),
            policy: NAME.to_owned(),
            expires_at: lifetime.end(time),
            deleting: false,
            kept_because: None,
        };
        changes.push(fresh(&id, &record)?);
        adopted.push(id);
    }
    if adopted.is_empty() {
        changes.clear();
    }
    Ok((adopted, changes))
}

/// The vault for what is adopted, and what makes it where it is not there.
async fn vault(
    store: &dyn Store,
    subscription: &ResourceId,
) -> Result<(ResourceId, Vec<Change>), StoreError> {
    let group = ResourceId::group(subscription.subscription_id(), NAME).map_err(wrong)?;
    let vault = group.with(VAULT, NAME).map_err(wrong)?;
    let mut changes = vec![Change::Register(subscription.clone(), NAMESPACE.to_owned())];
    if store.resource(&group).await?.is_none() {
        let record = Group { location: LOCATION.to_owned(), ..Group::default() };
        changes.push(fresh(&group, &record)?);
    }
    if store.resource(&vault).await?.is_none() {
        let record = VaultRecord {
            location: LOCATION.to_owned(),
            tags: BTreeMap::from([("cofferdam".to_owned(), "recovered from repositories".to_owned())]),
            identity: VaultIdentity::default(),
            settings: fresh_settings(),
            guard: None,
        };
        changes.push(fresh(&vault, &record)?);
    }
    Ok((vault, changes))
}

fn instance_record(vault: &ResourceId, point: &FoundPoint) -> Result<InstanceRecord, StoreError> {
    let subscription = vault.subscription_id();
    let own = ResourceId::group(subscription, NAME).map_err(wrong)?;
    let group = point.spec.get("snapshotResourceGroup").and_then(Value::as_str);
    let snapshot_group = group.and_then(|name| ResourceId::group(subscription, name).ok());
    let resource = own.with(CLUSTERS, &point.cluster).map_err(wrong)?;
    // What cannot be read of it selects nothing; the recovery point itself says what it holds.
    let parameters: BackupParameters = serde_json::from_value(point.spec.clone()).unwrap_or_default();
    let told = [("cluster", &point.cluster), ("instance", &point.instance)];
    let instance = BackupInstance {
        friendly_name: format!("{}/{}", point.cluster, point.instance),
        source: Datasource { resource, location: LOCATION.to_owned(), name: point.cluster.clone() },
        policy: vault.child("backupPolicies", NAME).map_err(wrong)?,
        snapshot_group: snapshot_group.unwrap_or(own),
        parameters,
        identity: None,
        validation_type: None,
    };
    let tags = told.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let stopped = ProtectionState::ProtectionStopped;
    let record = InstanceRecord::new(instance, tags, point.instance.clone());
    Ok(InstanceRecord { state: stopped, next: stopped, adopted: true, ..record })
}

fn wrong(error: arm::IdError) -> StoreError {
    StoreError::Damaged(format!("a repository names something that cannot be an id: {error}"))
}
