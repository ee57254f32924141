//! Collects what is wrong with a request, so that all of it is told at once.

use crate::ArmError;

/// Faults found so far.
#[derive(Debug, Clone, Default)]
pub struct Faults(Vec<ArmError>);

impl Faults {
    /// One more.
    pub fn note(&mut self, fault: ArmError) {
        if fault.details.is_empty() { self.0.push(fault) } else { self.0.extend(fault.details) }
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
        self.0.is_empty()
    }

    /// All of them as one error.
    pub fn end(self) -> Result<(), ArmError> {
        if self.0.is_empty() { Ok(()) } else { Err(ArmError::invalid_fields(self.0)) }
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
}
