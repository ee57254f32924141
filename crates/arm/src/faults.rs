//! Collects what is wrong with a request, so that all of it is told at once.

use crate::ArmError;

/// Faults that are told one by one; of what a body of some megabytes can have wrong the rest is counted.
const MOST_TOLD: usize = 100;

/// Faults found so far.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    told: Vec<ArmError>,
    more: usize,
}

impl Faults {
    /// One more.
    pub fn note(&mut self, fault: ArmError) {
        if fault.details.is_empty() {
            self.one(fault);
        } else {
            fault.details.into_iter().for_each(|one| self.one(one));
        }
    }

    fn one(&mut self, fault: ArmError) {
        if self.told.len() < MOST_TOLD {
            self.told.push(fault);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// The value, or the default in its place when it is at fault. The default is never used: `end` comes first.
    pub fn get<T: Default>(&mut self, read: Result<T, ArmError>) -> T {
        read.unwrap_or_else(|fault| {
            self.note(fault);
            T::default()
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// All of them as one error.
    pub fn end(self) -> Result<(), ArmError> {
        let Self { mut told, more } = self;
        if told.is_empty() {
            return Ok(());
        }
        if more > 0 {
            let rest = format!("… and {more} more; mend these first");
            told.push(ArmError::new(400, "InvalidRequestContent", rest));
        }
        Err(ArmError::invalid_fields(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once() {
        let mut faults = Faults::default();
        let wrong = |field| Err(ArmError::invalid_field(field, "is required"));

        let number: i64 = faults.get(wrong("a"));
        let text: &str = faults.get(Ok("fine"));
        let both = ArmError::invalid_fields(vec![
            ArmError::invalid_field("b", "is required"),
            ArmError::invalid_field("c", "is required"),
        ]);
        faults.note(both);

        let error = faults.end().unwrap_err();
        assert_eq!((number, text, error.details.len()), (0, "fine", 3));
        assert!(Faults::default().end().is_ok());
    }

    #[test]
    fn of_too_many_faults_the_first_hundred_are_told_and_the_rest_is_counted() {
        let mut faults = Faults::default();

        for number in 0..100_000 {
            faults.note(ArmError::invalid_field(&format!("rules[{number}]"), "is required"));
        }

        let error = faults.end().unwrap_err();
        assert_eq!(error.details.len(), 101);
        assert_eq!(error.details[99].target.as_deref(), Some("rules[99]"));
        assert_eq!(error.details[100].message, "… and 99900 more; mend these first");
    }
}
