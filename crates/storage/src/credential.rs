//! Credentials for stores: of an explicit kind, and read again when they expire.
//!
//! There is no search for "whatever works": a location names its source, every error names the kind that was
//! used, and nothing ever falls through to an instance's metadata service.

mod secret;
mod sources;
mod workload;

pub use secret::{SECRET_KEYS, from_secret, to_secret};
pub use sources::{MountedSecret, NoCredential, StaticCredential, TokenFile};
pub use workload::{AwsWebIdentity, AzureWorkloadIdentity};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use std::fmt;

/// What proves to a store who is asking. Secrets are wiped from memory on drop and never printed.
#[derive(Debug, Clone)]
pub enum CredentialValue {
    /// Nothing: the local disk.
    None,
    /// An S3 access key, with a session token when it is temporary.
    AwsKeys {
        /// The public half.
        key_id: String,
        /// The secret half.
        secret: SecretString,
        /// The session token of temporary keys.
        session: Option<SecretString>,
    },
    /// The key of an Azure storage account, base64.
    AzureAccountKey(SecretString),
    /// A shared access signature: the query string, without a leading question mark.
    AzureSas(SecretString),
    /// A bearer token that the store accepts as it is.
    Bearer(SecretString),
    /// The JSON key file of a Google service account.
    GcpServiceAccountKey(SecretString),
}

impl CredentialValue {
    /// The kind in words, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "no credential",
            Self::AwsKeys { session: None, .. } => "S3 access key",
            Self::AwsKeys { .. } => "temporary S3 access key",
            Self::AzureAccountKey(_) => "storage account key",
            Self::AzureSas(_) => "shared access signature",
            Self::Bearer(_) => "bearer token",
            Self::GcpServiceAccountKey(_) => "Google service account key",
        }
    }
}

/// A credential and how long it may be used.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The credential.
    pub value: CredentialValue,
    /// From when on the source must be asked again; `None` for never, a time in the past for every use.
    pub expires: Option<Timestamp>,
}

/// A credential could not be obtained. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no credential from {source_name}: {cause}")]
pub struct CredentialError {
    /// The source in words.
    pub source_name: String,
    /// Why.
    pub cause: String,
    /// Whether asking again can help.
    pub temporary: bool,
    /// What the person can do.
    pub remedy: String,
}

/// Where credentials come from. Asked again at each expiry, so a revoked right stops the next write.
#[async_trait]
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// Kind and origin in words, for errors; never a secret.
    fn describe(&self) -> String;

    /// The credential of this moment.
    async fn credential(&self) -> Result<Credential, CredentialError>;
}
