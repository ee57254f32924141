//! A backup instance as clients read it. Source: `BackupInstanceResource`, `DeletedBackupInstanceResource`.

use super::record::{InstanceRecord, KIND};
use crate::api::jobs::shown_problem;
use arm::ResourceId;
use serde_json::{Value, json};

/// The type of a deleted instance.
const DELETED: &str = "Microsoft.DataProtection/backupVaults/deletedBackupInstances";

/// The document of an instance.
pub fn shown(id: &ResourceId, instance: &InstanceRecord) -> Value {
    let state = instance.state;
    let error = instance.problems.first().map(|first| {
        let mut error = shown_problem(first);
        let details: Vec<Value> = instance.problems.iter().map(shown_problem).collect();
        if let Some(object) = error.as_object_mut() {
            object.insert("details".to_owned(), json!(details));
        }
        error
    });
    let mut properties = instance.instance.shown();
    if let Some(object) = properties.as_object_mut() {
        object.insert("currentProtectionState".to_owned(), json!(state.text()));
        object.insert(
            "protectionStatus".to_owned(),
            json!({"status": state.status_text(), "errorDetails": error}),
        );
        object.insert("protectionErrorDetails".to_owned(), json!(error));
        let provisioning = if instance.problems.is_empty() { "Succeeded" } else { "Failed" };
        object.insert("provisioningState".to_owned(), json!(provisioning));
    }
    json!({"id": id, "name": id.name(), "type": KIND, "tags": instance.tags, "properties": properties})
}

/// The document of an instance that was deleted.
pub fn shown_deleted(id: &ResourceId, instance: &InstanceRecord) -> Value {
    let mut shown = shown(id, instance);
    let vault = id.parent().map(|vault| vault.to_string()).unwrap_or_default();
    if let Some(object) = shown.as_object_mut() {
        object.insert("id".to_owned(), json!(format!("{vault}/deletedBackupInstances/{}", id.name())));
        object.insert("type".to_owned(), json!(DELETED));
    }
    if let (Some(deletion), Some(properties)) =
        (&instance.deletion, shown.get_mut("properties").and_then(Value::as_object_mut))
    {
        properties.insert("objectType".to_owned(), json!("DeletedBackupInstance"));
        properties.insert(
            "deletionInfo".to_owned(),
            json!({
                "deletionTime": deletion.deleted_at,
                "billingEndDate": deletion.purge_at,
                "scheduledPurgeTime": deletion.purge_at,
                "deleteActivityID": deletion.activity,
            }),
        );
    }
    shown
}
