//! A receiver of webhooks: a real HTTP server that keeps what it gets, and answers as it is told.

use axum::{Router, body::Bytes, extract::State, response::IntoResponse};
use http::{HeaderMap, Method, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};
use vault::webhooks::ReceiverSettings;

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: Method,
    pub path: String,
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: String,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// `Backup Failure Fired`
    pub fn told(&self) -> String {
        let essentials = &self.json()["data"]["essentials"];
        let text = |name: &str| essentials[name].as_str().unwrap().to_owned();
        format!("{} {}", text("alertRule"), text("monitorCondition"))
    }
}

#[derive(Debug, Default)]
struct Inner {
    received: Mutex<Vec<Received>>,
    answers: Mutex<VecDeque<u16>>,
}

/// The server.
#[derive(Debug)]
pub struct Receiver {
    inner: Arc<Inner>,
    pub port: u16,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::at(0).await
    }

    /// At a port where messages wait for it.
    pub async fn at(port: u16) -> Self {
        let inner = Arc::new(Inner::default());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(take).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, port }
    }

    /// The statuses of the next answers; 200 after that.
    pub fn answers(&self, statuses: &[u16]) {
        self.inner.answers.lock().extend(statuses);
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().clone()
    }

    pub fn told(&self) -> Vec<String> {
        self.received().iter().map(Received::told).collect()
    }
}

async fn take(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let header =
        |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    inner.received.lock().push(Received {
        method,
        path: uri.path().to_owned(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let status = inner.answers.lock().pop_front().unwrap_or(200);
    if status == 0 {
        // It hangs.
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    (StatusCode::from_u16(status).unwrap_or(StatusCode::OK), [("location", "/elsewhere")], "ignored")
}

/// The settings of a receiver at a port of this machine, with a secret in a file of this folder.
pub fn settings(folder: &Path, port: u16, severities: &[&str]) -> ReceiverSettings {
    let path = folder.join("webhook-secret");
    std::fs::write(&path, SECRET).unwrap();
    serde_json::from_value(json!({"name": "ops", "url": format!("http://127.0.0.1:{port}/hook"),
        "secret-file": path, "severities": severities, "allow-loopback-http": true}))
    .unwrap()
}
