//! One server, one pace: when it asks one request to wait, all wait.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Holds requests back until the server wants them again.
#[derive(Debug, Default)]
pub(super) struct Gate {
    opens: Mutex<Option<Instant>>,
}

impl Gate {
    /// Lets nobody pass for this long, or longer if that was said before.
    pub(super) fn close_for(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut opens = self.opens.lock();
        *opens = Some(opens.map_or(until, |earlier| earlier.max(until)));
    }

    /// Waits until the gate is open.
    pub(super) async fn wait(&self) {
        loop {
            let opens = *self.opens.lock();
            match opens {
                Some(at) if at > Instant::now() => tokio::time::sleep_until(at).await,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_pause_holds_everybody() {
        let gate = Gate::default();
        gate.close_for(Duration::from_secs(5));
        gate.close_for(Duration::from_secs(1));
        let start = Instant::now();

        gate.wait().await;

        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
