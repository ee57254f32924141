//! Loads of requests: so many clients that each send the next request when the last one was answered, and requests at a
//! stated rate whatever the answers do.

use super::outcome::Percentiles;
use anyhow::{Context, Result};
use reqwest::{Client, RequestBuilder};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};

/// Makes the request of a client and a number.
pub type Make = Arc<dyn Fn(&Client, usize) -> RequestBuilder + Send + Sync>;

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// Milliseconds of each answer that was a success.
    pub took: Vec<f64>,
    /// Requests that failed, or were answered with a failure.
    pub failed: usize,
    /// One failure, for people.
    pub why: Option<String>,
    /// How long it lasted.
    pub seconds: f64,
}

impl Load {
    fn note(&mut self, one: Result<f64, String>) {
        match one {
            Ok(took) => self.took.push(took),
            Err(why) => {
                self.failed += 1;
                self.why.get_or_insert(why);
            }
        }
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.took.len() as f64 / self.seconds.max(0.001)
    }

    /// How long the answers took.
    pub fn percentiles(&self) -> Percentiles {
        Percentiles::of(self.took.clone())
    }
}

/// Each client sends one request after the other.
pub async fn closed(clients: &[Client], lasts: Duration, make: Make) -> Load {
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for (place, client) in clients.iter().enumerate() {
        let (client, make, step) = (client.clone(), make.clone(), clients.len());
        all.spawn(async move {
            let (mut load, mut number) = (Load::default(), place);
            while begun.elapsed() < lasts {
                load.note(one(make(&client, number), Instant::now()).await);
                number += step;
            }
            load
        });
    }
    let mut total = Load::default();
    while let Some(ended) = all.join_next().await {
        let Ok(load) = ended else { continue };
        total.took.extend(load.took);
        total.failed += load.failed;
        total.why = total.why.or(load.why);
    }
    total.seconds = begun.elapsed().as_secs_f64();
    total
}

/// Requests at a rate. How long one takes is counted from when it was due, so that a server that holds others up is not
/// spared what they wait.
pub async fn open(clients: &[Client], rate: u32, lasts: Duration, make: Make) -> Result<Load> {
    let pause = Duration::from_secs(1).checked_div(rate).context("the rate is 0")?;
    let (told, mut heard) = mpsc::unbounded_channel();
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut number = 0;
    while begun.elapsed() < lasts {
        let due = ticks.tick().await.into_std();
        let client = clients.get(number % clients.len().max(1)).context("there is no client")?;
        let (request, told) = (make(client, number), told.clone());
        tokio::spawn(async move {
            // Whoever listens is gone when the measurement broke off.
            told.send(one(request, due).await).ok();
        });
        number += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    drop(told);
    let mut load = Load { seconds, ..Load::default() };
    while let Some(one) = heard.recv().await {
        load.note(one);
    }
    Ok(load)
}

/// Milliseconds until the whole answer was there.
async fn one(request: RequestBuilder, since: Instant) -> Result<f64, String> {
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    Ok(since.elapsed().as_secs_f64() * 1_000.0)
}
