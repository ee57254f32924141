//! What a vault may be, and what a call makes of it. Source of the rules: the documented properties of Backup vaults;
//! whatever is called irreversible there never goes back here, whoever asks.

use super::record::VaultIdentity;
use crate::{
    api::{
        guards::Critical,
        limits::{SOFT_DELETE_DAYS_LEAST, SOFT_DELETE_DAYS_MOST},
    },
    seal::KeyUri,
};
use arm::{
    ArmError, Faults, Word,
    dataprotection::{
        AlertSettings, CostManagementSettings, CrossRegionRestore, CrossRegionRestoreState,
        CrossSubscriptionRestore, CrossSubscriptionRestoreState, EncryptionGiven, EncryptionSettings,
        EncryptionState, FeatureSettings, ImmutabilitySettings, ImmutabilityState, KekIdentityType,
        KeyVaultProperties, MonitoringSettings, Redundancy, SecuritySettings, SettingsGiven,
        SoftDeleteSettings, SoftDeleteState, StorageSetting, VaultSettings,
    },
};

const ENCRYPTION: &str = "properties.securitySettings.encryptionSettings";
const SOFT_DELETE: &str = "properties.securitySettings.softDeleteSettings";
#[allow(clippy::cast_precision_loss, reason = "14 fits")]
const DEFAULT_DAYS: f64 = SOFT_DELETE_DAYS_LEAST as f64;

/// 2 to 50 letters, digits and hyphens, a letter first.
pub fn check_name(name: &str) -> Result<(), ArmError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if begins && (2..=50).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let message = format!(
        "The vault name '{name}' cannot be used: 2 to 50 letters, digits and hyphens are needed, with a letter first."
    );
    Err(ArmError::new(400, "UserErrorInvalidBackupVaultName", message))
}

/// What a PUT or PATCH makes of the settings. What it leaves out stays as it is: no protection ends by being forgotten
/// in a request.
pub fn settings(
    existing: Option<&VaultSettings>,
    given: &SettingsGiven,
    has_instances: bool,
) -> Result<VaultSettings, ArmError> {
    check_form(existing.is_some(), given)?;
    let fresh = fresh();
    let is = existing.unwrap_or(&fresh);
    let storage = storage(is, given, has_instances)?;
    let soft = &is.security_settings.soft_delete_settings;
    #[allow(clippy::cast_precision_loss, reason = "it was found to be at most 180")]
    let days = given.soft_delete_days.map_or(soft.retention_duration_in_days, |days| days as f64);
    let features = &is.feature_settings;
    let costs = given.granularity.map(|granularity_level| CostManagementSettings { granularity_level });
    let alerts = given
        .alerts
        .unwrap_or(is.monitoring_settings.azure_monitor_alert_settings.alerts_for_all_job_failures);
    Ok(VaultSettings {
        monitoring_settings: MonitoringSettings {
            azure_monitor_alert_settings: AlertSettings { alerts_for_all_job_failures: alerts },
        },
        cost_management_settings: costs.or_else(|| is.cost_management_settings.clone()),
        security_settings: SecuritySettings {
            soft_delete_settings: SoftDeleteSettings {
                state: soft_delete(soft.state, given.soft_delete)?,
                retention_duration_in_days: days,
            },
            immutability_settings: ImmutabilitySettings {
                state: immutability(is.security_settings.immutability_settings.state, given.immutability)?,
            },
            encryption_settings: encryption(
                is.security_settings.encryption_settings.as_ref(),
                given.encryption.as_ref(),
            )?,
        },
        feature_settings: FeatureSettings {
            cross_subscription_restore_settings: CrossSubscriptionRestore {
                state: cross_subscription(
                    features.cross_subscription_restore_settings.state,
                    given.cross_subscription,
                )?,
            },
            cross_region_restore_settings: CrossRegionRestore {
                state: cross_region(
                    features.cross_region_restore_settings.state,
                    given.cross_region,
                    &storage,
                )?,
            },
        },
        storage_settings: storage,
        replicated_regions: given.replicated_regions.clone().unwrap_or_else(|| is.replicated_regions.clone()),
    })
}

/// A vault of which nothing was said.
pub fn fresh() -> VaultSettings {
    VaultSettings {
        monitoring_settings: MonitoringSettings::default(),
        cost_management_settings: None,
        security_settings: SecuritySettings {
            soft_delete_settings: SoftDeleteSettings {
                state: SoftDeleteState::On,
                retention_duration_in_days: DEFAULT_DAYS,
            },
            immutability_settings: ImmutabilitySettings::default(),
            encryption_settings: None,
        },
        storage_settings: Vec::new(),
        feature_settings: FeatureSettings::default(),
        replicated_regions: Vec::new(),
    }
}

/// What is wrong whatever the vault was before.
fn check_form(exists: bool, given: &SettingsGiven) -> Result<(), ArmError> {
    let mut faults = Faults::default();
    let allowed = SOFT_DELETE_DAYS_LEAST..=SOFT_DELETE_DAYS_MOST;
    if let Some(days) = given.soft_delete_days.filter(|days| !allowed.contains(days)) {
        let reason =
            format!("is {days}; {SOFT_DELETE_DAYS_LEAST} to {SOFT_DELETE_DAYS_MOST} days are allowed");
        faults.note(ArmError::invalid_field(&format!("{SOFT_DELETE}.retentionDurationInDays"), reason));
    }
    match &given.storage {
        None if !exists => {
            let reason = "is required, for example [{\"datastoreType\": \"VaultStore\", \"type\": \"LocallyRedundant\"}]";
            faults.note(ArmError::invalid_field("properties.storageSettings", reason));
        }
        Some(list) if list.is_empty() => {
            faults.note(ArmError::invalid_field("properties.storageSettings", "needs at least one entry"));
        }
        Some(list) => {
            let twice = |(at, one): (usize, &StorageSetting)| {
                list.iter().take(at).any(|other| other.datastore_type == one.datastore_type)
            };
            if list.iter().enumerate().any(twice) {
                faults.note(ArmError::invalid_field("properties.storageSettings", "names a store twice"));
            }
        }
        None => {}
    }
    faults.end()
}

/// With which key of the customer; once there is one, there always is.
fn encryption(
    is: Option<&EncryptionSettings>,
    given: Option<&EncryptionGiven>,
) -> Result<Option<EncryptionSettings>, ArmError> {
    let Some(given) = given else { return Ok(is.cloned()) };
    let implied = if is.is_some() || given.key_uri.is_some() {
        EncryptionState::Enabled
    } else {
        EncryptionState::Disabled
    };
    let wanted = given.state.unwrap_or(implied);
    match (is, wanted) {
        (None, EncryptionState::Disabled) => return Ok(None),
        (Some(_), EncryptionState::Disabled) => {
            let message = "This vault encrypts with a key of the customer, and that cannot be taken back.";
            let target = format!("{ENCRYPTION}.state");
            return Err(refused("UserErrorEncryptionSettingsAreIrreversible", &target, message));
        }
        (_, EncryptionState::Inconsistent) => {
            return Err(ArmError::invalid_field(
                &format!("{ENCRYPTION}.state"),
                "must be Enabled or Disabled",
            ));
        }
        (_, EncryptionState::Enabled) => {}
    }
    let target = format!("{ENCRYPTION}.keyVaultProperties.keyUri");
    let before = is.and_then(|is| is.key_vault_properties.as_ref()).map(|key| key.key_uri.clone());
    let uri = given.key_uri.clone().or(before);
    let uri = uri.ok_or_else(|| ArmError::invalid_field(&target, "is required"))?;
    uri.parse::<KeyUri>().map_err(|why| ArmError::invalid_field(&target, format!("is '{uri}'; {why}")))?;
    let identity = given.identity.clone().or_else(|| is.and_then(|is| is.kek_identity.clone()));
    let identity = identity.ok_or_else(|| {
        let reason = "is required: the identity of the vault that reaches the key, for example {\"identityType\": \"SystemAssigned\"}";
        ArmError::invalid_field(&format!("{ENCRYPTION}.kekIdentity"), reason)
    })?;
    Ok(Some(EncryptionSettings {
        state: EncryptionState::Enabled,
        key_vault_properties: Some(KeyVaultProperties { key_uri: uri }),
        kek_identity: Some(identity),
        infrastructure_encryption: given
            .infrastructure
            .or_else(|| is.and_then(|is| is.infrastructure_encryption)),
    }))
}

/// Whether the identity that shall reach the customer's key is one of the vault's.
pub fn check_kek_identity(settings: &VaultSettings, identity: &VaultIdentity) -> Result<(), ArmError> {
    if settings.security_settings.encryption_settings.is_none() || kek_principal(settings, identity).is_some()
    {
        return Ok(());
    }
    let reason = "is not an identity of this vault: give it to the vault first";
    Err(ArmError::invalid_field(&format!("{ENCRYPTION}.kekIdentity"), reason))
}

/// The object id of the identity by which a vault reaches the customer's key, if it is one of the vault's.
pub fn kek_principal<'a>(settings: &VaultSettings, identity: &'a VaultIdentity) -> Option<&'a str> {
    let kek = settings.security_settings.encryption_settings.as_ref()?.kek_identity.as_ref()?;
    match kek.identity_type {
        KekIdentityType::SystemAssigned => identity.system.as_ref().map(|one| one.principal_id.as_str()),
        KekIdentityType::UserAssigned => {
            let wanted = kek.identity_id.as_deref().unwrap_or_default();
            let found = identity.user.iter().find(|(id, _)| id.eq_ignore_ascii_case(wanted));
            found.map(|(_, one)| one.principal_id.as_str())
        }
    }
}

fn storage(
    is: &VaultSettings,
    given: &SettingsGiven,
    has_instances: bool,
) -> Result<Vec<StorageSetting>, ArmError> {
    let Some(wanted) = &given.storage else { return Ok(is.storage_settings.clone()) };
    let sorted = |list: &[StorageSetting]| {
        let mut list: Vec<_> = list.iter().map(|one| (one.datastore_type, one.redundancy)).collect();
        list.sort();
        list
    };
    if has_instances && sorted(wanted) != sorted(&is.storage_settings) {
        let message = "The redundancy of a vault cannot change once it protects something. Make another vault, or delete \
                       the backup instances (deleted ones that can come back included).";
        return Err(refused(
            "UserErrorBackupStorageRedundancyCannotBeChanged",
            "properties.storageSettings",
            message,
        ));
    }
    Ok(wanted.clone())
}

fn soft_delete(is: SoftDeleteState, given: Option<SoftDeleteState>) -> Result<SoftDeleteState, ArmError> {
    match given {
        Some(wanted) if is == SoftDeleteState::AlwaysOn && wanted != is => {
            let message = "Soft delete is always on in this vault, and that cannot be taken back.";
            Err(refused(
                "UserErrorSoftDeleteAlwaysOnIsIrreversible",
                &format!("{SOFT_DELETE}.state"),
                message,
            ))
        }
        other => Ok(other.unwrap_or(is)),
    }
}

fn immutability(
    is: ImmutabilityState,
    given: Option<ImmutabilityState>,
) -> Result<ImmutabilityState, ArmError> {
    match given {
        Some(wanted) if is == ImmutabilityState::Locked && wanted != is => {
            let message = "Immutability is locked in this vault, and that cannot be taken back.";
            let target = "properties.securitySettings.immutabilitySettings.state";
            Err(refused("UserErrorImmutabilityLockedIsIrreversible", target, message))
        }
        other => Ok(other.unwrap_or(is)),
    }
}

fn cross_subscription(
    is: CrossSubscriptionRestoreState,
    given: Option<CrossSubscriptionRestoreState>,
) -> Result<CrossSubscriptionRestoreState, ArmError> {
    let never = CrossSubscriptionRestoreState::PermanentlyDisabled;
    match given {
        Some(wanted) if is == never && wanted != never => {
            let message = "Restores into other subscriptions are disabled for good in this vault.";
            let target = "properties.featureSettings.crossSubscriptionRestoreSettings.state";
            Err(refused("UserErrorCrossSubscriptionRestorePermanentlyDisabled", target, message))
        }
        other => Ok(other.unwrap_or(is)),
    }
}

fn cross_region(
    is: CrossRegionRestoreState,
    given: Option<CrossRegionRestoreState>,
    storage: &[StorageSetting],
) -> Result<CrossRegionRestoreState, ArmError> {
    let target = "properties.featureSettings.crossRegionRestoreSettings.state";
    let wanted = given.unwrap_or(is);
    if is == CrossRegionRestoreState::Enabled && wanted == CrossRegionRestoreState::Disabled {
        let message = "Cross region restore cannot be switched off once it is on.";
        return Err(refused("UserErrorCrossRegionRestoreCannotBeDisabled", target, message));
    }
    let is_geo = |one: &StorageSetting| one.redundancy == Redundancy::GeoRedundant;
    if wanted == CrossRegionRestoreState::Enabled && !storage.iter().any(is_geo) {
        let geo = Redundancy::GeoRedundant.word();
        let message = format!("Cross region restore needs a vault whose storageSettings say {geo}.");
        return Err(refused("UserErrorCrossRegionRestoreNeedsGeoRedundancy", target, &message));
    }
    Ok(wanted)
}

fn refused(code: &str, target: &str, message: &str) -> ArmError {
    ArmError::new(400, code, message).about(target)
}

/// What a Resource Guard has to say about a change: whatever weakens the vault, or makes its repository keys open with another
/// key.
pub fn critical(before: &VaultSettings, after: &VaultSettings) -> Vec<Critical> {
    let (is, will) = (&before.security_settings, &after.security_settings);
    let (soft_is, soft_will) = (&is.soft_delete_settings, &will.soft_delete_settings);
    let off = soft_is.state != SoftDeleteState::Off && soft_will.state == SoftDeleteState::Off;
    let shorter = soft_will.retention_duration_in_days < soft_is.retention_duration_in_days;
    let mutable = will.immutability_settings.state < is.immutability_settings.state;
    let rekeyed = will.encryption_settings != is.encryption_settings;
    [
        (off || shorter, Critical::ReduceSoftDelete),
        (mutable, Critical::ReduceImmutability),
        (rekeyed, Critical::ModifyEncryption),
    ]
    .into_iter()
    .filter_map(|(weakens, operation)| weakens.then_some(operation))
    .collect()
}

#[cfg(test)]
mod tests;
