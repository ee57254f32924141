//! The catalogue, judged over made-up clusters.

use super::{judge_all, judge_alone};
use crate::*;

pub(super) fn healthy() -> Facts {
    Facts {
        cluster: Observed::Seen(Cluster {
            uid: "u".into(),
            version: (1, 35, 4),
            git_version: "v1.35.4".into(),
            csi_drivers: vec!["disk".into()],
            extension_namespace: "dataprotection-microsoft".into(),
            namespace_exists: true,
        }),
        rights: rights(&[]),
        snapshots: Observed::Seen(SnapshotApi {
            served: ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"]
                .map(String::from)
                .into(),
            controller: Some("lease".into()),
            stopped: None,
            classes: vec![SnapshotClassFacts {
                name: "c".into(),
                driver: "disk".into(),
                ours: false,
                default: false,
                velero: false,
            }],
        }),
        volumes: Observed::Seen(vec![ClusterVolume {
            class: Some(("fast".into(), true)),
            ..ClusterVolume::new("a/b", VolumeKind::Csi("disk".into()))
        }]),
        velero: Observed::Seen(VeleroFacts::default()),
        definitions: Observed::Seen(Vec::new()),
        snapshotters: Observed::Seen(Vec::new()),
        marks: Observed::Seen(Marks::default()),
        policies: Observed::Seen(Policies { dry_run: DryRun::Admitted, ..Policies::default() }),
        registry: Observed::Seen(Registry {
            image: "i".into(),
            pulled: Ok("a pod runs".into()),
            everywhere: true,
        }),
        location: Observed::Seen(LocationFacts {
            describe: "bucket b".into(),
            bucket_path: "b/".into(),
            store: None,
            contents: contents(Owner::Nobody, &[]),
            unrelated_allowed: false,
            initialised: false,
            probe: StoreProbe::Works,
            noted: None,
        }),
        extension: Observed::Seen(Some(pods())),
        system: Observed::Seen(SystemParts::default()),
        original: Observed::Seen(Vec::new()),
        nodes: Observed::Seen(Nodes { all: vec![node("n")], wanted_cpu: 500, wanted_memory: 256 << 20 }),
        namespaces: Observed::Seen(Namespaces { count: 4, ..Namespaces::default() }),
        objects: Observed::Seen(200),
        webhooks: Observed::Seen(Vec::new()),
        network_policies: Observed::Seen(NetworkPolicies::default()),
        pod_identity: Observed::Seen(PodIdentity::default()),
        hooks: Observed::Seen(Vec::new()),
        target: Observed::Seen(None),
        tools: Observed::Seen(Vec::new()),
        arm: Observed::Seen(arm()),
        egress: Observed::Seen(None),
        deep: Observed::Seen(None),
        names: Names::default(),
    }
}

pub(super) fn pods() -> ExtensionPods {
    ExtensionPods {
        deployment: "d/e".into(),
        wanted: 1,
        available: 1,
        leads: true,
        ..ExtensionPods::default()
    }
}

pub(super) fn node(name: &str) -> Node {
    Node {
        name: name.into(),
        os: "linux".into(),
        arch: "amd64".into(),
        kubelet: (1, 35, 4),
        takes_pods: true,
        not_tolerated: Vec::new(),
        free_cpu: Some(1_000),
        free_memory: Some(1 << 30),
        free_pods: Some(100),
    }
}

const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";

fn arm() -> ArmFacts {
    let registered = |name: &str| (format!("Microsoft.{name}"), "Registered".to_owned());
    let account = StorageAccount {
        id: "/a".into(),
        location: "westeurope".into(),
        kind: "StorageV2".into(),
        sku: "Standard_LRS".into(),
        default_action: Some("Allow".into()),
        public: true,
        container: Some(("c".into(), true)),
        ..StorageAccount::default()
    };
    ArmFacts {
        url: "https://arm".into(),
        providers: Observed::Seen(
            ["KubernetesConfiguration", "DataProtection", "ContainerService"].map(registered).into(),
        ),
        cluster: Observed::Seen(ManagedCluster {
            id: "/c".into(),
            location: "West Europe".into(),
            tenant: Some("t".into()),
            identity: Some("SystemAssigned".into()),
            service_principal: Some("msi".into()),
            disk_driver: Some(true),
            snapshot_controller: Some(true),
            ..ManagedCluster::default()
        }),
        vault: Observed::Seen(Some(ArmVault {
            id: VAULT.into(),
            location: "westeurope".into(),
            tenant: Some("t".into()),
            principal: Some("p".into()),
            redundancy: Some("GeoRedundant".into()),
            cross_region: true,
        })),
        bindings: Observed::Seen(vec![Binding {
            name: "b".into(),
            source: VAULT.to_uppercase(),
            roles: vec!["Microsoft.DataProtection/backupVaults/backup-operator".into()],
            state: "Succeeded".into(),
        }]),
        extension: Observed::Seen(Some(InstalledExtension {
            name: "backup".into(),
            state: "Succeeded".into(),
            principal: Some("e".into()),
            container: Some("c".into()),
        })),
        account: Observed::Seen(account),
        roles: Observed::Seen(vec![role("R1", true), role("R4", true)]),
        rights: Observed::Seen(vec![UserRight {
            id: "U1",
            action: "Microsoft.ContainerService/managedClusters/write",
            scope: "/c".into(),
            role: "Contributor",
            held: true,
        }]),
        inbound: Observed::Seen(vec![InboundRule {
            name: "nsg/r".into(),
            sources: vec!["AzureBackup".into(), "AzureCloud.westeurope".into()],
        }]),
        locks: Observed::Seen(Vec::new()),
        disks: Observed::Seen(Vec::new()),
        staging: Observed::Seen(None),
    }
}

pub(super) fn role(id: &'static str, held: bool) -> RoleNeed {
    RoleNeed {
        id,
        role: "Reader",
        identity: "vault",
        principal: "p".into(),
        scope: "/c".into(),
        code: None,
        held: Observed::Seen(held),
    }
}

/// The same facts with another resource manager.
pub(super) fn with_arm(change: impl FnOnce(&mut ArmFacts)) -> Facts {
    let mut arm = arm();
    change(&mut arm);
    Facts { arm: Observed::Seen(arm), ..healthy() }
}

fn rights(missing: &[&str]) -> Observed<Rights> {
    let missing = missing.iter().map(|right| (*right).to_owned()).collect();
    Observed::Seen(Rights { whose: Whose::Asking("ann".into()), missing })
}

pub(super) fn contents(owner: Owner, unrelated: &[&str]) -> Observed<Contents> {
    let unrelated = unrelated.iter().map(|name| (*name).to_owned()).collect();
    Observed::Seen(Contents { owner, has_repository: false, unrelated })
}

pub(super) fn with_location(change: impl FnOnce(&mut LocationFacts)) -> Facts {
    let mut facts = healthy();
    let mut location = facts.location.seen().unwrap().clone();
    change(&mut location);
    facts.location = Observed::Seen(location);
    facts
}

pub(super) const BLOCKED: Outcome = Outcome::Failed { severity: Severity::Block };

pub(super) fn outcome(facts: &Facts, profile: Profile, id: &str) -> Outcome {
    evaluate(facts, profile, Purpose::Preflight).findings.into_iter().find(|f| f.id == id).unwrap().outcome
}

pub(super) const WARNED: Outcome = Outcome::Failed { severity: Severity::Warn };

#[test]
fn on_a_healthy_cluster_nothing_fails_and_what_a_probe_inside_would_see_is_not_called_well() {
    for profile in [Profile::Cofferdam, Profile::Aks] {
        let report = evaluate(&healthy(), profile, Purpose::Preflight);

        let unseen: Vec<&str> = report
            .findings
            .iter()
            .filter(|found| !matches!(found.outcome, Outcome::Passed | Outcome::NotApplicable { .. }))
            .map(|found| found.id.as_str())
            .collect();
        let inside: &[&str] = if profile == Profile::Aks { &["P16", "P42"] } else { &["P16"] };
        assert_eq!(unseen, inside, "{report:#?}");
        assert_eq!(report.findings.len(), 54);
    }
}

#[test]
fn what_nobody_could_see_never_passes() {
    for profile in [Profile::Cofferdam, Profile::Aks] {
        let report = evaluate(&Facts::unseen("no credentials"), profile, Purpose::Preflight);

        assert!(
            report.findings.iter().all(|found| matches!(
                found.outcome,
                Outcome::NotObservable { .. } | Outcome::NotApplicable { .. }
            )),
            "{report:#?}"
        );
    }
}

#[test]
fn without_a_resource_manager_its_checks_are_not_observed() {
    let facts = Facts { arm: Observed::NotObservable("none was named".into()), ..healthy() };

    for id in ["P3", "P5", "P7", "P9", "P14", "P21", "P22", "P23", "P24", "P25", "P45"] {
        let seen = outcome(&facts, Profile::Aks, id);
        assert_eq!(seen, Outcome::NotObservable { why: "none was named".into() }, "{id}");
    }
}

#[test]
fn nothing_comes_before_what_it_depends_on_and_ids_are_those_of_the_original() {
    let ids: Vec<&str> = catalogue().iter().map(|check| check.id).collect();
    let mut wanted: Vec<String> = (1..=51).map(|n| format!("P{n}")).collect();
    wanted.extend(["C1", "C2", "C3"].map(str::to_owned));

    for (at, check) in catalogue().iter().enumerate() {
        for id in check.depends_on {
            assert!(ids[..at].contains(id), "{} stands before {id}", check.id);
        }
        assert!(!check.fixes.is_empty(), "{} has no fix", check.id);
    }
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
}

#[test]
fn a_check_whose_ground_is_missing_is_skipped_not_judged() {
    let mut facts = healthy();
    facts.snapshots =
        Observed::Seen(SnapshotApi { served: vec![], controller: None, stopped: None, classes: vec![] });

    assert_eq!(outcome(&facts, Profile::Cofferdam, "P12"), Outcome::Failed { severity: Severity::Block });
    assert_eq!(outcome(&facts, Profile::Cofferdam, "P13"), Outcome::Skipped { because: "P12".into() });
}

#[test]
fn what_lies_in_the_location_blocks_unless_it_is_ours_or_allowed() {
    let judged = |owner: Owner, unrelated: &[&str], has_repository: bool, allowed: bool| {
        let facts = with_location(|location| {
            let unrelated = unrelated.iter().map(|name| (*name).to_owned()).collect();
            location.contents = Observed::Seen(Contents { owner, has_repository, unrelated });
            location.unrelated_allowed = allowed;
        });
        outcome(&facts, Profile::Cofferdam, "P10")
    };

    // Whose marker it is, P26 tells.
    for allowed in [false, true] {
        let others = judged(Owner::Other("x".into()), &["holiday.jpg"], true, allowed);
        assert!(matches!(others, Outcome::NotApplicable { .. }), "{others:?}");
    }
    assert_eq!(judged(Owner::Unreadable("cut".into()), &[], true, true), BLOCKED);
    assert_eq!(judged(Owner::Nobody, &["holiday.jpg"], false, false), BLOCKED);
    assert_eq!(judged(Owner::Nobody, &["holiday.jpg"], false, true), Outcome::Passed);
    assert_eq!(judged(Owner::Nobody, &[], true, false), BLOCKED);
    assert_eq!(judged(Owner::ThisCluster, &["holiday.jpg"], true, false), Outcome::Passed);
}

#[test]
fn a_location_that_could_not_be_listed_is_not_called_empty() {
    let facts = with_location(|location| {
        location.contents = Observed::NotObservable("denied".into());
        location.probe = StoreProbe::Failed {
            operation: "list".into(),
            refusal: Refusal::NoPermission,
            cause: "denied".into(),
            remedy: "Grant it.".into(),
        };
    });

    assert_eq!(outcome(&facts, Profile::Cofferdam, "P6"), BLOCKED);
    assert_eq!(outcome(&facts, Profile::Cofferdam, "P10"), Outcome::NotObservable { why: "denied".into() });
}

#[test]
fn an_empty_location_is_well_only_where_there_never_was_a_repository() {
    let judged = |initialised: bool, owner: Owner, has_repository: bool| {
        let facts = with_location(|location| {
            let unrelated = Vec::new();
            location.contents = Observed::Seen(Contents { owner, has_repository, unrelated });
            location.initialised = initialised;
        });
        outcome(&facts, Profile::Cofferdam, "P10")
    };

    assert_eq!(judged(false, Owner::Nobody, false), Outcome::Passed);
    assert_eq!(judged(false, Owner::ThisCluster, false), Outcome::Passed);
    assert_eq!(judged(true, Owner::ThisCluster, true), Outcome::Passed);
    assert_eq!(judged(true, Owner::Nobody, false), BLOCKED);
    assert_eq!(judged(true, Owner::ThisCluster, false), BLOCKED);
    assert_eq!(judged(true, Owner::Nobody, true), BLOCKED);
}

#[test]
fn a_store_out_of_reach_is_judged_by_what_the_extension_says() {
    let judged = |noted: Option<&str>| {
        let facts = with_location(|location| {
            location.probe = StoreProbe::OutOfReach("no route".into());
            location.noted = noted.map(str::to_owned);
        });
        outcome(&facts, Profile::Cofferdam, "P6")
    };

    assert_eq!(judged(Some("Ready")), Outcome::Passed);
    assert_eq!(judged(Some("UserErrorBackupStorageLocationNotReady: …")), BLOCKED);
    assert!(matches!(judged(None), Outcome::NotObservable { .. }));
}

#[test]
fn a_cluster_older_than_the_drivers_demand_blocks() {
    let mut facts = healthy();
    let mut cluster = facts.cluster.seen().unwrap().clone();
    cluster.version = (1, 21, 0);
    facts.cluster = Observed::Seen(cluster);

    assert_eq!(outcome(&facts, Profile::Cofferdam, "P11"), BLOCKED);
    assert_eq!(outcome(&facts, Profile::Cofferdam, "P12"), Outcome::Skipped { because: "P11".into() });
}

#[test]
fn a_restore_does_not_ask_whose_location_it_reads() {
    let ids: Vec<String> = evaluate(&healthy(), Profile::Cofferdam, Purpose::Restore)
        .findings
        .into_iter()
        .map(|f| f.id)
        .collect();

    assert_eq!(ids, ["P11", "P4", "P12", "P6", "P15", "P20", "P44"]);
}

#[test]
fn a_claim_is_protected_when_exactly_one_class_can_be_chosen() {
    let class = |name: &str, ours, default| SnapshotClassFacts {
        name: name.into(),
        driver: "disk".into(),
        ours,
        default,
        velero: false,
    };
    let (plain, default, ours) = (class("a", false, false), class("b", false, true), class("c", true, true));
    let cases = [
        (vec![], Some("no VolumeSnapshotClass")),
        (vec![ours.clone()], Some("no VolumeSnapshotClass")),
        (vec![plain.clone()], None),
        (vec![plain.clone(), default.clone(), ours], None),
        (vec![plain.clone(), plain], Some("none of 2")),
        (vec![default.clone(), default], Some("2 VolumeSnapshotClasses")),
    ];

    for (classes, why) in cases {
        let mut facts = healthy();
        let Observed::Seen(snapshots) = &mut facts.snapshots else { unreachable!() };
        snapshots.classes = classes;
        let report = evaluate(&facts, Profile::Cofferdam, Purpose::Backup);
        let found = report.findings.into_iter().find(|finding| finding.id == "P13").unwrap();

        match why {
            None => assert_eq!(found.outcome, Outcome::Passed, "{}", found.evidence),
            Some(why) => assert!(found.evidence.contains(why), "{}", found.evidence),
        }
    }
}

#[test]
fn every_failed_check_comes_with_a_fix() {
    let mut facts = healthy();
    facts.rights = rights(&["get secrets"]);
    facts.volumes = Observed::Seen(vec![ClusterVolume::new("a/b", VolumeKind::InTree("nfs".into()))]);
    facts.registry =
        Observed::Seen(Registry { image: "i".into(), pulled: Err("ErrImagePull".into()), everywhere: false });
    facts.policies =
        Observed::Seen(Policies { dry_run: DryRun::Rejected("denied".into()), ..Policies::default() });

    let report = evaluate(&facts, Profile::Cofferdam, Purpose::Install);

    let failed: Vec<_> =
        report.findings.iter().filter(|f| matches!(f.outcome, Outcome::Failed { .. })).collect();
    assert_eq!(failed.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["P4", "P13", "P15"]);
    assert!(failed.iter().all(|f| f.fix.is_some()));
    assert_eq!(outcome(&facts, Profile::Cofferdam, "P20"), Outcome::Skipped { because: "P4".into() });
}

#[test]
fn a_snapshot_controller_that_nobody_sees_may_run_outside_and_is_neither_well_nor_broken() {
    let mut facts = healthy();
    let Observed::Seen(snapshots) = &mut facts.snapshots else { unreachable!() };
    snapshots.controller = None;

    assert!(matches!(outcome(&facts, Profile::Cofferdam, "P12"), Outcome::NotObservable { .. }));
    assert_eq!(
        outcome(&facts, Profile::Aks, "P12"),
        Outcome::Passed,
        "the cluster's resource says that it is on"
    );
    assert_eq!(outcome(&facts, Profile::Cofferdam, "P13"), Outcome::Passed);
}

#[test]
fn namespaces_that_are_named_count_instead_of_all_that_there_are() {
    let mut facts = healthy();
    let named = |count: usize| Namespaces { count: 2_000, wanted: vec!["a".into(); count], absent: vec![] };

    for (count, outcome_of) in [(800, Outcome::Passed), (801, BLOCKED), (0, BLOCKED)] {
        facts.namespaces = Observed::Seen(named(count));
        assert_eq!(outcome(&facts, Profile::Aks, "P37"), outcome_of, "{count} are named");
    }
}

#[test]
fn under_the_rules_of_aks_the_originals_extension_will_do() {
    let with = |state: Option<&str>, original: &[&str]| {
        let installed =
            state.map(|state| InstalledExtension { state: state.into(), ..InstalledExtension::default() });
        let mut facts = with_arm(|arm| arm.extension = Observed::Seen(installed));
        facts.extension = Observed::Seen(None);
        facts.original = Observed::Seen(original.iter().map(|name| (*name).to_owned()).collect());
        outcome(&facts, Profile::Aks, "P1")
    };

    assert_eq!(with(Some("Succeeded"), &["d/o"]), Outcome::Passed);
    assert_eq!(with(Some("Failed"), &["d/o"]), BLOCKED);
    assert!(matches!(with(None, &["d/o"]), Outcome::NotObservable { .. }));
    assert!(matches!(with(None, &[]), Outcome::NotApplicable { .. }));
}

#[test]
fn an_extension_that_failed_has_errors_and_one_that_is_being_made_is_not_well_yet() {
    let code = |state: &str| {
        let installed = InstalledExtension { state: state.into(), ..InstalledExtension::default() };
        let mut facts = with_arm(|arm| arm.extension = Observed::Seen(Some(installed)));
        facts.extension = Observed::Seen(None);
        judge_alone(&["P1"], &facts, Profile::Aks)[0].code
    };

    assert_eq!(code("Failed"), Some("UserErrorKubernetesBackupExtensionHasErrors"));
    assert_eq!(code("Creating"), Some("UserErrorKubernetesBackupExtensionUnhealthy"));
    assert_eq!(code("Succeeded"), None);
}

#[test]
fn without_credentials_for_the_store_the_role_of_the_extension_decides() {
    let unseen = |held| Facts {
        location: Observed::NotObservable("its credential is the pod's".into()),
        ..with_arm(|arm| arm.roles = Observed::Seen(vec![role("R4", held)]))
    };

    assert_eq!(outcome(&unseen(true), Profile::Cofferdam, "P6"), Outcome::Passed);
    assert_eq!(outcome(&unseen(false), Profile::Cofferdam, "P6"), BLOCKED);
}

#[test]
fn commands_carry_the_names_that_are_known_and_say_which_are_not() {
    let mut facts = with_arm(|arm| arm.bindings = Observed::Seen(Vec::new()));
    facts.names.0.insert("cluster", "shop".into());
    facts.names.0.insert("vault-id", VAULT.into());

    let judged = judge(&facts, Profile::Cofferdam, Purpose::Preflight);
    let fix = judged.iter().find(|one| one.check.id == "P3").unwrap().finding.fix.clone().unwrap();

    assert!(
        fix.contains(&format!("--cluster-name shop -g GROUP -n backuprb --source-resource-id {VAULT}")),
        "{fix}"
    );
}

static BROKEN: Check =
    Check { id: "X1", rule: |_, _| panic!("a rule that breaks"), depends_on: &[], ..*FIRST };
static ENDLESS: Check = Check {
    id: "X2",
    rule: |_, _| loop {
        std::thread::park();
    },
    depends_on: &[],
    ..*FIRST
};
const FIRST: &Check = &Check {
    id: "X0",
    title: "It holds.",
    reason: "So it is.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "nobody",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[],
    tested_by: "this",
    only_azure: false,
    rule: |_, _| crate::verdict::passed("it does"),
};

#[test]
fn azures_own_driver_of_disks_is_missed_on_aks_only() {
    let mut facts = healthy();
    let Observed::Seen(snapshots) = &mut facts.snapshots else { unreachable!() };
    snapshots.controller = None;
    let Observed::Seen(arm) = &mut facts.arm else { unreachable!() };
    let Observed::Seen(cluster) = &mut arm.cluster else { unreachable!() };
    cluster.disk_driver = Some(false);

    let elsewhere = outcome(&facts, Profile::Cofferdam, "P12");

    assert!(matches!(elsewhere, Outcome::NotObservable { .. }), "{elsewhere:?}");
    assert_eq!(outcome(&facts, Profile::Aks, "P12"), Outcome::Failed { severity: Severity::Block });
}

#[test]
fn a_rule_that_breaks_or_never_ends_breaks_alone() {
    static SOUND: &Check = FIRST;
    let limit = std::time::Duration::from_millis(200);

    let judged = judge_all(&[&BROKEN, &ENDLESS, SOUND], &healthy(), Profile::Cofferdam, limit);

    let why = |at: usize| match &judged[at].finding.outcome {
        Outcome::NotObservable { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(why(0).contains("broke"), "{}", why(0));
    assert!(why(1).contains("did not end within 0.2 s"), "{}", why(1));
    assert_eq!(judged[2].finding.outcome, Outcome::Passed);
}

#[test]
fn a_check_that_is_asked_alone_ends_as_among_all_and_waits_for_no_other() {
    let mut facts = healthy();
    let whole = judge(&facts, Profile::Cofferdam, Purpose::Preflight);
    let ids: Vec<&str> = whole.iter().map(|one| one.check.id).collect();
    let alone = judge_alone(&ids, &facts, Profile::Cofferdam);
    let Observed::Seen(arm) = &mut facts.arm else { unreachable!() };
    let Observed::Seen(cluster) = &mut arm.cluster else { unreachable!() };
    cluster.service_principal = Some("a client".into());

    let among_all = outcome(&facts, Profile::Cofferdam, "P23");
    let both = judge_alone(&["P14", "P23"], &facts, Profile::Cofferdam);

    let findings = |all: &[super::Judged]| all.iter().map(|one| one.finding.clone()).collect::<Vec<_>>();
    assert_eq!(findings(&alone), findings(&whole));
    assert_eq!(among_all, Outcome::Skipped { because: "P14".into() });
    assert_eq!(
        both.iter().map(|one| one.finding.outcome.clone()).collect::<Vec<_>>(),
        [Outcome::Failed { severity: Severity::Block }, Outcome::Passed]
    );
}

#[test]
fn a_name_that_would_repaint_the_terminal_is_printed_as_what_it_is() {
    let mut facts = healthy();
    facts.original = Observed::Seen(vec!["d/\u{1b}[2J\nP6 ok".into()]);

    let judged = judge(&facts, Profile::Cofferdam, Purpose::Preflight);
    let shown = &judged.iter().find(|one| one.check.id == "C2").unwrap();

    assert_eq!(shown.finding.evidence, "it is there: d/\\u001b[2J P6 ok");
    assert_eq!(shown.evidence.objects, ["d/\\u001b[2J P6 ok"]);
}
