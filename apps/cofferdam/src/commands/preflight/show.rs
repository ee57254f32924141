//! How findings are printed: grouped by scope, the worst first.

use super::fix;
use crate::exit::Exit;
use prerequisites::{By, Evidence, Finding, Judged, Outcome, Profile, Report, Scope, Severity, page_name};
use serde::Serialize;
use std::fmt::Write;

/// A report as JSON and YAML show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    profile: Profile,
    /// Whether the next step can be taken. Nobody knows (`null`) when nothing blocks, but a check warns or was not made.
    ready: Option<bool>,
    pub summary: String,
    /// What no check can mend and everybody should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    pub checks: Vec<Row>,
    /// What was mended, and what was not, with `--fix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixes: Option<Vec<fix::Row>>,
    /// Whether the checks were looked at after the last change, with `--fix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_again: Option<bool>,
}

/// One check as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: String,
    pub title: String,
    pub reason: String,
    pub scope: Scope,
    pub severity: Severity,
    pub result: &'static str,
    /// It passed, and there is something to know.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub information: bool,
    /// What was seen, or why it was not.
    pub evidence: String,
    /// The same as data.
    pub details: Evidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<FixView>,
    /// `--fix` can do something about it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fixable: bool,
    pub documentation: String,
}

/// One way to mend it.
#[derive(Debug, Serialize)]
pub struct FixView {
    by: By,
    command: String,
}

impl View {
    /// The findings as they are printed.
    pub fn of(judged: &[Judged], profile: Profile) -> Self {
        let report = Report { findings: judged.iter().map(|one| one.finding.clone()).collect() };
        let mut checks: Vec<Row> = judged.iter().map(row).collect();
        // The scope with the worst finding first; within a scope the worst finding first, else as in the catalogue.
        let worst = |scope: Scope, checks: &[Row]| {
            checks.iter().filter(|row| row.scope == scope).map(Row::rank).min().unwrap_or(usize::MAX)
        };
        let ranks: Vec<(Scope, usize)> =
            [Scope::Subscription, Scope::Vault, Scope::Cluster, Scope::Storage, Scope::Target]
                .map(|scope| (scope, worst(scope, &checks)))
                .into();
        let of_scope =
            |scope: Scope| ranks.iter().find(|(one, _)| *one == scope).map_or(usize::MAX, |(_, rank)| *rank);
        checks.sort_by_key(|row| (of_scope(row.scope), row.scope, row.rank()));
        Self {
            profile,
            ready: ready(judged),
            summary: summary(&report),
            notes: Vec::new(),
            checks,
            fixes: None,
            looked_again: None,
        }
    }

    /// The same, and `--fix` can do something about these checks.
    pub fn fixable(mut self, ids: &[&str]) -> Self {
        self.checks.iter_mut().for_each(|row| row.fixable = ids.contains(&row.id.as_str()));
        self
    }

    /// The same with what everybody should know beside it.
    pub fn noting(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    /// The same with what was mended.
    pub fn with(self, fixes: Vec<fix::Row>, looked_again: bool) -> Self {
        Self { fixes: Some(fixes), looked_again: Some(looked_again), ..self }
    }
}

impl Row {
    /// One word per result, as the table shows it.
    pub fn word(&self) -> &'static str {
        match self.information {
            true => "info",
            false => word(self.result, self.severity),
        }
    }

    fn rank(&self) -> usize {
        let order = ["BLOCKS", "warns", "skipped", "not seen", "info", "ok"];
        order.iter().position(|word| *word == self.word()).unwrap_or(order.len())
    }
}

/// What the exit code says, for programs that read the document alone.
fn ready(judged: &[Judged]) -> Option<bool> {
    match super::exit(judged) {
        Exit::Done => Some(true),
        Exit::Precondition => Some(false),
        _ => None,
    }
}

fn word(result: &str, severity: Severity) -> &'static str {
    match (result, severity) {
        ("Passed", _) => "ok",
        ("Failed", Severity::Block) => "BLOCKS",
        ("Failed", Severity::Warn) => "warns",
        ("Skipped", _) => "skipped",
        ("NotApplicable", _) => "n/a",
        _ => "not seen",
    }
}

fn row(judged: &Judged) -> Row {
    let finding = &judged.finding;
    let (result, severity, why) = ended(finding);
    let fix =
        |(fix, command): &(prerequisites::Fix, String)| FixView { by: fix.by, command: command.clone() };
    Row {
        id: finding.id.clone(),
        title: finding.title.clone(),
        reason: finding.reason.clone(),
        scope: judged.check.scope,
        severity,
        result,
        information: judged.informs,
        evidence: why.unwrap_or(&finding.evidence).to_owned(),
        details: judged.evidence.clone(),
        code: judged.code,
        fix: finding.fix.clone(),
        fixes: judged.fixes.iter().map(fix).collect(),
        fixable: false,
        documentation: format!("docs/prerequisites/{}", page_name(judged.check)),
    }
}

/// The word for programs, the severity here, and the reason that stands for evidence.
fn ended(finding: &Finding) -> (&'static str, Severity, Option<&str>) {
    match &finding.outcome {
        Outcome::Passed => ("Passed", finding.severity, None),
        Outcome::Failed { severity } => ("Failed", *severity, None),
        Outcome::Skipped { .. } => ("Skipped", finding.severity, None),
        Outcome::NotObservable { why } => ("NotObservable", finding.severity, Some(why)),
        Outcome::NotApplicable { why } => ("NotApplicable", finding.severity, Some(why)),
    }
}

/// Id, result and title in columns; what was seen and what to do below.
pub fn text(view: &View) -> String {
    let mut text = format!("{:<5} {:<9} CHECK\n", "ID", "RESULT");
    let mut scope = None;
    for row in &view.checks {
        if scope.replace(row.scope) != Some(row.scope) {
            push(&mut text, format_args!("\n{}", row.scope.name().to_uppercase()));
        }
        push(&mut text, format_args!("{:<5} {:<9} {}", row.id, row.word(), row.title));
        if !row.evidence.is_empty() {
            push(&mut text, format_args!("{:<15} seen: {}", "", row.evidence));
        }
        if let Some(fix) = &row.fix {
            push(&mut text, format_args!("{:<15} fix:  {fix}", ""));
            push(&mut text, format_args!("{:<15} more: {}", "", row.documentation));
        }
        if row.fixable {
            push(&mut text, format_args!("{:<15} mend: cofferdam preflight --fix --only {}", "", row.id));
        }
    }
    text.push('\n');
    for note in &view.notes {
        push(&mut text, format_args!("warning: {note}\n"));
    }
    text.push_str(&view.summary);
    if let Some(fixes) = view.fixes.as_deref().filter(|fixes| !fixes.is_empty()) {
        text.push_str(&fix::text(fixes));
    }
    text
}

/// Writing into a `String` cannot fail.
fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    if writeln!(text, "{line}").is_err() {
        text.push('\n');
    }
}

/// `9 ok, 1 blocks (P12), 1 not seen (P15)`.
pub fn summary(report: &Report) -> String {
    let ids = |wanted: &str| -> Vec<&str> {
        let is = |finding: &&Finding| {
            let (result, severity, _) = ended(finding);
            word(result, severity) == wanted
        };
        report.findings.iter().filter(is).map(|finding| finding.id.as_str()).collect()
    };
    let mut parts = vec![format!("{} ok", ids("ok").len())];
    for (wanted, shown) in
        [("BLOCKS", "blocks"), ("warns", "warns"), ("skipped", "skipped"), ("not seen", "not seen")]
    {
        let ids = ids(wanted);
        if !ids.is_empty() {
            parts.push(format!("{} {shown} ({})", ids.len(), ids.join(", ")));
        }
    }
    let elsewhere = ids("n/a").len();
    if elsewhere > 0 {
        parts.push(format!("{elsewhere} not applicable"));
    }
    parts.join(", ")
}

/// The findings that block and are not in `skipped`, and those that are.
pub fn blocking_of<'a>(report: &'a Report, skipped: &[String]) -> (Vec<&'a Finding>, Vec<&'a Finding>) {
    let is_skipped = |finding: &&Finding| skipped.iter().any(|id| *id == finding.id || id == "all");
    report.blocking().partition(|finding| !is_skipped(finding))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use prerequisites::{Facts, Observed, Purpose, Rights, SnapshotApi, Whose, judge};

    /// A cluster of which little was seen: without snapshot API, with a person who may do everything.
    pub fn view() -> View {
        View::of(&judged(), Profile::Cofferdam)
    }

    fn judged() -> Vec<Judged> {
        let mut facts = Facts::unseen("nobody <looked>");
        facts.snapshots =
            Observed::Seen(SnapshotApi { served: vec![], controller: None, stopped: None, classes: vec![] });
        let ann = Whose::Asking("ann".into());
        facts.rights = Observed::Seen(Rights { whose: ann, missing: vec![] });
        facts.objects = Observed::Seen(20_000);
        judge(&facts, Profile::Cofferdam, Purpose::Preflight)
    }

    #[test]
    fn the_table_is_grouped_with_the_worst_first_and_shows_evidence_fix_and_page() {
        let shown = text(&view());

        let blocks = shown.find("P12   BLOCKS    The snapshot API is served and somebody handles it.\n                seen: snapshot.storage.k8s.io/v1 does not serve volumesnapshots").unwrap();
        let fine = shown.find("P4    ok        ").unwrap();
        let unseen = shown.find("P15   not seen  Nodes can fetch the extension's image.\n                seen: nobody <looked>").unwrap();
        assert!(shown.find("\nCLUSTER\n").unwrap() < blocks && blocks < unseen && unseen < fine, "{shown}");
        assert!(fine < shown.find("\nSUBSCRIPTION\n").unwrap(), "{shown}");
        assert!(shown.contains("more: docs/prerequisites/P12.md"), "{shown}");
        assert!(shown.contains("P31   info      "), "{shown}");
        assert!(shown.contains("P13   skipped   "), "{shown}");
        assert!(shown.contains("2 ok, 1 blocks (P12), 3 skipped (P13, P18, C3), "), "{shown}");
    }

    #[test]
    fn it_is_ready_only_when_the_exit_code_is_zero() {
        let ready = |outcomes: &[Outcome]| {
            let mut judged = judged();
            judged.truncate(outcomes.len());
            for (one, outcome) in judged.iter_mut().zip(outcomes) {
                one.finding.outcome = outcome.clone();
            }
            serde_json::to_value(View::of(&judged, Profile::Cofferdam)).unwrap()["ready"].clone()
        };
        let failed = |severity| Outcome::Failed { severity };
        let (passed, unseen) = (Outcome::Passed, Outcome::NotObservable { why: String::new() });

        assert_eq!(ready(&[passed.clone(), Outcome::NotApplicable { why: String::new() }]), true);
        for undecided in [unseen.clone(), failed(Severity::Warn)] {
            assert_eq!(ready(&[passed.clone(), undecided]), serde_json::Value::Null);
        }
        assert_eq!(ready(&[unseen, failed(Severity::Block)]), false);
    }

    #[test]
    fn programs_read_evidence_fixes_and_pages_as_data() {
        let shown = serde_json::to_value(view()).unwrap();

        let check = shown["checks"].as_array().unwrap().iter().find(|check| check["id"] == "P12").unwrap();
        assert_eq!(shown["profile"], "cofferdam");
        assert_eq!(shown["ready"], false);
        assert_eq!(check["details"]["total"], 3);
        assert_eq!(check["documentation"], "docs/prerequisites/P12.md");
        assert!(check["fixes"].as_array().unwrap().iter().any(|fix| fix["by"] == "az"), "{check:#}");
    }

    #[test]
    fn an_override_names_what_it_skips() {
        let report = Report { findings: judged().into_iter().map(|one| one.finding).collect() };

        let left = |skipped: &[&str]| {
            let skipped: Vec<String> = skipped.iter().map(|id| (*id).to_owned()).collect();
            let (blocking, skipped) = blocking_of(&report, &skipped);
            (blocking.len(), skipped.len())
        };

        assert_eq!(
            [left(&[]), left(&["P12"]), left(&["all"]), left(&["P4"])],
            [(1, 0), (0, 1), (0, 1), (1, 0)]
        );
    }
}
