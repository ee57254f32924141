use super::*;
use crate::{
    health::{Workload, judge},
    record::{EgressSeen, Failed, Release},
};
use packages::{Digest, HealthRule, wire::PackagePlace};
use serde_json::json;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn wanted(generation: i64, wanted: Wanted) -> DesiredExtension {
    DesiredExtension {
        name: "a".into(),
        kind: "example.a".into(),
        generation,
        wanted,
        version: "1.0.0".into(),
        package: PackagePlace { reference: "r/a:1".into(), digest: Digest::of(b"") },
        namespace: "a".into(),
        settings: Default::default(),
        protected_settings: Default::default(),
        identity: None,
    }
}

fn release(generation: i64) -> Release {
    Release::new(generation, "1.0.0", "a", Vec::new(), Vec::new(), Vec::new()).unwrap()
}

fn applied(generation: i64) -> Record {
    let work = Work::Wait { release: release(generation), strays: Vec::new(), since: at(100) };
    Record { work: Some(work), ..Record::default() }
}

fn installed(generation: i64) -> Record {
    Record { installed: Some(release(generation)), ..Record::default() }
}

fn failed(generation: i64, record: Record) -> Record {
    Record {
        failed: Some(Failed { generation, failure: Failure::new("X", "x"), again: None, proxy: None }),
        ..record
    }
}

fn health(ready: bool) -> Health {
    let rule = HealthRule { kind: "Deployment".into(), name: "a".into(), within_seconds: 60 };
    let status =
        if ready { json!({"updatedReplicas": 1, "availableReplicas": 1, "replicas": 1}) } else { json!({}) };
    let object = json!({"kind": "Deployment", "spec": {"replicas": 1}, "status": status});
    judge(&[(rule, Workload { object: Some(object), ..Workload::default() })])
}

/// Where no proxy is.
fn next_step(
    desired: Option<&DesiredExtension>,
    record: &Record,
    health: Option<&Health>,
    trouble: Option<&Trouble>,
    now: Timestamp,
) -> Step {
    decide(desired, record, None, health, trouble, now)
}

#[test]
fn another_way_out_begins_the_same_release_once_more_and_only_once() {
    let desired = wanted(2, Wanted::Present);
    let seen = EgressSeen { digest: "one".into(), since: at(50) };
    let with = Record { installed: Some(release(2).with_egress(Some(seen))), ..Record::default() };
    let next = |record: &Record, egress| decide(Some(&desired), record, egress, None, None, at(100));

    assert_eq!(next(&installed(2), Some("one")), Step::Begin);
    assert_eq!(next(&with, Some("one")), Step::Rest(None));
    assert_eq!(next(&with, Some("two")), Step::Begin);
    assert_eq!(next(&with, None), Step::Begin);
    assert_eq!(next(&failed(2, with), Some("two")), Step::Rest(None), "it is told, and not tried for ever");
    assert_eq!(decide(None, &installed(2), Some("one"), None, None, at(100)), Step::Rest(None));
}

#[test]
fn another_way_out_that_does_not_come_up_is_told_and_tried_after_a_while_or_with_yet_another_one() {
    let desired = wanted(2, Wanted::Present);
    let with =
        |digest: &str| release(2).with_egress(Some(EgressSeen { digest: digest.into(), since: at(50) }));
    let (before, failure) = (with("one"), Failure::new("X", "x"));
    let gone_back = |tried: Release| {
        let work = Work::Wait { release: tried, strays: Vec::new(), since: at(60) };
        let back = work.given_up(failure.clone(), at(90));
        let Work::Return { generation, failure, proxy, .. } = &back else { panic!("{back:?}") };
        let failed = failed_back(Some(&before), *generation, failure, proxy.as_deref(), at(100));
        Record { installed: Some(before.clone()), failed, ..Record::default() }
    };
    let next = |record: &Record, egress, now| decide(Some(&desired), record, egress, None, None, at(now));

    let other = gone_back(with("two"));
    let none = gone_back(release(2));
    let repair = gone_back(with("one"));

    for (record, egress) in [(&other, Some("two")), (&none, None)] {
        let failed = record.failed.as_ref().unwrap();
        assert_eq!((failed.generation, &failed.failure), (2, &failure), "it is told");
        assert_eq!(next(record, egress, 101), Step::Rest(Some(at(700))), "it flaps");
        assert_eq!(next(record, egress, 700), Step::Begin);
        assert_eq!(next(record, Some("three"), 101), Step::Begin, "corrected, it need not wait");
        assert_eq!(next(record, Some("one"), 101), Step::Begin, "nor taken back: then nothing has failed");
    }
    assert_eq!(repair.failed, None, "what is installed has not failed");
}

#[test]
fn what_is_desired_begins_once_and_rests_when_it_is_there() {
    let desired = wanted(2, Wanted::Present);

    let next = |record: &Record| next_step(Some(&desired), record, None, None, at(100));

    assert_eq!(next(&Record::default()), Step::Begin);
    assert_eq!(next(&installed(1)), Step::Begin);
    assert_eq!(next(&installed(2)), Step::Rest(None));
    assert_eq!(next(&failed(2, Record::default())), Step::Rest(None));
    assert_eq!(next(&failed(1, Record::default())), Step::Begin);
}

#[test]
fn what_is_installed_is_applied_once_more_when_some_of_it_is_gone_and_not_when_it_is_unready() {
    let desired = wanted(2, Wanted::Present);
    let rule = HealthRule { kind: "Deployment".into(), name: "a".into(), within_seconds: 60 };
    let gone = judge(&[(rule, Workload::default())]);
    let unready = health(false);

    let next = |record: &Record, health| next_step(Some(&desired), record, Some(health), None, at(100));

    assert_eq!(next(&installed(2), &gone), Step::Repair);
    assert_eq!(next(&installed(2), &unready), Step::Rest(None));
    assert_eq!(next(&installed(1), &gone), Step::Begin, "a newer one comes anyway");
    assert_eq!(next(&failed(2, installed(2)), &gone), Step::Rest(None));
    assert_eq!(next_step(None, &installed(2), Some(&gone), None, at(0)), Step::Rest(None));
}

#[test]
fn what_a_vault_does_not_mention_is_left_as_it_is() {
    assert_eq!(next_step(None, &installed(1), None, None, at(0)), Step::Rest(None));
    assert_eq!(next_step(None, &Record::default(), None, None, at(0)), Step::Rest(None));
}

#[test]
fn what_was_under_way_goes_on_without_a_vault() {
    let work = |work| Record { work: Some(work), ..installed(1) };
    let apply = Work::Apply { release: release(2), strays: Vec::new(), since: at(0), later: Vec::new() };
    let back = Work::Return {
        generation: 2,
        failure: Failure::new("X", "x"),
        strays: Vec::new(),
        since: at(0),
        proxy: None,
    };
    let removal = Work::Remove { generation: 2, objects: Vec::new(), since: at(0) };

    assert_eq!(next_step(None, &work(apply), None, None, at(1)), Step::Apply);
    assert_eq!(next_step(None, &work(back), None, None, at(1)), Step::Return);
    assert_eq!(next_step(None, &work(removal), None, None, at(1)), Step::Remove);
}

#[test]
fn a_release_is_installed_when_it_is_healthy_and_given_up_when_it_is_late() {
    let desired = wanted(2, Wanted::Present);
    let record = applied(2);

    let next = |ready, now| next_step(Some(&desired), &record, Some(&health(ready)), None, at(now));

    assert_eq!(next(true, 101), Step::Finish);
    assert_eq!(next(false, 101), Step::Rest(Some(at(106))));
    assert_eq!(next(true, 1000), Step::Finish);
    let Step::GiveUp(failure) = next(false, 160) else { panic!("it was late") };
    assert_eq!(failure.error.code, code::TIMED_OUT);
}

#[test]
fn a_newer_wish_does_not_wait_for_an_older_one() {
    let record = applied(2);
    let sick = health(false);

    let next = |desired: &DesiredExtension, record: &Record| {
        next_step(Some(desired), record, Some(&sick), None, at(101))
    };

    assert_eq!(next(&wanted(3, Wanted::Present), &record), Step::Begin);
    assert_eq!(next(&wanted(3, Wanted::Absent), &record), Step::BeginRemoval);
    // The newer one was refused: the older one goes on.
    assert_eq!(next(&wanted(3, Wanted::Present), &failed(3, record)), Step::Rest(Some(at(106))));
}

#[test]
fn removal_begins_when_something_is_there_and_ends_with_nothing() {
    let gone = wanted(3, Wanted::Absent);

    let next = |record: &Record| next_step(Some(&gone), record, None, None, at(0));

    assert_eq!(next(&installed(2)), Step::BeginRemoval);
    assert_eq!(next(&failed(2, Record::default())), Step::BeginRemoval);
    assert_eq!(next(&Record::default()), Step::Rest(None));
}

#[test]
fn errors_that_could_pass_are_tried_again_and_end_some_time() {
    let desired = wanted(2, Wanted::Present);
    let trouble =
        |since| Trouble { code: "PackageUnreachable", message: "m".into(), since: at(since), next: at(1010) };
    let apply = Work::Apply { release: release(2), strays: Vec::new(), since: at(0), later: Vec::new() };
    let applying = Record { work: Some(apply), ..installed(1) };

    let next =
        |record: &Record, since, now| next_step(Some(&desired), record, None, Some(&trouble(since)), at(now));

    assert_eq!(next(&Record::default(), 1000, 1005), Step::Rest(Some(at(1010))));
    assert_eq!(next(&Record::default(), 1000, 1010), Step::Begin);
    assert!(matches!(next(&Record::default(), 0, 1005), Step::Refuse(_)));
    assert!(matches!(next(&applying, 0, 1005), Step::GiveUp(_)));
    assert_eq!(next(&installed(2), 0, 1010), Step::Rest(None));
}

#[test]
fn what_the_gate_stopped_begins_again_after_a_while_and_stays_failed_until_it_gets_on() {
    let desired = wanted(2, Wanted::Present);
    let mut stopped = failed(2, Record::default());
    stopped.failed.as_mut().unwrap().again = Some(at(220));
    let trouble = Trouble { code: "X", message: "x".into(), since: at(230), next: at(1_000) };
    let late = at(230) + FETCH_PATIENCE + SignedDuration::from_secs(1);

    let next = |trouble, now| next_step(Some(&desired), &stopped, None, trouble, now);

    assert_eq!(next(None, at(100)), Step::Rest(Some(at(220))));
    assert_eq!(next(None, at(220)), Step::Begin);
    assert_eq!(next(Some(&trouble), late), Step::Begin, "and is not refused for another reason");
    assert_eq!(next_step(Some(&wanted(3, Wanted::Present)), &stopped, None, None, at(100)), Step::Begin);
    assert_eq!(
        next_step(Some(&wanted(2, Wanted::Absent)), &stopped, None, None, at(220)),
        Step::BeginRemoval
    );
}
