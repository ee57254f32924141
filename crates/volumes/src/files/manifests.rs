//! The second volume, its claim and the Job, as manifests. Pure.

use super::{Mover, MoverSecret, SECRET_DIRECTORY};
use crate::labels;
use k8s_openapi::{ByteString, api::core::v1::Toleration};
use protection::{
    RecoveryPointId,
    claims::{AccessMode, CsiSource, SecretRef, SelectedClaim, VolumeFacts, VolumeMode, VolumeSource},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where a volume appears in the mover's container.
pub(super) const MOUNT: &str = "/volume";
/// Where a raw block volume appears.
pub(super) const DEVICE: &str = "/dev/volume";
/// Exit code of a mover that would fail again: the Job is not tried again.
const LASTING: i32 = 5;
/// Pods that may fail before the Job does.
const RETRIES: i32 = 2;

/// A volume whose files are to be copied.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyRequest {
    /// The recovery point that is being made.
    pub recovery_point: RecoveryPointId,
    /// The claim, bound to a CSI volume.
    pub claim: SelectedClaim,
}

impl CopyRequest {
    /// Name of all objects of this copy.
    pub fn name(&self) -> String {
        format!("cofferdam-{}-{}", self.recovery_point, labels::digest(&[&self.claim.uid]))
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let labels = [
            (labels::MANAGED_BY, labels::COFFERDAM.to_owned()),
            (labels::PURPOSE, labels::FOR_COPY.to_owned()),
            (labels::RECOVERY_POINT, labels::label_value(self.recovery_point.as_str())),
            (labels::CLAIM_UID, labels::label_value(&self.claim.uid)),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn csi(&self) -> Option<(&VolumeFacts, &CsiSource)> {
        let volume = self.claim.bound()?;
        match &volume.source {
            VolumeSource::Csi(csi) => Some((volume, csi)),
            VolumeSource::InTree { .. } => None,
        }
    }
}

/// Where a mover must run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    /// The node, when a pod holds the volume there.
    pub node: Option<String>,
    /// Tolerations of that pod: its node may be tainted.
    pub tolerations: Vec<Toleration>,
}

/// A second PersistentVolume over the same storage; nothing when the claim has no CSI volume.
pub fn copy_volume(request: &CopyRequest, mover: &Mover) -> Option<Value> {
    let (volume, csi) = request.csi()?;
    let mut spec = json!({
        "capacity": {"storage": volume.capacity.to_string()},
        "accessModes": access_modes(&request.claim),
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "volumeMode": mode(request.claim.volume_mode),
        "claimRef": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "namespace": mover.namespace, "name": request.name(),
        },
        "csi": csi_source(csi),
    });
    if let Some(spec) = spec.as_object_mut() {
        if !volume.mount_options.is_empty() {
            spec.insert("mountOptions".into(), json!(volume.mount_options));
        }
        if let Some(affinity) = &volume.node_affinity {
            spec.insert("nodeAffinity".into(), affinity.clone());
        }
    }
    Some(json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": request.name(), "labels": request.labels()},
        "spec": spec,
    }))
}

/// The claim that is bound to [`copy_volume`].
pub fn copy_claim(request: &CopyRequest, mover: &Mover) -> Value {
    let capacity = request.claim.bound().map_or_else(|| request.claim.size(), |volume| volume.capacity);
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": request.name(), "namespace": mover.namespace, "labels": request.labels()},
        "spec": {
            "accessModes": access_modes(&request.claim),
            "storageClassName": "",
            "volumeMode": mode(request.claim.volume_mode),
            "volumeName": request.name(),
            "resources": {"requests": {"storage": capacity.to_string()}},
        },
    })
}

/// The Secret of a mover: what no argument may hold. It belongs to the Job with the UID `owner`, and goes with it.
/// The kubelet looks again only at one that is not immutable.
pub(super) fn secret(
    name: &str,
    labels: &BTreeMap<String, String>,
    mover: &Mover,
    content: &MoverSecret,
    owner: &str,
) -> Value {
    let data: BTreeMap<String, ByteString> =
        content.0.iter().map(|(file, content)| (file.clone(), ByteString(content.clone()))).collect();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": mover.renewal.is_none(),
        "metadata": {
            "name": name, "namespace": mover.namespace, "labels": labels,
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": owner}],
        },
        "data": data,
    })
}

/// The Job that copies the files.
pub fn copy_job(request: &CopyRequest, mover: &Mover, place: &Place, deadline_seconds: u64) -> Value {
    job(&Work {
        name: &request.name(),
        labels: request.labels(),
        claim: &request.name(),
        block: request.claim.volume_mode == VolumeMode::Block,
        writes: false,
        more: &[],
        mover,
        place,
        deadline_seconds,
    })
}

pub(super) struct Work<'a> {
    pub name: &'a str,
    pub labels: BTreeMap<String, String>,
    pub claim: &'a str,
    pub block: bool,
    /// A mover that reads needs to override permissions; one that writes also sets owners and modes.
    pub writes: bool,
    /// Arguments of this one volume.
    pub more: &'a [String],
    pub mover: &'a Mover,
    pub place: &'a Place,
    pub deadline_seconds: u64,
}

/// The kubelet mounts the Secret before it makes the container: what is in it then is there for the variables too.
fn environment(mover: &Mover, secret: &str) -> Vec<Value> {
    let plain = mover.environment.iter().map(|(name, value)| json!({"name": name, "value": value}));
    let from_secret = mover.secret_environment.iter().map(|(name, file)| {
        json!({
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": secret, "key": file, "optional": true}},
        })
    });
    plain.chain(from_secret).collect()
}

pub(super) fn job(work: &Work<'_>) -> Value {
    let mover = work.mover;
    let mut arguments = mover.arguments.clone();
    let volume = if work.block { DEVICE } else { MOUNT };
    arguments.extend(["--secret", SECRET_DIRECTORY, "--volume", volume].map(str::to_owned));
    arguments.extend(work.more.iter().cloned());
    let mut mounts = vec![json!({"name": "secret", "mountPath": SECRET_DIRECTORY, "readOnly": true})];
    let mut volumes = vec![
        json!({
            "name": "volume",
            "persistentVolumeClaim": {"claimName": work.claim, "readOnly": !work.writes && !work.block},
        }),
        json!({"name": "secret", "secret": {"secretName": work.name, "defaultMode": 0o400}}),
    ];
    volumes.push(json!({"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}));
    mounts.push(json!({"name": "scratch", "mountPath": "/tmp"}));
    let mut container = json!({
        "name": "mover",
        "image": mover.image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "env": environment(mover, work.name),
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": mover.memory}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": security(work.writes),
    });
    if let Some(container) = container.as_object_mut() {
        if work.block {
            container.insert("volumeDevices".into(), json!([{"name": "volume", "devicePath": DEVICE}]));
        } else {
            mounts.push(json!({"name": "volume", "mountPath": MOUNT, "readOnly": !work.writes}));
        }
        container.insert("volumeMounts".into(), json!(mounts));
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": work.name, "namespace": mover.namespace, "labels": work.labels},
        "spec": {
            "backoffLimit": RETRIES,
            "podFailurePolicy": {"rules": [{
                "action": "FailJob",
                "onExitCodes": {"containerName": "mover", "operator": "In", "values": [LASTING]},
            }]},
            "activeDeadlineSeconds": work.deadline_seconds,
            "ttlSecondsAfterFinished": 86_400,
            "template": {
                "metadata": {"labels": work.labels},
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": mover.service_account,
                    "automountServiceAccountToken": false,
                    "affinity": affinity(work.place),
                    "tolerations": work.place.tolerations,
                    "containers": [container],
                    "volumes": volumes,
                },
            },
        },
    })
}

/// User 0 with the least that the pod security level `baseline` has for it: reading every file, and on restore
/// giving it its owner and mode back.
fn security(writes: bool) -> Value {
    let capabilities: &[&str] = if writes {
        &["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"]
    } else {
        &["DAC_OVERRIDE"]
    };
    json!({
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"], "add": capabilities},
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

fn affinity(place: &Place) -> Value {
    match &place.node {
        None => json!({}),
        Some(node) => json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [
                {"key": "metadata.name", "operator": "In", "values": [node]},
            ]}],
        }}}),
    }
}

fn csi_source(csi: &CsiSource) -> Value {
    let mut source = Map::from_iter([
        ("driver".to_owned(), json!(csi.driver)),
        ("volumeHandle".to_owned(), json!(csi.volume_handle)),
        ("readOnly".to_owned(), json!(true)),
    ]);
    let secrets: [(&str, &Option<SecretRef>); 3] = [
        ("controllerPublishSecretRef", &csi.controller_publish_secret_ref),
        ("nodeStageSecretRef", &csi.node_stage_secret_ref),
        ("nodePublishSecretRef", &csi.node_publish_secret_ref),
    ];
    for (field, secret) in secrets {
        if let Some(secret) = secret {
            source.insert(field.to_owned(), json!({"name": secret.name, "namespace": secret.namespace}));
        }
    }
    if let Some(fs_type) = &csi.fs_type {
        source.insert("fsType".to_owned(), json!(fs_type));
    }
    if !csi.volume_attributes.is_empty() {
        source.insert("volumeAttributes".to_owned(), json!(csi.volume_attributes));
    }
    Value::Object(source)
}

pub(super) fn mode(mode: VolumeMode) -> &'static str {
    match mode {
        VolumeMode::Filesystem => "Filesystem",
        VolumeMode::Block => "Block",
    }
}

fn access_modes(claim: &SelectedClaim) -> Vec<&'static str> {
    claim
        .access_modes
        .iter()
        .map(|mode| match mode {
            AccessMode::ReadWriteOnce => "ReadWriteOnce",
            AccessMode::ReadOnlyMany => "ReadOnlyMany",
            AccessMode::ReadWriteMany => "ReadWriteMany",
            AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::{
        batch::v1::Job,
        core::v1::{PersistentVolume, PersistentVolumeClaim, Secret},
    };
    use protection::claims::{ClaimPhase, ClaimVolume};

    fn request(volume_mode: VolumeMode) -> CopyRequest {
        CopyRequest {
            recovery_point: RecoveryPointId::new("6f1c2a50-1111-4222-8333-944455556666"),
            claim: SelectedClaim {
                namespace: "shop".into(),
                name: "data".into(),
                uid: "claim-uid".into(),
                phase: ClaimPhase::Bound,
                storage_class: Some("plain".into()),
                volume_mode,
                access_modes: vec![AccessMode::ReadWriteOnce],
                requested: 1,
                capacity: Some(1 << 30),
                labels: BTreeMap::new(),
                volume: ClaimVolume::Bound(VolumeFacts {
                    name: "pv".into(),
                    uid: "u".into(),
                    source: VolumeSource::Csi(CsiSource {
                        driver: "plain.example.com".into(),
                        volume_handle: "h".into(),
                        fs_type: Some("ext4".into()),
                        volume_attributes: [("a".to_owned(), "b".to_owned())].into(),
                        node_stage_secret_ref: Some(SecretRef { name: "s".into(), namespace: "n".into() }),
                        ..CsiSource::default()
                    }),
                    capacity: 1 << 30,
                    storage_class: "plain".into(),
                    reclaim_policy: "Delete".into(),
                    mount_options: vec!["noatime".into()],
                    node_affinity: Some(
                        json!({"required": {"nodeSelectorTerms": [{"matchExpressions": []}]}}),
                    ),
                    labels: BTreeMap::new(),
                    deleting: false,
                }),
            },
        }
    }

    fn mover() -> Mover {
        Mover {
            image: "cofferdam:test".into(),
            namespace: "cofferdam-movers".into(),
            service_account: "cofferdam-mover".into(),
            arguments: ["mover", "save"].map(Into::into).to_vec(),
            secret: crate::files::MoverSecret([("password".to_owned(), b"hunter2".to_vec())].into()),
            renewal: None,
            environment: [("NO_PROXY".to_owned(), ".corp".to_owned())].into(),
            secret_environment: [("HTTPS_PROXY".to_owned(), "password".to_owned())].into(),
            memory: "300Mi".into(),
        }
    }

    fn sealed(request: &CopyRequest, mover: &Mover) -> Value {
        secret(&request.name(), &request.labels(), mover, &mover.secret, "job-uid")
    }

    #[derive(Debug)]
    struct FakeSource;

    #[async_trait::async_trait]
    impl crate::files::SecretSource for FakeSource {
        async fn secret(&self) -> Result<(MoverSecret, std::time::Duration), String> {
            Err("never asked".to_owned())
        }
    }

    /// Every field survives the type of the API: none is misspelt.
    fn understood<T: serde::Serialize + for<'de> serde::Deserialize<'de>>(manifest: &Value) {
        let typed: T = serde_json::from_value(manifest.clone()).unwrap();
        let back = serde_json::to_value(typed).unwrap();
        assert_eq!(&without_empty(back), &without_empty(manifest.clone()));
    }

    fn without_empty(value: Value) -> Value {
        match value {
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, value)| (key, without_empty(value)))
                .filter(|(_, value)| {
                    !matches!(value, Value::Null) && *value != json!({}) && *value != json!([])
                })
                .collect::<Map<_, _>>()
                .into(),
            Value::Array(items) => items.into_iter().map(without_empty).collect(),
            other => other,
        }
    }

    #[test]
    fn manifests_are_what_the_api_understands() {
        for volume_mode in [VolumeMode::Filesystem, VolumeMode::Block] {
            let request = request(volume_mode);
            let place = Place { node: Some("node-1".into()), tolerations: vec![Toleration::default()] };

            let volume = copy_volume(&request, &mover()).unwrap();
            let claim = copy_claim(&request, &mover());
            let job = copy_job(&request, &mover(), &place, 600);

            understood::<PersistentVolume>(&volume);
            understood::<PersistentVolumeClaim>(&claim);
            understood::<Job>(&job);
            understood::<Secret>(&sealed(&request, &mover()));
        }
    }

    #[test]
    fn what_opens_the_repository_stands_in_the_secret_and_nowhere_else() {
        let request = request(VolumeMode::Filesystem);

        let job = copy_job(&request, &mover(), &Place::default(), 600);
        let secret = sealed(&request, &mover());

        assert!(!job.to_string().contains("hunter2"));
        assert!(!format!("{:?}", mover()).contains("hunter2"));
        let secret: Secret = serde_json::from_value(secret).unwrap();
        assert_eq!(secret.data.unwrap()["password"].0, b"hunter2");
        let variables = &job["spec"]["template"]["spec"]["containers"][0]["env"];
        let reference =
            json!({"secretKeyRef": {"name": request.name(), "key": "password", "optional": true}});
        assert_eq!(variables[0], json!({"name": "NO_PROXY", "value": ".corp"}));
        assert_eq!(variables[1], json!({"name": "HTTPS_PROXY", "valueFrom": reference}));
        assert_eq!(job["spec"]["template"]["spec"]["volumes"][1]["secret"]["secretName"], request.name());
    }

    #[test]
    fn a_secret_goes_with_its_job_and_changes_only_when_it_is_renewed() {
        let request = request(VolumeMode::Filesystem);
        let renewal = crate::files::Renewal {
            source: std::sync::Arc::new(FakeSource),
            after: std::time::Duration::from_secs(60),
        };

        let lasting = sealed(&request, &mover());
        let renewed = sealed(&request, &Mover { renewal: Some(renewal), ..mover() });

        for secret in [&lasting, &renewed] {
            let owner = &secret["metadata"]["ownerReferences"][0];
            assert_eq!((&owner["kind"], &owner["uid"]), (&json!("Job"), &json!("job-uid")));
            assert_eq!(owner["name"], request.name());
        }
        assert_eq!((&lasting["immutable"], &renewed["immutable"]), (&json!(true), &json!(false)));
    }

    #[test]
    fn the_second_volume_never_deletes_and_never_writes() {
        let request = request(VolumeMode::Filesystem);

        let volume = copy_volume(&request, &mover()).unwrap();
        let job = copy_job(&request, &mover(), &Place::default(), 600);

        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
        assert_eq!(volume["spec"]["csi"]["readOnly"], true);
        assert_eq!(volume["spec"]["csi"]["volumeHandle"], "h");
        assert_eq!(volume["spec"]["claimRef"]["namespace"], "cofferdam-movers");
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["readOnly"], true);
        assert_eq!(pod["containers"][0]["securityContext"]["capabilities"]["add"], json!(["DAC_OVERRIDE"]));
    }

    #[test]
    fn a_volume_that_is_not_csi_has_no_second_volume() {
        let mut request = request(VolumeMode::Filesystem);
        if let ClaimVolume::Bound(volume) = &mut request.claim.volume {
            volume.source = VolumeSource::InTree { kind: "hostPath".into(), migrated_to: None };
        }

        assert_eq!(copy_volume(&request, &mover()), None);
    }
}
