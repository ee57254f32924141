//! Claims and volumes, read from the bytes that are stored.

use super::quantity;
use crate::object::Metadata;
use protection::claims::{
    AccessMode, ClaimPhase, ClaimVolume, CsiSource, SelectedClaim, VolumeFacts, VolumeMode, VolumeSource,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Keys of a PersistentVolume's spec that do not say what stores the data.
const NOT_A_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

/// A claim; the volume that it names counts as missing until it is looked up.
pub(super) fn claim(metadata: &Metadata<'_>, bytes: &[u8]) -> Result<SelectedClaim, serde_json::Error> {
    #[derive(Deserialize)]
    struct Claim {
        #[serde(default)]
        spec: Spec,
        #[serde(default)]
        status: Status,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Spec {
        storage_class_name: Option<String>,
        volume_mode: Option<VolumeMode>,
        access_modes: Vec<AccessMode>,
        volume_name: Option<String>,
        resources: Resources,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Resources {
        requests: BTreeMap<String, Value>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Status {
        phase: Option<ClaimPhase>,
        capacity: BTreeMap<String, Value>,
    }

    let Claim { spec, status } = serde_json::from_slice(bytes)?;
    let volume = match spec.volume_name.filter(|name| !name.is_empty()) {
        Some(name) => ClaimVolume::Missing { name },
        None => ClaimVolume::Unbound,
    };
    Ok(SelectedClaim {
        namespace: text(metadata.namespace.as_ref()),
        name: metadata.name.as_str().to_owned(),
        uid: text(metadata.uid.as_ref()),
        phase: status.phase.unwrap_or_default(),
        storage_class: spec.storage_class_name,
        volume_mode: spec.volume_mode.unwrap_or_default(),
        access_modes: spec.access_modes,
        requested: storage(&spec.resources.requests).unwrap_or_default(),
        capacity: storage(&status.capacity),
        labels: labels(metadata),
        volume,
    })
}

/// A volume.
pub(super) fn volume(metadata: &Metadata<'_>, bytes: &[u8]) -> Result<VolumeFacts, serde_json::Error> {
    #[derive(Deserialize)]
    struct Volume {
        metadata: Notes,
        #[serde(default)]
        spec: Map<String, Value>,
    }
    #[derive(Deserialize)]
    struct Notes {
        #[serde(default)]
        annotations: Option<BTreeMap<String, String>>,
    }

    let Volume { metadata: notes, mut spec } = serde_json::from_slice(bytes)?;
    let migrated_to = notes.annotations.and_then(|mut notes| notes.remove("pv.kubernetes.io/migrated-to"));
    let string = |key: &str| spec.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (storage_class, reclaim_policy) =
        (string("storageClassName"), string("persistentVolumeReclaimPolicy"));
    let mount_options = list(spec.get("mountOptions"));
    let capacity =
        spec.get("capacity").and_then(|capacity| capacity.get("storage")).and_then(quantity::bytes);
    let node_affinity = spec.remove("nodeAffinity").filter(|affinity| !affinity.is_null());
    let source = match spec.remove("csi") {
        Some(csi) => VolumeSource::Csi(serde_json::from_value::<CsiSource>(without_nulls(csi))?),
        None => {
            let kind = spec.keys().find(|key| !NOT_A_SOURCE.contains(&key.as_str()));
            VolumeSource::InTree { kind: kind.cloned().unwrap_or_else(|| "unknown".to_owned()), migrated_to }
        }
    };
    Ok(VolumeFacts {
        name: metadata.name.as_str().to_owned(),
        uid: text(metadata.uid.as_ref()),
        source,
        capacity: capacity.unwrap_or_default(),
        storage_class,
        reclaim_policy,
        mount_options,
        node_affinity,
        labels: labels(metadata),
        deleting: metadata.deletion_timestamp.is_some(),
    })
}

fn text(value: Option<&crate::object::Text<'_>>) -> String {
    value.map(|text| text.as_str().to_owned()).unwrap_or_default()
}

fn labels(metadata: &Metadata<'_>) -> BTreeMap<String, String> {
    metadata
        .labels()
        .iter()
        .map(|(key, value)| (key.as_str().to_owned(), value.as_str().to_owned()))
        .collect()
}

fn storage(amounts: &BTreeMap<String, Value>) -> Option<u64> {
    amounts.get("storage").and_then(quantity::bytes)
}

fn list(value: Option<&Value>) -> Vec<String> {
    let entries = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}
