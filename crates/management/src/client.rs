//! Calls with a token: one answer, all pages, or the end of a long-running operation.

use crate::{
    Answer, Error, Request, ServiceError, Tokens, Transport,
    error::is_away,
    operation::{self, Running, Step, same_server},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use telemetry::Clock;
use url::Url;

/// What was accepted goes on while its server is away: so long it is asked about again.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// Between two attempts to ask a server that is away.
const AWAY: Duration = Duration::from_secs(2);
/// More pages than this are no list but a server that goes round in circles.
const PAGES: usize = 10_000;

/// A client of one management API.
#[derive(Debug)]
pub struct Client {
    origin: Url,
    transport: Transport,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
}

/// A long-running operation, each time it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What it says of itself.
    pub status: String,
    /// How long it has been under way.
    pub elapsed: Duration,
}

impl Client {
    /// A client of the API at `origin`.
    pub fn new(
        origin: &str,
        transport: Transport,
        tokens: Tokens,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let url =
            Url::parse(origin).map_err(|error| Error::Invalid(format!("{origin} is no URL: {error}")))?;
        if url.scheme() != "https" {
            return Err(Error::Invalid(format!("{origin} does not begin with https://")));
        }
        Ok(Self { origin: url, transport, tokens, clock })
    }

    /// Reads one thing.
    pub async fn get(&self, path: &str, version: &str) -> Result<Value, Error> {
        Ok(self.send(&Request::get(path, version)).await?.body)
    }

    /// Reads one thing that may not be there.
    pub async fn find(&self, path: &str, version: &str) -> Result<Option<Value>, Error> {
        match self.get(path, version).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All members of a list, page after page.
    pub async fn list(&self, request: &Request) -> Result<Vec<Value>, Error> {
        let mut url = self.url(request)?;
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let mut page = self.send_to(&url, request).await?.body;
            let next = page.get("nextLink").and_then(Value::as_str).filter(|link| !link.is_empty());
            let next = next.map(|link| same_server(&self.origin, link)).transpose()?;
            match page.get_mut("value").map(Value::take) {
                Some(Value::Array(members)) => all.extend(members),
                _ => {
                    let reason = "it is no list: `value` is missing".to_owned();
                    return Err(Error::Answer { url: url.to_string(), reason });
                }
            }
            match next {
                Some(next) if next != url => url = next,
                _ => return Ok(all),
            }
        }
        Err(Error::Answer { url: url.to_string(), reason: format!("the list has more than {PAGES} pages") })
    }

    /// Sends one request; an error status is an error.
    pub async fn send(&self, request: &Request) -> Result<Answer, Error> {
        let url = self.url(request)?;
        self.send_to(&url, request).await
    }

    /// Sends a request and follows the operation to its end; its result, `null` when there is none.
    pub async fn run(&self, request: &Request, mut shown: impl FnMut(&Progress)) -> Result<Value, Error> {
        let url = self.url(request)?;
        let began = tokio::time::Instant::now();
        let answer = self.send_to(&url, request).await?;
        let mut step = operation::begun(&request.method, &url, &answer)?;
        loop {
            let running = match step {
                Step::Done(result) => return Ok(result),
                Step::Fetch(running) => running,
                Step::Wait(running) => {
                    shown(&Progress { status: running.status.clone(), elapsed: began.elapsed() });
                    tokio::time::sleep(running.wait).await;
                    running
                }
            };
            let answer =
                self.look(&running, |status| shown(&Progress { status, elapsed: began.elapsed() })).await?;
            step = operation::looked(running, &answer)?;
        }
    }

    /// Asks about an operation that goes on. A server that is away meanwhile, restarted for example, has not lost it.
    async fn look(&self, running: &Running, mut away: impl FnMut(String)) -> Result<Answer, Error> {
        let look = Request { query: Vec::new(), ..Request::get("", "") };
        let began = tokio::time::Instant::now();
        loop {
            let outcome = self.call(&running.url, &look).await;
            let why = match &outcome {
                Ok(answer) if is_away(answer.status) => format!("status {}", answer.status),
                Err(error) if error.is_temporary() => error.to_string(),
                _ => return outcome,
            };
            if began.elapsed() >= PATIENCE {
                return outcome;
            }
            away(format!("waiting for the server: {why}"));
            tokio::time::sleep(running.wait.max(AWAY)).await;
        }
    }

    /// Fetches a file that an answer names with a signature in its address. No token goes along: the signature is enough,
    /// and the address may be another server's.
    pub async fn download(&self, url: &str) -> Result<Vec<u8>, Error> {
        self.transport.download(url).await
    }

    fn url(&self, request: &Request) -> Result<Url, Error> {
        let text = format!("{}{}", self.origin.as_str().trim_end_matches('/'), request.target());
        Url::parse(&text).map_err(|error| Error::Invalid(format!("{text} is no URL: {error}")))
    }

    async fn send_to(&self, url: &Url, request: &Request) -> Result<Answer, Error> {
        let answer = self.call(url, request).await?;
        match answer.status {
            200..=299 => Ok(answer),
            status => {
                let mut error = ServiceError::read(status, &answer.body, &answer.text);
                error.correlation = answer.header("x-ms-correlation-request-id").map(str::to_owned);
                Err(Error::Service(error))
            }
        }
    }

    /// One call. A kept token that the server does not take any more is replaced once.
    async fn call(&self, url: &Url, request: &Request) -> Result<Answer, Error> {
        let token = self.tokens.token(&self.transport, self.clock.now(), false).await?;
        let answer = self.transport.send_to(url, request, token.reveal()).await?;
        if answer.status != 401 || !self.tokens.renews() {
            return Ok(answer);
        }
        let token = self.tokens.token(&self.transport, self.clock.now(), true).await?;
        self.transport.send_to(url, request, token.reveal()).await
    }
}
