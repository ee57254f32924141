//! What a rule says of the facts.

use crate::{Evidence, Observed, Severity};

/// What a rule says: an ending, what was seen, and a fix if a better one is known than the catalogue's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub(crate) ending: Ending,
    pub(crate) evidence: Evidence,
    pub(crate) fix: Option<String>,
    pub(crate) code: Option<&'static str>,
}

/// How a rule ends, before the profile weighs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It holds.
    Passed,
    /// It holds well enough, and there is something to know.
    Informs,
    /// It does not hold; it weighs what the catalogue says, or this.
    Fails(Option<Severity>),
    /// Nobody could look.
    Unseen(String),
    /// There is nothing here that it speaks of.
    NotApplicable(String),
}

impl Verdict {
    fn new(ending: Ending, sentence: impl Into<String>) -> Self {
        Self { ending, evidence: Evidence::say(sentence), fix: None, code: None }
    }

    /// With the objects that it is about.
    pub(crate) fn about(mut self, objects: &[String]) -> Self {
        self.evidence.list(objects);
        self
    }

    /// With a number that was counted or measured.
    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.evidence.numbers.insert(name.to_owned(), value);
        self
    }

    /// With the address that failed.
    pub(crate) fn at(mut self, address: impl Into<String>) -> Self {
        self.evidence.address = Some(address.into());
        self
    }

    /// With the code of its cause, one of those that the catalogue has for the check; without one the check's own stands.
    pub(crate) fn code(mut self, code: impl Into<Option<&'static str>>) -> Self {
        self.code = code.into();
        self
    }

    /// With a fix of its own.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

pub(crate) fn passed(evidence: impl Into<String>) -> Verdict {
    Verdict::new(Ending::Passed, evidence)
}

/// It holds well enough, and there is something to know.
pub(crate) fn informs(evidence: impl Into<String>) -> Verdict {
    Verdict::new(Ending::Informs, evidence)
}

/// It does not hold and weighs what the catalogue says.
pub(crate) fn fails(evidence: impl Into<String>) -> Verdict {
    Verdict::new(Ending::Fails(None), evidence)
}

/// It does not hold and weighs this, whatever the catalogue says.
pub(crate) fn fails_as(severity: Severity, evidence: impl Into<String>) -> Verdict {
    Verdict::new(Ending::Fails(Some(severity)), evidence)
}

pub(crate) fn unseen(why: impl Into<String>) -> Verdict {
    Verdict::new(Ending::Unseen(why.into()), "")
}

pub(crate) fn not_applicable(why: impl Into<String>) -> Verdict {
    Verdict::new(Ending::NotApplicable(why.into()), "")
}

/// Judges a fact that was seen, or says why it was not.
pub(crate) fn when_seen<T>(fact: &Observed<T>, judge: impl FnOnce(&T) -> Verdict) -> Verdict {
    match fact {
        Observed::Seen(value) => judge(value),
        Observed::NotObservable(why) => unseen(why),
    }
}
