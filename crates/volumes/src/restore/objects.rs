//! The temporary content and snapshot, and the claim with its data source. Pure.

use super::FillRequest;
use crate::{
    api::{
        ContentSource, RETAIN, SNAPSHOTS, SnapshotRef, SnapshotSource, VolumeSnapshot, VolumeSnapshotClass,
        VolumeSnapshotContent, VolumeSnapshotContentSpec, VolumeSnapshotSpec,
    },
    decide::{ClassChoice, Storage, choose_class},
    labels,
};
use protection::quantity;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A static content over an existing storage snapshot; nothing that happens to it deletes data.
pub(crate) struct StaticContent<'a> {
    pub name: &'a str,
    pub driver: &'a str,
    pub handle: &'a str,
    pub block: bool,
    /// Namespace of the VolumeSnapshot that may bind it; its name is that of the content.
    pub namespace: &'a str,
    pub labels: BTreeMap<String, String>,
    /// A class of the driver, where listing snapshots needs a secret.
    pub class: Option<String>,
}

impl StaticContent<'_> {
    pub fn object(&self) -> VolumeSnapshotContent {
        let spec = VolumeSnapshotContentSpec {
            deletion_policy: RETAIN.to_owned(),
            driver: self.driver.to_owned(),
            source: ContentSource { snapshot_handle: Some(self.handle.to_owned()), volume_handle: None },
            source_volume_mode: Some(if self.block { "Block" } else { "Filesystem" }.to_owned()),
            volume_snapshot_class_name: self.class.clone(),
            volume_snapshot_ref: SnapshotRef {
                api_version: Some(format!("{SNAPSHOTS}/v1")),
                kind: Some("VolumeSnapshot".to_owned()),
                name: Some(self.name.to_owned()),
                namespace: Some(self.namespace.to_owned()),
                uid: None,
            },
        };
        let mut content = VolumeSnapshotContent::new(self.name, spec);
        content.metadata.labels = Some(self.labels.clone());
        content
    }
}

/// Name of the temporary objects of one request.
pub(super) fn name(request: &FillRequest) -> String {
    labels::restore_name(&request.restore_uid, request.namespace(), request.name())
}

/// Labels of the temporary objects of one request.
pub(super) fn restore_labels(request: &FillRequest) -> BTreeMap<String, String> {
    let labels = [
        (labels::MANAGED_BY, labels::COFFERDAM.to_owned()),
        (labels::PURPOSE, labels::FOR_RESTORE.to_owned()),
        (labels::RESTORE, labels::label_value(&request.restore_uid)),
        (labels::TARGET, labels::label_value(request.name())),
    ];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The temporary VolumeSnapshot in the target namespace.
pub(super) fn snapshot(request: &FillRequest) -> VolumeSnapshot {
    let name = name(request);
    let spec = VolumeSnapshotSpec {
        source: SnapshotSource {
            persistent_volume_claim_name: None,
            volume_snapshot_content_name: Some(name.clone()),
        },
        volume_snapshot_class_name: None,
    };
    let mut snapshot = VolumeSnapshot::new(&name, spec);
    snapshot.metadata.namespace = Some(request.namespace().to_owned());
    snapshot.metadata.labels = Some(restore_labels(request));
    snapshot.metadata.annotations =
        Some(BTreeMap::from([(labels::TARGET_NAME.to_owned(), request.name().to_owned())]));
    snapshot
}

/// The claim with its data source, large enough for the snapshot.
pub(super) fn claim(request: &FillRequest, restore_size: Option<u64>) -> Value {
    let mut claim = request.claim.clone();
    let asked = claim
        .pointer("/spec/resources/requests/storage")
        .and_then(Value::as_str)
        .and_then(quantity::bytes)
        .unwrap_or_default();
    let needed = restore_size.unwrap_or(request.record.capacity);
    let source = json!({"apiGroup": SNAPSHOTS, "kind": "VolumeSnapshot", "name": name(request)});
    let Some(object) = claim.as_object_mut() else { return claim };
    object.insert("apiVersion".into(), "v1".into());
    object.insert("kind".into(), "PersistentVolumeClaim".into());
    let spec = object.entry("spec").or_insert_with(|| json!({}));
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("dataSourceRef");
        spec.insert("dataSource".into(), source);
        if asked < needed {
            let resources = spec.entry("resources").or_insert_with(|| json!({}));
            if let Some(resources) = resources.as_object_mut() {
                let requests = resources.entry("requests").or_insert_with(|| json!({}));
                if let Some(requests) = requests.as_object_mut() {
                    requests.insert("storage".into(), needed.to_string().into());
                }
            }
        }
    }
    claim
}

/// A class of the driver, when listing its snapshots needs a secret; else none, so that nothing depends on it.
pub(crate) fn listing_class(driver: &str, storage: &Storage) -> Option<String> {
    let needs_secret = |class: &&VolumeSnapshotClass| {
        let parameters = class.parameters.as_ref();
        parameters.is_some_and(|all| all.contains_key("csi.storage.k8s.io/snapshotter-list-secret-name"))
    };
    match choose_class(driver, &storage.classes, &BTreeMap::new()) {
        ClassChoice::Chosen(class) => Some(class).filter(needs_secret)?.metadata.name.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protection::point::{VolumeProtection, VolumeRecord};

    fn request(storage: &str) -> FillRequest {
        FillRequest {
            claim: json!({
                "metadata": {"namespace": "shop", "name": "data"},
                "spec": {"dataSourceRef": {"name": "old"}, "resources": {"requests": {"storage": storage}}},
            }),
            record: VolumeRecord {
                namespace: "old".into(),
                claim: "data".into(),
                persistent_volume: None,
                driver: Some("d".into()),
                storage_class: None,
                block: false,
                capacity: 1 << 30,
                protection: VolumeProtection::None { code: String::new(), reason: String::new() },
            },
            restore_uid: "r".into(),
            field_manager: "cofferdam/r".into(),
        }
    }

    #[test]
    fn a_claim_is_never_smaller_than_its_snapshot() {
        let rows = [
            ("2Gi", Some(1 << 30), "2Gi"),
            ("1Gi", Some(1 << 30), "1Gi"),
            ("1Gi", Some(3 << 30), "3221225472"),
            ("1Mi", None, "1073741824"),
        ];

        for (asked, restore_size, expected) in rows {
            let claim = claim(&request(asked), restore_size);

            assert_eq!(claim["spec"]["resources"]["requests"]["storage"], expected);
        }
    }

    #[test]
    fn a_claim_gets_our_data_source_and_no_other() {
        let request = request("1Gi");

        let claim = claim(&request, None);

        assert_eq!(claim["spec"]["dataSource"]["name"], name(&request));
        assert_eq!(claim["spec"]["dataSource"]["apiGroup"], SNAPSHOTS);
        assert!(claim["spec"].get("dataSourceRef").is_none());
    }
}
