//! The wire types of `Microsoft.DataProtection`: request bodies are read tolerantly and written in one form.

mod guard;
mod identity;
mod policy;
mod vault;
mod words;

pub use guard::{GuardGiven, UnlockDelete};
pub use identity::{IdentityGiven, IdentityKind};
pub use policy::{
    BackupCriteria, BackupParameters, BackupPolicy, BackupRule, BackupSchedule, CopyOption, DataStore,
    DeleteOption, PolicyRule, RetentionRule, RetentionTag, SourceLifeCycle, TaggingCriteria,
    TargetCopySetting, Trigger,
};
pub use vault::{
    AlertSettings, CostManagementSettings, CrossRegionRestore, CrossSubscriptionRestore, EncryptionGiven,
    EncryptionSettings, FeatureSettings, ImmutabilitySettings, KekIdentity, KeyVaultProperties,
    MonitoringSettings, SecuritySettings, SettingsGiven, SoftDeleteSettings, StorageSetting, VaultGiven,
    VaultSettings,
};
pub use words::*;

/// The only kind of datasource of this vault.
pub const CLUSTERS: &str = "Microsoft.ContainerService/managedClusters";
