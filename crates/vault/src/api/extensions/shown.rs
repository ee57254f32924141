//! An extension as clients read it. Source: `Extension` of the Microsoft.KubernetesConfiguration API.

use super::{
    record::{BACKUP_TYPE, ExtensionRecord, ExtensionState, KIND},
    upgrade::statuses,
};
use arm::ResourceId;
use serde_json::{Value, json};

/// The document. Protected settings show their names alone.
pub fn shown(id: &ResourceId, extension: &ExtensionRecord, protected: &[String], tenant: &str) -> Value {
    let identity = extension.identity.as_ref().map(|identity| {
        json!({
            "type": "UserAssigned",
            "principalId": identity.principal_id,
            "objectId": identity.principal_id,
            "clientId": identity.client_id,
            "tenantId": tenant,
            "resourceId": identity.resource,
        })
    });
    let hidden: serde_json::Map<String, Value> =
        protected.iter().map(|key| (key.clone(), json!(""))).collect();
    let all = [statuses(extension), extension.statuses.clone()].concat();
    json!({
        "id": id,
        "name": id.name(),
        "type": KIND,
        "properties": {
            "extensionType": extension.extension_type,
            "autoUpgradeMinorVersion": extension.auto_upgrade,
            "autoUpgradeMode": extension.upgrade_mode().text(),
            "releaseTrain": extension.release_train,
            "version": extension.pinned_version,
            "currentVersion": extension.current_version,
            "scope": {"cluster": {"releaseNamespace": extension.namespace}},
            "configurationSettings": extension.settings,
            "configurationProtectedSettings": hidden,
            "provisioningState": state(extension.state),
            "statuses": all,
            "errorInfo": extension.error,
            "customLocationSettings": null,
            "packageUri": null,
            "aksAssignedIdentity": identity,
            "isSystemExtension": extension.extension_type != BACKUP_TYPE && extension.extension_type.starts_with("microsoft."),
        },
    })
}

/// `provisioningState`.
pub fn state(state: ExtensionState) -> &'static str {
    match state {
        ExtensionState::Succeeded => "Succeeded",
        ExtensionState::Failed => "Failed",
        ExtensionState::Creating => "Creating",
        ExtensionState::Updating => "Updating",
        ExtensionState::Deleting => "Deleting",
    }
}
