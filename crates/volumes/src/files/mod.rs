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
mod sealed;
mod sweep;

pub use copy::{CopyOptions, copy_all, copy_files, place_of, remove_movers};
pub use manifests::{CopyRequest, Place, copy_claim, copy_job, copy_volume};
pub use restore::{Restored, restore_all, restore_files};
pub use sweep::{MoverOwner, observe_movers, orphans, remove_movers_of};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How movers are run; the same for all volumes of one backup or restore.
#[derive(Debug, Clone)]
pub struct Mover {
    /// The product's image; its entry point is the program.
    pub image: String,
    /// Namespace of the Jobs; it enforces the pod security level `baseline`.
    pub namespace: String,
    /// Service account of the Jobs; no token of it is mounted.
    pub service_account: String,
    /// First arguments, as `["mover", "save"]`. Where the Secret and the volume are mounted is appended as
    /// `--secret <directory> --volume <path>`.
    pub arguments: Vec<String>,
    /// What the movers need to open the repository.
    pub secret: MoverSecret,
    /// Where what the movers need comes from anew, when it does not last as long as they may run.
    pub renewal: Option<Renewal>,
    /// Variables of the movers' environment, for example `HTTPS_PROXY`. Never a secret.
    pub environment: BTreeMap<String, String>,
    /// Variables whose values are files of the Secret, by name; one whose file is not there is not set.
    pub secret_environment: BTreeMap<String, String>,
    /// Memory limit, as a quantity.
    pub memory: String,
}

/// The content of the Secret of a mover, by file name: settings, credential, password. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MoverSecret(pub BTreeMap<String, Vec<u8>>);

impl std::fmt::Debug for MoverSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Renews the Secret of a mover while it runs.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// Where it comes from.
    pub source: Arc<dyn SecretSource>,
    /// How long the Secret that the mover begins with may be used before it is replaced.
    pub after: Duration,
}

/// Gives what a mover needs to open the repository, as of now.
#[async_trait]
pub trait SecretSource: Send + Sync + std::fmt::Debug {
    /// The content of the Secret, and how long it may be used before it is replaced. An error says why there is none.
    async fn secret(&self) -> Result<(MoverSecret, Duration), String>;
}

/// Where a mover finds the files of its [`MoverSecret`].
pub const SECRET_DIRECTORY: &str = "/etc/cofferdam/mover";
/// File of a [`MoverSecret`]: the location's settings, a JSON object.
pub const SETTINGS_FILE: &str = "cofferdam-location.json";
/// File of a [`MoverSecret`]: the repository's password.
pub const PASSWORD_FILE: &str = "cofferdam-repository-password";

/// What a mover reports when it ends: the JSON of its termination message (at most 4,096 bytes).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MoverReport {
    /// Id of a tree with one entry: the directory with the volume's files, or for a raw block volume one image.
    pub tree: String,
    /// Files copied.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Entries that could not be read or written whole, or that changed meanwhile.
    pub skipped: u64,
    /// The first of them, by path and reason.
    pub problems: Vec<String>,
    /// Why the mover failed, when it did.
    pub error: Option<String>,
}
