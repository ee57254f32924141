//! Each row breaks one thing; exactly one check must say so, with the code that is documented for that cause.

use super::tests::{BLOCKED, WARNED, contents, healthy, pods, role, with_arm, with_location};
use crate::*;

/// The check, the rules, what its failure weighs, its code, and what is broken.
type Row<Change> = (&'static str, Profile, Outcome, Option<&'static str>, Change);

fn seen<T>(fact: &mut Observed<T>) -> &mut T {
    let Observed::Seen(value) = fact else { panic!("not seen") };
    value
}

/// The check failed, comes with a fix and with this code, which its page lists, and no other check failed with it.
pub(super) fn named(facts: &Facts, profile: Profile, id: &str, wanted: Outcome, code: Option<&str>) {
    let judged = judge(facts, profile, Purpose::Preflight);
    let failed: Vec<&Judged> =
        judged.iter().filter(|one| matches!(one.finding.outcome, Outcome::Failed { .. })).collect();
    assert_eq!(failed.iter().map(|one| one.check.id).collect::<Vec<_>>(), [id]);
    let (found, check) = (&failed[0].finding, failed[0].check);
    assert_eq!(found.outcome, wanted, "{failed:#?}");
    assert!(found.fix.is_some() && !found.evidence.is_empty(), "{failed:#?}");
    assert_eq!(failed[0].code, code, "{id}: {}", found.evidence);
    assert!(code.is_none_or(|code| check.has_code(code)), "{id} does not list {code:?}");
}

#[test]
fn each_broken_thing_is_named_by_its_check() {
    type Change = fn(&mut Facts);
    fn first(facts: &mut Facts) -> &mut ClusterVolume {
        &mut seen(&mut facts.volumes)[0]
    }
    fn extension(facts: &mut Facts) -> &mut ExtensionPods {
        seen(&mut facts.extension).as_mut().unwrap()
    }
    fn missing_pods(facts: &mut Facts) {
        facts.extension = Observed::Seen(None);
    }
    let (cofferdam, aks) = (Profile::Cofferdam, Profile::Aks);
    let rows: Vec<Row<Change>> = vec![
        ("P12", cofferdam, WARNED, Some("CSISnapshottingTimedOut"), |f| {
            seen(&mut f.snapshots).controller = None;
            seen(&mut f.snapshots).stopped =
                Some(StoppedController::Deployment("kube-system/snapshot-controller".into()));
        }),
        ("P12", cofferdam, WARNED, Some("CSISnapshottingTimedOut"), |f| {
            seen(&mut f.snapshots).controller = None;
            seen(&mut f.snapshots).stopped = Some(StoppedController::Lease {
                name: "kube-system/snapshot-controller-leader".into(),
                holder: "node-1".into(),
            });
        }),
        ("C1", cofferdam, WARNED, None, |f| {
            seen(&mut f.cluster).version = (1, 34, 9);
            seen(&mut f.nodes).all[0].kubelet = (1, 34, 9);
        }),
        ("C2", cofferdam, BLOCKED, None, |f| f.original = Observed::Seen(vec!["d/original".into()])),
        ("P1", cofferdam, BLOCKED, Some("UserErrorKubernetesBackupExtensionHasErrors"), |f| {
            *extension(f) = ExtensionPods { wanted: 1, ..ExtensionPods::default() }
        }),
        ("P2", cofferdam, BLOCKED, Some("UserErrorKubernetesBackupExtensionNotFoundError"), |f| {
            f.target = Observed::Seen(Some(Target::default()))
        }),
        ("P2", cofferdam, BLOCKED, Some("UserErrorKubernetesBackupExtensionHasErrors"), |f| {
            let extension = Some(ExtensionPods { available: 0, ..pods() });
            f.target = Observed::Seen(Some(Target { extension, ..Target::default() }));
        }),
        ("P8", aks, BLOCKED, None, |f| {
            seen(&mut f.system).deployments = vec![("extension-agent".into(), false)]
        }),
        ("P13", cofferdam, WARNED, Some("VolumeNotProtected"), |f| {
            first(f).kind = VolumeKind::InTree("hostPath".into());
        }),
        ("P18", aks, WARNED, None, |f| seen(&mut f.snapshots).classes[0].velero = true),
        ("P27", aks, WARNED, None, |f| seen(&mut f.nodes).all[0].kubelet = (1, 31, 0)),
        ("P28", cofferdam, BLOCKED, None, |f| {
            missing_pods(f);
            seen(&mut f.nodes).all[0].free_cpu = Some(499);
        }),
        ("P28", aks, BLOCKED, None, |f| {
            missing_pods(f);
            seen(&mut f.nodes).all[0].arch = "arm64".into();
        }),
        ("P29", cofferdam, BLOCKED, None, |f| {
            missing_pods(f);
            seen(&mut f.nodes).all[0].not_tolerated = vec!["gpu:NoSchedule".into()]
        }),
        ("P30", cofferdam, WARNED, Some("UserErrorBackupPluginPodRestartedDuringBackup"), |f| {
            extension(f).out_of_memory = vec!["e-1".into()]
        }),
        ("P30", cofferdam, WARNED, Some("UserErrorKubernetesBackupExtensionHasErrors"), |f| {
            extension(f).wanted = 2;
        }),
        ("P31", aks, WARNED, Some("UserErrorBackupPluginPodRestartedDuringBackup"), |f| {
            f.objects = Observed::Seen(1_001)
        }),
        ("P33", aks, WARNED, None, |f| first(f).class = None),
        ("P34", cofferdam, WARNED, Some("UserErrorPVCHasNoVolume"), |f| first(f).phase = "Lost".into()),
        ("P34", cofferdam, WARNED, Some("UserErrorPVCNotBoundToVolume"), |f| {
            first(f).phase = "Pending".into()
        }),
        ("P34", cofferdam, WARNED, Some("UserErrorPVCNotBoundToVolume"), |f| {
            first(f).phase = "Lost".into();
            let waits = ClusterVolume { phase: "Pending".into(), ..first(f).clone() };
            seen(&mut f.volumes).push(waits);
        }),
        ("P35", cofferdam, WARNED, Some("UserErrorStorageClassMissingForPVC"), |f| {
            first(f).phase = "Pending".into();
            first(f).class = Some(("gone".into(), false));
        }),
        ("P36", cofferdam, WARNED, Some("UserErrorNamespaceNotFound"), |f| {
            *seen(&mut f.namespaces) =
                Namespaces { count: 1, wanted: vec!["a".into()], absent: vec!["a".into()] };
        }),
        ("P37", aks, BLOCKED, Some("UserErrorTooManyNamespaces"), |f| seen(&mut f.namespaces).count = 801),
        ("P38", aks, WARNED, None, |f| {
            *first(f) = ClusterVolume {
                bytes: (1 << 40) + 1,
                class: Some(("fast".into(), true)),
                ..ClusterVolume::new("a/b", VolumeKind::Csi("disk.csi.azure.com".into()))
            };
            seen(&mut f.snapshots).classes[0].driver = "disk.csi.azure.com".into();
            seen(&mut f.cluster).csi_drivers = vec!["disk.csi.azure.com".into()];
        }),
        ("P39", cofferdam, WARNED, None, |f| {
            *first(f) = ClusterVolume {
                protocol: Some("nfs".into()),
                class: Some(("fast".into(), true)),
                ..ClusterVolume::new("a/b", VolumeKind::Csi("file.csi.azure.com".into()))
            };
            seen(&mut f.snapshots).classes[0].driver = "file.csi.azure.com".into();
            seen(&mut f.cluster).csi_drivers = vec!["file.csi.azure.com".into()];
        }),
        ("P41", cofferdam, WARNED, Some("UserErrorBackupStorageLocationNotReady"), |f| {
            seen(&mut f.pod_identity).installed = true
        }),
        ("P43", cofferdam, BLOCKED, None, |f| {
            missing_pods(f);
            seen(&mut f.network_policies).restricting = vec!["deny-all".into()];
        }),
        ("P43", cofferdam, WARNED, None, |f| {
            missing_pods(f);
            let restricting = vec!["only-dns".into()];
            f.network_policies = Observed::Seen(NetworkPolicies { restricting, lets_some_out: true });
        }),
        ("P44", cofferdam, WARNED, Some("KubernetesBackupGenericWarning"), |f| {
            let hook = BrokenWebhook {
                name: "v/c/w".into(),
                service: "n/s".into(),
                service_exists: false,
                refuses: true,
            };
            f.webhooks = Observed::Seen(vec![hook]);
        }),
        ("P46", cofferdam, WARNED, None, |f| {
            f.target =
                Observed::Seen(Some(Target { extension: Some(pods()), cpu: (2, 1), ..Target::default() }));
        }),
        ("P47", cofferdam, WARNED, Some("UserErrorSourceandTargetClusterCRDVersionMismatch"), |f| {
            f.target = Observed::Seen(Some(Target {
                extension: Some(pods()),
                missing_resources: vec!["a/v1/bs".into()],
                ..Target::default()
            }));
        }),
        ("P49", aks, WARNED, None, |f| {
            f.tools =
                Observed::Seen(vec![Tool { name: "az".into(), version: (2, 40, 0), oldest: (2, 41, 0) }]);
        }),
        ("P50", cofferdam, WARNED, None, |f| {
            f.target = Observed::Seen(Some(Target {
                extension: Some(pods()),
                claims_there: vec!["a/b".into()],
                ..Target::default()
            }));
        }),
        ("P51", cofferdam, BLOCKED, Some("UserErrorHookNotFound"), |f| {
            f.hooks = Observed::Seen(vec![Hook { name: "a/h".into(), exists: false }]);
        }),
    ];

    for (id, profile, wanted, code, change) in rows {
        let mut facts = healthy();
        change(&mut facts);
        named(&facts, profile, id, wanted, code);
    }
}

#[test]
fn each_broken_thing_of_a_resource_manager_is_named_by_its_check() {
    type Change = fn(&mut ArmFacts);
    let (cofferdam, aks) = (Profile::Cofferdam, Profile::Aks);
    let rows: Vec<Row<Change>> = vec![
        ("P3", cofferdam, BLOCKED, Some("UserErrorTrustedAccessGatewayReturnedForbidden"), |a| {
            seen(&mut a.bindings).clear()
        }),
        ("P3", cofferdam, BLOCKED, Some("UserErrorTrustedAccessGatewayReturnedForbidden"), |a| {
            seen(&mut a.bindings)[0].state = "Failed".into()
        }),
        ("P5", cofferdam, BLOCKED, Some("UserErrorKubernetesBackupExtensionIdentityNotFound"), |a| {
            seen(&mut a.extension).as_mut().unwrap().principal = None
        }),
        ("P7", aks, BLOCKED, Some("MissingSubscriptionRegistration"), |a| {
            seen(&mut a.providers)[0].1 = "NotRegistered".into()
        }),
        ("P9", aks, BLOCKED, None, |a| seen(&mut a.account).default_action = Some("Deny".into())),
        ("P9", cofferdam, WARNED, None, |a| seen(&mut a.account).public = false),
        ("P14", aks, BLOCKED, Some("UserErrorClusterServicePrincipalNotSupported"), |a| {
            seen(&mut a.cluster).service_principal = Some("1234".into())
        }),
        ("P21", aks, BLOCKED, None, |a| seen(&mut a.inbound)[0].sources = vec!["AzureBackup".into()]),
        ("P22", cofferdam, BLOCKED, Some("LinkedAuthorizationFailed"), |a| {
            let read = "Microsoft.ContainerService/managedClusters/read";
            seen(&mut a.rights).push(UserRight {
                action: read,
                held: false,
                id: "U5",
                scope: "/c".into(),
                role: "Reader",
            });
        }),
        ("P22", cofferdam, BLOCKED, Some("AuthorizationFailed"), |a| seen(&mut a.rights)[0].held = false),
        ("P23", cofferdam, BLOCKED, Some("UserErrorMissingPermissions"), |a| {
            a.roles = Observed::Seen(vec![role("R1", false)])
        }),
        ("P23", cofferdam, BLOCKED, Some("UserErrorVaultIdentityNotFound"), |a| {
            seen(&mut a.vault).as_mut().unwrap().principal = None
        }),
        ("P24", aks, BLOCKED, Some("UserErrorCrossRegionNotSupported"), |a| {
            seen(&mut a.vault).as_mut().unwrap().location = "eastus".into()
        }),
        ("P24", cofferdam, WARNED, None, |a| {
            seen(&mut a.vault).as_mut().unwrap().tenant = Some("other".into())
        }),
        ("P25", aks, BLOCKED, Some("UserErrorNoDefaultBackupStorageLocationFound"), |a| {
            seen(&mut a.account).container = Some(("c".into(), false))
        }),
        ("P25", aks, BLOCKED, None, |a| seen(&mut a.account).sku = "Premium_LRS".into()),
        ("P32", aks, BLOCKED, Some("UserErrorSnapshotResourceGroupHasLocks"), |a| {
            a.locks = Observed::Seen(vec!["CanNotDelete l".into()])
        }),
        ("P40", aks, BLOCKED, None, |a| seen(&mut a.cluster).outbound = Some("none".into())),
        ("P45", aks, BLOCKED, None, |a| {
            a.staging = Observed::Seen(Some(StorageAccount {
                location: "westeurope".into(),
                public: true,
                ..StorageAccount::default()
            }));
        }),
        ("P48", aks, BLOCKED, None, |a| {
            seen(&mut a.vault).as_mut().unwrap().redundancy = Some("LocallyRedundant".into());
        }),
    ];

    for (id, profile, wanted, code, change) in rows {
        named(&with_arm(change), profile, id, wanted, code);
    }
}

/// What a store says, and what lies in it.
#[test]
fn each_broken_thing_of_a_storage_location_is_named_by_its_check() {
    type Change = fn(&mut LocationFacts);
    fn refuses(location: &mut LocationFacts, refusal: Refusal, cause: &str) {
        let (operation, cause) = ("list".to_owned(), cause.to_owned());
        location.probe =
            StoreProbe::Failed { operation, refusal, cause, remedy: "Mend the store.".to_owned() };
    }
    let missing_permissions = Some("UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation");
    let rows: Vec<(&str, Option<&str>, Change)> = vec![
        ("P6", Some("UserErrorNoDefaultBackupStorageLocationFound"), |l| {
            refuses(l, Refusal::NoBucket, "NoSuchBucket");
        }),
        ("P6", Some("UserErrorBackupFailedBackupStorageLocationReadOnly"), |l| {
            refuses(l, Refusal::ReadOnly, "403");
        }),
        ("P6", missing_permissions, |l| refuses(l, Refusal::NoPermission, "403")),
        ("P6", Some("UserErrorBackupStorageLocationFull"), |l| refuses(l, Refusal::Full, "507")),
        ("P6", Some("ClockSkewDetected"), |l| refuses(l, Refusal::WrongClock, "RequestTimeTooSkewed")),
        ("P6", Some("UserErrorBackupStorageLocationNotReady"), |l| refuses(l, Refusal::NotReady, "503")),
        // A grant that ended says why in front of the store's words.
        ("P6", missing_permissions, |l| {
            let code = "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation";
            refuses(l, Refusal::ReadOnly, &format!("{code}: the role was taken away"));
        }),
        ("P6", Some("UserErrorBackupStorageLocationNotReady"), |l| {
            l.probe = StoreProbe::OutOfReach("no route".into());
            l.noted = Some("something new: nobody knows it".into());
        }),
        ("P6", Some("UserErrorNoDefaultBackupStorageLocationFound"), |l| {
            l.probe = StoreProbe::OutOfReach("no route".into());
            l.noted = Some("UserErrorNoDefaultBackupStorageLocationFound: it is gone".into());
        }),
        ("P10", Some("UserErrorBackupStorageLocationNotEmpty"), |l| {
            l.contents = contents(Owner::Nobody, &["holiday.jpg"]);
        }),
        ("P10", Some("RepositoryDamaged"), |l| l.initialised = true),
        ("P10", Some("RepositoryDamaged"), |l| l.contents = contents(Owner::Unreadable("cut".into()), &[])),
        ("P26", Some("UserErrorBackupStorageLocationOwnedByAnotherCluster"), |l| {
            l.contents = contents(Owner::Other("x".into()), &["holiday.jpg"]);
        }),
        // Also where the extension had a repository: the marker says whose the place is now.
        ("P26", Some("UserErrorBackupStorageLocationOwnedByAnotherCluster"), |l| {
            l.contents = contents(Owner::Other("x".into()), &[]);
            l.initialised = true;
            l.unrelated_allowed = true;
        }),
    ];

    for (id, code, change) in rows {
        named(&with_location(change), Profile::Cofferdam, id, BLOCKED, code);
    }
}

#[test]
fn what_does_not_fail_has_no_code() {
    let mut facts = healthy();
    facts.extension = Observed::Seen(None);
    facts.cluster = Observed::NotObservable("denied".into());

    let judged = judge(&facts, Profile::Cofferdam, Purpose::Preflight);

    for one in judged.iter().filter(|one| !matches!(one.finding.outcome, Outcome::Failed { .. })) {
        assert_eq!(one.code, None, "{:?}", one.finding);
    }
}
