//! The settings of the backup extension, where several parts must call them the same.

/// The short keys that people and `az` give, and the full ones under which they are kept (specification §5.7).
pub const SHORT: [(&str, &str); 8] = [
    ("blobContainer", "configuration.backupStorageLocation.bucket"),
    ("storageAccount", "configuration.backupStorageLocation.config.storageAccount"),
    ("storageAccountResourceGroup", "configuration.backupStorageLocation.config.resourceGroup"),
    ("storageAccountSubscriptionId", "configuration.backupStorageLocation.config.subscriptionId"),
    ("useAAD", "configuration.backupStorageLocation.config.useAAD"),
    ("storageAccountURI", "configuration.backupStorageLocation.config.storageAccountURI"),
    ("cpuLimit", "resources.limits.cpu"),
    ("memoryLimit", "resources.limits.memory"),
];
