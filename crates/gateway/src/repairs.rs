//! Compares Trusted Access with what the vault wants and repairs it, again and again, without being asked.

use crate::Gateway;
use std::{fmt::Display, time::Duration};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// How often.
#[derive(Debug, Clone, Copy)]
pub struct Repairs {
    /// From one round to the next.
    pub every: Duration,
    /// After a round that failed: it must not cost the time until the next.
    pub again: Duration,
}

/// What was tampered with is repaired within five minutes: four, and one for a round that takes its time.
impl Default for Repairs {
    fn default() -> Self {
        Self { every: Duration::from_secs(240), again: Duration::from_secs(20) }
    }
}

impl Repairs {
    /// Keeps a gateway's Trusted Access repaired until `stop` fires.
    pub async fn keep(self, gateway: Gateway, stop: CancellationToken) {
        let repair = || {
            let gateway = gateway.clone();
            async move { gateway.repair().await }
        };
        self.rounds(repair, &stop).await;
    }

    async fn rounds<F, R, E>(self, repair: F, stop: &CancellationToken)
    where
        F: Fn() -> R + Send,
        R: Future<Output = Result<(), E>> + Send,
        E: Display,
    {
        let mut ticks = interval(self.every);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = repair().await {
                tracing::warn!(%error, "Trusted Access could not be compared or repaired; trying again soon");
                ticks.reset_after(self.again);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::Arc;
    use tokio::time::{Instant, sleep};

    /// The seconds at which rounds begin within half an hour, of which those with these numbers fail after a while.
    async fn rounds_of_half_an_hour(failing: &'static [usize], takes: Duration) -> Vec<u64> {
        let (begun, at, stop) = (Instant::now(), Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (noted, ending) = (at.clone(), stop.clone());
        let keeping = tokio::spawn(async move {
            let repair = || {
                let noted = noted.clone();
                async move {
                    let number = noted.lock().len();
                    noted.lock().push(begun.elapsed().as_secs());
                    sleep(takes).await;
                    if failing.contains(&number) { Err("the API server is away") } else { Ok(()) }
                }
            };
            Repairs::default().rounds(repair, &ending).await;
        });
        sleep(Duration::from_secs(30 * 60)).await;
        stop.cancel();
        keeping.await.unwrap();
        at.lock().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn repairs_come_by_themselves_less_than_five_minutes_apart() {
        for takes in [0, 45] {
            let rounds = rounds_of_half_an_hour(&[], Duration::from_secs(takes)).await;

            assert_eq!(rounds, [0, 240, 480, 720, 960, 1200, 1440, 1680], "each takes {takes} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_fails_is_made_up_for_soon_and_the_next_ones_keep_their_distance() {
        let rounds = rounds_of_half_an_hour(&[1, 2], Duration::from_secs(5)).await;

        // Each of the two failed rounds takes five seconds, and is tried again twenty seconds after it.
        assert_eq!(rounds, [0, 240, 265, 290, 530, 770, 1010, 1250, 1490, 1730]);
    }
}
