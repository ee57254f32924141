//! The api-version that each provider is called with: one that the service has and the vault understands.

/// Subscriptions and tenants.
pub const SUBSCRIPTIONS: &str = "2022-12-01";
/// Resource groups and providers.
pub const RESOURCES: &str = "2024-11-01";
/// Role definitions and assignments.
pub const ROLES: &str = "2022-04-01";
/// Clusters and their Trusted Access bindings.
pub const CLUSTERS: &str = "2025-03-01";
/// Extensions of clusters.
pub const EXTENSIONS: &str = "2023-05-01";
/// Vaults and all below them.
pub const DATA_PROTECTION: &str = "2025-07-01";
/// Storage accounts.
pub const STORAGE: &str = "2023-05-01";
/// User-assigned identities.
pub const IDENTITIES: &str = "2023-01-31";
/// Network security groups.
pub const NETWORK: &str = "2024-05-01";
/// Locks on resources.
pub const LOCKS: &str = "2020-05-01";
/// Disks.
pub const DISKS: &str = "2024-03-02";
/// Alerts.
pub const ALERTS: &str = "2023-07-12-preview";
/// The description of the cloud.
pub const METADATA: &str = "2022-09-01";

/// The version for a resource by its type.
pub fn of(kind: &str) -> &'static str {
    let kind = kind.to_lowercase();
    match kind.split('/').next().unwrap_or_default() {
        "microsoft.authorization" => ROLES,
        "microsoft.containerservice" => CLUSTERS,
        "microsoft.kubernetesconfiguration" => EXTENSIONS,
        "microsoft.dataprotection" => DATA_PROTECTION,
        "microsoft.storage" => STORAGE,
        "microsoft.managedidentity" => IDENTITIES,
        "microsoft.alertsmanagement" => ALERTS,
        _ => RESOURCES,
    }
}
