//! How a command ends: the exit code and, when it failed, what went wrong and the next step.
//! Reference: `docs/command-line.md`.

mod management;
mod reasons;

use extension::api;
use protection::Problem;
use resources::Phase;
use std::fmt;

/// The step after an error that nobody foresaw.
const UNFORESEEN: &str = "Run it again with `--log debug`; report what it says if it fails again.";

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing left out.
    Done,
    /// Failed.
    Failed,
    /// Wrong arguments (clap uses the same code).
    Usage,
    /// Done; what was left out was named.
    Warnings,
    /// Stopped on request.
    Cancelled,
    /// Something that the command needs does not exist or is not as it must be; nothing was done.
    Precondition,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Warnings => 3,
            Self::Cancelled => 4,
            Self::Precondition => 5,
        }
    }

    /// The code for an operation that ended in `phase`.
    pub fn of(phase: Phase) -> Self {
        match phase {
            Phase::CompletedWithWarnings => Self::Warnings,
            Phase::Failed => Self::Failed,
            Phase::Cancelled => Self::Cancelled,
            Phase::Accepted | Phase::InProgress | Phase::Cancelling | Phase::Completed => Self::Done,
        }
    }
}

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    /// Its exit code.
    pub exit: Exit,
    message: String,
    next: Vec<String>,
}

/// Whether a 404 is about the type, not about one object: with its definition, or with its whole group, missing.
fn is_unknown_type(message: &str) -> bool {
    message.contains("could not find the requested resource") || message.contains("404 page not found")
}

/// What a command returns.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), next: Vec::new() }
    }

    /// It was tried and failed.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Something needed is not there; nothing was done.
    pub fn precondition(message: impl fmt::Display) -> Self {
        Self::new(Exit::Precondition, message)
    }

    /// The arguments make no sense together.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Stopped on request.
    pub fn cancelled() -> Self {
        Self::new(Exit::Cancelled, "stopped on request").next("Start it again when it shall run to its end.")
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same failure with a next step; an empty one is none.
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next.extend(Some(step.into()).filter(|step| !step.is_empty()));
        self
    }

    /// A problem that ended the command.
    pub fn problem(problem: &Problem) -> Self {
        Self {
            exit: Exit::Failed,
            message: format!("{}: {}", problem.code, problem.message),
            next: problem.recommended_action.clone(),
        }
    }

    /// A refusal of the API server while `tried` was tried.
    pub fn api(tried: impl fmt::Display, error: &kube::Error) -> Self {
        let failure = Self::failed(format!("could not {tried}: {}", api::readable(error)));
        match error {
            kube::Error::Api(status) if status.code == 404 && is_unknown_type(&status.message) => {
                Self { exit: Exit::Precondition, ..failure }
                    .next("Cofferdam is not installed in this cluster: run `cofferdam install`.")
            }
            kube::Error::Api(status) if status.code == 404 => Self { exit: Exit::Precondition, ..failure }
                .next("Check the name and the namespace (`-n`); the `list` command shows what there is."),
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => failure.next(
                "Ask for the right to do this, or use another context: `kubectl auth can-i --list -n dataprotection-microsoft`.",
            ),
            kube::Error::Api(status) if status.code == 422 => failure.next("Correct the field that the message names."),
            kube::Error::Api(_) => failure.next("See the message of the API server."),
            _ => failure.next("Check that the cluster is reachable: `kubectl version`."),
        }
    }

    /// A refusal of the API server to create a backup or a restore: nothing was done.
    pub fn creation(noun: &str, name: &str, error: &kube::Error) -> Self {
        let failure = Self::api(format!("create {noun} {name}"), error);
        match error {
            kube::Error::Api(status) if status.code == 409 => {
                Self::precondition(format!("there is a {noun} {name} already; a name is used once"))
                    .next(format!("Look at it with `cofferdam {noun} show {name}`, or leave the name out."))
            }
            kube::Error::Api(status) if status.code == 422 => Self { exit: Exit::Usage, ..failure },
            _ => failure,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message.trim_end())?;
        if self.next.is_empty() {
            writeln!(f, "next: {UNFORESEEN}")?;
        }
        self.next.iter().try_for_each(|step| writeln!(f, "next: {step}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_never_ends_without_a_next_step() {
        let (bare, empty) = (Failure::failed("no"), Failure::failed("no").next(""));

        assert_eq!(bare.to_string(), format!("error: no\nnext: {UNFORESEEN}\n"));
        assert_eq!(empty.to_string(), bare.to_string());
    }
}
