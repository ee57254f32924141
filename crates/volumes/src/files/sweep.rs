//! Finds what movers left behind whose backup or restore has ended, and removes it. Deciding is pure.
//!
//! The order matters: look at the objects first and ask afterwards which operations are running, so that an
//! operation that began in between is never taken for one that has ended.

use super::{
    copy::{of_point, remove},
    restore::{RECLAIM, give_up},
};
use crate::{
    error::{Tried, VolumesError, persistently},
    labels,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PersistentVolume, PersistentVolumeClaim, Secret},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, ObjectMeta},
};
use protection::RecoveryPointId;
use serde::de::DeserializeOwned;
use std::{collections::BTreeSet, fmt};

/// The operation that a mover's objects belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoverOwner {
    /// A backup, by the UID of its object.
    Backup(String),
    /// A restore, by the UID of its object.
    Restore(String),
}

impl fmt::Display for MoverOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(uid) => write!(f, "backup {uid}"),
            Self::Restore(uid) => write!(f, "restore {uid}"),
        }
    }
}

impl MoverOwner {
    fn of(metadata: &ObjectMeta) -> Option<Self> {
        let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
        let restore = label(labels::RESTORE).map(Self::Restore);
        restore.or_else(|| label(labels::RECOVERY_POINT).map(Self::Backup))
    }

    fn uid(&self) -> &str {
        match self {
            Self::Backup(uid) | Self::Restore(uid) => uid,
        }
    }
}

/// The operations that mover objects in the cluster belong to.
pub async fn observe_movers(client: &Client, namespace: &str) -> Result<BTreeSet<MoverOwner>, VolumesError> {
    let ours = format!("{}={}", labels::PURPOSE, labels::FOR_COPY);
    let mut owners = BTreeSet::new();
    owners.extend(owners_of(&Api::<Job>::namespaced(client.clone(), namespace), &ours).await?);
    owners.extend(owners_of(&Api::<Secret>::namespaced(client.clone(), namespace), &ours).await?);
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace);
    owners.extend(owners_of(&claims, &ours).await?);
    let volumes = Api::<PersistentVolume>::all(client.clone());
    owners.extend(owners_of(&volumes, &ours).await?);
    // Volumes that a mover filled and nobody was given.
    let page = ListParams::default().labels(labels::RESTORE);
    let filled =
        persistently(|| volumes.list_metadata(&page)).await.tried(|| "list filled volumes".into())?;
    let filled = filled.items.iter().filter(|one| one.annotations().contains_key(RECLAIM));
    owners.extend(filled.filter_map(|one| MoverOwner::of(&one.metadata)));
    Ok(owners)
}

async fn owners_of<K>(api: &Api<K>, selector: &str) -> Result<Vec<MoverOwner>, VolumesError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug,
{
    let page = ListParams::default().labels(selector);
    let listed = persistently(|| api.list_metadata(&page)).await;
    let listed = listed.tried(|| format!("list the {} of movers", K::plural(&())))?;
    Ok(listed.items.iter().filter_map(|one| MoverOwner::of(&one.metadata)).collect())
}

/// The owners that are not running any more. `running` holds the UIDs of backups and restores. Pure.
pub fn orphans(seen: &BTreeSet<MoverOwner>, running: &BTreeSet<String>) -> Vec<MoverOwner> {
    let running: BTreeSet<String> = running.iter().map(|uid| labels::label_value(uid)).collect();
    seen.iter().filter(|owner| !running.contains(owner.uid())).cloned().collect()
}

/// Removes every mover object of one operation that has ended.
pub async fn remove_movers_of(
    client: &Client,
    namespace: &str,
    owner: &MoverOwner,
) -> Result<(), VolumesError> {
    let selector = match owner {
        MoverOwner::Backup(uid) => of_point(&RecoveryPointId::new(uid)),
        MoverOwner::Restore(uid) => {
            let of_restore = format!("{}={uid}", labels::RESTORE);
            give_up(client, namespace, &of_restore).await?;
            format!("{}={},{of_restore}", labels::PURPOSE, labels::FOR_COPY)
        }
    };
    remove(client, namespace, &selector).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn only_movers_of_operations_that_ended_are_orphans() {
        let seen = BTreeSet::from([
            MoverOwner::Backup("running".into()),
            MoverOwner::Backup("ended".into()),
            MoverOwner::Restore("gone".into()),
        ]);

        let found = orphans(&seen, &BTreeSet::from(["running".to_owned()]));

        assert_eq!(found, [MoverOwner::Backup("ended".into()), MoverOwner::Restore("gone".into())]);
    }

    #[test]
    fn an_object_belongs_to_the_operation_that_its_labels_name() {
        let with = |pairs: &[(&str, &str)]| ObjectMeta {
            labels: Some(pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()),
            ..ObjectMeta::default()
        };

        let owners = [
            MoverOwner::of(&with(&[(labels::RECOVERY_POINT, "b")])),
            MoverOwner::of(&with(&[(labels::RESTORE, "r")])),
            MoverOwner::of(&ObjectMeta { labels: Some(BTreeMap::new()), ..ObjectMeta::default() }),
        ];

        assert_eq!(
            owners,
            [Some(MoverOwner::Backup("b".into())), Some(MoverOwner::Restore("r".into())), None]
        );
    }
}
