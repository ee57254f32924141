//! The vault as a process: `cofferdam vault serve`, on loopback.

use super::client::{Credential, anyone};
use crate::process::{Running, beside};
use anyhow::{Context, Result, bail};
use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};
use vault::{directory::DataDirectory, server::open_store, store::Store};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between looks whether it is ready.
const LOOK: Duration = Duration::from_millis(2);

/// Where a vault keeps what it knows, and how it is started.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    database: Option<String>,
    port: u16,
    spread: Duration,
}

/// A vault that runs; it ends with this value.
pub struct Server {
    running: Running,
    /// From the start of the process until it said that it is ready.
    pub ready_after: Duration,
}

impl Place {
    /// An empty one.
    pub fn new(folder: &Path, database: Option<String>, spread: Duration) -> Result<Self> {
        // Free now; nobody else takes it in the moment until the vault does.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { folder: folder.to_owned(), database, port, spread })
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.join("vault")
    }

    /// The certificate that clients trust.
    pub fn ca(&self) -> PathBuf {
        self.data().join("tls/ca.crt")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Its public name.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The credential that the first start made.
    pub fn administrator(&self) -> Result<Credential> {
        let path = self.data().join("administrator.json");
        let text = std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Its database, past the server.
    pub async fn store(&self) -> Result<Arc<dyn Store>> {
        let database = self.database.as_deref().map(str::parse).transpose()?;
        Ok(open_store(&DataDirectory::open(&self.data())?, database.as_ref()).await?)
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) -> Result<Server> {
        let mut command = Command::new(beside("cofferdam")?);
        command
            .args(["vault", "serve", "--data"])
            .arg(self.data())
            .args(["--listen", &self.address().to_string()])
            .args(["--schedule-spread", &self.spread.as_secs().to_string()]);
        if let Some(database) = &self.database {
            command.env("COFFERDAM_DATABASE", database);
        }
        let begun = Instant::now();
        let mut running = Running::start(&mut command, &self.folder.join("vault.log"))?;
        let http = anyone()?;
        let ready = format!("{}/readyz", self.url());
        loop {
            if http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(Server { running, ready_after: begun.elapsed() });
            }
            if running.has_ended() || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.folder.join("vault.log")).unwrap_or_default();
                bail!("the vault did not become ready:\n{log}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Server {
    /// Its process.
    pub fn process(&self) -> u32 {
        self.running.process()
    }

    /// MiB that it holds in memory now.
    pub fn resident(&self) -> Result<f64> {
        self.running.resident()
    }

    /// MiB that it held at most.
    pub fn peak(&self) -> Result<f64> {
        Ok(self.running.peak_memory()?.0)
    }
}
