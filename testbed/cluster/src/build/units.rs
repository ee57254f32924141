//! What is built: one unit per Go module of `testbed/go`, at pinned versions.

use clap::ValueEnum;
use serde::Serialize;
use std::fmt;

/// The module with the CRDs of the snapshot API.
pub const SNAPSHOT_CLIENT: &str = "github.com/kubernetes-csi/external-snapshotter/client/v8";
/// Its version, the newest beside external-snapshotter v8.7.0.
pub const SNAPSHOT_CLIENT_VERSION: &str = "v8.6.0";

/// A Kubernetes version that the testbed can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, serde::Deserialize)]
pub enum KubernetesVersion {
    /// v1.35.4, the version of full clusters.
    #[default]
    #[value(name = "1.35")]
    #[serde(rename = "1.35")]
    V1_35,
    /// v1.33.13, control plane only.
    #[value(name = "1.33")]
    #[serde(rename = "1.33")]
    V1_33,
}

impl fmt::Display for KubernetesVersion {
    /// As the command line spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl KubernetesVersion {
    /// Whether a full cluster can run it; the others serve control planes only.
    pub fn runs_nodes(self) -> bool {
        self == Self::V1_35
    }
}

/// One Go module and the programs built from it.
#[derive(Debug)]
pub struct Unit {
    /// Its directory below `testbed/go`.
    pub directory: &'static str,
    /// Files whose content decides the build.
    pub files: &'static [&'static str],
    /// For `go build -ldflags`.
    pub linker_flags: &'static str,
    /// Packages that are compiled at once; 0 for as many as there are processors.
    pub at_once: usize,
    /// What comes out.
    pub programs: &'static [Program],
    /// What comes with it, as its modules publish it.
    pub published: &'static [Published],
}

/// One program of a unit.
#[derive(Debug)]
pub struct Program {
    /// The file it becomes.
    pub file: &'static str,
    /// The Go package of its `main`.
    pub package: &'static str,
}

/// A file of a module that is required, in the version that is required.
#[derive(Debug)]
pub struct Published {
    /// The file it becomes.
    pub file: &'static str,
    /// The Go module.
    pub module: &'static str,
    /// Where the module has it.
    pub path: &'static str,
}

/// etcd and Kubernetes.
pub fn kubernetes(version: KubernetesVersion) -> Unit {
    let (directory, linker_flags) = match version {
        KubernetesVersion::V1_35 => (
            "kubernetes",
            "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35",
        ),
        KubernetesVersion::V1_33 => (
            "kubernetes-1.33",
            "-s -w -X k8s.io/component-base/version.gitVersion=v1.33.13 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=33",
        ),
    };
    Unit {
        directory,
        files: &["go.mod", "go.sum", "main.go"],
        linker_flags,
        at_once: 0,
        programs: &[Program { file: "kubernetes", package: "." }],
        published: &[],
    }
}

/// CoreDNS, the snapshot sidecars and the conformance suite of CSI drivers.
pub fn services() -> Unit {
    Unit {
        directory: "services",
        files: &["go.mod", "go.sum", "coredns/main.go"],
        linker_flags: "-s -w",
        at_once: 0,
        programs: &[
            Program { file: "coredns", package: "./coredns" },
            Program {
                file: "snapshot-controller",
                package: "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller",
            },
            Program {
                file: "csi-snapshotter",
                package: "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
            },
            Program { file: "csi-sanity", package: "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity" },
        ],
        published: &[],
    }
}

/// The external-provisioner and the external-resizer.
pub fn provisioner() -> Unit {
    Unit {
        directory: "provisioner",
        files: &["go.mod", "go.sum"],
        linker_flags: "-s -w",
        at_once: 0,
        programs: &[
            Program {
                file: "csi-provisioner",
                package: "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
            },
            Program {
                file: "csi-resizer",
                package: "github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer",
            },
        ],
        published: &[],
    }
}

/// Velero and its plugin for S3, for comparisons and for stories beside it: nothing of a cluster waits for it, so it builds
/// gently.
pub fn velero() -> Unit {
    Unit {
        directory: "velero",
        files: &["go.mod", "go.sum"],
        linker_flags: "-s -w -X github.com/vmware-tanzu/velero/pkg/buildinfo.Version=v1.18.3",
        at_once: 1,
        programs: &[
            Program { file: "velero", package: "github.com/vmware-tanzu/velero/cmd/velero" },
            Program {
                file: "velero-plugin-for-aws",
                package: "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws",
            },
        ],
        published: &[],
    }
}

/// Gatekeeper, for stories beside it, with the manifest that its project installs it by: nothing of a cluster waits for it, so
/// it builds gently.
pub fn gatekeeper() -> Unit {
    const MODULE: &str = "github.com/open-policy-agent/gatekeeper/v3";
    Unit {
        directory: "gatekeeper",
        files: &["go.mod", "go.sum"],
        linker_flags: "-s -w -X github.com/open-policy-agent/gatekeeper/v3/pkg/version.Version=v3.23.1",
        at_once: 1,
        programs: &[Program { file: "manager", package: MODULE }],
        published: &[Published { file: "gatekeeper.yaml", module: MODULE, path: "deploy/gatekeeper.yaml" }],
    }
}

/// Every unit that `testbed build` builds.
pub fn all() -> Vec<Unit> {
    vec![kubernetes(KubernetesVersion::V1_35), services(), provisioner()]
}
