//! Which acts are planned for made-up clusters, and what they say of themselves.

use crate::*;
use std::collections::BTreeSet;

const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";
const CLUSTER: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
const ACCOUNT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a";

/// A resource manager that knows a cluster, its vault and its account, and in which everything is as it must be.
fn arm() -> ArmFacts {
    ArmFacts {
        providers: Observed::Seen(vec![("Microsoft.DataProtection".into(), "Registered".into())]),
        cluster: Observed::Seen(ManagedCluster {
            id: CLUSTER.into(),
            identity: Some("SystemAssigned".into()),
            service_principal: Some("msi".into()),
            ..ManagedCluster::default()
        }),
        vault: Observed::Seen(Some(ArmVault {
            id: VAULT.into(),
            tenant: Some("t".into()),
            principal: Some("p".into()),
            ..ArmVault::default()
        })),
        bindings: Observed::Seen(vec![binding(&["Microsoft.DataProtection/backupVaults/backup-operator"])]),
        account: Observed::Seen(StorageAccount {
            id: ACCOUNT.into(),
            kind: "StorageV2".into(),
            public: true,
            container: Some(("shop".into(), true)),
            ..StorageAccount::default()
        }),
        roles: Observed::Seen(vec![role("R1", true), role("R4", true)]),
        rights: Observed::Seen(Vec::new()),
        ..ArmFacts::unseen("https://arm", "not asked")
    }
}

fn binding(roles: &[&str]) -> Binding {
    Binding {
        name: "b".into(),
        source: VAULT.to_uppercase(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        state: "Succeeded".into(),
    }
}

fn role(id: &'static str, held: bool) -> RoleNeed {
    RoleNeed {
        id,
        role: "Reader",
        identity: "vault",
        principal: "p".into(),
        scope: CLUSTER.into(),
        code: None,
        held: Observed::Seen(held),
    }
}

fn with_arm(change: impl FnOnce(&mut ArmFacts)) -> Facts {
    let mut arm = arm();
    change(&mut arm);
    let mut facts = Facts { arm: Observed::Seen(arm), ..Facts::unseen("not asked") };
    facts.names.0.insert("subscription", "s".to_owned());
    facts
}

/// A cluster with one claim of a driver without class, as far as a plan looks.
fn with_cluster(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = Facts::unseen("not asked");
    facts.cluster = Observed::Seen(Cluster {
        uid: "u".into(),
        version: (1, 35, 0),
        git_version: "v1.35.0".into(),
        csi_drivers: vec!["disk.csi.azure.com".into(), "some.example".into(), "rbd.csi.ceph.com".into()],
        extension_namespace: "dataprotection-microsoft".into(),
        namespace_exists: true,
    });
    facts.rights = Observed::Seen(Rights { whose: Whose::Asking("ann".into()), missing: Vec::new() });
    facts.snapshots = Observed::Seen(SnapshotApi {
        served: ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"]
            .map(String::from)
            .into(),
        controller: Some("lease".into()),
        stopped: None,
        classes: Vec::new(),
    });
    facts.volumes = Observed::Seen(Vec::new());
    facts.velero = Observed::Seen(VeleroFacts::default());
    facts.snapshotters = Observed::Seen(Vec::new());
    facts.definitions = Observed::Seen(Vec::new());
    facts.marks = Observed::Seen(Marks::default());
    change(&mut facts);
    facts
}

fn planned(facts: &Facts, profile: Profile, asked: &[&str]) -> Vec<Change> {
    let asked: Vec<String> = asked.iter().map(|id| (*id).to_owned()).collect();
    mends(&judge(facts, profile, Purpose::Preflight), facts, profile, &asked)
}

fn checks(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|change| change.check).collect()
}

#[test]
fn where_everything_holds_there_is_nothing_to_mend() {
    assert_eq!(planned(&with_arm(|_| {}), Profile::Aks, &[]), []);
    assert_eq!(planned(&with_cluster(|_| {}), Profile::Aks, &[]), []);
    assert_eq!(planned(&Facts::unseen("nobody looked"), Profile::Aks, &[]), []);
}

#[test]
fn each_thing_that_is_missing_at_the_resource_manager_is_one_act_with_its_own_right() {
    fn seen<T>(fact: &mut Observed<T>) -> &mut T {
        if let Observed::Seen(value) = fact { value } else { panic!("it is seen") }
    }
    type Case = (&'static str, &'static str, fn(&mut ArmFacts));
    let cases: [Case; 9] = [
        ("P7", "Microsoft.DataProtection/register/action on /subscriptions/s", |arm| {
            seen(&mut arm.providers)[0].1 = "NotRegistered".into();
        }),
        ("P3", "trustedAccessRoleBindings/write on ", |arm| seen(&mut arm.bindings).clear()),
        ("P3", "trustedAccessRoleBindings/write on ", |arm| {
            *seen(&mut arm.bindings) = vec![binding(&["other/role"])];
        }),
        ("P23", "roleAssignments/write on ", |arm| seen(&mut arm.roles)[0].held = Observed::Seen(false)),
        ("P6", "roleAssignments/write on ", |arm| seen(&mut arm.roles)[1].held = Observed::Seen(false)),
        ("P9", "storageAccounts/write on ", |arm| {
            seen(&mut arm.account).default_action = Some("Deny".into());
        }),
        ("P25", "blobServices/containers/write on ", |arm| {
            seen(&mut arm.account).container = Some(("shop".into(), false));
        }),
        ("P12", "managedClusters/write on ", |arm| {
            seen(&mut arm.cluster).snapshot_controller = Some(false);
        }),
        ("P14", "managedClusters/write on ", |arm| {
            seen(&mut arm.cluster).identity = None;
            seen(&mut arm.cluster).service_principal = Some("sp".into());
        }),
    ];

    for (id, right, change) in cases {
        let changes = planned(&with_arm(change), Profile::Aks, &[]);

        assert_eq!(checks(&changes), [id], "{changes:#?}");
        assert!(changes[0].rights.iter().any(|one| one.contains(right)), "{changes:#?}");
        assert_ne!(changes[0].before, changes[0].after);
        assert_eq!(changes[0].obstacle, None);
    }
}

#[test]
fn what_the_profile_does_not_ask_for_is_not_switched_on_beside_what_it_does() {
    let facts = with_arm(|arm| {
        let Observed::Seen(cluster) = &mut arm.cluster else { unreachable!() };
        (cluster.disk_driver, cluster.snapshot_controller) = (Some(false), Some(false));
    });
    let parts = |profile| match &planned(&facts, profile, &[])[..] {
        [Change { action: Action::EnableStorage { parts, .. }, .. }] => parts.clone(),
        other => panic!("{other:#?}"),
    };

    assert_eq!(parts(Profile::Aks), ["diskCSIDriver", "snapshotController"]);
    assert_eq!(parts(Profile::Cofferdam), ["snapshotController"]);
}

#[test]
fn a_binding_that_lacks_the_role_is_kept_and_a_new_one_gets_its_name_later() {
    let binding_of = |bindings: Vec<Binding>| {
        let changes = planned(&with_arm(|arm| arm.bindings = Observed::Seen(bindings)), Profile::Aks, &[]);
        let Action::LetVaultIn { binding, had, .. } = changes[0].action.clone() else {
            panic!("{changes:?}")
        };
        (binding, had)
    };

    assert_eq!(binding_of(Vec::new()), (None, Vec::new()));
    assert_eq!(binding_of(vec![binding(&["other/role"])]), (Some("b".into()), vec!["other/role".to_owned()]));
}

#[test]
fn a_lock_and_an_endpoint_that_somebody_switched_off_are_left_to_their_owner() {
    let locked = with_arm(|arm| arm.locks = Observed::Seen(vec!["CanNotDelete l".into()]));
    let closed = with_arm(|arm| {
        if let Observed::Seen(account) = &mut arm.account {
            (account.public, account.default_action) = (false, Some("Deny".into()));
        }
    });

    assert_eq!(planned(&locked, Profile::Aks, &[]), []);
    assert_eq!(planned(&closed, Profile::Aks, &[]), []);
}

#[test]
fn whoever_lacks_the_right_for_an_act_is_told_so_beforehand() {
    let facts = with_arm(|arm| {
        arm.roles = Observed::Seen(vec![role("R1", false)]);
        arm.rights = Observed::Seen(vec![UserRight {
            id: "U1",
            action: "Microsoft.Authorization/roleAssignments/write",
            scope: CLUSTER.to_uppercase(),
            role: "Owner",
            held: false,
        }]);
    });

    let changes = planned(&facts, Profile::Aks, &[]);

    let obstacle = changes[0].obstacle.as_deref().unwrap();
    assert!(obstacle.contains("you lack Microsoft.Authorization/roleAssignments/write"), "{obstacle}");
}

#[test]
fn a_driver_gets_a_class_where_it_makes_snapshots_has_none_and_needs_no_parameters() {
    let with = |driver: &str, snapshotters: &[&str], class: Option<&str>| {
        with_cluster(|facts| {
            facts.volumes =
                Observed::Seen(vec![ClusterVolume::new("a/b", VolumeKind::Csi(driver.to_owned()))]);
            facts.snapshotters = Observed::Seen(snapshotters.iter().map(|one| (*one).to_owned()).collect());
            if let (Some(driver), Observed::Seen(snapshots)) = (class, &mut facts.snapshots) {
                snapshots.classes.push(SnapshotClassFacts {
                    name: "c".into(),
                    driver: driver.into(),
                    ours: false,
                    default: false,
                    velero: false,
                });
            }
        })
    };
    let plan = |facts: &Facts| planned(facts, Profile::Cofferdam, &[]);

    let known = plan(&with("disk.csi.azure.com", &[], None));
    let expected = Action::CreateSnapshotClass {
        name: "disk.csi.azure.com-snapshots".into(),
        driver: "disk.csi.azure.com".into(),
    };
    assert_eq!(known.iter().map(|one| one.action.clone()).collect::<Vec<_>>(), [expected]);
    assert_eq!(checks(&plan(&with("some.example", &["some.example"], None))), ["P13"]);
    for none in [
        with("some.example", &[], None),
        with("absent.example", &["absent.example"], None),
        with("rbd.csi.ceph.com", &["rbd.csi.ceph.com"], None),
        with("disk.csi.azure.com", &[], Some("disk.csi.azure.com")),
    ] {
        assert_eq!(plan(&none), []);
    }
}

#[test]
fn what_velero_left_goes_once_it_is_gone_itself_and_only_what_has_no_objects() {
    let definition = |name: &str, used| Definition { name: format!("{name}.velero.io"), used };
    let left = |deployments: Vec<String>| {
        with_cluster(|facts| {
            facts.velero = Observed::Seen(VeleroFacts { crds: true, deployments, ..VeleroFacts::default() });
            facts.definitions =
                Observed::Seen(vec![definition("backups", true), definition("restores", false)]);
            facts.marks = Observed::Seen(Marks { count: 1, names: vec!["pods/a/b".into()] });
        })
    };

    let gone = planned(&left(Vec::new()), Profile::Aks, &[]);
    let there = planned(&left(vec!["velero/velero".into()]), Profile::Aks, &[]);
    let told = planned(&left(Vec::new()), Profile::Cofferdam, &[]);
    let asked = planned(&left(Vec::new()), Profile::Cofferdam, &["P17", "P19"]);

    assert_eq!(checks(&gone), ["P17", "P19"]);
    assert_eq!(
        gone[0].action,
        Action::DeleteDefinitions {
            names: vec!["restores.velero.io".into()],
            kept: vec!["backups.velero.io".into()]
        }
    );
    assert!(gone[0].remark.as_deref().unwrap().contains("backups.velero.io"), "{gone:#?}");
    assert_eq!(there, [], "a Velero that is there needs them");
    assert_eq!(told, [], "what does no harm is mended for whoever asks for it");
    assert_eq!(checks(&asked), ["P17", "P19"]);
}

#[test]
fn a_label_of_velero_goes_from_each_class_that_has_it() {
    let class = |name: &str, ours| SnapshotClassFacts {
        name: name.to_owned(),
        driver: "disk".into(),
        ours,
        default: false,
        velero: true,
    };
    let facts = with_cluster(|facts| {
        let Observed::Seen(snapshots) = &mut facts.snapshots else { unreachable!() };
        snapshots.classes = vec![class("theirs", false), class("ours", true)];
    });

    let changes = planned(&facts, Profile::Aks, &[]);

    let named: Vec<(&str, &str)> = changes.iter().map(|one| (one.check, one.object.as_str())).collect();
    assert_eq!(named, [("P17", "volumesnapshotclass/ours"), ("P18", "volumesnapshotclass/theirs")]);
}

#[test]
fn only_pod_security_that_is_too_strict_by_one_step_is_loosened() {
    let with = |reason: &str| {
        with_cluster(|facts| {
            facts.policies = Observed::Seen(Policies {
                dry_run: DryRun::Rejected(reason.to_owned()),
                pod_security: Some("restricted".into()),
                ..Policies::default()
            });
        })
    };
    let of = |reason: &str| planned(&with(reason), Profile::Cofferdam, &[]);

    let restricted = of("pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot");
    assert_eq!(checks(&restricted), ["P20"]);
    assert_eq!(restricted[0].object, "namespace/dataprotection-microsoft");
    assert!(restricted[0].after.contains("enforce=baseline"), "{restricted:#?}");
    assert_eq!(of("violates PodSecurity \"baseline:latest\": hostPath volumes"), []);
    assert_eq!(of("ValidatingAdmissionPolicy 'owner' denied request: every pod needs an owner"), []);
}

#[test]
fn every_check_that_offers_an_act_is_in_the_catalogue_and_names_what_others_wrote_harmlessly() {
    let ids: BTreeSet<&str> = catalogue().iter().map(|check| check.id).collect();
    let evil = with_arm(|arm| {
        arm.account = Observed::Seen(StorageAccount {
            id: "/a\u{1b}[2J\nP6 ok".into(),
            container: Some(("c".into(), false)),
            kind: "StorageV2".into(),
            public: true,
            ..StorageAccount::default()
        });
    });

    let changes = planned(&evil, Profile::Aks, &[]);

    assert!(offers().iter().all(|offer| ids.contains(offer.check)));
    assert_eq!(checks(&changes), ["P25"]);
    assert!(!changes[0].object.contains(['\u{1b}', '\n']), "{changes:?}");
}
