//! What the probes saw. Every fact says whether it was seen at all.

use crate::{ArmFacts, DeepCheck, Reached, StoreName, WrittenPlace};
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
    /// The names of this installation, for commands.
    pub names: Names,
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
    /// What Velero's group defines, where it is served; only a survey looks.
    pub definitions: Observed<Vec<Definition>>,
    /// Drivers whose snapshotter is at work; only a survey looks.
    pub snapshotters: Observed<Vec<String>>,
    /// Objects that carry Velero's labels or annotations.
    pub marks: Observed<Marks>,
    /// Admission policies.
    pub policies: Observed<Policies>,
    /// The image.
    pub registry: Observed<Registry>,
    /// The storage location.
    pub location: Observed<LocationFacts>,
    /// The installed extension's pods; nothing when it is not installed.
    pub extension: Observed<Option<ExtensionPods>>,
    /// What installs extensions in the cluster.
    pub system: Observed<SystemParts>,
    /// Deployments of the original's own extension, as `<namespace>/<name>`.
    pub original: Observed<Vec<String>>,
    /// The nodes.
    pub nodes: Observed<Nodes>,
    /// Namespaces.
    pub namespaces: Observed<Namespaces>,
    /// How many objects a backup of everything would read, about.
    pub objects: Observed<u64>,
    /// Admission webhooks whose service nobody answers for.
    pub webhooks: Observed<Vec<BrokenWebhook>>,
    /// Network policies of the extension's namespace.
    pub network_policies: Observed<NetworkPolicies>,
    /// Pod-managed identity.
    pub pod_identity: Observed<PodIdentity>,
    /// The hooks that the configuration names.
    pub hooks: Observed<Vec<Hook>>,
    /// The cluster that is restored into; nothing when none was named.
    pub target: Observed<Option<Target>>,
    /// The clients of the original on this machine.
    pub tools: Observed<Vec<Tool>>,
    /// What a resource manager says.
    pub arm: Observed<ArmFacts>,
    /// How far a probe inside of the cluster came with each endpoint; nothing when none was asked for.
    pub egress: Observed<Option<Vec<Reached>>>,
    /// What became of probe volumes; nothing when none were asked for.
    pub deep: Observed<Option<Vec<DeepCheck>>>,
}

impl Facts {
    /// No fact was observed, all for the same reason.
    pub fn unseen(why: &str) -> Self {
        fn no<T>(why: &str) -> Observed<T> {
            Observed::NotObservable(why.to_owned())
        }
        Self {
            names: Names::default(),
            cluster: no(why),
            rights: no(why),
            snapshots: no(why),
            volumes: no(why),
            velero: no(why),
            definitions: no(why),
            snapshotters: no(why),
            marks: no(why),
            policies: no(why),
            registry: no(why),
            location: no(why),
            extension: no(why),
            system: no(why),
            original: no(why),
            nodes: no(why),
            namespaces: no(why),
            objects: no(why),
            webhooks: no(why),
            network_policies: no(why),
            pod_identity: no(why),
            hooks: no(why),
            target: no(why),
            tools: no(why),
            arm: no(why),
            egress: Observed::Seen(None),
            deep: Observed::Seen(None),
        }
    }
}

/// The names of this installation, for commands: what stands in braces in a fix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub BTreeMap<&'static str, String>);

impl Names {
    /// A text with the names that are known; what is not known stands there in capitals. Braces around anything else, as of
    /// JSON, stay.
    pub fn fill(&self, text: &str) -> String {
        let mut parts = text.split('{');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.split_once('}').filter(|(name, _)| is_name(name)) {
                Some((name, rest)) => {
                    let known = self.0.get(name).cloned();
                    filled.push_str(&known.unwrap_or_else(|| name.to_uppercase().replace('-', "_")));
                    filled.push_str(rest);
                }
                None => {
                    filled.push('{');
                    filled.push_str(part);
                }
            }
        }
        filled
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|one| one.is_ascii_lowercase() || one == '-')
}

/// Identity, version and drivers of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// UID of `kube-system`.
    pub uid: String,
    /// Major, minor and patch version.
    pub version: (u32, u32, u32),
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
    /// A snapshot controller that is there and does nothing.
    pub stopped: Option<StoppedController>,
    /// The classes.
    pub classes: Vec<SnapshotClassFacts>,
}

/// What a snapshot controller that does nothing is known by; names are `<namespace>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoppedController {
    /// A Deployment without a ready pod.
    Deployment(String),
    /// A Lease that nobody renews any more.
    Lease {
        /// Its name.
        name: String,
        /// Who renewed it last; empty where it does not say.
        holder: String,
    },
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

/// A claim and its volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterVolume {
    /// `<namespace>/<claim>`.
    pub claim: String,
    /// What stores it.
    pub kind: VolumeKind,
    /// The claim's phase: `Bound`, `Pending`, `Lost`.
    pub phase: String,
    /// The StorageClass that the claim names, and whether that one exists.
    pub class: Option<(String, bool)>,
    /// The volume's size.
    pub bytes: u64,
    /// The driver's handle of the volume; on Azure the id of the disk or share.
    pub handle: String,
    /// `protocol` among the volume's attributes.
    pub protocol: Option<String>,
}

impl ClusterVolume {
    /// A bound claim without class.
    pub fn new(claim: impl Into<String>, kind: VolumeKind) -> Self {
        Self {
            claim: claim.into(),
            kind,
            phase: "Bound".to_owned(),
            class: None,
            bytes: 0,
            handle: String::new(),
            protocol: None,
        }
    }
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
    /// Its Deployments, as `<namespace>/<name>`.
    pub deployments: Vec<String>,
    /// Those of them that have a pod.
    pub running: Vec<String>,
    /// Whether `velero.io` resources are served.
    pub crds: bool,
    /// Its storage locations.
    pub locations: Vec<WrittenPlace>,
    /// Schedules by which it backs up and that are not paused; nothing where nobody may look.
    pub schedules: Option<u64>,
}

/// A CustomResourceDefinition of Velero's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Whether an object of it is there; yes also where nobody may look.
    pub used: bool,
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
    /// Constraints of Gatekeeper that the refusal names, as far as they could be listed.
    pub constraints: Vec<Constraint>,
    /// Pod security level that the namespace enforces.
    pub pod_security: Option<String>,
}

/// A constraint of Gatekeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// What the API server calls its kind, in the group of constraints.
    pub resource: String,
    /// Its name.
    pub name: String,
    /// Namespaces that it leaves out.
    pub excluded: Vec<String>,
}

impl Constraint {
    /// As `kubectl` names it.
    pub fn object(&self) -> String {
        format!("{}.constraints.gatekeeper.sh/{}", self.resource, self.name)
    }
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
    /// Whether every node that can run it holds it: then nobody has to fetch it.
    pub everywhere: bool,
}

/// What was found in the storage location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationFacts {
    /// Bucket and store, without secrets.
    pub describe: String,
    /// `<bucket>/<prefix>`.
    pub bucket_path: String,
    /// The store that the bucket is in, as far as the settings name it.
    pub store: Option<StoreName>,
    /// What lies there.
    pub contents: Observed<Contents>,
    /// Whether the settings say that unrelated files may stay.
    pub unrelated_allowed: bool,
    /// Whether the extension had made a repository there.
    pub initialised: bool,
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
        /// What kind of refusal it is.
        refusal: Refusal,
        /// Why.
        cause: String,
        /// What to do.
        remedy: String,
    },
}

/// What kind of refusal a store gave; each has a documented code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The bucket, container or directory does not exist.
    NoBucket,
    /// Reading is allowed, writing is not.
    ReadOnly,
    /// The credential is not accepted, or lacks the right.
    NoPermission,
    /// There is no space or quota left.
    Full,
    /// A clock is wrong.
    WrongClock,
    /// Anything else.
    NotReady,
}

/// The installed extension's Deployment and pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionPods {
    /// `<namespace>/<name>` of the Deployment.
    pub deployment: String,
    /// Pods that are wanted.
    pub wanted: u64,
    /// Pods that are available.
    pub available: u64,
    /// Whether one of them renews its lease.
    pub leads: bool,
    /// Restarts of all its containers.
    pub restarts: u64,
    /// Pods that were ended for lack of memory the last time.
    pub out_of_memory: Vec<String>,
    /// Why pods do not run, in the scheduler's or the kubelet's words.
    pub waiting: Vec<String>,
    /// Memory that a pod may use, in bytes.
    pub memory_limit: Option<u64>,
}

/// What installs and upgrades extensions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemParts {
    /// Deployments of kube-system that do it, ours or the original's, and whether each has a ready pod.
    pub deployments: Vec<(String, bool)>,
}

/// The nodes, and what the extension's pod asks of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nodes {
    /// Every node.
    pub all: Vec<Node>,
    /// CPU that a pod of the extension asks for, in thousandths of a core.
    pub wanted_cpu: u64,
    /// Memory that it asks for, in bytes.
    pub wanted_memory: u64,
}

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its operating system.
    pub os: String,
    /// Its architecture.
    pub arch: String,
    /// The kubelet's version.
    pub kubelet: (u32, u32, u32),
    /// Whether it takes pods and is ready.
    pub takes_pods: bool,
    /// Taints that the extension's pod does not tolerate.
    pub not_tolerated: Vec<String>,
    /// CPU that nobody has asked for, in thousandths of a core; nothing when pods could not be read.
    pub free_cpu: Option<u64>,
    /// Memory that nobody has asked for, in bytes.
    pub free_memory: Option<u64>,
    /// Pods that it takes beside those that it has; nothing when pods could not be read.
    pub free_pods: Option<u64>,
}

impl Nodes {
    /// Those that run Linux, are ready and take pods.
    pub fn open(&self) -> impl Iterator<Item = &Node> {
        self.all.iter().filter(|node| node.os == "linux" && node.takes_pods)
    }

    /// Whether taints keep the extension's pod, and whatever tolerates no more than it, from every node that takes pods.
    pub fn all_tainted(&self) -> bool {
        self.open().next().is_some() && self.open().all(|node| !node.not_tolerated.is_empty())
    }
}

/// Namespaces, and those that a configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// How many there are.
    pub count: u64,
    /// Those that the configuration names.
    pub wanted: Vec<String>,
    /// Those of them that do not exist.
    pub absent: Vec<String>,
}

/// An admission webhook whose service nobody answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenWebhook {
    /// `<kind>/<configuration>/<webhook>`.
    pub name: String,
    /// `<namespace>/<service>`.
    pub service: String,
    /// Whether the service exists.
    pub service_exists: bool,
    /// Whether objects are refused as long as it does not answer.
    pub refuses: bool,
}

/// What network policies let the extension's pods reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkPolicies {
    /// Those that restrict it, as `<namespace>/<name>`; none when one of them lets everything out.
    pub restricting: Vec<String>,
    /// Whether any of their rules lets something out.
    pub lets_some_out: bool,
}

/// Pod-managed identity, which answers in the place of the machine's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodIdentity {
    /// Whether it is installed.
    pub installed: bool,
    /// Whether an exception covers the extension's pods.
    pub excepted: bool,
}

/// A hook that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// `<namespace>/<name>`.
    pub name: String,
    /// Whether it exists.
    pub exists: bool,
}

/// The cluster that is restored into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The extension there.
    pub extension: Option<ExtensionPods>,
    /// Resources, as `<group>/<version>/<plural>`, that the source serves and the target does not.
    pub missing_resources: Vec<String>,
    /// CPU and memory that the source's pods ask for and that the target has free.
    pub cpu: (u64, u64),
    /// The same of memory.
    pub memory: (u64, u64),
    /// Quotas that are used up, as `<namespace>/<name>`.
    pub full_quotas: Vec<String>,
    /// Claims that exist on both sides under one name.
    pub claims_there: Vec<String>,
}

/// A client on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// What it is called.
    pub name: String,
    /// Its version, as far as it says one.
    pub version: (u32, u32, u32),
    /// The oldest that will do.
    pub oldest: (u32, u32, u32),
}
