//! A Velero beside us, judged over made-up clusters.

use super::tests::{BLOCKED, WARNED, healthy, outcome, with_location};
use crate::*;

#[test]
fn velero_blocks_on_aks_warns_while_it_runs_and_blocks_where_it_collides() {
    let mut facts = healthy();
    let there =
        VeleroFacts { deployments: vec!["velero/velero".into()], crds: true, ..VeleroFacts::default() };
    facts.velero = Observed::Seen(there.clone());

    assert_eq!(outcome(&facts, Profile::Cofferdam, "P17"), Outcome::Passed);
    assert_eq!(outcome(&facts, Profile::Aks, "P17"), BLOCKED);

    facts.velero = Observed::Seen(VeleroFacts { running: vec!["velero/velero".into()], ..there });
    assert_eq!(outcome(&facts, Profile::Cofferdam, "P17"), WARNED);

    facts.velero = Observed::Seen(VeleroFacts { locations: vec!["b/".into()], ..VeleroFacts::default() });
    assert_eq!(outcome(&facts, Profile::Cofferdam, "P17"), BLOCKED);
}

#[test]
fn leftovers_of_velero_that_do_no_harm_are_told_and_pass() {
    let mut facts = healthy();
    facts.marks = Observed::Seen(Marks { count: 12_000, names: vec!["pods/a/b".into()] });

    let judged = judge(&facts, Profile::Cofferdam, Purpose::Preflight);
    let told = judged.iter().find(|one| one.check.id == "P19").unwrap();

    assert_eq!((&told.finding.outcome, told.informs), (&Outcome::Passed, true));
    assert_eq!(told.evidence.numbers["objects"], 12_000);
    assert_eq!(outcome(&facts, Profile::Aks, "P19"), WARNED);
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
        outcome(&facts, Profile::Cofferdam, "P17")
    };

    assert_eq!(["b/", "b/team", "b/team/"].map(at), [BLOCKED, BLOCKED, BLOCKED]);
    assert_eq!(["b/other", "bb/", "b/tea"].map(at), [Outcome::Passed, Outcome::Passed, Outcome::Passed]);
}

#[test]
fn a_bucket_of_the_same_name_in_another_store_is_another_place() {
    let beside = |ours: StoreName, theirs: StoreName| {
        let mut facts = with_location(|location| location.store = Some(ours));
        facts.velero = Observed::Seen(VeleroFacts {
            crds: true,
            locations: vec![WrittenPlace { path: "b/".into(), store: Some(theirs) }],
            ..VeleroFacts::default()
        });
        outcome(&facts, Profile::Cofferdam, "P17")
    };
    let (azure, s3) = (StoreName::azure, |url: &str| StoreName::s3(Some(url)));

    assert_eq!(beside(azure("shop"), azure("shop")), BLOCKED);
    assert_eq!(beside(azure("shop"), azure("office")), Outcome::Passed);
    assert_eq!(beside(azure("shop"), s3("http://minio:9000")), Outcome::Passed);
    assert_eq!(beside(s3("http://minio:9000"), s3("http://minio:9000/")), BLOCKED);
    assert_eq!(
        beside(s3("http://minio:9000"), s3("http://10.0.0.1:9000")),
        WARNED,
        "one store can have two addresses"
    );
}

#[test]
fn how_a_velero_that_runs_interferes_is_counted_not_guessed() {
    let running = |schedules| {
        let mut facts = healthy();
        facts.velero = Observed::Seen(VeleroFacts {
            deployments: vec!["velero/velero".into()],
            running: vec!["velero/velero".into()],
            crds: true,
            schedules,
            ..VeleroFacts::default()
        });
        let judged = judge(&facts, Profile::Cofferdam, Purpose::Preflight);
        judged.into_iter().find(|one| one.check.id == "P17").unwrap()
    };

    let (none, two, unseen) = (running(Some(0)), running(Some(2)), running(None));

    for one in [&none, &two, &unseen] {
        assert_eq!(one.finding.outcome, WARNED);
    }
    assert!(none.evidence.sentence.contains("backs up only what somebody asks it for"), "{none:?}");
    assert!(two.evidence.sentence.contains("2 schedules"), "{two:?}");
    assert!(unseen.evidence.sentence.contains("could not be seen"), "{unseen:?}");
    let counted = |one: &Judged| one.evidence.numbers.get("schedules").copied();
    assert_eq!([&none, &two, &unseen].map(counted), [Some(0), Some(2), None]);
}
