//! Tables: one row per kind of claim, of class and of group.

use super::*;
use protection::{Severity, claims::VolumeMode, code};

const DISK: &str = "disk.csi.azure.com";

fn class(name: &str, driver: &str) -> VolumeSnapshotClass {
    let mut class = VolumeSnapshotClass { driver: driver.into(), ..VolumeSnapshotClass::default() };
    class.metadata.name = Some(name.into());
    class
}

fn annotated(mut class: VolumeSnapshotClass, key: &str, value: &str) -> VolumeSnapshotClass {
    class.metadata.annotations.get_or_insert_default().insert(key.into(), value.into());
    class
}

fn default_class(name: &str, driver: &str) -> VolumeSnapshotClass {
    annotated(class(name, driver), "snapshot.storage.kubernetes.io/is-default-class", "true")
}

fn volume(source: VolumeSource) -> VolumeFacts {
    VolumeFacts {
        name: "pv-1".into(),
        uid: "pv-uid".into(),
        source,
        capacity: 1 << 30,
        storage_class: "fast".into(),
        reclaim_policy: "Delete".into(),
        mount_options: vec![],
        node_affinity: None,
        labels: BTreeMap::new(),
        deleting: false,
    }
}

fn csi(driver: &str) -> VolumeSource {
    VolumeSource::Csi(CsiSource {
        driver: driver.into(),
        volume_handle: "handle-1".into(),
        ..CsiSource::default()
    })
}

fn claim(source: VolumeSource) -> SelectedClaim {
    SelectedClaim {
        namespace: "shop".into(),
        name: "data".into(),
        uid: "claim-uid".into(),
        phase: ClaimPhase::Bound,
        storage_class: Some("fast".into()),
        volume_mode: VolumeMode::Filesystem,
        access_modes: vec![AccessMode::ReadWriteOnce],
        requested: 1 << 30,
        capacity: Some(1 << 30),
        labels: BTreeMap::new(),
        volume: ClaimVolume::Bound(volume(source)),
    }
}

fn storage() -> Storage {
    Storage { snapshots_served: true, classes: vec![class("disk", DISK)], ..Storage::default() }
}

fn policy() -> Policy {
    Policy { snapshot_volumes: true, ..Policy::default() }
}

fn refused(method: Method) -> NotProtected {
    match method {
        Method::NotProtected(reason) => reason,
        other => panic!("protected by {other:?}"),
    }
}

#[test]
fn a_bound_claim_of_a_driver_with_a_class_is_snapshotted() {
    let method = decide(&claim(csi(DISK)), &storage(), &policy());

    let Method::Snapshot(plan) = method else { panic!("{method:?}") };
    assert_eq!((plan.driver.as_str(), plan.volume_handle.as_str()), (DISK, "handle-1"));
    assert_eq!(plan.source_class.metadata.name.as_deref(), Some("disk"));
}

#[test]
fn every_claim_that_cannot_be_protected_is_named_with_code_and_remedy() {
    let in_tree = |kind: &str| VolumeSource::InTree { kind: kind.into(), migrated_to: None };
    let pending =
        SelectedClaim { phase: ClaimPhase::Pending, volume: ClaimVolume::Unbound, ..claim(csi(DISK)) };
    let lost = SelectedClaim { phase: ClaimPhase::Lost, ..claim(csi(DISK)) };
    let missing = SelectedClaim { volume: ClaimVolume::Missing { name: "pv-9".into() }, ..claim(csi(DISK)) };
    let mut classless = claim(csi(DISK));
    classless.storage_class = Some(String::new());
    if let ClaimVolume::Bound(volume) = &mut classless.volume {
        volume.storage_class.clear();
    }
    let migrated = VolumeSource::InTree { kind: "azureDisk".into(), migrated_to: Some(DISK.into()) };
    let rows: [(&str, SelectedClaim, &str, &str); 12] = [
        ("pending", pending, code::PVC_NOT_BOUND, "kubectl describe"),
        ("lost", lost, code::PVC_HAS_NO_VOLUME, "older recovery point"),
        ("missing", missing, code::PV_NOT_FOUND, "Re-create"),
        ("hostPath", claim(in_tree("hostPath")), code::VOLUME_NOT_PROTECTED, "CSI driver"),
        ("local", claim(in_tree("local")), code::VOLUME_NOT_PROTECTED, "CSI driver"),
        ("nfs", claim(in_tree("nfs")), code::VOLUME_NOT_PROTECTED, "nfs.csi.k8s.io"),
        (
            "awsElasticBlockStore",
            claim(in_tree("awsElasticBlockStore")),
            code::VOLUME_NOT_PROTECTED,
            "ebs.csi.aws.com",
        ),
        ("iscsi", claim(in_tree("iscsi")), code::VOLUME_NOT_PROTECTED, "Migrate to CSI"),
        ("azureDisk", claim(migrated), code::VOLUME_NOT_PROTECTED, DISK),
        ("static", classless, code::STORAGE_CLASS_MISSING, "storageClassName"),
        ("other driver", claim(csi("plain.example.com")), code::VOLUME_NOT_PROTECTED, "fileCopyVolumes"),
        ("unknown in-tree", claim(in_tree("flexVolume")), code::VOLUME_NOT_PROTECTED, "Migrate to CSI"),
    ];

    for (row, claim, code, remedy) in rows {
        let reason = refused(decide(&claim, &storage(), &policy()));

        assert_eq!(reason.code, code, "{row}");
        assert!(reason.remedy.contains(remedy), "{row}: {}", reason.remedy);
        assert_eq!(reason.problem(&claim).severity, Severity::Warning, "{row}");
        assert_eq!(
            reason.problem(&claim).target.as_deref(),
            Some("persistentvolumeclaims/shop/data"),
            "{row}"
        );
    }
}

#[test]
fn an_in_tree_kind_is_named_in_the_reason() {
    let source = VolumeSource::InTree { kind: "cephfs".into(), migrated_to: None };

    let reason = refused(decide(&claim(source), &storage(), &policy()));

    assert!(reason.reason.contains("cephfs") && reason.reason.contains("pv-1"), "{}", reason.reason);
}

#[test]
fn no_volume_data_is_an_information_when_it_was_asked_for() {
    let policy = Policy { snapshot_volumes: false, ..policy() };

    let reason = refused(decide(&claim(csi(DISK)), &storage(), &policy));

    assert_eq!(reason.problem(&claim(csi(DISK))).severity, Severity::Information);
}

#[test]
fn file_copy_is_only_for_drivers_without_snapshots_and_only_when_opted_in() {
    let copying = Policy { file_copy: true, ..policy() };
    let one_pod =
        SelectedClaim { access_modes: vec![AccessMode::ReadWriteOncePod], ..claim(csi("plain.example.com")) };
    let no_crds = Storage::default();

    let with_snapshots = decide(&claim(csi(DISK)), &storage(), &copying);
    let without = decide(&claim(csi("plain.example.com")), &storage(), &copying);
    let without_crds = decide(&claim(csi(DISK)), &no_crds, &copying);
    let one_pod = refused(decide(&one_pod, &storage(), &copying));
    let in_tree =
        decide(&claim(VolumeSource::InTree { kind: "nfs".into(), migrated_to: None }), &storage(), &copying);

    assert!(matches!(with_snapshots, Method::Snapshot(_)));
    assert_eq!((without, without_crds), (Method::FileCopy, Method::FileCopy));
    assert!(one_pod.reason.contains("ReadWriteOncePod"));
    assert!(matches!(in_tree, Method::NotProtected(_)));
}

#[test]
fn included_volume_types_limit_the_drivers() {
    let mut nfs_share = claim(csi("file.csi.azure.com"));
    if let ClaimVolume::Bound(VolumeFacts { source: VolumeSource::Csi(csi), .. }) = &mut nfs_share.volume {
        csi.volume_attributes.insert("protocol".into(), "nfs".into());
    }
    let storage = Storage {
        classes: vec![class("disk", DISK), class("file", "file.csi.azure.com"), class("x", "x.example.com")],
        ..storage()
    };
    let rows = [
        (claim(csi(DISK)), vec![VolumeType::AzureDisk], true),
        (claim(csi(DISK)), vec![VolumeType::AzureFileShareSMB], false),
        (claim(csi("file.csi.azure.com")), vec![VolumeType::AzureDisk, VolumeType::AzureFileShareSMB], true),
        (nfs_share, vec![VolumeType::AzureFileShareSMB], false),
        (claim(csi("x.example.com")), vec![VolumeType::AzureDisk], false),
        (claim(csi("x.example.com")), vec![], true),
    ];

    for (claim, included_types, snapshotted) in rows {
        let policy = Policy { included_types, ..policy() };

        let method = decide(&claim, &storage, &policy);

        assert_eq!(matches!(method, Method::Snapshot(_)), snapshotted, "{method:?}");
    }
}

#[test]
fn the_snapshot_class_is_chosen_in_the_usual_order() {
    let mut ours = class("cofferdam-x", DISK);
    ours.metadata
        .labels
        .get_or_insert_default()
        .insert("app.kubernetes.io/managed-by".into(), "cofferdam".into());
    let velero = |name| {
        let mut class = class(name, DISK);
        class
            .metadata
            .labels
            .get_or_insert_default()
            .insert("velero.io/csi-volumesnapshot-class".into(), "true".into());
        class
    };
    let configured = BTreeMap::from([(DISK.to_owned(), "b".to_owned())]);
    let unset = BTreeMap::new();
    let rows = [
        ("the only one", vec![class("a", DISK), class("z", "other")], &unset, "chosen a"),
        ("ours does not count", vec![class("a", DISK), ours.clone()], &unset, "chosen a"),
        ("only ours", vec![ours], &unset, "none"),
        ("the default", vec![class("a", DISK), default_class("b", DISK)], &unset, "chosen b"),
        (
            "configured beats default",
            vec![default_class("a", DISK), class("b", DISK)],
            &configured,
            "chosen b",
        ),
        ("configured is absent", vec![class("a", DISK)], &configured, "missing b"),
        ("two defaults", vec![default_class("a", DISK), default_class("b", DISK)], &unset, "ambiguous a,b"),
        ("none is default", vec![class("b", DISK), class("a", DISK)], &unset, "ambiguous a,b"),
        ("another product's label", vec![velero("a"), class("b", DISK)], &unset, "ambiguous a,b"),
        ("of another driver", vec![class("a", "other")], &unset, "none"),
        (
            "is-default-class=false",
            vec![
                annotated(class("a", DISK), "snapshot.storage.kubernetes.io/is-default-class", "false"),
                default_class("b", DISK),
            ],
            &unset,
            "chosen b",
        ),
    ];

    for (row, classes, configured, expected) in rows {
        let seen = match choose_class(DISK, &classes, configured) {
            ClassChoice::Chosen(class) => format!("chosen {}", class.metadata.name.as_deref().unwrap()),
            ClassChoice::None => "none".into(),
            ClassChoice::Ambiguous(names) => format!("ambiguous {}", names.join(",")),
            ClassChoice::ConfiguredMissing(name) => format!("missing {name}"),
        };

        assert_eq!(seen, expected, "{row}");
    }
}

fn member(uid: &str, driver: &str, value: &str) -> Decision {
    let mut claim = claim(csi(driver));
    claim.uid = uid.into();
    claim.labels.insert("app".into(), value.into());
    let plan =
        SnapshotPlan { driver: driver.into(), volume_handle: uid.into(), source_class: class("c", driver) };
    Decision { claim, method: Method::Snapshot(Box::new(plan)) }
}

fn grouping() -> Storage {
    Storage {
        groups: GroupApi::choose(&["v1beta2", "v1"]),
        group_classes: vec![class("g", DISK)],
        ..storage()
    }
}

#[test]
fn claims_that_share_the_label_value_are_one_group() {
    let decisions = [member("a", DISK, "db"), member("b", DISK, "db"), member("c", DISK, "web")];

    let (plans, problems) = plan_groups(&decisions, "app", &grouping(), &[]);

    assert_eq!(problems, []);
    assert_eq!(plans.len(), 1);
    assert_eq!(plans[0].members, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    assert_eq!((plans[0].value.as_str(), plans[0].driver.as_str()), ("db", DISK));
}

#[test]
fn a_group_that_cannot_be_cut_at_one_instant_falls_back_with_a_warning() {
    let two = [member("a", DISK, "db"), member("b", DISK, "db")];
    let mixed = [member("a", DISK, "db"), member("b", "other", "db")];
    let outsider = Neighbour { namespace: "shop".into(), uid: "x".into(), value: "db".into() };
    let elsewhere = Neighbour { namespace: "blog".into(), ..outsider.clone() };
    type Row<'a> = (&'a str, &'a [Decision], Storage, &'a [Neighbour], &'a str);
    let rows: [Row<'_>; 5] = [
        ("not served", &two, Storage { groups: None, ..grouping() }, &[], "does not serve"),
        (
            "no class",
            &two,
            Storage { group_classes: vec![], ..grouping() },
            &[],
            "no VolumeGroupSnapshotClass",
        ),
        ("mixed drivers", &mixed, grouping(), &[], "several drivers"),
        ("outsider", &two, grouping(), std::slice::from_ref(&outsider), "1 more claims"),
        ("outsider elsewhere", &two, grouping(), std::slice::from_ref(&elsewhere), ""),
    ];

    for (row, decisions, storage, neighbours, why) in rows {
        let (plans, problems) = plan_groups(decisions, "app", &storage, neighbours);

        assert_eq!(plans.is_empty(), !why.is_empty(), "{row}");
        assert_eq!(problems.len(), usize::from(!why.is_empty()), "{row}");
        assert!(problems.iter().all(|p| p.code == code::GROUP_FELL_BACK && p.message.contains(why)), "{row}");
    }
}
