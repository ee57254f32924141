//! Copies the files (or blocks) of volumes whose CSI driver cannot snapshot, when the configuration allows it:
//! a second static PersistentVolume over the same storage (policy `Retain`, read-only) and a claim in the
//! movers' namespace, and one Job on the node of the pod that uses the volume.
//!
//! The mover itself is `cofferdam mover …`; it reports through its termination message. On restore the mover
//! fills a claim in its own namespace, and the volume then changes hands: no claim that looks restored exists
//! before its data is there.

mod copy;
mod jobs;
mod manifests;
mod restore;

pub use copy::{CopyOptions, copy_files, place_of, remove_movers};
pub use manifests::{CopyRequest, Place, copy_claim, copy_job, copy_volume};
pub use restore::restore_files;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How movers are run; the same for all volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    /// The product's image.
    pub image: String,
    /// Namespace of the Jobs; it enforces the pod security level `baseline`.
    pub namespace: String,
    /// Service account of the Jobs.
    pub service_account: String,
    /// Program and first arguments, as `["cofferdam", "mover", "backup", …]`; where the volume is mounted is
    /// appended as `--volume <path>`.
    pub command: Vec<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Secrets to mount, by path.
    pub secrets: BTreeMap<String, String>,
    /// Memory limit, as a quantity.
    pub memory: String,
}

/// What a mover reports when it ends: the JSON of its termination message (at most 4,096 bytes).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MoverReport {
    /// Id of the tree that holds the volume's files; for a raw block volume, of a tree with one image.
    pub tree: String,
    /// Files copied.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Files that could not be read or changed meanwhile.
    pub skipped: u64,
    /// Why the mover failed, when it did.
    pub error: Option<String>,
}
