//! A policy: a slot every four hours, and one rule of retention.

use serde_json::{Value, json};

/// Its body, from when the first slot is, and how long a recovery point lives.
pub fn body(first: &str, lifetime: &str) -> Value {
    let store = json!({"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"});
    json!({"properties": {"objectType": "BackupPolicy",
        "datasourceTypes": ["Microsoft.ContainerService/managedClusters"],
        "policyRules": [
            {"objectType": "AzureBackupRule", "name": "BackupHourly",
                "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"}, "dataStore": store,
                "trigger": {"objectType": "ScheduleBasedTriggerContext",
                    "schedule": {"repeatingTimeIntervals": [format!("R/{first}/PT4H")], "timeZone": "UTC"},
                    "taggingCriteria": [{"isDefault": true, "taggingPriority": 99, "tagInfo": {"tagName": "Default", "id": "Default_"}}]}},
            {"objectType": "AzureRetentionRule", "name": "Default", "isDefault": true, "lifecycles": [
                {"deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": lifetime}, "sourceDataStore": store,
                    "targetDataStoreCopySettings": []}]}]}})
}
