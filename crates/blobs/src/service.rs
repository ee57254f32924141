//! From a request to its answer: what is asked, who asks, may they, and the headers that every answer has.

use crate::{
    Accounts, Asked, BlobError, Body, BoxError, Content, DataAction, Gate, Who,
    asked::{Headers, Query},
    conditions::http_date,
    content::{drain, full, incoming},
    operation::Target,
    serve::{self, Reply},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use telemetry::Clock;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use uuid::Uuid;

/// The version that is answered with when a request names none.
const VERSION: &str = "2021-12-02";
const CLIENT_ID: &str = "x-ms-client-request-id";
/// The longest id of a client that is sent back.
const LONGEST_CLIENT_ID: usize = 1024;

/// What one client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a blob that is written in one request.
    pub put_blob: u64,
    /// Bytes of a block.
    pub put_block: u64,
    /// Bytes of a document: a list of blocks, a batch.
    pub document: usize,
    /// Transfers at a time; the rest wait.
    pub transfers: usize,
    /// How long a transfer waits for its turn.
    pub wait: Duration,
    /// A client must bring or take something in each such period.
    pub period: Duration,
    /// Bytes of a refused upload that are still taken and thrown away. A client that sends more finds its connection
    /// broken, and does not hear why.
    pub drain: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            put_blob: 5_000 * 1024 * 1024,
            put_block: 4_000 * 1024 * 1024,
            document: 8 * 1024 * 1024,
            transfers: 256,
            wait: Duration::from_secs(20),
            period: Duration::from_secs(30),
            drain: 256 * 1024 * 1024,
        }
    }
}

/// What an operator can choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where clients reach it, for example `https://vault.example:8443`, without a slash at the end.
    pub endpoint: String,
    /// Where clients get tokens, for example `https://vault.example:8443/<tenant>/oauth2/authorize`.
    pub authority: String,
    /// What one client may take.
    pub limits: Limits,
}

/// The data plane of all accounts.
pub struct Service {
    pub(crate) accounts: Arc<dyn Accounts>,
    gate: Arc<dyn Gate>,
    clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    transfers: Arc<Semaphore>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a Service,
    pub(crate) head: &'a Parts,
    pub(crate) query: Query,
    pub(crate) target: Target,
    pub(crate) peer: IpAddr,
    pub(crate) id: &'a str,
    pub(crate) body: &'a Mutex<Option<Content>>,
}

impl Service {
    /// A service; it holds nothing that would have to be closed.
    pub fn new(
        accounts: Arc<dyn Accounts>,
        gate: Arc<dyn Gate>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let transfers = Arc::new(Semaphore::new(settings.limits.transfers));
        Self { accounts, gate, clock, settings, transfers }
    }

    /// Answers one request. `peer` is where it comes from: with a trusted proxy in between, what that says.
    pub async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        let id = Uuid::new_v4().to_string();
        let limits = &self.settings.limits;
        let body = Mutex::new(Some(incoming(body, limits.period)));
        let reply = match self.handle(&head, &body, peer, &id).await {
            Ok(reply) => reply,
            Err(error) => {
                tracing::debug!(method = %head.method, path = head.uri.path(), %error, id, "refused");
                self.refusal(error, &head, &id)
            }
        };
        // A client that waits for leave to send has not sent anything.
        if let Some(mut rest) = taken(&body)
            && !head.headers.contains_key(header::EXPECT)
        {
            drain(&mut rest, limits.drain).await;
        }
        let mut response = reply.into_response();
        self.mark(response.headers_mut(), &head.headers, &id);
        response
    }

    async fn handle(
        &self,
        head: &Parts,
        body: &Mutex<Option<Content>>,
        peer: IpAddr,
        id: &str,
    ) -> Result<Reply, BlobError> {
        let query = Query::read(&head.uri)?;
        let target = Target::read(&head.method, &head.uri, &query)?;
        check_version(&Headers(&head.headers))?;
        let call = Call { service: self, head, query, target, peer, id, body };
        serve::serve(call).await
    }

    fn refusal(&self, error: BlobError, head: &Parts, id: &str) -> Reply {
        let quiet = head.method == Method::HEAD || error.status == StatusCode::NOT_MODIFIED;
        let mut reply = Reply::new(error.status).with("x-ms-error-code", error.code);
        for (name, value) in &error.headers {
            reply = reply.with(name, value);
        }
        if error.status == StatusCode::UNAUTHORIZED {
            let authority = &self.settings.authority;
            let challenge =
                format!("Bearer authorization_uri={authority} resource_id=https://storage.azure.com");
            reply = reply.with("www-authenticate", &challenge);
        }
        if quiet {
            return reply;
        }
        let document = error.document_text(id, &self.clock.now().to_string());
        reply.with("content-type", "application/xml").body(full(document))
    }

    fn mark(&self, headers: &mut HeaderMap, asked: &HeaderMap, id: &str) {
        let version = asked.get("x-ms-version").and_then(|value| value.to_str().ok());
        let version = version.filter(|version| is_version(version)).unwrap_or(VERSION);
        let date = http_date(self.clock.now());
        for (name, value) in [
            ("x-ms-request-id", id),
            ("x-ms-version", version),
            ("date", &date),
            ("x-content-type-options", "nosniff"),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        if let Some(value) = asked.get(CLIENT_ID).filter(|value| value.len() <= LONGEST_CLIENT_ID) {
            headers.insert(CLIENT_ID, value.clone());
        }
    }

    /// A place among the transfers.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, BlobError> {
        match timeout(self.settings.limits.wait, self.transfers.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(BlobError::busy()),
        }
    }

    /// Asks the gate whether who sent `headers` may do one of `any_of`.
    pub(crate) async fn allow(
        &self,
        (headers, query): (&HeaderMap, &Query),
        (account, container, blob): (&str, Option<&str>, Option<&str>),
        any_of: &[DataAction],
        (peer, request_id): (IpAddr, &str),
    ) -> Result<Who, BlobError> {
        let bearer = bearer(headers, query)?;
        self.gate.authorize(&Asked { bearer, account, container, blob, any_of, peer, request_id }).await
    }
}

fn taken(body: &Mutex<Option<Content>>) -> Option<Content> {
    body.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Call<'_> {
    /// The body, once.
    pub(crate) fn take_body(&self) -> Result<Content, BlobError> {
        taken(self.body).ok_or_else(BlobError::incomplete)
    }

    pub(crate) fn headers(&self) -> Headers<'_> {
        Headers(&self.head.headers)
    }

    /// Whether the caller may do one of these to the target.
    pub(crate) async fn allowed(&self, any_of: &[DataAction]) -> Result<Who, BlobError> {
        let Target { account, container, blob, .. } = &self.target;
        let what = (account.as_str(), container.as_deref(), blob.as_ref().map(|key| key.as_str()));
        self.service.allow((&self.head.headers, &self.query), what, any_of, (self.peer, self.id)).await
    }
}

/// The token; or what to say to who sends none.
fn bearer<'a>(headers: &'a HeaderMap, query: &Query) -> Result<&'a str, BlobError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        let signed = query.get("sig").is_some();
        return Err(if signed {
            BlobError::only_tokens("A shared access signature")
        } else {
            BlobError::no_authentication()
        });
    };
    let text = value.to_str().map_err(|_| BlobError::invalid_authentication("the header is not readable"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    match (scheme.to_ascii_lowercase().as_str(), token.trim()) {
        ("bearer", token) if !token.is_empty() => Ok(token),
        ("sharedkey" | "sharedkeylite", _) => Err(BlobError::only_tokens("Shared Key authorization")),
        _ => Err(BlobError::invalid_authentication("the header holds no bearer token")),
    }
}

fn check_version(headers: &Headers<'_>) -> Result<(), BlobError> {
    match headers.text("x-ms-version")? {
        Some(version) if !is_version(version) => Err(BlobError::header("x-ms-version", "holds no version")),
        _ => Ok(()),
    }
}

/// Any date: what a version changed does not concern what is offered here.
fn is_version(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok_and(|date| date.year() >= 2009)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A compile-time proof: servers run each request in a task of its own.
    #[allow(dead_code)]
    fn answers_are_send(
        service: &Service,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send {
        service.answer(request, IpAddr::from([127, 0, 0, 1]))
    }

    #[test]
    fn any_date_is_a_version_and_nothing_else() {
        for version in ["2021-12-02", "2026-04-06", "2009-09-19"] {
            assert!(is_version(version), "{version}");
        }
        for version in ["", "2021-13-02", "latest", "2021-12-02 ", "1999-01-01"] {
            assert!(!is_version(version), "{version}");
        }
    }
}
