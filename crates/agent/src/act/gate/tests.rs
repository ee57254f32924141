use super::*;

fn block() -> Outcome {
    Outcome::Failed { severity: Severity::Block }
}

fn unseen() -> Outcome {
    Outcome::NotObservable { why: "denied".to_owned() }
}

fn report(outcomes: &[(&str, Severity, Outcome)]) -> Report {
    let finding = |(id, severity, outcome): &(&str, Severity, Outcome)| Finding {
        id: (*id).to_owned(),
        title: "It holds.".to_owned(),
        reason: String::new(),
        severity: *severity,
        outcome: outcome.clone(),
        evidence: "it does not".to_owned(),
        fix: Some("Mend it.".to_owned()),
    };
    Report { findings: outcomes.iter().map(finding).collect() }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn refused(answer: Result<Vec<Status>, ActError>) -> Failure {
    match answer {
        Err(ActError::Permanent(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_blocks_stops_and_only_what_the_package_names_counts() {
    let report = report(&[
        ("P11", Severity::Block, Outcome::Passed),
        ("P12", Severity::Block, block()),
        ("P17", Severity::Block, Outcome::Failed { severity: Severity::Warn }),
        ("P20", Severity::Block, unseen()),
    ]);

    let failure = refused(judge(&ids(&["P11", "P12", "P20"]), &report, &[]));
    let statuses = judge(&ids(&["P11", "P17", "P20", "P99"]), &report, &[]).unwrap();

    assert_eq!(failure.error.code, "PrerequisitesNotMet");
    let message = &failure.error.message;
    assert!(message.starts_with("Nothing was installed: P12 not met."), "{message}");
    assert!(message.contains("Mend it."), "{message}");
    assert_eq!(failure.error.details.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), ["P12"]);
    assert!(failure.statuses[0].message.starts_with("P20 "), "{:?}", failure.statuses);
    let seen: Vec<_> = statuses.iter().map(|status| (status.code.as_str(), status.level)).collect();
    assert_eq!(
        seen,
        [
            ("PrerequisitesNotMet", Level::Warning),
            ("PrerequisiteNotObservable", Level::Warning),
            ("PrerequisiteNotObservable", Level::Warning),
        ]
    );
}

#[test]
fn what_blocks_and_could_not_be_seen_for_now_is_looked_at_again_and_what_only_warns_is_not_waited_for() {
    let report = report(&[("P20", Severity::Block, unseen()), ("P13", Severity::Warn, unseen())]);
    let unclear = ["503".to_owned()];

    let blocks = judge(&ids(&["P20", "P13"]), &report, &unclear).unwrap_err();
    let warns = judge(&ids(&["P13"]), &report, &unclear).unwrap();

    let ActError::Temporary { code, message } = blocks else { panic!("{blocks:?}") };
    assert_eq!(code, "PrerequisiteNotObservable");
    assert!(message.contains("P20 (denied)") && message.contains("503"), "{message}");
    assert_eq!(warns.len(), 1);
}

#[test]
fn what_was_not_judged_because_of_a_check_that_blocks_is_refused_with_that_one_named_once() {
    let because = |id: &str| Outcome::Skipped { because: id.to_owned() };
    let report = report(&[
        ("P11", Severity::Block, block()),
        ("P12", Severity::Block, because("P11")),
        ("P18", Severity::Warn, because("P12")),
    ]);

    for named in [&["P12"][..], &["P18"], &["P12", "P11", "P18"]] {
        let failure = refused(judge(&ids(named), &report, &["503".to_owned()]));

        assert!(failure.error.message.starts_with("Nothing was installed: P11 not met."), "{named:?}");
        assert_eq!(failure.error.details.len(), 1, "{named:?}: {:?}", failure.error);
    }
}
