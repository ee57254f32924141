//! The next step of a validation.

use resources::Phase;

/// What is known about one validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// `status.phase`.
    pub phase: Phase,
    /// This process ends.
    pub shutdown: bool,
    /// The checks have run in this process.
    pub checked: bool,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write that the work has begun.
    Begin,
    /// Run the checks.
    Check,
    /// Write what they found.
    Finish,
    /// Nothing is left for this process.
    Leave,
}

impl Step {
    /// The name in fault points.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Check => "check",
            Self::Finish => "finish",
            Self::Leave => "leave",
        }
    }

    /// The names of all steps that act.
    pub fn all_names() -> Vec<&'static str> {
        [Self::Begin, Self::Check, Self::Finish].map(Self::name).to_vec()
    }
}

/// The next step.
pub fn decide(seen: &Observed) -> Step {
    if seen.phase.is_final() || seen.shutdown {
        Step::Leave
    } else if seen.checked {
        Step::Finish
    } else if seen.phase == Phase::Accepted {
        Step::Begin
    } else {
        Step::Check
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validation_that_died_is_checked_again() {
        let seen = Observed { phase: Phase::InProgress, shutdown: false, checked: false };

        assert_eq!(decide(&seen), Step::Check);
        assert_eq!(decide(&Observed { checked: true, ..seen }), Step::Finish);
        assert_eq!(decide(&Observed { phase: Phase::Accepted, ..seen }), Step::Begin);
        assert_eq!(decide(&Observed { phase: Phase::Failed, ..seen }), Step::Leave);
    }
}
