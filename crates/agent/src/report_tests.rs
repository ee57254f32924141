use super::*;
use crate::{
    error::Failure,
    record::{Failed, Release},
};
use packages::{Digest, wire::PackagePlace};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn wanted(generation: i64, wanted: Wanted) -> DesiredExtension {
    DesiredExtension {
        name: "a".into(),
        kind: "example.a".into(),
        generation,
        wanted,
        version: "2.0.0".into(),
        package: PackagePlace { reference: "r/a:1".into(), digest: Digest::of(b"") },
        namespace: "a".into(),
        settings: Default::default(),
        protected_settings: Default::default(),
        identity: None,
    }
}

fn release(generation: i64, version: &str) -> Release {
    Release::new(generation, version, "a", Vec::new(), Vec::new(), Vec::new()).unwrap()
}

fn reported(desired: &DesiredExtension, record: Record, live: Live) -> ExtensionReport {
    let records = BTreeMap::from([("a".to_owned(), record)]);
    let live = BTreeMap::from([("a".to_owned(), live)]);
    extensions(std::slice::from_ref(desired), &records, &live, at(1000)).remove(0)
}

#[test]
fn states_are_those_of_the_contract() {
    let installed = Record { installed: Some(release(2, "1.0.0")), ..Record::default() };
    let waiting = Work::Wait { release: release(3, "2.0.0"), strays: Vec::new(), since: at(0) };
    let updating = Record { work: Some(waiting), ..installed.clone() };
    let failed = Failed { generation: 3, failure: Failure::new("PodsCrash", "m"), again: None, proxy: None };
    let failed = Record { failed: Some(failed), ..installed.clone() };
    let removing = |since| Record {
        work: Some(Work::Remove { generation: 4, objects: Vec::new(), since: at(since) }),
        ..installed.clone()
    };
    let (present, absent) = (Wanted::Present, Wanted::Absent);
    let cases = [
        (wanted(2, present), installed.clone(), ExtensionState::Installed, 2),
        (wanted(3, present), installed.clone(), ExtensionState::Installing, 3),
        (wanted(3, present), updating, ExtensionState::Installing, 3),
        (wanted(3, present), failed, ExtensionState::Failed, 3),
        (wanted(4, absent), removing(900), ExtensionState::Removing, 4),
        (wanted(4, absent), removing(0), ExtensionState::Failed, 4),
        (wanted(4, absent), installed, ExtensionState::Removing, 4),
    ];

    for (desired, record, state, generation) in cases {
        let report = reported(&desired, record, Live::default());
        assert_eq!((report.state, report.generation), (state, generation), "{desired:?}");
        assert_eq!(report.version.as_deref(), Some("1.0.0"), "the version that is there");
    }
    let gone = reported(&wanted(4, absent), Record::default(), Live::default());
    assert_eq!((gone.state, gone.version), (ExtensionState::Removed, None));
}

#[test]
fn errors_that_could_pass_are_told_with_a_time() {
    let trouble =
        Trouble { code: "PackageUnreachable", message: "no route".into(), since: at(0), next: at(1) };
    let live = Live { trouble: Some(trouble), ..Live::default() };

    let report = reported(&wanted(1, Wanted::Present), Record::default(), live);

    assert_eq!(report.state, ExtensionState::Installing);
    let status = report.statuses.first().unwrap();
    assert_eq!((status.code.as_str(), status.time.as_str()), ("PackageUnreachable", "1970-01-01T00:16:40Z"));
}

#[test]
fn an_extension_that_the_vault_does_not_mention_is_reported_all_the_same() {
    let records = BTreeMap::from([(
        "b".to_owned(),
        Record { installed: Some(release(5, "1.0.0")), ..Record::default() },
    )]);

    let reports = extensions(&[], &records, &BTreeMap::new(), at(0));

    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].name.as_str(), reports[0].state), ("b", ExtensionState::Installed));
}

#[test]
fn texts_of_strangers_are_kept_short() {
    let failed =
        Failed { generation: 1, failure: Failure::new("X", "é".repeat(100_000)), again: None, proxy: None };
    let record = Record { failed: Some(failed), ..Record::default() };

    let report = reported(&wanted(1, Wanted::Present), record, Live::default());

    assert!(report.error.unwrap().message.len() <= TEXT);
}
