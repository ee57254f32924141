//! The catalogue, judged over made-up clusters.

use crate::*;

fn healthy() -> Facts {
    Facts {
        cluster: Observed::Seen(Cluster {
            uid: "u".into(),
            version: (1, 35),
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
            classes: vec![SnapshotClassFacts {
                name: "c".into(),
                driver: "disk".into(),
                ours: false,
                default: false,
                velero: false,
            }],
        }),
        volumes: Observed::Seen(vec![ClusterVolume {
            claim: "a/b".into(),
            kind: VolumeKind::Csi("disk".into()),
        }]),
        velero: Observed::Seen(VeleroFacts::default()),
        marks: Observed::Seen(Marks::default()),
        policies: Observed::Seen(Policies { dry_run: DryRun::Admitted, ..Policies::default() }),
        registry: Observed::Seen(Registry { image: "i".into(), pulled: Ok("a pod runs".into()) }),
        location: Observed::Seen(LocationFacts {
            describe: "bucket b".into(),
            bucket_path: "b/".into(),
            contents: contents(Owner::Nobody, &[]),
            unrelated_allowed: false,
            probe: StoreProbe::Works,
            noted: None,
        }),
    }
}

fn rights(missing: &[&str]) -> Observed<Rights> {
    let missing = missing.iter().map(|right| (*right).to_owned()).collect();
    Observed::Seen(Rights { whose: Whose::Asking("ann".into()), missing })
}

fn contents(owner: Owner, unrelated: &[&str]) -> Observed<Contents> {
    let unrelated = unrelated.iter().map(|name| (*name).to_owned()).collect();
    Observed::Seen(Contents { owner, has_repository: false, unrelated })
}

fn with_location(change: impl FnOnce(&mut LocationFacts)) -> Facts {
    let mut facts = healthy();
    let mut location = facts.location.seen().unwrap().clone();
    change(&mut location);
    facts.location = Observed::Seen(location);
    facts
}

const BLOCKED: Outcome = Outcome::Failed { severity: Severity::Block };

fn outcome(facts: &Facts, profile: Profile, id: &str) -> Outcome {
    evaluate(facts, profile, Purpose::Install).findings.into_iter().find(|f| f.id == id).unwrap().outcome
}

#[test]
fn a_healthy_cluster_passes_everything() {
    let report = evaluate(&healthy(), Profile::Aks, Purpose::Install);

    assert!(report.findings.iter().all(|f| f.outcome == Outcome::Passed), "{report:#?}");
}

#[test]
fn what_nobody_could_see_never_passes() {
    let why = || "no credentials".to_owned();
    let facts = Facts {
        cluster: Observed::NotObservable(why()),
        rights: Observed::NotObservable(why()),
        snapshots: Observed::NotObservable(why()),
        volumes: Observed::NotObservable(why()),
        velero: Observed::NotObservable(why()),
        marks: Observed::NotObservable(why()),
        policies: Observed::NotObservable(why()),
        registry: Observed::NotObservable(why()),
        location: Observed::NotObservable(why()),
    };

    let report = evaluate(&facts, Profile::Generic, Purpose::Install);

    assert!(
        report.findings.iter().all(|f| matches!(f.outcome, Outcome::NotObservable { .. })),
        "{report:#?}"
    );
}

#[test]
fn a_check_whose_ground_is_missing_is_skipped_not_judged() {
    let mut facts = healthy();
    facts.snapshots = Observed::Seen(SnapshotApi { served: vec![], controller: None, classes: vec![] });

    assert_eq!(outcome(&facts, Profile::Generic, "P12"), Outcome::Failed { severity: Severity::Block });
    assert_eq!(outcome(&facts, Profile::Generic, "P13"), Outcome::Skipped { because: "P12".into() });
}

#[test]
fn velero_blocks_on_aks_and_elsewhere_only_where_it_collides() {
    let mut facts = healthy();
    facts.velero = Observed::Seen(VeleroFacts {
        deployments: vec!["velero/velero".into()],
        crds: true,
        ..VeleroFacts::default()
    });
    let blocked = Outcome::Failed { severity: Severity::Block };

    assert_eq!(outcome(&facts, Profile::Generic, "P17"), Outcome::Passed);
    assert_eq!(outcome(&facts, Profile::Aks, "P17"), blocked);

    facts.velero = Observed::Seen(VeleroFacts { locations: vec!["b/".into()], ..VeleroFacts::default() });
    assert_eq!(outcome(&facts, Profile::Generic, "P17"), blocked);
}

#[test]
fn a_velero_that_writes_around_our_prefix_collides_and_one_beside_it_does_not() {
    let at = |theirs: &str| {
        let mut facts = with_location(|ours| ours.bucket_path = "b/team".into());
        facts.velero = Observed::Seen(VeleroFacts {
            crds: true,
            locations: vec![theirs.into()],
            ..VeleroFacts::default()
        });
        outcome(&facts, Profile::Generic, "P17")
    };

    assert_eq!(["b/", "b/team", "b/team/"].map(at), [BLOCKED, BLOCKED, BLOCKED]);
    assert_eq!(["b/other", "bb/", "b/tea"].map(at), [Outcome::Passed, Outcome::Passed, Outcome::Passed]);
}

#[test]
fn what_lies_in_the_location_blocks_unless_it_is_ours_or_allowed() {
    let judged = |owner: Owner, unrelated: &[&str], has_repository: bool, allowed: bool| {
        let facts = with_location(|location| {
            let unrelated = unrelated.iter().map(|name| (*name).to_owned()).collect();
            location.contents = Observed::Seen(Contents { owner, has_repository, unrelated });
            location.unrelated_allowed = allowed;
        });
        outcome(&facts, Profile::Generic, "P10")
    };

    assert_eq!(judged(Owner::Other("x".into()), &[], true, false), BLOCKED);
    assert_eq!(judged(Owner::Other("x".into()), &[], true, true), BLOCKED);
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
            cause: "denied".into(),
            remedy: "Grant it.".into(),
        };
    });

    assert_eq!(outcome(&facts, Profile::Generic, "P6"), BLOCKED);
    assert_eq!(outcome(&facts, Profile::Generic, "P10"), Outcome::NotObservable { why: "denied".into() });
}

#[test]
fn a_store_out_of_reach_is_judged_by_what_the_extension_says() {
    let judged = |noted: Option<&str>| {
        let facts = with_location(|location| {
            location.probe = StoreProbe::OutOfReach("no route".into());
            location.noted = noted.map(str::to_owned);
        });
        outcome(&facts, Profile::Generic, "P6")
    };

    assert_eq!(judged(Some("Ready")), Outcome::Passed);
    assert_eq!(judged(Some("UserErrorBackupStorageLocationNotReady: …")), BLOCKED);
    assert!(matches!(judged(None), Outcome::NotObservable { .. }));
}

#[test]
fn a_cluster_older_than_the_drivers_demand_blocks() {
    let mut facts = healthy();
    let mut cluster = facts.cluster.seen().unwrap().clone();
    cluster.version = (1, 20);
    facts.cluster = Observed::Seen(cluster);

    assert_eq!(outcome(&facts, Profile::Generic, "P11"), BLOCKED);
    assert_eq!(outcome(&facts, Profile::Generic, "P12"), Outcome::Skipped { because: "P11".into() });
}

#[test]
fn a_restore_does_not_ask_whose_location_it_reads() {
    let ids: Vec<String> =
        evaluate(&healthy(), Profile::Generic, Purpose::Restore).findings.into_iter().map(|f| f.id).collect();

    assert_eq!(ids, ["P11", "P4", "P12", "P6", "P15", "P20"]);
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
        let report = evaluate(&facts, Profile::Generic, Purpose::Backup);
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
    facts.volumes =
        Observed::Seen(vec![ClusterVolume { claim: "a/b".into(), kind: VolumeKind::InTree("nfs".into()) }]);
    facts.registry = Observed::Seen(Registry { image: "i".into(), pulled: Err("ErrImagePull".into()) });
    facts.policies =
        Observed::Seen(Policies { dry_run: DryRun::Rejected("denied".into()), ..Policies::default() });

    let report = evaluate(&facts, Profile::Generic, Purpose::Install);

    let failed: Vec<_> =
        report.findings.iter().filter(|f| matches!(f.outcome, Outcome::Failed { .. })).collect();
    assert_eq!(failed.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["P4", "P13", "P15"]);
    assert!(failed.iter().all(|f| f.fix.is_some()));
    assert_eq!(outcome(&facts, Profile::Generic, "P20"), Outcome::Skipped { because: "P4".into() });
}
