//! Volume data on restore: the decision what becomes of each claim and volume, and the interface behind which
//! the crate `volumes` fills claims.

use crate::item::Item;
use crate::json;
use crate::mapping::Mapping;
use crate::options::Budget;
use crate::source::{PointSource, bodies};
use crate::transform::{ClaimPlan, VolumeFacts, VolumeFate};
use async_trait::async_trait;
use futures::StreamExt;
use protection::point::{VolumeProtection, VolumeRecord};
use protection::{Problem, code};
use resources::PersistentVolumeRestoreMode;
use serde_json::Value;
use std::collections::HashMap;
use tokio_util::sync::CancellationToken;

/// A claim to create with its data.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimToRestore {
    /// The claim as it is to be created in the target: mapped, modified, without volume name, data source,
    /// status or owner references.
    pub claim: Value,
    /// What protects its data; namespace and name in it are the original ones.
    pub record: VolumeRecord,
    /// Field manager to create everything with, `cofferdam/<restore uid>`: by it a resumed restore knows what
    /// it made.
    pub field_manager: String,
    /// UID of the restore, for names and labels of helper objects.
    pub restore_uid: String,
}

/// Whether the data of a claim can be reached from the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The snapshot exists here, or the copied files can be read.
    Reachable,
    /// It does not; the problem says why and what to do.
    NotReachable(Problem),
    /// Only trying will tell.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Fills claims. Implemented by the crate `volumes`; both calls may be repeated after a crash.
#[async_trait]
pub trait VolumeRestorer: Send + Sync {
    /// Says which claims' data can be reached, without writing anything; answers in the order of the claims.
    async fn check(&self, claims: &[ClaimToRestore]) -> Vec<Reach>;

    /// Creates the claims with their data and returns when the data is there or, where the storage waits for
    /// the first consumer, when it will be without further help. A claim of this name that this restore made
    /// (by its field manager) is taken up where it was left. Answers in the order of the claims: the UID of
    /// each claim, or why it has no data. On failure no claim is left behind that would pass for restored.
    async fn restore(
        &self,
        claims: Vec<ClaimToRestore>,
        cancel: &CancellationToken,
    ) -> Vec<Result<String, Problem>>;
}

/// For restores without volume data, and for clusters without a restorer: nothing can be reached.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVolumes;

#[async_trait]
impl VolumeRestorer for NoVolumes {
    async fn check(&self, claims: &[ClaimToRestore]) -> Vec<Reach> {
        claims.iter().map(|claim| Reach::NotReachable(unsupported(claim))).collect()
    }

    async fn restore(
        &self,
        claims: Vec<ClaimToRestore>,
        _cancel: &CancellationToken,
    ) -> Vec<Result<String, Problem>> {
        claims.iter().map(|claim| Err(unsupported(claim))).collect()
    }
}

fn unsupported(claim: &ClaimToRestore) -> Problem {
    Problem::error(
        code::DATA_NOT_RESTORED,
        format!("Nothing here can restore the data of claim {}.", claim.record.claim),
    )
}

/// A captured persistent volume, as far as its fate depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CapturedVolume {
    /// Its name.
    pub(crate) name: String,
    /// Original namespace and name of its claim.
    pub(crate) claim: Option<(String, String)>,
    /// Whether its storage goes when its claim does.
    pub(crate) deleted_with_claim: bool,
}

impl CapturedVolume {
    /// Reads the body of a persistent volume.
    pub(crate) fn read(volume: &Value) -> Option<Self> {
        let claim = json::text(volume, &["spec", "claimRef", "namespace"])
            .zip(json::text(volume, &["spec", "claimRef", "name"]));
        Some(Self {
            name: json::text(volume, &["metadata", "name"])?.to_owned(),
            claim: claim.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())),
            deleted_with_claim: json::text(volume, &["spec", "persistentVolumeReclaimPolicy"])
                == Some("Delete"),
        })
    }
}

/// The captured volumes among these items. One whose body cannot be read fails by name when its turn comes.
pub(crate) async fn captured_volumes(
    source: &dyn PointSource,
    budget: &Budget,
    items: &[Item],
) -> Vec<CapturedVolume> {
    let volumes = items.iter().enumerate().filter(|(_, item)| item.kind.is("", "persistentvolumes"));
    let wanted: Vec<usize> = volumes.map(|(index, _)| index).collect();
    bodies(source, items, &wanted, budget)
        .filter_map(|(_, body)| async move { CapturedVolume::read(&body.ok()?) })
        .collect()
        .await
}

/// Decides how each claim and volume comes back. `in_use` names volumes of the target with the claim that
/// each one serves, as `<namespace>/<name>`.
pub(crate) fn volume_facts(
    records: &[VolumeRecord],
    volumes: &[CapturedVolume],
    mode: PersistentVolumeRestoreMode,
    mapping: &Mapping,
    in_use: &HashMap<String, String>,
) -> VolumeFacts {
    let with_data = mode == PersistentVolumeRestoreMode::RestoreWithVolumeData;
    let by_claim: HashMap<(&str, &str), &VolumeRecord> =
        records.iter().map(|record| ((record.namespace.as_str(), record.claim.as_str()), record)).collect();
    let mut facts = VolumeFacts::default();
    for volume in volumes {
        let record =
            volume.claim.as_ref().and_then(|(namespace, name)| by_claim.get(&(&**namespace, &**name)));
        let protected = record.is_some_and(|record| is_protected(record));
        let fate = if !with_data || protected || volume.deleted_with_claim {
            VolumeFate::Reprovisioned
        } else {
            match in_use.get(&volume.name) {
                Some(by) if Some(by.as_str()) != target_claim(volume, mapping).as_deref() => {
                    VolumeFate::InUse { by: by.clone() }
                }
                _ => VolumeFate::Restored,
            }
        };
        facts.volumes.insert(volume.name.clone(), fate);
    }
    for record in records {
        let plan = claim_plan(record, with_data, &facts.volumes);
        facts.claims.insert((record.namespace.clone(), record.claim.clone()), plan);
    }
    facts
}

fn claim_plan(record: &VolumeRecord, with_data: bool, volumes: &HashMap<String, VolumeFate>) -> ClaimPlan {
    if !with_data {
        return ClaimPlan::EmptyByChoice;
    }
    let fate = record.persistent_volume.as_ref().and_then(|volume| volumes.get(volume));
    match (&record.protection, fate) {
        (VolumeProtection::Snapshot { .. } | VolumeProtection::Files { .. }, _) => {
            ClaimPlan::WithData(Box::new(record.clone()))
        }
        (VolumeProtection::None { .. }, Some(VolumeFate::Restored)) => ClaimPlan::Static,
        (VolumeProtection::None { .. }, Some(VolumeFate::InUse { by })) => ClaimPlan::Empty {
            code: code::DATA_NOT_RESTORED.to_owned(),
            reason: format!("Its volume exists in the target and serves claim {by}."),
        },
        (VolumeProtection::None { code, reason }, _) => {
            ClaimPlan::Empty { code: code.clone(), reason: reason.clone() }
        }
    }
}

fn is_protected(record: &VolumeRecord) -> bool {
    !matches!(record.protection, VolumeProtection::None { .. })
}

fn target_claim(volume: &CapturedVolume, mapping: &Mapping) -> Option<String> {
    let (namespace, name) = volume.claim.as_ref()?;
    Some(format!("{}/{name}", mapping.target(namespace)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn record(claim: &str, protection: VolumeProtection) -> VolumeRecord {
        VolumeRecord {
            namespace: "shop".into(),
            claim: claim.into(),
            persistent_volume: Some(format!("pv-{claim}")),
            driver: None,
            storage_class: None,
            block: false,
            capacity: 1,
            protection,
        }
    }

    fn unprotected() -> VolumeProtection {
        VolumeProtection::None { code: "VolumeNotProtected".into(), reason: "It is NFS.".into() }
    }

    fn volume(claim: &str, deleted_with_claim: bool) -> CapturedVolume {
        CapturedVolume {
            name: format!("pv-{claim}"),
            claim: Some(("shop".into(), claim.into())),
            deleted_with_claim,
        }
    }

    fn plan(facts: &VolumeFacts, claim: &str) -> ClaimPlan {
        facts.claim("shop", claim).cloned().unwrap()
    }

    const WITH: PersistentVolumeRestoreMode = PersistentVolumeRestoreMode::RestoreWithVolumeData;

    #[test]
    fn each_claim_comes_back_as_its_protection_says() {
        let files = VolumeProtection::Files { path: "volumes/shop/files".into(), files: 1, bytes: 1 };
        let records =
            [record("files", files), record("nfs", unprotected()), record("scratch", unprotected())];
        let volumes = [volume("files", false), volume("nfs", false), volume("scratch", true)];

        let facts = volume_facts(&records, &volumes, WITH, &Mapping::default(), &HashMap::new());

        assert!(matches!(plan(&facts, "files"), ClaimPlan::WithData(_)));
        assert_eq!(plan(&facts, "nfs"), ClaimPlan::Static);
        assert!(matches!(plan(&facts, "scratch"), ClaimPlan::Empty { .. }));
        assert_eq!(facts.volumes["pv-files"], VolumeFate::Reprovisioned);
        assert_eq!(facts.volumes["pv-nfs"], VolumeFate::Restored);
        assert_eq!(facts.volumes["pv-scratch"], VolumeFate::Reprovisioned);
    }

    #[test]
    fn a_volume_that_serves_the_original_is_not_taken_from_it() {
        let mapping = Mapping::new(
            &BTreeMap::from([("shop".to_owned(), "copy".to_owned())]),
            &BTreeSet::from(["shop".to_owned()]),
        );
        let in_use = HashMap::from([("pv-nfs".to_owned(), "shop/nfs".to_owned())]);

        let facts =
            volume_facts(&[record("nfs", unprotected())], &[volume("nfs", false)], WITH, &mapping, &in_use);

        assert!(
            matches!(plan(&facts, "nfs"), ClaimPlan::Empty { reason, .. } if reason.contains("shop/nfs"))
        );
    }

    #[test]
    fn without_volume_data_nothing_is_bound_to_old_storage() {
        let mode = PersistentVolumeRestoreMode::RestoreWithoutVolumeData;

        let facts = volume_facts(
            &[record("nfs", unprotected())],
            &[volume("nfs", false)],
            mode,
            &Mapping::default(),
            &HashMap::new(),
        );

        assert_eq!(plan(&facts, "nfs"), ClaimPlan::EmptyByChoice);
        assert_eq!(facts.volumes["pv-nfs"], VolumeFate::Reprovisioned);
    }
}
