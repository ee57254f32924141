//! An alert as clients read it. Source: `Alert` and `AlertModification` of the Microsoft.AlertsManagement API.

use crate::{
    alerts::{AlertRecord, KIND, Modification, shown_id},
    api::Loaded,
};
use serde_json::{Value, json};

/// The document of an alert.
pub fn shown(alert: &Loaded<AlertRecord>) -> Value {
    let (name, record) = (alert.id.name(), &alert.document);
    json!({
        "id": shown_id(&record.vault, name),
        "name": name,
        "type": KIND,
        "properties": {
            "essentials": {
                "severity": record.rule.severity().text(),
                "signalType": "Log",
                "alertState": record.state.text(),
                "monitorCondition": record.condition.text(),
                "targetResource": record.vault,
                "targetResourceName": record.vault.name(),
                "targetResourceGroup": record.vault.resource_group().unwrap_or_default(),
                "targetResourceType": record.vault.kind().as_str(),
                "monitorService": "Azure Backup",
                "alertRule": record.rule.name(),
                "sourceCreatedId": record.context.get("jobId").map_or_else(|| record.about.as_str(), String::as_str),
                "startDateTime": record.fired_at,
                "lastModifiedDateTime": record.modified_at,
                "monitorConditionResolvedDateTime": record.resolved_at,
                "lastModifiedUserName": record.modified_by,
                "description": record.description,
                "actionStatus": {"isSuppressed": false},
            },
            "context": record.context,
            "egressConfig": null,
            "cofferdam": {
                "about": record.about,
                "occurrences": record.occurrences,
                "undelivered": record.undelivered,
            },
        },
    })
}

/// What happened to an alert.
pub fn history(alert: &Loaded<AlertRecord>) -> Value {
    let (name, record) = (alert.id.name(), &alert.document);
    let one = |modification: &Modification| {
        json!({
            "modificationEvent": modification.event,
            "oldValue": modification.before,
            "newValue": modification.after,
            "modifiedAt": modification.at,
            "modifiedBy": modification.by,
            "comments": modification.comments,
        })
    };
    json!({
        "id": format!("{}/history/default", shown_id(&record.vault, name)),
        "name": "default",
        "type": format!("{KIND}/history"),
        "properties": {
            "alertId": shown_id(&record.vault, name),
            "modifications": record.history.iter().map(one).collect::<Vec<_>>(),
        },
    })
}
