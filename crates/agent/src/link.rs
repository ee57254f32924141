//! The agent's side of the connection to a vault.

use async_trait::async_trait;
use packages::wire::{Desired, Report};
use std::time::Duration;

/// A vault that cannot be asked now, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LinkError(pub String);

/// The vault, as an agent sees it.
#[async_trait]
pub trait VaultLink: Send + Sync {
    /// What should be there. Answers at once when the revision is another one than `after`, else when it changes; `None`
    /// when it did not change for `wait`.
    async fn desired(&self, after: Option<&str>, wait: Duration) -> Result<Option<Desired>, LinkError>;

    /// Tells what is there.
    async fn report(&self, report: &Report) -> Result<(), LinkError>;
}
