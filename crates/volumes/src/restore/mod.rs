//! Fills claims from snapshots, on the cluster that took them or on another one that reaches the same storage.
//!
//! A temporary static VolumeSnapshotContent (policy `Retain`, so that nothing of it ever deletes data) and a
//! VolumeSnapshot in the target namespace lead the claim to the storage snapshot. Both are removed once the
//! claim is bound; for classes that wait for the first consumer that is later, see [`abort`].

mod check;
mod events;
mod fill;
mod objects;
mod reach;
mod sweep;

pub use check::{ClassFacts, Target, check_claim, check_copy, observe_target};
pub use fill::{FillOptions, Filled, fill, fill_all};
pub use reach::{Probe, Reach, reach_all};
pub use sweep::{ClaimState, Sweep, SweepVerdict, abort, observe_temporary, verdict};

use protection::point::{VolumeProtection, VolumeRecord};
use serde_json::Value;

/// A claim to create with the data of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct FillRequest {
    /// The claim as it is to be created in the target: mapped and modified, without volume name, data source,
    /// status or owner references.
    pub claim: Value,
    /// What protects its data; names in it are the original ones.
    pub record: VolumeRecord,
    /// UID of the restore.
    pub restore_uid: String,
    /// Field manager of everything that is created, `cofferdam/<restore uid>`.
    pub field_manager: String,
}

impl FillRequest {
    /// Namespace of the claim in the target.
    pub fn namespace(&self) -> &str {
        text(&self.claim, "/metadata/namespace")
    }

    /// Name of the claim in the target.
    pub fn name(&self) -> &str {
        text(&self.claim, "/metadata/name")
    }

    /// `persistentvolumeclaims/<namespace>/<name>`.
    pub fn target(&self) -> String {
        format!("persistentvolumeclaims/{}/{}", self.namespace(), self.name())
    }

    /// Driver and handle of the snapshot, when a snapshot protects the data.
    pub(crate) fn snapshot(&self) -> Option<(&str, &str)> {
        match (&self.record.protection, &self.record.driver) {
            (VolumeProtection::Snapshot { handle, .. }, Some(driver)) => Some((driver, handle)),
            _ => None,
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
