//! When a restore has to stop: someone cancelled it, or its time is over.

use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Someone asked.
    Cancelled,
    /// The deadline is over.
    DeadlineExceeded,
}

/// Watches for both.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    /// Set from outside.
    pub(crate) cancel: CancellationToken,
    /// When the whole must be over.
    pub(crate) deadline: Option<Instant>,
}

impl Stop {
    /// Whether it has to stop now.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(Stopped::DeadlineExceeded),
            _ => Ok(()),
        }
    }

    /// Sleeps, or stops.
    pub(crate) async fn sleep(&self, pause: Duration) -> Result<(), Stopped> {
        let wake = Instant::now() + pause;
        let until = self.deadline.map_or(wake, |deadline| deadline.min(wake));
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = tokio::time::sleep_until(until) => {}
        }
        self.check()
    }
}
