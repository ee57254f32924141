//! Sends one message to one receiver.

use super::{
    Message, ReceiverSettings, WebhookError,
    sign::{self, Keys},
};
use crate::alerts::Severity;
use http::header;
use jiff::Timestamp;
use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

/// For a whole attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// Attempts at a time: a receiver that hangs must not hold up jobs.
const AT_ONCE: usize = 4;
/// For so long a message waits for its turn at a receiver that took the one before.
const TURN: Duration = Duration::from_secs(2);
const AGENT: &str = concat!("cofferdam-vault/", env!("CARGO_PKG_VERSION"));

/// A receiver.
#[derive(Debug)]
pub struct Receiver {
    settings: ReceiverSettings,
    http: reqwest::Client,
    places: Semaphore,
    /// The last attempt failed.
    is_failing: AtomicBool,
}

/// Why a message did not arrive. Never with the URL, which may be a secret itself.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// As many attempts as may be are under way.
    #[error("other messages to this receiver are under way")]
    Busy,
    /// The secret.
    #[error("{0}")]
    Secret(#[from] WebhookError),
    /// The connection.
    #[error("{0}")]
    Http(String),
    /// The answer.
    #[error("the receiver answered with status {0}")]
    Status(u16),
}

impl Receiver {
    /// Looks at its settings.
    pub fn open(settings: &ReceiverSettings) -> Result<Self, WebhookError> {
        settings.check()?;
        let wrong = |reason: String| WebhookError::wrong(&settings.name, reason);
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(TIMEOUT)
            .user_agent(AGENT);
        if settings.is_loopback() {
            builder = builder.no_proxy();
        }
        if !settings.allow_loopback_http {
            builder = builder.https_only(true);
        }
        if let Some(path) = &settings.ca {
            let cannot = |error: &dyn Error| {
                wrong(format!("has authorities in {} that cannot be used: {error}", path.display()))
            };
            let pem = std::fs::read(path).map_err(|error| cannot(&error))?;
            let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| cannot(&error))?;
            builder = builder.tls_certs_only(found);
        }
        let http = builder.build().map_err(|error| wrong(format!("cannot be reached: {}", told(error))))?;
        let places = Semaphore::new(AT_ONCE);
        let receiver = Self { settings: settings.clone(), http, places, is_failing: AtomicBool::new(false) };
        receiver.keys()?;
        Ok(receiver)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether it wants to know of such alerts.
    pub fn wants(&self, severity: Severity) -> bool {
        self.settings.severities.is_empty() || self.settings.severities.contains(&severity)
    }

    /// One attempt.
    pub async fn send(&self, message: &Message, now: Timestamp) -> Result<(), SendError> {
        let turn = if self.is_failing.load(Ordering::Relaxed) { Duration::ZERO } else { TURN };
        let Ok(Ok(_place)) = timeout(turn, self.places.acquire()).await else { return Err(SendError::Busy) };
        let sent = self.attempt(message, now).await;
        self.is_failing.store(sent.is_err(), Ordering::Relaxed);
        sent
    }

    /// What the receiver answers besides a status is not read.
    async fn attempt(&self, message: &Message, now: Timestamp) -> Result<(), SendError> {
        let (body, seconds) = (message.body.to_string(), now.as_second());
        let signature = sign::signature(&self.keys()?, &message.id, seconds, &body);
        let request = self
            .http
            .post(self.settings.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .body(body);
        let response = request.send().await.map_err(|error| SendError::Http(told(error)))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(SendError::Status(status.as_u16())),
        }
    }

    fn keys(&self) -> Result<Keys, WebhookError> {
        sign::keys(&self.settings.secret()?).map_err(|reason| WebhookError::wrong(self.name(), reason))
    }
}

/// An error with its causes and without the URL.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text.push_str(&format!(": {one}"));
        cause = one.source();
    }
    text.chars().take(500).collect()
}
