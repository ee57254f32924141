//! The circumstances of one piece of work.

use crate::{Budget, Progress, Silent};
use std::sync::Arc;
use telemetry::Clock;
use tokio_util::sync::CancellationToken;

/// The circumstances of one piece of work.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it may use.
    pub budget: Budget,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// Ends it early; everything it holds is then given back.
    pub cancel: CancellationToken,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Job {
    /// A job that nobody watches, with the default budget.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            budget: Budget::default(),
            progress: Arc::new(Silent),
            cancel: CancellationToken::new(),
            clock,
        }
    }
}
