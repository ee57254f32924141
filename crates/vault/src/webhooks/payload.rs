//! What a receiver reads. Source: Azure Monitor's common alert schema.

use crate::alerts::{AlertRecord, Condition, shown_id};
use serde_json::{Value, json};

/// The document of a message: that an alert fired, or that it is resolved.
pub fn payload(name: &str, alert: &AlertRecord, condition: Condition) -> Value {
    let resolved = alert.resolved_at.filter(|_| condition == Condition::Resolved);
    json!({
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": shown_id(&alert.vault, name),
                "alertRule": alert.rule.name(),
                "severity": alert.rule.severity().text(),
                "signalType": "Log",
                "monitorCondition": condition.text(),
                "monitoringService": "Azure Backup",
                "alertTargetIDs": [alert.vault],
                "configurationItems": [item(alert)],
                "originAlertId": name,
                "firedDateTime": alert.fired_at,
                "resolvedDateTime": resolved,
                "description": alert.description,
                "essentialsVersion": "1.0",
                "alertContextVersion": "1.0",
            },
            "alertContext": alert.context,
            "customProperties": {"occurrences": alert.occurrences.to_string()},
        },
    })
}

/// What it is about, as people know it: of a prerequisite its instance, or the vault that many of them are in.
fn item(alert: &AlertRecord) -> String {
    if alert.instances > 0 {
        return alert.vault.name().to_owned();
    }
    let of_instance = alert.about.parent().filter(|above| above.kind().is(crate::api::instances::KIND));
    of_instance.as_ref().unwrap_or(&alert.about).name().to_owned()
}
