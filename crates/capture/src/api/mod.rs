//! GET requests to the API server whose answers stream: retries, the server's own pace, cancellation.

mod failure;
mod gate;
mod retry;

pub(crate) use failure::{Failure, Status};

use bytes::Bytes;
use gate::{Gate, Place};
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use kube::client::Body;
use retry::{Next, Trouble};
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long an answer may take to begin, and how long it may pause.
const SILENCE: Duration = Duration::from_secs(75);
/// Bytes of an error's text that are read.
const ERROR_TEXT: usize = 64 * 1024;
/// Bytes of a document that is read whole (discovery of a very large cluster has some MiB).
const DOCUMENT: usize = 64 * 1024 * 1024;

/// The API server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    client: kube::Client,
    gate: Arc<Gate>,
    cancel: CancellationToken,
}

impl Api {
    /// The server of this client, with so many requests under way at once at most.
    pub(crate) fn new(client: kube::Client, cancel: CancellationToken, connections: usize) -> Self {
        Self { client, gate: Gate::new(connections), cancel }
    }

    /// Begins to read what `path` (with query) answers. Tries again what is worth it, at the server's pace.
    pub(crate) async fn get(&self, path: &str, accept: &str) -> Result<Answer, Failure> {
        let mut tries = 0;
        loop {
            let place = self.or_cancelled(self.gate.enter()).await?;
            tries += 1;
            let (failure, trouble) = match self.once(path, accept, place).await {
                Ok(answer) => {
                    self.gate.answered();
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            match retry::next(tries, &trouble) {
                Next::GiveUp => return Err(failure),
                Next::Again(pause) => {
                    tracing::debug!(path, %failure, ?pause, "trying again");
                    if trouble.is_overload() {
                        self.gate.overloaded(pause);
                    } else {
                        self.or_cancelled(tokio::time::sleep(pause)).await?;
                    }
                }
            }
        }
    }

    /// Reads a whole JSON document.
    pub(crate) async fn document<T: DeserializeOwned>(&self, path: &str, accept: &str) -> Result<T, Failure> {
        let mut answer = self.get(path, accept).await?;
        let mut whole = Vec::new();
        while let Some(piece) = answer.piece().await? {
            if whole.len() + piece.len() > DOCUMENT {
                return Err(Failure::Nonsense(format!("more than {DOCUMENT} bytes")));
            }
            whole.extend_from_slice(&piece);
        }
        serde_json::from_slice(&whole).map_err(|error| Failure::Nonsense(error.to_string()))
    }

    async fn once(&self, path: &str, accept: &str, place: Place) -> Result<Answer, (Failure, Trouble)> {
        let request = Request::get(path)
            .header(header::ACCEPT, accept)
            .body(Body::empty())
            .map_err(|error| (Failure::Nonsense(error.to_string()), Trouble::Final))?;
        let sent = self.or_cancelled(tokio::time::timeout(SILENCE, self.client.send(request)));
        let response = match sent.await {
            Err(cancelled) => return Err((cancelled, Trouble::Final)),
            Ok(Err(_)) => return Err((Failure::silence("no answer"), Trouble::NoAnswer)),
            Ok(Ok(Err(error))) => return Err((Failure::unreachable(&error), Trouble::NoAnswer)),
            Ok(Ok(Ok(response))) => response,
        };
        let status = response.status();
        let after = retry_after(response.headers());
        let mut answer = Answer { body: response.into_body(), cancel: self.cancel.clone(), _place: place };
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await;
        Err((Failure::Status(Status::read(status, &text)), Trouble::Status { status, after }))
    }

    async fn or_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Failure::Cancelled),
            done = work => Ok(done),
        }
    }
}

/// An answer that is arriving.
pub(crate) struct Answer {
    body: Body,
    cancel: CancellationToken,
    /// Counts the request as under way until the answer is read or given up.
    _place: Place,
}

impl Answer {
    /// The next piece of the body, `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Failure::Cancelled),
                frame = tokio::time::timeout(SILENCE, self.body.frame()) => frame,
            };
            match frame {
                Err(_) => return Err(Failure::silence("the answer paused")),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(Failure::cut(&error)),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The beginning of the body, for an error's text.
    async fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < ERROR_TEXT {
            match self.piece().await {
                Ok(Some(piece)) => text.extend_from_slice(&piece),
                Ok(None) | Err(_) => break, // what arrived is all there is to say
            }
        }
        text.truncate(ERROR_TEXT);
        text
    }
}

/// `Retry-After` in seconds; the API server never sends a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
