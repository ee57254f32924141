//! An extension as clients read it. Source: `Extension` of the Microsoft.KubernetesConfiguration API.

use super::{
    record::{BACKUP_TYPE, ExtensionRecord, ExtensionState, KIND},
    upgrade::statuses,
};
use crate::protect::{checks::account_of, start::location_settings};
use arm::ResourceId;
use identity::stores::{NOT_ENFORCED, not_enforced};
use serde_json::{Value, json};

/// The setting that names the Secret with a store's fixed credential.
const CREDENTIAL: &str = "credentialSecret";

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
    let mut all = [statuses(extension), extension.statuses.clone()].concat();
    all.extend(unenforced(extension).map(|message| {
        json!({"code": NOT_ENFORCED, "displayStatus": "Roles do not count there", "level": "Warning", "message": message,
            "time": null})
    }));
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

/// Where backups go to a store outside with a fixed credential, nobody's roles count, and the owner is told.
pub fn unenforced(extension: &ExtensionRecord) -> Option<String> {
    if extension.extension_type != BACKUP_TYPE {
        return None;
    }
    let secret = extension.settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(CREDENTIAL));
    let secret = secret.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())?;
    if account_of(&location_settings(&extension.settings)).is_some() {
        return None;
    }
    Some(not_enforced(secret))
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
