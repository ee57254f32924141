//! The table itself.

use super::body;
use crate::item::ResourceType;
use serde_json::Value;

/// One rule about objects that are never restored.
#[derive(Debug)]
pub struct Never {
    /// Which objects, for people.
    pub what: &'static str,
    /// Why, for people.
    pub why: &'static str,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// Every object of these types, as (group, resource); `*` stands for all resources of a group.
    Types(&'static [(&'static str, &'static str)]),
    /// Objects of a type with one of these names.
    Names(&'static str, &'static str, &'static [&'static str]),
    /// Objects of a type with this name in this namespace.
    Place(&'static str, &'static [&'static str], &'static str, &'static str),
    /// Objects of these types whose body fits.
    Body(&'static [(&'static str, &'static str)], fn(&Value) -> bool),
}

impl Never {
    /// What is left out and why, in two sentences.
    pub fn reason(&self) -> String {
        format!("{} are not restored. {}", self.what, self.why)
    }

    pub(super) fn matches_name(&self, kind: &ResourceType, namespace: Option<&str>, name: &str) -> bool {
        match self.test {
            Test::Types(types) => contains(types, kind),
            Test::Names(group, resource, names) => kind.is(group, resource) && names.contains(&name),
            Test::Place(group, resources, in_namespace, called) => {
                kind.group == group
                    && resources.contains(&kind.resource.as_str())
                    && namespace == Some(in_namespace)
                    && name == called
            }
            Test::Body(..) => false,
        }
    }

    pub(super) fn matches_body(&self, kind: &ResourceType, object: &Value) -> bool {
        match self.test {
            Test::Body(types, fits) => contains(types, kind) && fits(object),
            _ => false,
        }
    }
}

fn contains(types: &[(&str, &str)], kind: &ResourceType) -> bool {
    types
        .iter()
        .any(|(group, resource)| kind.group == *group && (*resource == "*" || kind.resource == *resource))
}

/// Every rule.
pub static NEVER: &[Never] = &[
    Never {
        what: "Nodes, CSINodes, CSIStorageCapacities, ResourceSlices, ComponentStatuses",
        why: "They describe the machines and drivers of one cluster.",
        test: Test::Types(&[
            ("", "nodes"),
            ("", "componentstatuses"),
            ("storage.k8s.io", "csinodes"),
            ("storage.k8s.io", "csistoragecapacities"),
            ("resource.k8s.io", "resourceslices"),
        ]),
    },
    Never {
        what: "Events",
        why: "They tell of the past of the source cluster.",
        test: Test::Types(&[("", "events"), ("events.k8s.io", "events")]),
    },
    Never {
        what: "VolumeAttachments",
        why: "The attacher makes them when a pod needs the volume.",
        test: Test::Types(&[("storage.k8s.io", "volumeattachments")]),
    },
    Never {
        what: "Leases, LeaseCandidates",
        why: "A restored lease would name a leader that does not exist.",
        test: Test::Types(&[("coordination.k8s.io", "leases"), ("coordination.k8s.io", "leasecandidates")]),
    },
    Never {
        what: "ControllerRevisions",
        why: "StatefulSet and DaemonSet controllers write their own history.",
        test: Test::Types(&[("apps", "controllerrevisions")]),
    },
    Never {
        what: "IPAddresses",
        why: "The API server allocates them.",
        test: Test::Types(&[("networking.k8s.io", "ipaddresses")]),
    },
    Never {
        what: "ServiceCIDR `kubernetes`",
        why: "The API server makes it from its own settings.",
        test: Test::Names("networking.k8s.io", "servicecidrs", &["kubernetes"]),
    },
    Never {
        what: "CertificateSigningRequests",
        why: "A restored request could be approved once more.",
        test: Test::Types(&[("certificates.k8s.io", "certificatesigningrequests")]),
    },
    Never {
        what: "StorageVersions, StorageVersionMigrations",
        why: "They are bookkeeping of one API server.",
        test: Test::Types(&[
            ("internal.apiserver.k8s.io", "*"),
            ("storagemigration.k8s.io", "storageversionmigrations"),
        ]),
    },
    Never {
        what: "Metrics",
        why: "They are measured, not stored.",
        test: Test::Types(&[
            ("metrics.k8s.io", "*"),
            ("custom.metrics.k8s.io", "*"),
            ("external.metrics.k8s.io", "*"),
        ]),
    },
    Never {
        what: "VolumeSnapshots, VolumeSnapshotContents, VolumeGroupSnapshots, VolumeGroupSnapshotContents",
        why: "A second object for a snapshot could delete the data under the first; volume data comes back \
              through the claims.",
        test: Test::Types(&[
            ("snapshot.storage.k8s.io", "volumesnapshots"),
            ("snapshot.storage.k8s.io", "volumesnapshotcontents"),
            ("groupsnapshot.storage.k8s.io", "volumegroupsnapshots"),
            ("groupsnapshot.storage.k8s.io", "volumegroupsnapshotcontents"),
        ]),
    },
    Never {
        what: "Backups, Restores, DeleteBackups, ValidateForBackups and ValidateForRestores of this product",
        why: "A restored operation would start again.",
        test: Test::Types(&[
            ("clusterbackup.dataprotection.microsoft.com", "backups"),
            ("clusterbackup.dataprotection.microsoft.com", "restores"),
            ("clusterbackup.dataprotection.microsoft.com", "deletebackups"),
            ("clusterbackup.dataprotection.microsoft.com", "validateforbackups"),
            ("clusterbackup.dataprotection.microsoft.com", "validateforrestores"),
        ]),
    },
    Never {
        what: "CustomResourceDefinitions of this product",
        why: "The extension that does the restore brought its own.",
        test: Test::Names(
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            &[
                "backups.clusterbackup.dataprotection.microsoft.com",
                "restores.clusterbackup.dataprotection.microsoft.com",
                "deletebackups.clusterbackup.dataprotection.microsoft.com",
                "validateforbackups.clusterbackup.dataprotection.microsoft.com",
                "validateforrestores.clusterbackup.dataprotection.microsoft.com",
                "backuphooks.clusterbackup.dataprotection.microsoft.com",
                "restorehooks.clusterbackup.dataprotection.microsoft.com",
            ],
        ),
    },
    Never {
        what: "ClusterRoles and bindings of this product, by the label \
               `app.kubernetes.io/managed-by=cofferdam-install`",
        why: "They would give the rights of the extension to an account of the source, or take them away.",
        test: Test::Body(
            &[
                ("rbac.authorization.k8s.io", "clusterroles"),
                ("rbac.authorization.k8s.io", "clusterrolebindings"),
            ],
            body::is_of_this_product,
        ),
    },
    Never {
        what: "Operations of Velero (Backups, Restores, DeleteBackupRequests, pod volume and data transfers, \
               repositories, requests)",
        why: "A restored operation would start again.",
        test: Test::Types(&[
            ("velero.io", "backups"),
            ("velero.io", "restores"),
            ("velero.io", "deletebackuprequests"),
            ("velero.io", "podvolumebackups"),
            ("velero.io", "podvolumerestores"),
            ("velero.io", "datauploads"),
            ("velero.io", "datadownloads"),
            ("velero.io", "backuprepositories"),
            ("velero.io", "resticrepositories"),
            ("velero.io", "downloadrequests"),
            ("velero.io", "serverstatusrequests"),
        ]),
    },
    Never {
        what: "Namespaces `kube-system`, `kube-public`, `kube-node-lease`",
        why: "They belong to the cluster itself.",
        test: Test::Names("", "namespaces", &["kube-system", "kube-public", "kube-node-lease"]),
    },
    Never {
        what: "ConfigMaps `kube-root-ca.crt`, `openshift-service-ca.crt`",
        why: "The cluster publishes its own certificates in every namespace.",
        test: Test::Names("", "configmaps", &["kube-root-ca.crt", "openshift-service-ca.crt"]),
    },
    Never {
        what: "PriorityClasses `system-cluster-critical`, `system-node-critical`",
        why: "The API server makes them.",
        test: Test::Names(
            "scheduling.k8s.io",
            "priorityclasses",
            &["system-cluster-critical", "system-node-critical"],
        ),
    },
    Never {
        what: "Service and Endpoints `default/kubernetes`",
        why: "The API server publishes its own address.",
        test: Test::Place("", &["services", "endpoints"], "default", "kubernetes"),
    },
    Never {
        what: "Mirror pods",
        why: "A kubelet makes them from files on its node.",
        test: Test::Body(&[("", "pods")], body::is_mirror_pod),
    },
    Never {
        what: "Pods that succeeded or failed",
        why: "Their work is done; a restore would do it again.",
        test: Test::Body(&[("", "pods")], body::is_finished_pod),
    },
    Never {
        what: "Jobs that completed or failed",
        why: "Their work is done; a restore would do it again.",
        test: Test::Body(&[("batch", "jobs")], body::is_finished_job),
    },
    Never {
        what: "Endpoints of a Service with a selector",
        why: "The endpoint controller fills them from pods.",
        test: Test::Body(&[("", "endpoints")], body::is_controller_endpoints),
    },
    Never {
        what: "EndpointSlices with the label `endpointslice.kubernetes.io/managed-by` of a built-in controller",
        why: "That controller makes them from pods or from Endpoints.",
        test: Test::Body(&[("discovery.k8s.io", "endpointslices")], body::is_controller_slice),
    },
    Never {
        what: "Secrets with a service account token that the cluster made by itself",
        why: "The token is worthless elsewhere; the cluster makes another.",
        test: Test::Body(&[("", "secrets")], body::is_automatic_token),
    },
    Never {
        what: "APIServices with the label `kube-aggregator.kubernetes.io/automanaged`",
        why: "The API server makes them for built-in types and for CRDs.",
        test: Test::Body(&[("apiregistration.k8s.io", "apiservices")], body::is_automanaged),
    },
    Never {
        what: "Roles and bindings with the label `kubernetes.io/bootstrapping=rbac-defaults`",
        why: "The API server makes them and keeps them current.",
        test: Test::Body(
            &[
                ("rbac.authorization.k8s.io", "clusterroles"),
                ("rbac.authorization.k8s.io", "clusterrolebindings"),
                ("rbac.authorization.k8s.io", "roles"),
                ("rbac.authorization.k8s.io", "rolebindings"),
            ],
            body::is_rbac_default,
        ),
    },
    Never {
        what: "FlowSchemas and PriorityLevelConfigurations that the API server keeps by itself",
        why: "The API server makes them and keeps them current.",
        test: Test::Body(
            &[
                ("flowcontrol.apiserver.k8s.io", "flowschemas"),
                ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
            ],
            body::is_flow_default,
        ),
    },
];

/// Objects that a built-in controller derives from an owner. They are left to it when the owner is restored
/// or exists in the target; without an owner they are restored on their own.
#[derive(Debug)]
pub struct Derived {
    /// Group and resource of the derived object.
    pub child: (&'static str, &'static str),
    /// Groups and kinds of owners whose controller makes it.
    pub owners: &'static [(&'static str, &'static str)],
    /// For people.
    pub what: &'static str,
}

/// Every such relation.
pub static DERIVED: &[Derived] = &[
    Derived {
        child: ("apps", "replicasets"),
        owners: &[("apps", "Deployment")],
        what: "ReplicaSets of a Deployment",
    },
    Derived {
        child: ("", "pods"),
        owners: &[
            ("apps", "ReplicaSet"),
            ("apps", "StatefulSet"),
            ("apps", "DaemonSet"),
            ("batch", "Job"),
            ("", "ReplicationController"),
        ],
        what: "Pods of a ReplicaSet, StatefulSet, DaemonSet, Job or ReplicationController",
    },
    Derived { child: ("batch", "jobs"), owners: &[("batch", "CronJob")], what: "Jobs of a CronJob" },
    Derived {
        child: ("discovery.k8s.io", "endpointslices"),
        owners: &[("", "Service"), ("", "Endpoints")],
        what: "EndpointSlices of a Service or of Endpoints",
    },
    Derived {
        child: ("", "persistentvolumeclaims"),
        owners: &[("", "Pod")],
        what: "Claims of a pod's ephemeral volumes",
    },
    Derived {
        child: ("resource.k8s.io", "resourceclaims"),
        owners: &[("", "Pod")],
        what: "ResourceClaims that a pod's template made",
    },
];
