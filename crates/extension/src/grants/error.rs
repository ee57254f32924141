//! Why there is no grant, with the documented code and the next step.

use protection::{Problem, code};
use std::path::PathBuf;
use storage::{ProxyTrouble, credential::CredentialError};

/// The vault did not grant what was asked for. Never holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GrantError {
    /// Identity, job and location do not belong together.
    #[error("the vault refuses a grant for location {location} to {purpose}: {message}")]
    Denied {
        /// The location.
        location: String,
        /// What it was asked for.
        purpose: String,
        /// The vault's words.
        message: String,
    },
    /// The extension's identity lacks its role on the storage account.
    #[error("the vault refuses a grant for location {location} to {purpose}: {message}")]
    MissingRole {
        /// The location.
        location: String,
        /// What it was asked for.
        purpose: String,
        /// The vault's words.
        message: String,
    },
    /// The vault knows of no such job.
    #[error("the vault knows of no job {purpose}, for which location {location} was asked for: {message}")]
    UnknownJob {
        /// The location.
        location: String,
        /// What it was asked for.
        purpose: String,
        /// The vault's words.
        message: String,
    },
    /// This extension has no vault.
    #[error(
        "location {0} needs a grant of the vault, and only an extension that was installed with a vault can ask for one"
    )]
    NoVault(String),
    /// The vault cannot be reached, or is busy.
    #[error("the vault at {vault} did not grant anything: {cause}")]
    Unreachable {
        /// Its address.
        vault: String,
        /// Why, as far as anyone said.
        cause: String,
    },
    /// The egress proxy does not let through, or is not the right one.
    #[error("the vault at {vault} was not reached: {}", .trouble.cause)]
    Proxy {
        /// The vault's address.
        vault: String,
        /// What went wrong there.
        trouble: ProxyTrouble,
    },
    /// Nobody vouches for the vault.
    #[error("the vault at {vault} is not trusted: {cause}")]
    Untrusted {
        /// Its address.
        vault: String,
        /// What TLS said.
        cause: String,
    },
    /// The vault answered something else than the contract says.
    #[error("the answer of the vault at {vault} cannot be used: {cause}")]
    Answer {
        /// Its address.
        vault: String,
        /// What is wrong.
        cause: String,
    },
    /// The file with the vault's authorities cannot be used.
    #[error("the vault's certificate authorities in {path} cannot be used: {cause}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The settings in a grant do not describe a location.
    #[error("the vault's description of location {location} cannot be used: {cause}")]
    Settings {
        /// The location.
        location: String,
        /// What is wrong with them.
        cause: String,
    },
    /// What was granted changed while it was used.
    #[error("the vault now grants other access to location {0} than before")]
    Changed(String),
    /// The extension could not prove its identity.
    #[error(transparent)]
    Identity(#[from] CredentialError),
}

impl GrantError {
    /// Whether the same call can succeed later without anyone changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Changed(_) => true,
            Self::Identity(error) => error.temporary,
            Self::Proxy { trouble, .. } => trouble.temporary,
            _ => false,
        }
    }

    /// The problem as a status and a person see it.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::Denied { .. } => code::GRANT_DENIED,
            Self::MissingRole { .. } => code::LOCATION_MISSING_PERMISSIONS,
            Self::UnknownJob { .. } => code::GRANT_UNKNOWN_JOB,
            _ => code::LOCATION_NOT_READY,
        };
        let problem = Problem::error(code, self.to_string());
        match self {
            Self::Denied { .. } => problem
                .fix("At the vault, check that the backup instance names this cluster and this location, and that a key of the customer which seals the repository is there.")
                .fix("Then start the job again; nothing has to be restarted."),
            Self::MissingRole { .. } => problem
                .fix("Assign the extension's identity its role on the storage account: Storage Blob Data Contributor to write, Storage Blob Data Reader to restore.")
                .fix("Then start the job again; nothing has to be restarted."),
            Self::UnknownJob { .. } => problem
                .fix("Start backups and restores of this location at the vault, which writes the custom resource itself; one that was written by hand gets no key."),
            Self::NoVault(_) => problem
                .fix("Run this in the cluster as a custom resource, or install the extension with the settings vault.*."),
            Self::Unreachable { .. } => problem
                .fix("Check that pods of the extension's namespace reach the vault's address (DNS, egress, HTTPS_PROXY); it is tried again."),
            Self::Proxy { trouble, .. } => problem.fix(trouble.remedy),
            Self::Untrusted { .. } | Self::Authorities { .. } => problem
                .fix("Put the certificate authority that signed the vault's certificate into ConfigMap cofferdam-vault-authorities; it counts within two minutes."),
            Self::Answer { .. } | Self::Settings { .. } => {
                problem.fix("Check that the vault and the extension are of versions that belong together.")
            }
            Self::Changed(_) => problem.fix("Nothing to do: the location is opened again."),
            Self::Identity(error) => problem.fix(error.remedy.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_code_and_a_next_step() {
        let (location, purpose, message) = ("default".to_owned(), "Backup a".to_owned(), "no".to_owned());
        let (vault, cause) = ("v".to_owned(), "c".to_owned());
        let cases = [
            (
                GrantError::Denied {
                    location: location.clone(),
                    purpose: purpose.clone(),
                    message: message.clone(),
                },
                code::GRANT_DENIED,
            ),
            (
                GrantError::MissingRole {
                    location: location.clone(),
                    purpose: purpose.clone(),
                    message: message.clone(),
                },
                code::LOCATION_MISSING_PERMISSIONS,
            ),
            (
                GrantError::UnknownJob { location: location.clone(), purpose, message },
                code::GRANT_UNKNOWN_JOB,
            ),
            (GrantError::NoVault(location.clone()), code::LOCATION_NOT_READY),
            (
                GrantError::Unreachable { vault: vault.clone(), cause: cause.clone() },
                code::LOCATION_NOT_READY,
            ),
            (
                GrantError::Proxy {
                    vault: vault.clone(),
                    trouble: ProxyTrouble { cause: cause.clone(), remedy: "r", temporary: true },
                },
                code::LOCATION_NOT_READY,
            ),
            (GrantError::Untrusted { vault: vault.clone(), cause: cause.clone() }, code::LOCATION_NOT_READY),
            (GrantError::Answer { vault, cause: cause.clone() }, code::LOCATION_NOT_READY),
            (GrantError::Authorities { path: "/x".into(), cause: cause.clone() }, code::LOCATION_NOT_READY),
            (GrantError::Settings { location: location.clone(), cause }, code::LOCATION_NOT_READY),
            (GrantError::Changed(location), code::LOCATION_NOT_READY),
        ];

        for (error, expected) in cases {
            let problem = error.problem();
            assert_eq!(problem.code, expected, "{error}");
            assert!(!problem.recommended_action.is_empty(), "{error}");
        }
    }
}
