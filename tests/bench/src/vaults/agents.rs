//! All simulated clusters in a process of their own, so that their work is told from the vault's and from the generator's.

use super::{
    limits::{Sources, raise},
    simulated::{Counts, Identity, SimulatedCluster},
};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt, sync::Semaphore, time::sleep};
use tunnel::tls::Trust;

/// The word by which this program is one that simulates.
pub const COMMAND: &str = "simulate-agents";
/// Handshakes at a time.
const TOGETHER: usize = 64;
/// Before a connection that ended is made anew.
const PAUSE: Duration = Duration::from_secs(3);

/// What a process that simulates is told.
#[derive(Serialize, Deserialize)]
pub struct Told {
    /// Where the vault is.
    pub vault: SocketAddr,
    /// Its authority.
    pub ca: PathBuf,
    /// Who connects.
    pub agents: Vec<Identity>,
}

/// How the simulated clusters stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Connections that stand and have their bindings.
    pub ready: u64,
    /// Connections that ended.
    pub ended: u64,
    /// Connections that could not be made, and those that broke.
    pub failed: u64,
    /// Requests for custom resources.
    pub asked: u64,
    /// Backups that were made.
    pub made: u64,
}

/// Simulates, until nobody listens any more.
pub async fn simulate(file: &Path) -> Result<()> {
    let told: Told = serde_json::from_slice(&std::fs::read(file)?)?;
    raise(told.agents.len())?;
    let trust = Trust::from_pem(&std::fs::read_to_string(&told.ca)?)?;
    let (sources, counts) = (Sources::of_this_machine()?, Arc::new(Counts::default()));
    let places = Arc::new(Semaphore::new(TOGETHER));
    for (number, identity) in told.agents.into_iter().enumerate() {
        let cluster = Arc::new(SimulatedCluster::new(identity, counts.clone())?);
        let (from, trust, places, counts) =
            (sources.of(number)?, trust.clone(), places.clone(), counts.clone());
        tokio::spawn(async move {
            while let Ok(place) = places.acquire().await {
                let connected = || drop(place);
                if let Err(error) = cluster.clone().connect(told.vault, from, &trust, connected).await
                    && counts.failed.fetch_add(1, Ordering::Relaxed) < 10
                {
                    eprintln!("agent {number}: {error:#}");
                }
                sleep(PAUSE).await;
            }
        });
    }
    tokio::spawn(async {
        // Whoever started this process is gone when its end of the pipe is.
        let mut end = Vec::new();
        let read = tokio::io::stdin().read_to_end(&mut end).await;
        std::process::exit(i32::from(read.is_err()));
    });
    loop {
        let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let standing = Standing {
            ready: count(&counts.ready),
            ended: count(&counts.ended),
            failed: count(&counts.failed),
            asked: count(&counts.asked),
            made: count(&counts.made),
        };
        println!("{}", serde_json::to_string(&standing)?);
        sleep(Duration::from_millis(500)).await;
    }
}

/// A process that simulates; it ends with this value.
pub struct Agents {
    child: Child,
    last: Arc<Mutex<Standing>>,
}

impl Agents {
    /// Starts it.
    pub fn start(folder: &Path, told: &Told) -> Result<Self> {
        let file = folder.join("agents.json");
        std::fs::write(&file, serde_json::to_vec(told)?)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(COMMAND)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start the simulated agents")?;
        let output = child.stdout.take().context("the simulated agents have no output")?;
        let last = Arc::new(Mutex::new(Standing::default()));
        let seen = last.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(standing) = serde_json::from_str(&line) {
                    *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = standing;
                }
            }
        });
        Ok(Self { child, last })
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// How they stand.
    pub fn standing(&self) -> Standing {
        *self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until all are connected; how long that took.
    pub async fn connected(&mut self, all: usize, patience: Duration) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let standing = self.standing();
            if standing.ready >= u64::try_from(all)? {
                return Ok(begun.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the simulated agents ended: {status}");
            }
            if begun.elapsed() > patience {
                bail!(
                    "of {all} agents {} are connected after {} s: {standing:?}",
                    standing.ready,
                    patience.as_secs()
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}
