//! The roles of identities, R1 to R13.
//! Source: the tables of roles in "Azure Kubernetes Service backup using Azure Backup" and its questions and answers.

/// Whose identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whose {
    /// The Backup vault's.
    Vault,
    /// The cluster's own.
    Cluster,
    /// The extension's.
    Extension,
}

/// On what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The cluster.
    Cluster,
    /// The resource group where snapshots are made.
    SnapshotGroup,
    /// The storage account to which an extension writes, or from which it restores.
    StorageAccount,
    /// The resource group where a restore from the vault tier makes disks.
    StagingGroup,
    /// The storage account where a restore from the vault tier puts objects meanwhile.
    StagingAccount,
    /// The storage account that holds the file shares of volumes.
    ShareAccount,
}

/// When it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum When {
    /// For every backup and every restore.
    Always,
    /// For backups that are copied to the vault tier.
    VaultTierBackup,
    /// For restores from the vault tier.
    VaultTierRestore,
    /// For volumes on file shares.
    FileShares,
}

/// What is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// A built-in role, by its name.
    Role(&'static str),
    /// A Trusted Access binding to this role inside the cluster.
    TrustedAccess(&'static str),
}

/// One row: an identity needs a role on something.
#[derive(Debug, PartialEq, Eq)]
pub struct IdentityRole {
    /// R1 to R13.
    pub id: &'static str,
    /// Whose identity.
    pub whose: Whose,
    /// Which role.
    pub grant: Grant,
    /// On what.
    pub place: Place,
    /// When.
    pub when: When,
    /// What the role is really used for: actions on resources. Any role that grants them will do.
    pub actions: &'static [&'static str],
    /// The same for actions on data.
    pub data_actions: &'static [&'static str],
    /// Why, as a sentence for people.
    pub why: &'static str,
    /// The documented code of validation when it is missing; none where the original documents none.
    pub code: Option<&'static str>,
}

impl Whose {
    /// In words.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Cluster => "cluster",
            Self::Extension => "extension",
        }
    }
}

impl Place {
    /// In words.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::SnapshotGroup => "snapshot resource group",
            Self::StorageAccount => "storage account",
            Self::StagingGroup => "staging resource group",
            Self::StagingAccount => "staging storage account",
            Self::ShareAccount => "storage account of the file shares",
        }
    }
}

impl When {
    /// In words.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::VaultTierBackup => "backup to the vault tier",
            Self::VaultTierRestore => "restore from the vault tier",
            Self::FileShares => "volumes on file shares",
        }
    }
}

impl Grant {
    /// The role's name.
    pub fn role(self) -> &'static str {
        match self {
            Self::Role(name) | Self::TrustedAccess(name) => name,
        }
    }
}

/// The role of Trusted Access.
pub const BACKUP_OPERATOR: &str = "Microsoft.DataProtection/backupVaults/backup-operator";

const READ_SNAPSHOT_GROUP: &str = "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup";
const WRITE_SNAPSHOT_GROUP: &str = "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup";
const WRITE_STORE: &str = "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation";

/// All of them, in the order of their ids.
pub const IDENTITY_ROLES: &[IdentityRole] = &[
    IdentityRole {
        id: "R1",
        whose: Whose::Vault,
        grant: Grant::Role("Reader"),
        place: Place::Cluster,
        when: When::Always,
        actions: &[
            "Microsoft.ContainerService/managedClusters/read",
            "Microsoft.KubernetesConfiguration/extensions/read",
        ],
        data_actions: &[],
        why: "The vault looks at the cluster and finds the backup extension in it.",
        code: Some("KubernetesBackupListExtensionsError"),
    },
    IdentityRole {
        id: "R2",
        whose: Whose::Vault,
        grant: Grant::Role("Reader"),
        place: Place::SnapshotGroup,
        when: When::Always,
        actions: &[
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Authorization/roleAssignments/read",
        ],
        data_actions: &[],
        why: "The vault sees that the group is there and who may write to it.",
        code: Some(READ_SNAPSHOT_GROUP),
    },
    IdentityRole {
        id: "R3",
        whose: Whose::Cluster,
        grant: Grant::Role("Contributor"),
        place: Place::SnapshotGroup,
        when: When::Always,
        actions: &[
            "Microsoft.Compute/snapshots/read",
            "Microsoft.Compute/snapshots/write",
            "Microsoft.Compute/snapshots/delete",
        ],
        data_actions: &[],
        why: "The cluster makes, reads and deletes the snapshots of its volumes.",
        code: Some(WRITE_SNAPSHOT_GROUP),
    },
    IdentityRole {
        id: "R4",
        whose: Whose::Extension,
        grant: Grant::Role("Storage Blob Data Contributor"),
        place: Place::StorageAccount,
        when: When::Always,
        actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/write",
        ],
        data_actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
        ],
        why: "The extension writes recovery points to the account, reads them and deletes those that expire.",
        code: Some(WRITE_STORE),
    },
    IdentityRole {
        id: "R5",
        whose: Whose::Vault,
        grant: Grant::Role("Disk Snapshot Contributor"),
        place: Place::SnapshotGroup,
        when: When::VaultTierBackup,
        actions: &[
            "Microsoft.Compute/snapshots/read",
            "Microsoft.Compute/snapshots/write",
            "Microsoft.Compute/snapshots/delete",
            "Microsoft.Compute/snapshots/beginGetAccess/action",
            "Microsoft.Compute/snapshots/endGetAccess/action",
            "Microsoft.Compute/disks/beginGetAccess/action",
        ],
        data_actions: &[],
        why: "The vault opens snapshots to copy them.",
        code: None,
    },
    IdentityRole {
        id: "R6",
        whose: Whose::Vault,
        grant: Grant::Role("Data Operator for Managed Disks"),
        place: Place::SnapshotGroup,
        when: When::VaultTierBackup,
        actions: &[],
        data_actions: &[
            "Microsoft.Compute/disks/download/action",
            "Microsoft.Compute/snapshots/download/action",
        ],
        why: "The vault reads what the snapshots hold.",
        code: None,
    },
    IdentityRole {
        id: "R7",
        whose: Whose::Vault,
        grant: Grant::Role("Storage Blob Data Reader"),
        place: Place::StorageAccount,
        when: When::VaultTierBackup,
        actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
        why: "The vault reads recovery points to copy them.",
        code: None,
    },
    IdentityRole {
        id: "R8",
        whose: Whose::Vault,
        grant: Grant::Role("Contributor"),
        place: Place::StagingGroup,
        when: When::VaultTierRestore,
        actions: &[
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Authorization/roleAssignments/read",
            "Microsoft.Compute/snapshots/write",
            "Microsoft.Compute/disks/write",
        ],
        data_actions: &[],
        why: "The vault makes disks and snapshots there from its copy.",
        code: None,
    },
    IdentityRole {
        id: "R9",
        whose: Whose::Vault,
        grant: Grant::Role("Storage Account Contributor"),
        place: Place::StagingAccount,
        when: When::VaultTierRestore,
        actions: &[
            "Microsoft.Storage/storageAccounts/read",
            "Microsoft.Storage/storageAccounts/write",
            "Microsoft.Authorization/roleAssignments/read",
        ],
        data_actions: &[],
        why: "The vault prepares the account that holds objects meanwhile.",
        code: None,
    },
    IdentityRole {
        id: "R10",
        whose: Whose::Vault,
        grant: Grant::Role("Storage Blob Data Owner"),
        place: Place::StagingAccount,
        when: When::VaultTierRestore,
        actions: &[],
        data_actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
        ],
        why: "The vault puts objects there for the target cluster.",
        code: None,
    },
    IdentityRole {
        id: "R11",
        whose: Whose::Extension,
        grant: Grant::Role("Storage Blob Data Contributor"),
        place: Place::StagingAccount,
        when: When::VaultTierRestore,
        actions: &[],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
        why: "The extension of the target cluster reads the objects that the vault put there.",
        code: None,
    },
    IdentityRole {
        id: "R12",
        whose: Whose::Cluster,
        grant: Grant::Role("Storage File Data Privileged Contributor"),
        place: Place::ShareAccount,
        when: When::FileShares,
        actions: &[],
        data_actions: &[
            "Microsoft.Storage/storageAccounts/fileServices/fileshares/files/read",
            "Microsoft.Storage/storageAccounts/fileServices/fileshares/files/write",
            "Microsoft.Storage/storageAccounts/fileServices/readFileBackupSemantics/action",
            "Microsoft.Storage/storageAccounts/fileServices/writeFileBackupSemantics/action",
        ],
        why: "The cluster reads and writes the shares of its volumes, whatever their files' own permissions.",
        code: None,
    },
    IdentityRole {
        id: "R13",
        whose: Whose::Vault,
        grant: Grant::TrustedAccess(BACKUP_OPERATOR),
        place: Place::Cluster,
        when: When::Always,
        actions: &[],
        data_actions: &[],
        why: "The vault asks the extension inside the cluster for backups and restores, and may nothing else there.",
        code: Some("UserErrorTrustedAccessGatewayReturnedForbidden"),
    },
];
