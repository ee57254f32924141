//! How everything that this crate leaves in a cluster is named and labelled, so that it is found again after
//! a crash, by anyone, with nothing but the recovery point's id.
//!
//! Names are deterministic: a create repeated after a crash meets what the first one made. Only labels carry
//! meaning on snapshot contents, because the snapshot controllers replace the annotations of a content as a
//! whole from their caches.

use protection::RecoveryPointId;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Label: the recovery point (the UID of the `Backup` object) that an object belongs to.
pub const RECOVERY_POINT: &str = "clusterbackup.dataprotection.microsoft.com/recovery-point";
/// Label: the backup instance.
pub const INSTANCE: &str = "clusterbackup.dataprotection.microsoft.com/instance";
/// Label: UID of the claim that was snapshotted.
pub const CLAIM_UID: &str = "clusterbackup.dataprotection.microsoft.com/claim-uid";
/// Label: the snapshot resource group, where the driver knows none itself.
pub const RESOURCE_GROUP: &str = "clusterbackup.dataprotection.microsoft.com/snapshot-resource-group";
/// Label: what an object is for, one of the `FOR_…` values.
pub const PURPOSE: &str = "clusterbackup.dataprotection.microsoft.com/purpose";
/// Label: UID of the `Restore` object.
pub const RESTORE: &str = "clusterbackup.dataprotection.microsoft.com/restore";
/// Label: the claim that a restore fills; the value is the claim's name or a digest of it.
pub const TARGET: &str = "clusterbackup.dataprotection.microsoft.com/target-claim";
/// Annotation (namespaced objects only): the claim's name in full.
pub const TARGET_NAME: &str = "clusterbackup.dataprotection.microsoft.com/target-claim-name";
/// Label: how often the deletion of a content was brought to mind.
pub const REMINDED: &str = "clusterbackup.dataprotection.microsoft.com/reminded";
/// Label that the ecosystem expects.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const COFFERDAM: &str = "cofferdam";

/// Value of [`PURPOSE`]: made by a backup; the anchor of a retained snapshot.
pub const FOR_BACKUP: &str = "backup";
/// Value of [`PURPOSE`]: made by a restore, temporary.
pub const FOR_RESTORE: &str = "restore";
/// Value of [`PURPOSE`]: made to see whether a snapshot is reachable, temporary.
pub const FOR_PROBE: &str = "probe";
/// Value of [`PURPOSE`]: made to delete a snapshot that lost its anchor, temporary.
pub const FOR_DELETION: &str = "deletion";
/// Value of [`PURPOSE`]: made to copy the files of a volume, temporary.
pub const FOR_COPY: &str = "copy";

/// Longest label value.
const LABEL_VALUE: usize = 63;
const PREFIX: &str = "cofferdam-";
const UID: usize = 36;

/// What every object of one backup carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupTag {
    /// The recovery point that is being made.
    pub recovery_point: RecoveryPointId,
    /// Its backup instance.
    pub instance: String,
    /// The snapshot resource group, if one was chosen.
    pub resource_group: Option<String>,
}

impl BackupTag {
    /// Labels of a snapshot or content of this backup.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            (MANAGED_BY.to_owned(), COFFERDAM.to_owned()),
            (PURPOSE.to_owned(), FOR_BACKUP.to_owned()),
            (RECOVERY_POINT.to_owned(), label_value(self.recovery_point.as_str())),
            (INSTANCE.to_owned(), label_value(&self.instance)),
        ]);
        if let Some(group) = &self.resource_group {
            labels.insert(RESOURCE_GROUP.to_owned(), label_value(last_segment(group)));
        }
        labels
    }

    /// The same, for the snapshot of one claim.
    pub fn claim_labels(&self, claim_uid: &str) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.insert(CLAIM_UID.to_owned(), label_value(claim_uid));
        labels
    }
}

/// Selector of everything that a backup left in the cluster.
pub fn of_recovery_point(id: &RecoveryPointId) -> String {
    format!("{RECOVERY_POINT}={},{PURPOSE}={FOR_BACKUP}", label_value(id.as_str()))
}

/// Name of the VolumeSnapshot of one claim in one backup.
pub fn snapshot_name(id: &RecoveryPointId, claim_uid: &str) -> String {
    format!("{PREFIX}{}-{claim_uid}", id.as_str())
}

/// Name of the VolumeGroupSnapshot of one label value in one backup.
pub fn group_name(id: &RecoveryPointId, namespace: &str, driver: &str, value: &str) -> String {
    format!("{PREFIX}{}-group-{}", id.as_str(), digest(&[namespace, driver, value]))
}

/// The recovery point and the claim's UID behind a name that [`snapshot_name`] made.
pub fn parse_snapshot_name(name: &str) -> Option<(RecoveryPointId, String)> {
    let rest = name.strip_prefix(PREFIX)?;
    let (id, claim) = rest.split_at_checked(UID)?;
    let claim = claim.strip_prefix('-')?;
    let uid = |text: &str| text.len() == UID && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    (uid(id) && uid(claim)).then(|| (RecoveryPointId::new(id), claim.to_owned()))
}

/// Name of the temporary objects through which a restore fills one claim.
pub fn restore_name(restore_uid: &str, namespace: &str, claim: &str) -> String {
    format!("{PREFIX}restore-{restore_uid}-{}", digest(&[namespace, claim]))
}

/// A label value that says the same: unchanged when it is valid, else its valid characters and a digest.
pub fn label_value(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends_well = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    if text.is_empty() || (text.len() <= LABEL_VALUE && ends_well && text.chars().all(allowed)) {
        return text.to_owned();
    }
    let digest = digest(&[text]);
    let kept: String =
        text.chars().filter(|c| c.is_ascii_alphanumeric()).take(LABEL_VALUE - digest.len() - 1).collect();
    if kept.is_empty() { digest } else { format!("{kept}-{digest}") }
}

/// Ten hexadecimal digits that stand for the parts; different parts give different digits.
pub fn digest<T: AsRef<str>>(parts: &[T]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let bytes = part.as_ref().as_bytes();
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    }
    hex::encode(hash.finalize()).chars().take(10).collect()
}

/// The last segment of a resource id, or the text itself.
pub(crate) fn last_segment(text: &str) -> &str {
    text.trim_end_matches('/').rsplit('/').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6f1c2a50-1111-4222-8333-944455556666";
    const CLAIM: &str = "0b9d7a61-aaaa-4bbb-8ccc-dddddddddddd";

    #[test]
    fn a_snapshot_name_leads_back_to_backup_and_claim() {
        let name = snapshot_name(&RecoveryPointId::new(ID), CLAIM);

        let parsed = parse_snapshot_name(&name);

        assert_eq!(parsed, Some((RecoveryPointId::new(ID), CLAIM.to_owned())));
        assert!(name.len() <= 253);
    }

    #[test]
    fn names_of_others_are_not_taken_for_ours() {
        let foreign = ["", "cofferdam-", "cofferdam-short", "velero-data-abc", "cofferdam-restore-x-y"];

        let parsed: Vec<_> = foreign.iter().filter_map(|name| parse_snapshot_name(name)).collect();

        assert_eq!(parsed, []);
    }

    #[test]
    fn label_values_are_always_valid() {
        let long = "a".repeat(80);
        let cases =
            ["", "plain", "rg_1.x", "/subscriptions/1/resourceGroups/Äpfel", "-dash-", "___", long.as_str()];

        let values: Vec<String> = cases.iter().map(|case| label_value(case)).collect();

        for value in &values {
            assert!(value.len() <= 63, "{value}");
            assert!(!value.starts_with(['-', '_', '.']) && !value.ends_with(['-', '_', '.']), "{value}");
        }
        assert_eq!(values[1], "plain");
        assert_ne!(label_value("-a"), label_value("a-"));
    }

    #[test]
    fn every_label_of_ours_lives_under_our_api_group() {
        let labels =
            [RECOVERY_POINT, INSTANCE, CLAIM_UID, RESOURCE_GROUP, PURPOSE, RESTORE, TARGET, TARGET_NAME];

        let outside = labels.iter().filter(|label| label.split('/').next() != Some(resources::GROUP)).count();

        assert_eq!(outside, 0);
    }

    #[test]
    fn a_resource_id_is_labelled_by_its_last_segment() {
        let tag = BackupTag {
            recovery_point: RecoveryPointId::new(ID),
            instance: "shop".into(),
            resource_group: Some("/subscriptions/s/resourceGroups/snapshots-rg".into()),
        };

        let labels = tag.claim_labels(CLAIM);

        assert_eq!(labels[RESOURCE_GROUP], "snapshots-rg");
        assert_eq!(labels[CLAIM_UID], CLAIM);
    }
}
