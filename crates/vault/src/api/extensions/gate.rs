//! What must hold before an extension is installed, as far as the vault can see it. The agent judges the rest.

use super::record::{BACKUP_TYPE, ExtensionRecord};
use crate::{
    api::{
        Call, Failure, Loaded,
        clusters::ClusterRecord,
        identities::{ensure_extension_identity, has_extension_identity},
        resource::check_registered,
    },
    keys::setting,
    protect::{
        checks::{
            account_of,
            catalogue::{Verdicts, installed},
            container_of,
        },
        start::location_settings,
    },
};
use arm::{ArmError, ResourceId};
use protection::code;
use std::collections::BTreeMap;

const NAMESPACE: &str = "Microsoft.KubernetesConfiguration";
const BUCKET: &str = "configuration.backupStorageLocation.bucket";

/// An extension that is to be installed or changed.
pub struct Asked<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// Its namespace in the cluster.
    pub namespace: &'a str,
    /// Its settings as they will be.
    pub settings: &'a BTreeMap<String, String>,
    /// What is kept of it, when it is there.
    pub existing: Option<&'a Loaded<ExtensionRecord>>,
}

/// P5, P7 and P14, and for the Backup Extension the location of P6: everything that is wrong at once. Cluster and extension
/// are judged by the rules of the catalogue. That a provider is registered every call on its resources demands; and what is
/// not there yet, identity and location, is judged by whether it can be made as it was asked for.
pub async fn check(
    call: &Call<'_>,
    cluster: &Loaded<ClusterRecord>,
    asked: &Asked<'_>,
) -> Result<(), Failure> {
    check_registered(call, NAMESPACE).await?;
    let mut wrong = Vec::new();
    let verdicts = verdicts(call, cluster, asked).await?;
    if verdicts.fails("P14") {
        let message = format!(
            "The cluster '{}' uses a service principal (P14). Give it a managed identity first: az aks update \
             --enable-managed-identity.",
            cluster.id.name()
        );
        wrong.push(ArmError::new(400, "UserErrorClusterServicePrincipalNotSupported", message));
    }
    match asked.existing {
        Some(existing) if verdicts.fails("P5") => wrong.push(identity_lost(&existing.id)),
        Some(_) => {}
        None => wrong.extend(identity(call, cluster, asked).await?),
    }
    if asked.kind == BACKUP_TYPE {
        wrong.extend(location(call, asked.settings).await?);
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

/// What the catalogue says of the cluster, and of the extension that is there already.
async fn verdicts(
    call: &Call<'_>,
    cluster: &Loaded<ClusterRecord>,
    asked: &Asked<'_>,
) -> Result<Verdicts, Failure> {
    let mut extension = None;
    if let Some(existing) = asked.existing {
        let identity = existing.document.identity.as_ref();
        let is_there = has_extension_identity(call.app.store.as_ref(), identity).await?;
        let principal = identity.filter(|_| is_there).map(|identity| identity.principal_id.as_str());
        extension = Some(installed(asked.name, principal));
    }
    Ok(Verdicts::at_gate(&cluster.id, &cluster.document, extension))
}

/// P5 before there is an extension: that its identity can be made where it belongs.
async fn identity(
    call: &Call<'_>,
    cluster: &Loaded<ClusterRecord>,
    asked: &Asked<'_>,
) -> Result<Option<ArmError>, Failure> {
    let store = call.app.store.as_ref();
    // What it would change is thrown away: whoever installs asks once more and commits it.
    match ensure_extension_identity(store, cluster, asked.name, asked.namespace, call.now).await {
        Ok(_) => Ok(None),
        Err(Failure::Arm(mut error)) => {
            error.message.push_str(" (P5)");
            Ok(Some(error))
        }
        Err(other) => Err(other),
    }
}

fn identity_lost(extension: &ResourceId) -> ArmError {
    let message = format!(
        "The managed identity of the extension '{}' is not there any more (P5). Delete the extension and install it again: it \
         gets a new one, which needs the roles of the old one.",
        extension.name()
    );
    ArmError::new(400, "UserErrorKubernetesBackupExtensionIdentityNotFound", message)
        .about(extension.as_str())
}

async fn location(call: &Call<'_>, settings: &BTreeMap<String, String>) -> Result<Vec<ArmError>, Failure> {
    let settings = location_settings(settings);
    let mut wrong = Vec::new();
    let has =
        |name: &str| settings.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
    if !has(BUCKET) {
        wrong.push(ArmError::invalid_field(
            &format!("properties.configurationSettings.{BUCKET}"),
            "is required: the container that backups are written to (P6)",
        ));
    }
    // An account that names its place is one of this resource manager.
    if let Some(account) = account_of(&settings) {
        if call.app.store.resource(&account).await?.is_none() {
            let message = format!("The storage account '{account}' could not be found (P6).");
            wrong
                .push(ArmError::new(404, "UserErrorStorageAccountNotFound", message).about(account.as_str()));
        } else if has(BUCKET) {
            wrong.extend(container(call, &account, &settings).await?);
        }
    } else if has("configuration.backupStorageLocation.config.storageAccount") {
        let field = "properties.configurationSettings.configuration.backupStorageLocation.config";
        let reason = "needs resourceGroup and subscriptionId beside storageAccount (P6)";
        wrong.push(ArmError::invalid_field(field, reason));
    }
    Ok(wrong)
}

/// Nobody makes the container but its owner: neither the extension nor the data plane, whatever is written to it.
async fn container(
    call: &Call<'_>,
    account: &ResourceId,
    settings: &BTreeMap<String, String>,
) -> Result<Option<ArmError>, Failure> {
    // A name that no container can have leads to none.
    if let Some(container) = container_of(settings)
        && call.app.store.resource(&container).await?.is_some()
    {
        return Ok(None);
    }
    let name = setting(settings, ".bucket").unwrap_or_default();
    let message = format!(
        "The container '{name}' could not be found in the storage account '{account}' (P6). Make it first: cofferdam storage \
         container create --name {name} --account-name {} --resource-group {}.",
        account.name(),
        account.resource_group().unwrap_or_default()
    );
    Ok(Some(ArmError::new(404, code::LOCATION_NOT_FOUND, message).about(account.as_str())))
}
