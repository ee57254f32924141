//! A claim forgets the volume that it was bound to, unless that very volume is restored as it was.

use super::{Draft, metadata};
use crate::json;
use protection::point::VolumeRecord;
use protection::{Problem, code};
use std::collections::HashMap;

const BINDING_ANNOTATIONS: &[&str] = &[
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-resizer",
];

/// How a claim comes back.
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimPlan {
    /// With the data of this record.
    WithData(Box<VolumeRecord>),
    /// Bound to its old volume, which is restored as an object.
    Static,
    /// Empty, because the restore was asked for without data.
    EmptyByChoice,
    /// Empty, because nothing protected its data.
    Empty {
        /// Documented code.
        code: String,
        /// Why, as a sentence.
        reason: String,
    },
}

/// What becomes of a captured persistent volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeFate {
    /// The claim gets a new volume.
    Reprovisioned,
    /// It is restored as an object: the storage behind it was never the cluster's to delete.
    Restored,
    /// It exists in the target and serves this other claim.
    InUse {
        /// `<namespace>/<name>` of the claim.
        by: String,
    },
}

impl VolumeFate {
    /// Why a volume is not restored whose claim gets a new one.
    pub const REPROVISIONED: &str = "Its claim gets a new volume, made by the storage class.";
}

/// What becomes of every claim and volume of the recovery point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VolumeFacts {
    /// By original namespace and name.
    pub claims: HashMap<(String, String), ClaimPlan>,
    /// By name.
    pub volumes: HashMap<String, VolumeFate>,
}

impl VolumeFacts {
    /// How this claim comes back.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&ClaimPlan> {
        self.claims.get(&(namespace.to_owned(), name.to_owned()))
    }
}

pub(super) fn apply(draft: &mut Draft, facts: &VolumeFacts) {
    let claim = &mut draft.object;
    metadata::drop_annotations(claim, BINDING_ANNOTATIONS);
    let namespace = json::text(claim, &["metadata", "namespace"]).unwrap_or("").to_owned();
    let name = json::text(claim, &["metadata", "name"]).unwrap_or("").to_owned();
    let plan = facts.claim(&namespace, &name);
    json::take(claim, &["spec", "dataSource"]);
    json::take(claim, &["spec", "dataSourceRef"]);
    if plan == Some(&ClaimPlan::Static) {
        return;
    }
    json::take(claim, &["spec", "volumeName"]);
    if json::text(claim, &["spec", "storageClassName"]) != Some("") {
        json::take(claim, &["spec", "selector"]);
    }
    match plan {
        Some(ClaimPlan::Empty { code, reason }) => draft.note(empty(code, reason)),
        None => draft.note(empty(
            code::DATA_NOT_RESTORED,
            "The recovery point does not say how its data was protected.",
        )),
        Some(ClaimPlan::WithData(_) | ClaimPlan::Static | ClaimPlan::EmptyByChoice) => {}
    }
}

fn empty(code: &str, reason: &str) -> Problem {
    Problem::warning(code, format!("The claim is restored empty. {reason}"))
        .fix("Bring its data back by the means of the application or the storage system.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn claim(class: &str) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": "data", "annotations": {
                "pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/selected-node": "n1",
                "team": "blue",
            }},
            "spec": {
                "volumeName": "pvc-1", "storageClassName": class, "selector": {"matchLabels": {"a": "b"}},
                "dataSource": {"kind": "VolumeSnapshot", "name": "old"}, "dataSourceRef": {"name": "old"},
            },
        })
    }

    fn facts(plan: ClaimPlan) -> VolumeFacts {
        VolumeFacts {
            claims: HashMap::from([(("shop".to_owned(), "data".to_owned()), plan)]),
            volumes: HashMap::new(),
        }
    }

    #[test]
    fn a_claim_gets_a_new_volume() {
        let mut draft = Draft { object: claim("fast"), notes: Vec::new() };

        apply(&mut draft, &facts(ClaimPlan::EmptyByChoice));

        assert_eq!(
            draft.object,
            json!({
                "metadata": {"namespace": "shop", "name": "data", "annotations": {"team": "blue"}},
                "spec": {"storageClassName": "fast"},
            })
        );
        assert!(draft.notes.is_empty());
    }

    #[test]
    fn a_claim_of_a_restored_volume_keeps_its_name() {
        let mut draft = Draft { object: claim(""), notes: Vec::new() };

        apply(&mut draft, &facts(ClaimPlan::Static));

        assert_eq!(draft.object["spec"]["volumeName"], "pvc-1");
        assert_eq!(draft.object["spec"]["selector"], json!({"matchLabels": {"a": "b"}}));
    }

    #[test]
    fn a_claim_without_protected_data_says_so() {
        let mut draft = Draft { object: claim("fast"), notes: Vec::new() };

        apply(&mut draft, &facts(ClaimPlan::Empty { code: "X".into(), reason: "It was in-tree.".into() }));

        assert_eq!(draft.notes[0].code, "X");
        assert!(draft.notes[0].message.contains("in-tree"));
    }
}
