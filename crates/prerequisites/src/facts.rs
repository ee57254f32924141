//! What the probes saw. Every fact says whether it was seen at all.

use std::collections::BTreeMap;

/// Something that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed<T> {
    /// It was seen.
    Seen(T),
    /// Nobody could look, and why.
    NotObservable(String),
}

impl<T> Observed<T> {
    /// The value, if it was seen.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::NotObservable(_) => None,
        }
    }
}

/// Everything that the catalogue judges.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The cluster itself.
    pub cluster: Observed<Cluster>,
    /// Rights that the extension needs and somebody lacks.
    pub rights: Observed<Rights>,
    /// The snapshot API.
    pub snapshots: Observed<SnapshotApi>,
    /// The volumes behind claims.
    pub volumes: Observed<Vec<ClusterVolume>>,
    /// Velero's traces.
    pub velero: Observed<VeleroFacts>,
    /// Objects that carry Velero's labels or annotations.
    pub marks: Observed<Marks>,
    /// Admission policies.
    pub policies: Observed<Policies>,
    /// The image.
    pub registry: Observed<Registry>,
    /// The storage location.
    pub location: Observed<LocationFacts>,
}

/// Identity, version and drivers of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// UID of `kube-system`.
    pub uid: String,
    /// Major and minor version.
    pub version: (u32, u32),
    /// `gitVersion` as reported.
    pub git_version: String,
    /// Names of the `CSIDriver` objects.
    pub csi_drivers: Vec<String>,
    /// Namespace that the extension uses or would use.
    pub extension_namespace: String,
    /// Whether that namespace exists.
    pub namespace_exists: bool,
}

/// Who was asked about, and what they lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Whose rights were looked at.
    pub whose: Whose,
    /// What is missing, as `verb resource.group` or `verb resource.group in namespace`.
    pub missing: Vec<String>,
}

/// Whose rights were looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Those of whoever runs the checks and would grant them, by user name.
    Asking(String),
    /// Those of the installed extension's account, by user name.
    Extension(String),
}

/// Which snapshot resources are served, and by whom they are handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotApi {
    /// Served `v1` resources among volumesnapshots, volumesnapshotcontents, volumesnapshotclasses.
    pub served: Vec<String>,
    /// Whether a snapshot controller was seen: a ready Deployment or a live Lease. `None`: neither was
    /// found, which on some distributions only means that it runs outside the cluster.
    pub controller: Option<String>,
    /// The classes.
    pub classes: Vec<SnapshotClassFacts>,
}

/// One VolumeSnapshotClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotClassFacts {
    /// Object name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Whether this product made it.
    pub ours: bool,
    /// Whether it is annotated as its driver's default.
    pub default: bool,
    /// Whether it carries `velero.io/csi-volumesnapshot-class`.
    pub velero: bool,
}

/// A bound claim's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterVolume {
    /// `<namespace>/<claim>`.
    pub claim: String,
    /// What stores it.
    pub kind: VolumeKind,
}

/// What stores a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeKind {
    /// A CSI driver.
    Csi(String),
    /// A volume plugin of Kubernetes itself, by the name of its field.
    InTree(String),
    /// The claim has no volume.
    Unbound,
}

/// Velero's traces in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VeleroFacts {
    /// Deployments that run it, as `<namespace>/<name>`.
    pub deployments: Vec<String>,
    /// Whether `velero.io` resources are served.
    pub crds: bool,
    /// Its storage locations, as `<bucket>/<prefix>`.
    pub locations: Vec<String>,
}

/// Objects with labels or annotations of `velero.io` other than `exclude-from-backup`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// How many.
    pub count: u64,
    /// The first few by name.
    pub names: Vec<String>,
}

/// Admission policies that can reject the extension's pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// What the API server said to a dry run of the extension's pod.
    pub dry_run: DryRun,
    /// Policy engines that were seen, with the number of their rules.
    pub engines: BTreeMap<String, u64>,
    /// Those that are there and whose rules could not be listed.
    pub unlisted: Vec<String>,
    /// Pod security level that the namespace enforces.
    pub pod_security: Option<String>,
}

/// A server-side dry run of the extension's pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DryRun {
    /// The namespace does not exist yet.
    #[default]
    NoNamespace,
    /// It could not be asked for.
    NotPossible(String),
    /// The pod would be admitted.
    Admitted,
    /// It would be rejected, and why.
    Rejected(String),
}

/// Whether nodes can fetch the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The image.
    pub image: String,
    /// Who has it, or the reason for which a pod waits for it.
    pub pulled: Result<String, String>,
}

/// What was found in the storage location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationFacts {
    /// Bucket and store, without secrets.
    pub describe: String,
    /// `<bucket>/<prefix>`.
    pub bucket_path: String,
    /// What lies there.
    pub contents: Observed<Contents>,
    /// Whether the settings say that unrelated files may stay.
    pub unrelated_allowed: bool,
    /// What creating, reading, listing and deleting a probe object gave.
    pub probe: StoreProbe,
    /// What the installed extension noted about it the last time it looked.
    pub noted: Option<String>,
}

/// What lies in a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Whose it is.
    pub owner: Owner,
    /// Whether a repository lies there.
    pub has_repository: bool,
    /// Top-level names that are not ours.
    pub unrelated: Vec<String>,
}

/// Whose a location is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nobody's.
    Nobody,
    /// This cluster's.
    ThisCluster,
    /// Another cluster's, by UID.
    Other(String),
    /// There is a marker, and it cannot be understood.
    Unreadable(String),
    /// There is a marker, but it is not known which cluster asks.
    UnknownAsker(String),
}

/// The result of a probe object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreProbe {
    /// Created, read, listed and deleted.
    Works,
    /// Created, read and listed; a retention rule keeps the probe object for now.
    WorksRetained,
    /// Listed and read; nothing was to be written.
    Reads,
    /// Not tried, and why.
    NotTried(String),
    /// Whoever runs the checks does not reach the store; from inside the cluster this can be different.
    OutOfReach(String),
    /// The first operation that failed.
    Failed {
        /// `create`, `read`, `list` or `delete`.
        operation: String,
        /// Why.
        cause: String,
        /// What to do.
        remedy: String,
    },
}
