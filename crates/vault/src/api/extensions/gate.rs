//! What must hold before an extension is installed, as far as the vault can see it. The agent judges the rest.

use crate::{
    api::{
        Call, Failure, Loaded,
        clusters::{ClusterIdentity, ClusterRecord},
        resource::check_registered,
    },
    protect::{checks::account_of, start::location_settings},
};
use arm::ArmError;
use std::collections::BTreeMap;

const NAMESPACE: &str = "Microsoft.KubernetesConfiguration";

/// P7 and P14, and for the Backup Extension the location of P6: everything that is wrong at once.
pub async fn check(
    call: &Call<'_>,
    cluster: &Loaded<ClusterRecord>,
    is_backup: bool,
    settings: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    check_registered(call, NAMESPACE).await?;
    let mut wrong = Vec::new();
    if let ClusterIdentity::ServicePrincipal { .. } = cluster.document.identity {
        let message = format!(
            "The cluster '{}' uses a service principal (P14). Give it a managed identity first: az aks update \
             --enable-managed-identity.",
            cluster.id.name()
        );
        wrong.push(ArmError::new(400, "UserErrorClusterServicePrincipalNotSupported", message));
    }
    if is_backup {
        wrong.extend(location(call, settings).await?);
    }
    match wrong.len() {
        0 => Ok(()),
        1 => Err(wrong.remove(0).into()),
        number => {
            let message = format!("{number} prerequisites do not hold; see details.");
            Err(ArmError { details: wrong, ..ArmError::new(400, "PrerequisitesNotMet", message) }.into())
        }
    }
}

async fn location(call: &Call<'_>, settings: &BTreeMap<String, String>) -> Result<Vec<ArmError>, Failure> {
    let settings = location_settings(settings);
    let mut wrong = Vec::new();
    let has =
        |name: &str| settings.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
    if !has("configuration.backupStorageLocation.bucket") {
        let field = "properties.configurationSettings.configuration.backupStorageLocation.bucket";
        wrong.push(ArmError::invalid_field(
            field,
            "is required: the container that backups are written to (P6)",
        ));
    }
    // An account that names its place is one of this resource manager.
    if let Some(account) = account_of(&settings) {
        if call.app.store.resource(&account).await?.is_none() {
            let message = format!("The storage account '{account}' could not be found (P6).");
            wrong
                .push(ArmError::new(404, "UserErrorStorageAccountNotFound", message).about(account.as_str()));
        }
    } else if has("configuration.backupStorageLocation.config.storageAccount") {
        let field = "properties.configurationSettings.configuration.backupStorageLocation.config";
        let reason = "needs resourceGroup and subscriptionId beside storageAccount (P6)";
        wrong.push(ArmError::invalid_field(field, reason));
    }
    Ok(wrong)
}
