//! What is kept of a container, and how clients read it.

use crate::{
    api::{
        Loaded,
        storage::{AccountRecord, CONTAINER},
    },
    data_plane::remove,
    store::{Change, Expected},
};
use arm::{ArmError, Fields, IdError, ResourceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

const LARGEST_METADATA: usize = 8 * 1024;

/// What is kept of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRecord {
    /// What its owner noted.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// When it was last changed.
    pub modified: Timestamp,
    /// When it was made; not known of those that are older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// In which folder of the account's store; no other container ever had it.
    pub folder: String,
}

/// The id of a container.
pub fn container_id(account: &ResourceId, name: &str) -> Result<ResourceId, IdError> {
    account.child("blobServices", "default")?.child("containers", name)
}

/// A container that is new.
pub fn fresh(
    account: &AccountRecord,
    name: &str,
    metadata: BTreeMap<String, String>,
    now: Timestamp,
) -> ContainerRecord {
    let unique = Uuid::new_v4().simple().to_string();
    let folder = format!("{}/{name}-{}", account.folder, unique.get(..8).unwrap_or(&unique));
    ContainerRecord { metadata, modified: now, created_at: Some(now), folder }
}

/// The changes that remove a container and, in the background, what it holds.
pub fn gone(account: &AccountRecord, container: &Loaded<ContainerRecord>, now: Timestamp) -> [Change; 2] {
    [
        Change::Remove(container.id.clone(), Expected::Version(container.version)),
        remove::work(&container.id, &account.store, &container.document.folder, now),
    ]
}

/// The entity tag, without quotes: another one for each version of each container.
pub fn etag(container: &Loaded<ContainerRecord>) -> String {
    let unique = container.document.folder.rsplit('-').next().unwrap_or_default();
    format!("0x{}{:04X}", unique.to_uppercase(), container.version)
}

/// The metadata of a request.
pub fn metadata(properties: Option<&Fields<'_>>) -> Result<Option<BTreeMap<String, String>>, ArmError> {
    let Some(properties) = properties else { return Ok(None) };
    if let Some(access) =
        properties.text("publicAccess")?.filter(|access| !access.eq_ignore_ascii_case("None"))
    {
        let shown: String = access.chars().take(30).collect();
        let message =
            format!("Public access ('{shown}') is not permitted on this storage account. Send None.");
        return Err(ArmError::new(409, "PublicAccessNotPermitted", message).about("properties.publicAccess"));
    }
    if let Some(immutable) = properties.object("immutableStorageWithVersioning")?
        && immutable.flag("enabled")? == Some(true)
    {
        let reason = "is not offered by this vault; leave it out";
        return Err(properties.wrong("immutableStorageWithVersioning", reason));
    }
    let Some(metadata) = properties.texts("metadata")? else { return Ok(None) };
    let name_fits = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let value_fits = |value: &str| value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > LARGEST_METADATA || !metadata.iter().all(|(name, value)| name_fits(name) && value_fits(value)) {
        let reason =
            "needs names of letters, digits and underscores, printable ASCII values, and at most 8 KiB";
        return Err(properties.wrong("metadata", reason));
    }
    Ok(Some(metadata.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()))
}

/// As clients read it.
pub fn shown(container: &Loaded<ContainerRecord>) -> Value {
    let ContainerRecord { metadata, modified, .. } = &container.document;
    json!({
        "id": container.id,
        "name": container.id.name(),
        "type": CONTAINER,
        "etag": format!("\"{}\"", etag(container)),
        "properties": {
            "deleted": false,
            "remainingRetentionDays": 0,
            "publicAccess": "None",
            "leaseStatus": "Unlocked",
            "leaseState": "Available",
            "lastModifiedTime": modified,
            "metadata": metadata,
            "hasImmutabilityPolicy": false,
            "hasLegalHold": false,
            "defaultEncryptionScope": "$account-encryption-key",
            "denyEncryptionScopeOverride": false,
        },
    })
}
