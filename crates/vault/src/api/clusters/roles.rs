//! The one role that a Backup vault can have in a cluster, and the rules that it stands for. The gateway installs them in
//! the cluster; a test of the program compares both.

use super::BACKUP_OPERATOR;
use crate::{api::vaults, reply::Reply};
use serde_json::{Value, json};

/// The API group of the custom resources.
pub const API_GROUP: &str = "clusterbackup.dataprotection.microsoft.com";

/// Resources and verbs of each rule, complete. Hooks can be seen and not made: making one is running code.
pub const RULES: [(&[&str], &[&str]); 2] = [
    (
        &["backups", "restores", "deletebackups", "validateforbackups", "validateforrestores"],
        &["create", "get", "list", "watch", "patch", "delete"],
    ),
    (&["backuphooks", "restorehooks"], &["get", "list"]),
];

/// All roles.
pub fn list() -> Reply {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|(resources, verbs)| {
            json!({
                "verbs": verbs,
                "apiGroups": [API_GROUP],
                "resources": resources,
                "resourceNames": [],
                "nonResourceURLs": [],
            })
        })
        .collect();
    let name = BACKUP_OPERATOR.rsplit('/').next().unwrap_or_default();
    let role = json!({"sourceResourceType": vaults::KIND, "name": name, "rules": rules});
    Reply::json(200, json!({"value": [role]}))
}
