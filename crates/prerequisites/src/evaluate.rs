//! Runs the catalogue over the facts: dependencies first, nothing judged twice, and a rule that breaks breaks alone.

use crate::{
    By, Check, Evidence, Facts, Finding, Fix, Names, Outcome, Profile, Purpose, Report, Severity, Verdict,
    Weight, catalogue, printable,
    verdict::{Ending, unseen},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// How long one rule may think. Rules walk over lists that are there; one that takes longer goes round in circles.
const LONGEST: Duration = Duration::from_secs(3);
const BROKE: &str = "the rule itself broke; this is a defect of Cofferdam, report it with this document";

/// One check, judged, with all that the catalogue knows of it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The row of the catalogue.
    pub check: &'static Check,
    /// The finding.
    pub finding: Finding,
    /// What was seen, as data.
    pub evidence: Evidence,
    /// It passed, and there is something to know.
    pub informs: bool,
    /// The documented code of what goes wrong: of its cause, else of the check. None where nothing does.
    pub code: Option<&'static str>,
    /// What mends it, with the names that are known; empty when there is nothing to mend.
    pub fixes: Vec<(Fix, String)>,
}

/// Judges the checks of the catalogue that `purpose` depends on.
pub fn evaluate(facts: &Facts, profile: Profile, purpose: Purpose) -> Report {
    Report { findings: judge(facts, profile, purpose).into_iter().map(|judged| judged.finding).collect() }
}

/// The same with evidence as data and every fix.
pub fn judge(facts: &Facts, profile: Profile, purpose: Purpose) -> Vec<Judged> {
    let wanted: Vec<&'static Check> =
        catalogue().iter().copied().filter(|check| check.is_for(purpose)).collect();
    judge_all(&wanted, facts, profile, LONGEST)
}

/// The checks with these ids, each for itself: what they depend on is not asked. For whoever made the facts itself and asks
/// often: a rule that breaks breaks alone, but nobody watches whether one comes to an end.
pub fn judge_alone(ids: &[&str], facts: &Facts, profile: Profile) -> Vec<Judged> {
    let wanted = catalogue().iter().copied().filter(|check| ids.contains(&check.id));
    let says = |check: &'static Check| match catch_unwind(AssertUnwindSafe(|| (check.rule)(facts, profile))) {
        Ok(verdict) => verdict,
        Err(_) => unseen(BROKE),
    };
    wanted.map(|check| weighed(check, profile, &facts.names, || says(check))).collect()
}

fn judge_all(checks: &[&'static Check], facts: &Facts, profile: Profile, limit: Duration) -> Vec<Judged> {
    let shared = Arc::new(facts.clone());
    let mut judged: Vec<Judged> = Vec::with_capacity(checks.len());
    for check in checks {
        let unmet = check.depends_on.iter().find(|id| judged.iter().any(|one| one.stops(id)));
        let counts = !matches!(check.weight(profile), Weight::NotApplicable(_));
        judged.push(match unmet.filter(|_| counts) {
            Some(id) => Judged::without(
                check,
                profile,
                Outcome::Skipped { because: (*id).to_owned() },
                format!("{id} has to be mended first"),
            ),
            None => weighed(check, profile, &facts.names, || contained(check, &shared, profile, limit)),
        });
    }
    judged
}

/// What is said of a check, by the weight that it has in this profile; nobody asks where it has none.
fn weighed(check: &'static Check, profile: Profile, names: &Names, says: impl FnOnce() -> Verdict) -> Judged {
    match check.weight(profile) {
        Weight::NotApplicable(why) => {
            Judged::without(check, profile, Outcome::NotApplicable { why: why.to_owned() }, String::new())
        }
        weight => Judged::of(check, profile, weight, says(), names),
    }
}

/// What the rule says, even if it breaks or does not come to an end. A rule that goes round in circles keeps its
/// thread until the process ends; the report does not wait for it.
fn contained(check: &'static Check, facts: &Arc<Facts>, profile: Profile, limit: Duration) -> Verdict {
    let (sender, receiver) = mpsc::channel();
    let (rule, facts) = (check.rule, Arc::clone(facts));
    let started = thread::Builder::new().name(format!("check {}", check.id)).spawn(move || {
        let said = catch_unwind(AssertUnwindSafe(|| rule(&facts, profile)));
        // Nobody listens any more: the limit has passed.
        drop(sender.send(said));
    });
    if let Err(error) = started {
        return unseen(format!("no thread could be started for it: {error}"));
    }
    match receiver.recv_timeout(limit) {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) | Err(mpsc::RecvTimeoutError::Disconnected) => unseen(BROKE),
        Err(mpsc::RecvTimeoutError::Timeout) => unseen(format!(
            "the rule itself did not end within {} s; this is a defect of Cofferdam, report it with this document",
            limit.as_secs_f32()
        )),
    }
}

impl Judged {
    /// Whether what depends on `id` makes no sense now.
    fn stops(&self, id: &str) -> bool {
        self.check.id == id
            && matches!(
                self.finding.outcome,
                Outcome::Failed { severity: Severity::Block } | Outcome::Skipped { .. }
            )
    }

    fn without(check: &'static Check, profile: Profile, outcome: Outcome, evidence: String) -> Self {
        let finding = Finding {
            id: check.id.to_owned(),
            title: check.title.to_owned(),
            reason: check.reason.to_owned(),
            severity: check.severity(profile),
            outcome,
            evidence: evidence.clone(),
            fix: None,
        };
        let evidence = Evidence::say(evidence);
        Self { check, finding, evidence, informs: false, code: None, fixes: Vec::new() }
    }

    fn of(check: &'static Check, profile: Profile, weight: Weight, said: Verdict, names: &Names) -> Self {
        let (outcome, informs) = match said.ending {
            Ending::Passed => (Outcome::Passed, false),
            Ending::Informs => (Outcome::Passed, true),
            Ending::Fails(Some(severity)) => (Outcome::Failed { severity }, false),
            Ending::Fails(None) => match weight {
                Weight::Blocks => (Outcome::Failed { severity: Severity::Block }, false),
                Weight::Warns => (Outcome::Failed { severity: Severity::Warn }, false),
                Weight::Informs | Weight::NotApplicable(_) => (Outcome::Passed, true),
            },
            Ending::Unseen(why) => (Outcome::NotObservable { why: printable(&why) }, false),
            Ending::NotApplicable(why) => (Outcome::NotApplicable { why: printable(&why) }, false),
        };
        let evidence = said.evidence.made_harmless();
        let mut judged = Self::without(check, profile, outcome, evidence.sentence.clone());
        judged.evidence = evidence;
        judged.informs = informs;
        if matches!(judged.finding.outcome, Outcome::Failed { .. }) {
            judged.code = said.code.or(check.code);
            judged.fixes = fixes(check, said.fix.as_deref(), names);
            let texts: Vec<&str> = match &said.fix {
                Some(_) => judged.fixes.first().map(|(_, text)| text.as_str()).into_iter().collect(),
                None => judged.fixes.iter().map(|(_, text)| text.as_str()).collect(),
            };
            judged.finding.fix = Some(texts.join("; or: ")).filter(|text| !text.is_empty());
        }
        judged
    }
}

/// The rule's own fix first, then those of the catalogue.
fn fixes(check: &Check, own: Option<&str>, names: &Names) -> Vec<(Fix, String)> {
    let own = own.map(|text| {
        let by = match text.split(' ').next() {
            Some("cofferdam") => By::Cofferdam,
            Some("kubectl") => By::Kubectl,
            Some("az") => By::Az,
            _ => By::Person,
        };
        (Fix { by, text: "" }, printable(text))
    });
    let known = check.fixes.iter().map(|fix| (*fix, printable(&names.fill(fix.text))));
    own.into_iter().chain(known).collect()
}

#[cfg(test)]
mod active_tests;
#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod remedy_tests;
#[cfg(test)]
mod role_tests;
#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod velero_tests;
