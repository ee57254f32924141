//! One tunnel that stands: carries requests and keeps the gateway's list of bindings as it should be.

use super::{
    cut::{CarriedBody, End},
    error::{Cut, TunnelError},
    gate::Gate,
    request,
};
use crate::{
    ConnectionId,
    body::{Body, boxed, full},
    wire::{BINDINGS_PATH, Binding, Bindings, REFUSED_API_SERVER, REFUSED_BINDING, REFUSED_HEADER},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// The gateway makes ServiceAccounts and rights before it answers.
const BINDINGS_PATIENCE: Duration = Duration::from_secs(60);
/// Between attempts at a list that the gateway could not apply.
const BINDINGS_PAUSE: Duration = Duration::from_secs(15);
/// Of the gateway's own words.
const LONGEST_DETAIL: usize = 2 * 1024;

/// A tunnel, as callers share it.
pub(super) struct Live {
    pub(super) id: ConnectionId,
    pub(super) gate: Arc<Gate>,
    pub(super) end: End,
    sender: SendRequest<Body>,
    ready: AtomicBool,
    wanted: watch::Sender<Wanted>,
    applied: watch::Sender<Applied>,
}

#[derive(Debug, Clone, Default)]
struct Wanted {
    revision: u64,
    list: Option<Vec<Binding>>,
}

#[derive(Debug, Clone, Default)]
struct Applied {
    revision: u64,
    failed: Option<TunnelError>,
}

impl Live {
    pub(super) fn new(id: ConnectionId, gate: Arc<Gate>, end: End, sender: SendRequest<Body>) -> Self {
        let (wanted, applied) = (watch::Sender::default(), watch::Sender::default());
        Self { id, gate, end, sender, ready: AtomicBool::new(false), wanted, applied }
    }

    /// Whether the gateway has got its list, so that requests may follow.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Carries one request; the answer's head is there when this returns, its body follows.
    pub(super) async fn send(
        &self,
        binding: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, TunnelError> {
        let kind = request::kind_of(&request);
        let request = request::carried(binding, request)?;
        let pass = tokio::select! {
            biased;
            why = self.end.came() => return Err(TunnelError::Cut(why)),
            pass = self.gate.enter(binding, kind) => pass.map_err(TunnelError::Busy)?,
        };
        let response = self.exchange(request).await?;
        match refusal(&response, binding) {
            None => Ok(response.map(|body| boxed(CarriedBody::new(body, &self.end, pass)))),
            Some(TunnelError::ApiServer(_)) => Err(TunnelError::ApiServer(detail(response).await)),
            Some(refused) => Err(refused),
        }
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Incoming>, TunnelError> {
        let mut sender = self.sender.clone();
        tokio::select! {
            biased;
            why = self.end.came() => Err(TunnelError::Cut(why)),
            response = sender.send_request(request) => response.map_err(|error| {
                tracing::debug!(connection = %self.id, %error, "a request was broken off");
                if error.is_user() || error.is_body_write_aborted() {
                    return TunnelError::Request(format!("its body broke off: {error}"));
                }
                if self.sender.is_closed() {
                    return self.end.error(Cut::Lost(error.to_string()));
                }
                self.end.error(Cut::Dropped)
            }),
        }
    }

    /// Sets the list and waits until the gateway has it.
    pub(super) async fn push(&self, list: Vec<Binding>) -> Result<(), TunnelError> {
        let mut revision = 0;
        self.wanted.send_modify(|wanted| {
            wanted.revision += 1;
            revision = wanted.revision;
            wanted.list = Some(list);
        });
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| applied.revision >= revision);
        tokio::select! {
            why = self.end.came() => Err(TunnelError::Cut(why)),
            applied = reached => match applied {
                Ok(applied) => applied.failed.clone().map_or(Ok(()), Err),
                Err(_) => Err(self.end.error(Cut::Dropped)),
            },
        }
    }

    /// Sends the first list, unless a newer one came meanwhile, and every later one. `opened` is called once, when
    /// requests may follow.
    pub(super) async fn keep_bindings(
        &self,
        first: impl Future<Output = Vec<Binding>>,
        opened: impl FnOnce(),
    ) {
        let mut wanted = self.wanted.subscribe();
        let first = first.await;
        self.wanted.send_if_modified(|wanted| {
            let is_first = wanted.list.is_none();
            if is_first {
                wanted.list = Some(first);
            }
            is_first
        });
        let mut opened = Some(opened);
        loop {
            let Wanted { revision, list } = wanted.borrow_and_update().clone();
            let failed = self.put(list.unwrap_or_default()).await.err();
            if let Some(error) = &failed {
                tracing::warn!(connection = %self.id, %error, "the gateway did not take the bindings");
            }
            let again = failed.is_some();
            self.ready.store(true, Ordering::Release);
            self.applied.send_replace(Applied { revision, failed });
            if let Some(opened) = opened.take() {
                opened();
            }
            let pause =
                async { if again { sleep(BINDINGS_PAUSE).await } else { std::future::pending().await } };
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = pause => {}
            }
        }
    }

    async fn put(&self, bindings: Vec<Binding>) -> Result<(), TunnelError> {
        let wrong = |error: &dyn std::fmt::Display| TunnelError::Bindings(error.to_string());
        let body = serde_json::to_vec(&Bindings { bindings }).map_err(|error| wrong(&error))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = request::own(Method::PUT, BINDINGS_PATH, headers, full(body))?;
        let response = timeout(BINDINGS_PATIENCE, self.exchange(request)).await;
        let response = response.map_err(|_| wrong(&"it did not answer in time"))??;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let status = response.status();
        Err(TunnelError::Bindings(format!("{status}: {}", detail(response).await)))
    }
}

/// The gateway's own answers; everything else is the API server's.
fn refusal(response: &Response<Incoming>, binding: &str) -> Option<TunnelError> {
    let said = response.headers().get(REFUSED_HEADER)?.as_bytes();
    match response.status() {
        StatusCode::FORBIDDEN if said == REFUSED_BINDING.as_bytes() => {
            Some(TunnelError::Refused(binding.to_owned()))
        }
        StatusCode::BAD_GATEWAY if said == REFUSED_API_SERVER.as_bytes() => {
            Some(TunnelError::ApiServer(String::new()))
        }
        _ => None,
    }
}

async fn detail(response: Response<Incoming>) -> String {
    let reading = Limited::new(response.into_body(), LONGEST_DETAIL).collect();
    match timeout(Duration::from_secs(5), reading).await {
        Ok(Ok(body)) => {
            let text = body.to_bytes();
            String::from_utf8_lossy(&text).chars().filter(|c| !c.is_control()).collect()
        }
        Ok(Err(_)) | Err(_) => "it did not say why".to_owned(),
    }
}
