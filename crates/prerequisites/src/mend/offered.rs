//! What `--fix` does for which check, for documents: before anything was seen.

/// What the product can do about a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Id of the check.
    pub check: &'static str,
    /// What it does.
    pub does: &'static str,
    /// The rights that it takes.
    pub rights: &'static str,
}

const fn offer(check: &'static str, does: &'static str, rights: &'static str) -> Offer {
    Offer { check, does, rights }
}

/// Every act that can be had, in the order of the ids.
pub fn offers() -> &'static [Offer] {
    &OFFERS
}

static OFFERS: [Offer; 14] = [
    offer(
        "P3",
        "makes the Trusted Access binding of the vault, or gives the one that it has the role backup-operator",
        "`Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write` on the cluster",
    ),
    offer(
        "P6",
        "gives the extension's identity the role Storage Blob Data Contributor on the storage account",
        "`Microsoft.Authorization/roleAssignments/write` on the account",
    ),
    offer(
        "P7",
        "registers the providers that are not, and waits",
        "`PROVIDER/register/action` on the subscription",
    ),
    offer(
        "P9",
        "puts the vault among the resources that the account trusts by name; every other rule stays",
        "`Microsoft.Storage/storageAccounts/write` on the account",
    ),
    offer(
        "P12",
        "switches the snapshot controller of the cluster's resource on, and with `--profile aks` the driver of disks, where they are off",
        "`Microsoft.ContainerService/managedClusters/write` on the cluster",
    ),
    offer(
        "P13",
        "makes a VolumeSnapshotClass for each driver of a claim that can make snapshots and has no class; not for drivers whose classes need parameters",
        "create `volumesnapshotclasses`",
    ),
    offer(
        "P14",
        "gives the cluster a system-assigned identity instead of its service principal",
        "`Microsoft.ContainerService/managedClusters/write` on the cluster",
    ),
    offer(
        "P17",
        "deletes the CustomResourceDefinitions that Velero left behind, once no Deployment of it is there; one that has objects stays",
        "get and delete `customresourcedefinitions`, list what they define",
    ),
    offer(
        "P17",
        "takes Velero's label from a snapshot class of ours",
        "get and patch `volumesnapshotclasses`",
    ),
    offer(
        "P18",
        "takes Velero's label from the classes that have it",
        "get and patch `volumesnapshotclasses`",
    ),
    offer(
        "P19",
        "takes labels and annotations of velero.io from objects, once no Deployment of Velero is there",
        "list and patch the kinds that have them",
    ),
    offer(
        "P20",
        "sets the pod security level of the extension's own namespace from `restricted` to `baseline`, where that is what rejects the pod",
        "get and patch the namespace",
    ),
    offer(
        "P23",
        "gives each identity the role that it lacks, at the scope where it lacks it",
        "`Microsoft.Authorization/roleAssignments/write` on that scope",
    ),
    offer(
        "P25",
        "makes the container; kind, SKU and region of an account cannot be changed",
        "`Microsoft.Storage/storageAccounts/blobServices/containers/write` on the account",
    ),
];
