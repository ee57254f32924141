//! Resources that no backup holds; `docs/formats/recovery-point.md` says why for each.

/// Whether objects of this resource are measured, derived or owned by running processes of one cluster.
pub(super) fn never(group: &str, resource: &str) -> bool {
    match group {
        "" => matches!(resource, "nodes" | "events" | "componentstatuses"),
        "events.k8s.io" => resource == "events",
        "storage.k8s.io" => matches!(resource, "csinodes" | "csistoragecapacities" | "volumeattachments"),
        "coordination.k8s.io" => matches!(resource, "leases" | "leasecandidates"),
        "networking.k8s.io" => resource == "ipaddresses",
        "resource.k8s.io" => resource == "resourceslices",
        "internal.apiserver.k8s.io" => resource == "storageversions",
        "snapshot.storage.k8s.io" => matches!(resource, "volumesnapshots" | "volumesnapshotcontents"),
        "groupsnapshot.storage.k8s.io" => {
            matches!(resource, "volumegroupsnapshots" | "volumegroupsnapshotcontents")
        }
        "clusterbackup.dataprotection.microsoft.com" => {
            matches!(
                resource,
                "backups" | "restores" | "deletebackups" | "validateforbackups" | "validateforrestores"
            )
        }
        "metrics.k8s.io" | "custom.metrics.k8s.io" | "external.metrics.k8s.io" | "velero.io" => true,
        _ => false,
    }
}
