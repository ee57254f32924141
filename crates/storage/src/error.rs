//! What a store reports when it fails: what was tried, on what, why, whether to try again, what to do.

use std::fmt;

/// The reason for a failure, as far as callers decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// No such file.
    NotFound,
    /// A file of that name with *different* content is there already.
    Exists,
    /// The credential is valid but lacks the right.
    Denied,
    /// A retention rule of the store keeps the file; it can be deleted later.
    Retained,
    /// The store did not answer, or answered that it is busy or broken.
    Unreachable,
    /// No space or quota left.
    Full,
    /// The store does not accept the credential, or the credential could not be obtained.
    BadCredentials,
    /// The store refuses because the clock of this machine, or its own, is wrong.
    WrongClock,
    /// The bucket, container or directory does not exist.
    BucketMissing,
    /// What came back cannot be what was written (for example fewer bytes than the file has).
    Corrupt,
    /// Anything else.
    Other,
}

/// How the credential of an identity is called in [`StoreError::target`].
pub(crate) const AZURE_IDENTITY: &str = "Azure workload identity";

/// A failed operation on a store. No text in it ever holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    /// What was tried: a verb in its basic form, such as `read` or `create`.
    pub tried: &'static str,
    /// What it was tried on: path and store, with the kind of credential used.
    pub target: String,
    /// Why it failed, for decisions.
    pub kind: StoreErrorKind,
    /// Why it failed, for people: the store's own words, shortened and without secrets.
    pub cause: String,
    /// Whether the same call can succeed later without anyone changing anything.
    pub temporary: bool,
    /// What the person can do.
    pub remedy: String,
}

impl StoreError {
    /// An error with the usual permanence and remedy for its kind.
    pub fn new(
        tried: &'static str,
        target: impl Into<String>,
        kind: StoreErrorKind,
        cause: impl Into<String>,
    ) -> Self {
        Self {
            tried,
            target: target.into(),
            kind,
            cause: cause.into(),
            temporary: matches!(kind, StoreErrorKind::Unreachable),
            remedy: kind.usual_remedy().to_owned(),
        }
    }

    /// The same error with another next step.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// The same error, marked as worth trying again or not.
    pub fn with_temporary(mut self, temporary: bool) -> Self {
        self.temporary = temporary;
        self
    }

    /// Whether the store knows the identity that asks and misses a role of it: Azure's
    /// `AuthorizationPermissionMismatch`. A shared access signature gets the same answer and has no roles.
    pub fn lacks_role(&self) -> bool {
        self.kind == StoreErrorKind::Denied
            && self.target.contains(AZURE_IDENTITY)
            && self.cause.contains("AuthorizationPermissionMismatch")
    }

    /// Whether the file simply is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind == StoreErrorKind::NotFound
    }
}

impl StoreErrorKind {
    fn usual_remedy(self) -> &'static str {
        match self {
            Self::NotFound => {
                "Check the path; if the file belongs to a repository, run `cofferdam repository check`."
            }
            Self::Exists => {
                "Another writer stored different content under this name; run `cofferdam repository check`."
            }
            Self::Denied => "Grant the identity of this credential the right to do this on the store.",
            Self::Retained => {
                "Nothing to do: the store keeps the file until its retention ends, then it is deleted."
            }
            Self::Unreachable => {
                "Check the network path and the name of the store; the operation is tried again."
            }
            Self::Full => "Free space or raise the quota of the store, then run the operation again.",
            Self::BadCredentials => "Check the credential of the backup storage location and renew it.",
            Self::WrongClock => "The clock of this node is wrong: correct it (NTP), then try again.",
            Self::BucketMissing => {
                "Create the bucket, container or directory, or correct its name in the settings."
            }
            Self::Corrupt => "Run `cofferdam repository check-data` to learn what is affected.",
            Self::Other => "See the cause; if it persists, report it together with this text.",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, target, cause, remedy, .. } = self;
        let cause = cause.trim_end_matches('.');
        write!(f, "could not {tried} {target}: {cause}")?;
        if self.temporary {
            f.write_str(" (temporary)")?;
        }
        if !remedy.is_empty() {
            write!(f, ". {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for StoreError {}
