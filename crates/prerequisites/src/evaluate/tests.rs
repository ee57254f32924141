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
        missing_rights: Observed::Seen(vec![]),
        snapshots: Observed::Seen(SnapshotApi {
            served: ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"]
                .map(String::from)
                .into(),
            controller: Some("lease".into()),
            classes: vec![SnapshotClassFacts {
                name: "c".into(),
                driver: "disk".into(),
                ours: false,
                velero: false,
            }],
        }),
        volumes: Observed::Seen(vec![ClusterVolume {
            claim: "a/b".into(),
            kind: VolumeKind::Csi("disk".into()),
        }]),
        velero: Observed::Seen(VeleroFacts::default()),
        policies: Observed::Seen(Policies { dry_run: Some(Ok(())), ..Policies::default() }),
        registry: Observed::Seen(Registry { image: "i".into(), pulled: Ok(()) }),
        location: Observed::Seen(LocationFacts {
            describe: "bucket b".into(),
            bucket_path: "b/".into(),
            owner: Owner::Nobody,
            unrelated: vec![],
            probe: StoreProbe::Works,
        }),
    }
}

fn outcome(facts: &Facts, profile: Profile, id: &str) -> Outcome {
    evaluate(facts, profile).findings.into_iter().find(|f| f.id == id).unwrap().outcome
}

#[test]
fn a_healthy_cluster_passes_everything() {
    let report = evaluate(&healthy(), Profile::Aks);

    assert!(report.findings.iter().all(|f| f.outcome == Outcome::Passed), "{report:#?}");
}

#[test]
fn what_nobody_could_see_never_passes() {
    let why = || "no credentials".to_owned();
    let facts = Facts {
        cluster: Observed::NotObservable(why()),
        missing_rights: Observed::NotObservable(why()),
        snapshots: Observed::NotObservable(why()),
        volumes: Observed::NotObservable(why()),
        velero: Observed::NotObservable(why()),
        policies: Observed::NotObservable(why()),
        registry: Observed::NotObservable(why()),
        location: Observed::NotObservable(why()),
    };

    let report = evaluate(&facts, Profile::Generic);

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
fn another_clusters_location_blocks_and_unrelated_files_block() {
    let mut facts = healthy();
    let blocked = Outcome::Failed { severity: Severity::Block };
    let mut location = facts.location.seen().unwrap().clone();

    location.owner = Owner::Other("other".into());
    facts.location = Observed::Seen(location.clone());
    assert_eq!(outcome(&facts, Profile::Generic, "P10"), blocked);

    location.owner = Owner::Nobody;
    location.unrelated = vec!["holiday.jpg".into()];
    facts.location = Observed::Seen(location);
    assert_eq!(outcome(&facts, Profile::Generic, "P10"), blocked);
}

#[test]
fn every_failed_check_comes_with_a_fix() {
    let mut facts = healthy();
    facts.missing_rights = Observed::Seen(vec!["get secrets".into()]);
    facts.volumes =
        Observed::Seen(vec![ClusterVolume { claim: "a/b".into(), kind: VolumeKind::InTree("nfs".into()) }]);
    facts.registry = Observed::Seen(Registry { image: "i".into(), pulled: Err("ErrImagePull".into()) });
    facts.policies = Observed::Seen(Policies { dry_run: Some(Err("denied".into())), ..Policies::default() });

    let report = evaluate(&facts, Profile::Generic);

    let failed: Vec<_> =
        report.findings.iter().filter(|f| matches!(f.outcome, Outcome::Failed { .. })).collect();
    assert_eq!(failed.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["P4", "P13", "P15"]);
    assert!(failed.iter().all(|f| f.fix.is_some()));
    assert_eq!(outcome(&facts, Profile::Generic, "P20"), Outcome::Skipped { because: "P4".into() });
}
