//! The built-in roles, with the ids and names that clients know.

use crate::action::ActionPattern;
use crate::role::{Permission, RoleDefinition, RoleId};

const VAULTS: &str = "Microsoft.DataProtection/backupVaults";
const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs";
const ALERTS: &str = "Microsoft.AlertsManagement/alerts";
const GUARD_OPERATIONS: &str = "Microsoft.DataProtection/resourceGuards";

/// All built-in roles.
pub fn roles() -> Vec<RoleDefinition> {
    let mut all = general();
    all.extend(backup());
    all.extend(storage());
    all.extend(identities_and_clusters());
    all
}

fn general() -> Vec<RoleDefinition> {
    vec![
        role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", "Everything, roles included.", &["*"]),
        RoleDefinition {
            permissions: vec![Permission {
                actions: patterns(&["*"]),
                not_actions: patterns(&[
                    "Microsoft.Authorization/*/Delete",
                    "Microsoft.Authorization/*/Write",
                    "Microsoft.Authorization/elevateAccess/Action",
                ]),
                ..Permission::default()
            }],
            ..role("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor", "Everything except roles.", &[])
        },
        role(
            "acdd72a7-3385-48ef-bd42-f606fba81ae7",
            "Reader",
            "Sees everything, changes nothing.",
            &["*/read"],
        ),
        role(
            "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
            "User Access Administrator",
            "Assigns roles.",
            &["*/read", "Microsoft.Authorization/*"],
        ),
    ]
}

fn backup() -> Vec<RoleDefinition> {
    let read = ["Microsoft.Authorization/*/read", "Microsoft.Resources/subscriptions/resourceGroups/read"];
    let with = |own: &[String]| -> Vec<String> {
        own.iter().cloned().chain(read.iter().map(|one| (*one).to_owned())).collect()
    };
    let on_vaults =
        |tails: &[&str]| -> Vec<String> { tails.iter().map(|tail| format!("{VAULTS}/{tail}")).collect() };
    let locations = "Microsoft.DataProtection/locations/*".to_owned();
    let contributor = with(&[
        format!("{VAULTS}/*"),
        locations.clone(),
        "Microsoft.DataProtection/*/read".to_owned(),
        "Microsoft.DataProtection/register/action".to_owned(),
        "Microsoft.ContainerService/managedClusters/read".to_owned(),
        "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/*".to_owned(),
        "Microsoft.KubernetesConfiguration/extensions/read".to_owned(),
        format!("{ALERTS}/*"),
    ]);
    let operator = with(
        &[
            on_vaults(&[
                "read",
                "*/read",
                "validateForBackup/action",
                "backupInstances/write",
                "backupInstances/backup/action",
                "backupInstances/restore/action",
                "backupInstances/validateRestore/action",
                "backupInstances/validateForModifyBackup/action",
                "backupInstances/findRestorableTimeRanges/action",
                "backupInstances/sync/action",
                "exportBackupJobs/action",
            ]),
            vec![locations, format!("{ALERTS}/read")],
        ]
        .concat(),
    );
    let reader = with(
        &[
            on_vaults(&["read", "*/read", "backupInstances/findRestorableTimeRanges/action"]),
            vec![format!("{ALERTS}/read")],
        ]
        .concat(),
    );
    let mua_admin = with(&[format!("{GUARD_OPERATIONS}/*"), "Microsoft.DataProtection/*/read".to_owned()]);
    let mua_operator = with(&[
        format!("{GUARD_OPERATIONS}/*/read"),
        format!("{GUARD_OPERATIONS}/read"),
        format!("{GUARD_OPERATIONS}/*/action"),
    ]);
    let texts = |all: Vec<String>| all.into_iter().map(ActionPattern::new).collect::<Vec<_>>();
    let made = |id, name, description, actions: Vec<String>| RoleDefinition {
        permissions: vec![Permission { actions: texts(actions), ..Permission::default() }],
        ..role(id, name, description, &[])
    };
    vec![
        made(
            "5e467623-bb1f-42f4-a55d-6e525e11384b",
            "Backup Contributor",
            "Manages backup: vaults, policies, instances, restores. Assigns no roles.",
            contributor,
        ),
        made(
            "00c29273-979b-4161-815c-10b084fb9324",
            "Backup Operator",
            "Backs up and restores; neither removes protection nor changes policies or vaults.",
            operator,
        ),
        made(
            "a795c7a0-d4a2-40c1-ae25-d81f01202912",
            "Backup Reader",
            "Sees backups, changes nothing.",
            reader,
        ),
        made(
            "c2a970b4-16a7-4a51-8c84-8a8ea6ee0bb8",
            "Backup MUA Admin",
            "Manages Resource Guards.",
            mua_admin,
        ),
        made(
            "f54b6d04-23c6-443e-b462-9c16ab7b4a52",
            "Backup MUA Operator",
            "Approves what a Resource Guard guards.",
            mua_operator,
        ),
    ]
}

fn storage() -> Vec<RoleDefinition> {
    let containers = "Microsoft.Storage/storageAccounts/blobServices/containers";
    let key = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action";
    let data = |id, name, description, actions: &[String], data_actions: &[String]| RoleDefinition {
        permissions: vec![Permission {
            actions: actions.iter().map(ActionPattern::new).collect(),
            data_actions: data_actions.iter().map(ActionPattern::new).collect(),
            ..Permission::default()
        }],
        ..role(id, name, description, &[])
    };
    let on = |tails: &[&str]| -> Vec<String> { tails.iter().map(|tail| format!("{BLOBS}/{tail}")).collect() };
    vec![
        data(
            "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
            "Storage Blob Data Owner",
            "Everything with blobs and containers.",
            &[format!("{containers}/*"), key.to_owned()],
            &on(&["*"]),
        ),
        data(
            "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
            "Storage Blob Data Contributor",
            "Reads, writes and deletes blobs and containers.",
            &[
                format!("{containers}/read"),
                format!("{containers}/write"),
                format!("{containers}/delete"),
                key.to_owned(),
            ],
            &on(&["read", "write", "delete", "move/action", "add/action"]),
        ),
        data(
            "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
            "Storage Blob Data Reader",
            "Reads blobs and containers.",
            &[format!("{containers}/read"), key.to_owned()],
            &on(&["read"]),
        ),
        role(
            "17d1049b-9a84-46fb-8f53-869881c3d3ab",
            "Storage Account Contributor",
            "Manages storage accounts, their keys included.",
            &[
                "Microsoft.Authorization/*/read",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Storage/storageAccounts/*",
            ],
        ),
        role(
            "7efff54f-a5b4-42b5-a1c5-5411624893ce",
            "Disk Snapshot Contributor",
            "Makes, reads and deletes snapshots of disks.",
            &[
                "Microsoft.Authorization/*/read",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Compute/snapshots/delete",
                "Microsoft.Compute/snapshots/write",
                "Microsoft.Compute/snapshots/read",
                "Microsoft.Compute/snapshots/beginGetAccess/action",
                "Microsoft.Compute/snapshots/endGetAccess/action",
                "Microsoft.Compute/disks/beginGetAccess/action",
            ],
        ),
        RoleDefinition {
            permissions: vec![Permission {
                data_actions: patterns(&[
                    "Microsoft.Compute/disks/download/action",
                    "Microsoft.Compute/disks/upload/action",
                    "Microsoft.Compute/snapshots/download/action",
                    "Microsoft.Compute/snapshots/upload/action",
                ]),
                ..Permission::default()
            }],
            ..role(
                "959f8984-c045-4866-89c7-12bf9737be2e",
                "Data Operator for Managed Disks",
                "Reads and writes the data of disks and snapshots.",
                &[],
            )
        },
    ]
}

fn identities_and_clusters() -> Vec<RoleDefinition> {
    let identities = "Microsoft.ManagedIdentity/userAssignedIdentities";
    let extensions = "Microsoft.KubernetesConfiguration/extensions";
    let files = "Microsoft.Storage/storageAccounts/fileServices";
    let see = ["Microsoft.Authorization/*/read", "Microsoft.Resources/subscriptions/resourceGroups/read"];
    let texts = |above: &str, tails: &[&str], more: &[&str]| -> Vec<ActionPattern> {
        let own = tails.iter().map(|tail| format!("{above}/{tail}"));
        own.chain(more.iter().map(|one| (*one).to_owned())).map(ActionPattern::new).collect()
    };
    let with = |id, name, description, permission| RoleDefinition {
        permissions: vec![permission],
        ..role(id, name, description, &[])
    };
    let control = |actions| Permission { actions, ..Permission::default() };
    vec![
        role(
            "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
            "Role Based Access Control Administrator",
            "Assigns roles and sees everything.",
            &[
                "Microsoft.Authorization/roleAssignments/write",
                "Microsoft.Authorization/roleAssignments/delete",
                "*/read",
            ],
        ),
        with(
            "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
            "Managed Identity Contributor",
            "Manages user-assigned identities and their federated credentials.",
            control(texts(identities, &["read", "write", "delete", "federatedIdentityCredentials/*"], &see)),
        ),
        with(
            "f1a07417-d97a-45cb-824c-7a7467783830",
            "Managed Identity Operator",
            "Sees user-assigned identities and gives them to resources.",
            control(texts(identities, &["read", "*/read", "assign/action", "*/assign/action"], &see)),
        ),
        with(
            "85cb6faf-e071-4c9b-8136-154b5a04f717",
            "Kubernetes Extension Contributor",
            "Installs, changes and removes extensions of clusters.",
            control(texts(extensions, &["read", "write", "delete", "operations/read"], &see)),
        ),
        with(
            "69566ab7-960f-475b-8e7c-b3118f30c6bd",
            "Storage File Data Privileged Contributor",
            "Reads, writes and deletes files of shares, whatever their own permissions.",
            Permission {
                data_actions: texts(
                    files,
                    &[
                        "fileshares/files/read",
                        "fileshares/files/write",
                        "fileshares/files/delete",
                        "writeFileBackupSemantics/action",
                        "readFileBackupSemantics/action",
                        "fileshares/files/modifypermissions/action",
                    ],
                    &[],
                ),
                ..Permission::default()
            },
        ),
    ]
}

fn patterns(texts: &[&str]) -> Vec<ActionPattern> {
    texts.iter().map(|text| ActionPattern::new(*text)).collect()
}

fn role(id: &str, name: &str, description: &str, actions: &[&str]) -> RoleDefinition {
    RoleDefinition {
        id: RoleId::new(id),
        name: name.to_owned(),
        description: description.to_owned(),
        permissions: vec![Permission { actions: patterns(actions), ..Permission::default() }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use std::collections::BTreeSet;

    fn granted(name: &str) -> BTreeSet<&'static str> {
        let roles = roles();
        let role = roles.iter().find(|role| role.name == name).unwrap_or_else(|| panic!("{name}"));
        let actions = ACTIONS.iter().filter(|(_, action, is_data)| {
            role.grants(&Action { name: (*action).to_owned(), is_data: *is_data })
        });
        actions.map(|(short, ..)| *short).collect()
    }

    /// A short word, the action, whether it is about data.
    const ACTIONS: [(&str, &str, bool); 14] = [
        ("see-alert", "Microsoft.AlertsManagement/alerts/read", false),
        ("close-alert", "Microsoft.AlertsManagement/alerts/changestate/action", false),
        ("see-vault", "Microsoft.DataProtection/backupVaults/read", false),
        ("make-vault", "Microsoft.DataProtection/backupVaults/write", false),
        ("make-policy", "Microsoft.DataProtection/backupVaults/backupPolicies/write", false),
        ("protect", "Microsoft.DataProtection/backupVaults/backupInstances/write", false),
        ("unprotect", "Microsoft.DataProtection/backupVaults/backupInstances/delete", false),
        ("stop", "Microsoft.DataProtection/backupVaults/backupInstances/stopProtection/action", false),
        ("back-up", "Microsoft.DataProtection/backupVaults/backupInstances/backup/action", false),
        ("restore", "Microsoft.DataProtection/backupVaults/backupInstances/restore/action", false),
        ("assign", "Microsoft.Authorization/roleAssignments/write", false),
        ("read-blob", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", true),
        ("write-blob", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", true),
        ("keys", "Microsoft.Storage/storageAccounts/listKeys/action", false),
    ];

    #[test]
    fn each_role_grants_what_its_name_says_and_no_more() {
        let table: [(&str, &[&str]); 15] = [
            (
                "Owner",
                &[
                    "see-vault",
                    "make-vault",
                    "make-policy",
                    "protect",
                    "unprotect",
                    "stop",
                    "back-up",
                    "restore",
                    "see-alert",
                    "close-alert",
                    "assign",
                    "keys",
                ],
            ),
            (
                "Contributor",
                &[
                    "see-vault",
                    "make-vault",
                    "make-policy",
                    "protect",
                    "unprotect",
                    "stop",
                    "back-up",
                    "restore",
                    "see-alert",
                    "close-alert",
                    "keys",
                ],
            ),
            ("Reader", &["see-vault", "see-alert"]),
            ("User Access Administrator", &["see-vault", "see-alert", "assign"]),
            (
                "Backup Contributor",
                &[
                    "see-vault",
                    "make-vault",
                    "make-policy",
                    "protect",
                    "unprotect",
                    "stop",
                    "back-up",
                    "restore",
                    "see-alert",
                    "close-alert",
                ],
            ),
            ("Backup Operator", &["see-vault", "protect", "back-up", "restore", "see-alert"]),
            ("Backup Reader", &["see-vault", "see-alert"]),
            ("Backup MUA Operator", &[]),
            ("Storage Blob Data Owner", &["read-blob", "write-blob"]),
            ("Storage Blob Data Contributor", &["read-blob", "write-blob"]),
            ("Storage Blob Data Reader", &["read-blob"]),
            ("Storage Account Contributor", &["keys"]),
            ("Role Based Access Control Administrator", &["see-vault", "see-alert", "assign"]),
            ("Managed Identity Contributor", &[]),
            ("Managed Identity Operator", &[]),
        ];

        for (role, expected) in table {
            assert_eq!(granted(role), expected.iter().copied().collect(), "{role}");
        }
    }

    #[test]
    fn ids_and_names_are_unique() {
        let roles = roles();
        let ids: BTreeSet<_> = roles.iter().map(|role| role.id.clone()).collect();
        let names: BTreeSet<_> = roles.iter().map(|role| role.name.clone()).collect();

        assert_eq!((ids.len(), names.len()), (roles.len(), roles.len()));
    }
}
