//! The roles of people, U1 to U6, and what somebody is told who lacks one.
//! Source: the table of users' roles in "Azure Kubernetes Service backup using Azure Backup".

use super::commands::{Principal, assignment};
use crate::{Action, RoleDefinition};
use arm::ResourceId;

/// The right to give roles.
pub const ASSIGN_ROLES: &str = "Microsoft.Authorization/roleAssignments/write";

/// On what a person needs a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PersonPlace {
    /// The cluster that is protected, or restored to.
    Cluster,
    /// The resource group of the vault.
    VaultGroup,
    /// The storage account of recovery points.
    StorageAccount,
    /// The resource group where snapshots are made.
    SnapshotGroup,
    /// The cluster that was backed up, when it is restored from.
    SourceCluster,
    /// The Resource Guard of the vault.
    ResourceGuard,
}

/// One row: a person needs a role on something.
#[derive(Debug, PartialEq, Eq)]
pub struct PersonRole {
    /// U1 to U6.
    pub id: &'static str,
    /// The role that is preferred.
    pub role: &'static str,
    /// Roles that together will do as well.
    pub instead: &'static [&'static str],
    /// On what.
    pub place: PersonPlace,
    /// What the role is used for.
    pub actions: &'static [&'static str],
    /// Why, as a sentence for people.
    pub why: &'static str,
}

/// All of them, in the order of their ids.
pub const PERSON_ROLES: &[PersonRole] = &[
    PersonRole {
        id: "U1",
        role: "Owner",
        instead: &["Contributor", "User Access Administrator"],
        place: PersonPlace::Cluster,
        actions: &[
            "Microsoft.KubernetesConfiguration/extensions/write",
            "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write",
            ASSIGN_ROLES,
        ],
        why: "Installs the extension, lets the vault into the cluster and gives it its role there.",
    },
    PersonRole {
        id: "U2",
        role: "Backup Contributor",
        instead: &[],
        place: PersonPlace::VaultGroup,
        actions: &[
            "Microsoft.DataProtection/backupVaults/write",
            "Microsoft.DataProtection/backupVaults/backupPolicies/write",
            "Microsoft.DataProtection/backupVaults/validateForBackup/action",
            "Microsoft.DataProtection/backupVaults/backupInstances/write",
            "Microsoft.DataProtection/backupVaults/backupInstances/validateRestore/action",
            "Microsoft.DataProtection/backupVaults/backupInstances/restore/action",
        ],
        why: "Makes vault, policies and backup instances, and restores.",
    },
    PersonRole {
        id: "U3",
        role: "Owner",
        instead: &["Storage Account Contributor", "User Access Administrator"],
        place: PersonPlace::StorageAccount,
        actions: &[
            "Microsoft.Storage/storageAccounts/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/write",
            ASSIGN_ROLES,
        ],
        why: "Makes the container and gives the extension its role on the account.",
    },
    PersonRole {
        id: "U4",
        role: "Owner",
        instead: &["Contributor", "User Access Administrator"],
        place: PersonPlace::SnapshotGroup,
        actions: &["Microsoft.Compute/snapshots/write", ASSIGN_ROLES],
        why: "Gives vault and cluster their roles on the group, and looks after the snapshots in it.",
    },
    PersonRole {
        id: "U5",
        role: "Reader",
        instead: &[],
        place: PersonPlace::SourceCluster,
        actions: &["Microsoft.ContainerService/managedClusters/read"],
        why: "Sees the cluster that was backed up: who may not must not get its data by way of another one.",
    },
    PersonRole {
        id: "U6",
        role: "Backup MUA Operator",
        instead: &[],
        place: PersonPlace::ResourceGuard,
        actions: &["Microsoft.DataProtection/resourceGuards/triggerRestoreRequests/approve/action"],
        why: "Approves what the vault's Resource Guard guards; Reader is enough to link a vault to it.",
    },
];

impl PersonPlace {
    /// In words.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::VaultGroup => "resource group of the vault",
            Self::StorageAccount => "storage account",
            Self::SnapshotGroup => "snapshot resource group",
            Self::SourceCluster => "cluster that was backed up",
            Self::ResourceGuard => "Resource Guard",
        }
    }

    /// The scope of that place in an id: the id itself, or what is above it.
    fn in_id(self, id: &ResourceId) -> Option<ResourceId> {
        let kind = match self {
            Self::Cluster | Self::SourceCluster => "Microsoft.ContainerService/managedClusters",
            Self::StorageAccount => "Microsoft.Storage/storageAccounts",
            Self::ResourceGuard => "Microsoft.DataProtection/resourceGuards",
            Self::SnapshotGroup if id.kind().is(GROUP) => return Some(id.clone()),
            Self::SnapshotGroup => return None,
            Self::VaultGroup => {
                let vault = above(id, "Microsoft.DataProtection/backupVaults");
                return match (vault, id.kind().is(GROUP)) {
                    (Some(vault), _) => vault.parent(),
                    (None, true) => Some(id.clone()),
                    (None, false) => None,
                };
            }
        };
        above(id, kind)
    }
}

const GROUP: &str = "Microsoft.Resources/resourceGroups";

/// The id itself or the nearest one above it of a type.
fn above(id: &ResourceId, kind: &str) -> Option<ResourceId> {
    let mut at = Some(id.clone());
    while let Some(one) = at {
        if one.kind().is(kind) {
            return Some(one);
        }
        at = one.parent();
    }
    None
}

/// What somebody lacks who was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The row, where the refusal belongs to one.
    pub id: Option<&'static str>,
    /// The role that would do.
    pub role: String,
    /// Where.
    pub scope: ResourceId,
}

impl Advice {
    /// Which role on which scope is missing and who can give it, as a sentence.
    pub fn sentence(&self) -> String {
        let id = self.id.map(|id| format!(" ({id})")).unwrap_or_default();
        format!(
            "The role '{}' on '{}'{id} is missing. An Owner or User Access Administrator of that scope can grant it, with \
             either of these commands.",
            self.role, self.scope
        )
    }

    /// Commands for whoever may grant it: ours, and that of `az`.
    pub fn commands(&self, to: &str, kind: Principal) -> [String; 2] {
        ["cofferdam", "az"].map(|program| assignment(program, to, kind, &self.role, &self.scope))
    }
}

/// Which role a caller lacks who was refused an action on a scope; none where no built-in role grants the action. The least
/// that will do: what only reads needs no more than Reader.
pub fn advice(action: &str, on: &ResourceId, roles: &[RoleDefinition]) -> Option<Advice> {
    // Who may not write an assignment lacks a role on what it is for.
    let below = on.kind().as_str().to_lowercase().starts_with("microsoft.authorization/");
    let above = if below { on.parent() } else { None };
    let on = above.as_ref().unwrap_or(on);
    let wanted = Action::control(action);
    let grants = |name: &str| roles.iter().any(|role| role.name == name && role.grants(&wanted));
    // Some rows are used for reading too; whoever only reads needs no Owner for it.
    let is_read = action.to_lowercase().ends_with("/read");
    let is_least = |row: &&PersonRole| !is_read || row.role == "Reader";
    let lists = |row: &&PersonRole| row.actions.iter().any(|one| one.eq_ignore_ascii_case(action));
    let exact = |row: &&PersonRole| lists(row) && is_least(row);
    let fits = |row: &'static PersonRole| {
        let scope = row.place.in_id(on)?;
        grants(row.role).then(|| Advice { id: Some(row.id), role: row.role.to_owned(), scope })
    };
    // What is written may not be there yet, and a role is given on what is there.
    let place = if action.to_lowercase().ends_with("/write") { on.parent() } else { None };
    let place = place.as_ref().unwrap_or(on);
    let plain =
        |name: &str| grants(name).then(|| Advice { id: None, role: name.to_owned(), scope: place.clone() });
    let narrow = |row: &&PersonRole| row.role != "Owner";
    let named = PERSON_ROLES.iter().filter(exact).find_map(fits);
    named
        .or_else(|| plain("Reader"))
        .or_else(|| PERSON_ROLES.iter().filter(narrow).find_map(fits))
        .or_else(|| ["Contributor", "User Access Administrator", "Owner"].into_iter().find_map(plain))
}
