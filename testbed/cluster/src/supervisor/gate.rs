//! What a process waits for before it is started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

const POLL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(2);

/// A condition that becomes true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gate {
    /// Someone accepts connections there.
    Listening(SocketAddr),
    /// The file (or socket) exists.
    Exists(PathBuf),
    /// The URL answers with success; its certificate is signed by `authority`.
    Healthy {
        /// The URL.
        url: String,
        /// A PEM file.
        authority: PathBuf,
    },
}

impl Gate {
    /// Waits until the gate is open.
    pub async fn open(&self) {
        let client = match self {
            Self::Healthy { authority, .. } => client(authority),
            _ => None,
        };
        while !self.is_open(client.as_ref()).await {
            tokio::time::sleep(POLL).await;
        }
    }

    async fn is_open(&self, client: Option<&reqwest::Client>) -> bool {
        match (self, client) {
            (Self::Listening(address), _) => {
                matches!(tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_)))
            }
            (Self::Exists(path), _) => path.exists(),
            (Self::Healthy { url, .. }, Some(client)) => {
                let answer = client.get(url).timeout(PATIENCE).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            }
            (Self::Healthy { .. }, None) => false,
        }
    }
}

fn client(authority: &Path) -> Option<reqwest::Client> {
    let pem = std::fs::read(authority).ok()?;
    let certificate = reqwest::Certificate::from_pem(&pem).ok()?;
    reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().build().ok()
}
