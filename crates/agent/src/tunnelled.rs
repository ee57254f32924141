//! The vault at the other end of a connection that the agent dialled: HTTP/2, JSON both ways.

use crate::link::{LinkError, VaultLink};
use async_trait::async_trait;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use packages::wire::{Desired, Report};
use std::time::Duration;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body, empty, full,
    link::{Link, Standing},
    tls::AGENT,
    wire::{PING, PING_PATIENCE},
};

/// Bytes of an answer: an agent has 64 MiB for everything.
const LONGEST_ANSWER: usize = 4 << 20;
/// Bytes of one stream that are under way: answers are small.
const WINDOW: u32 = 64 << 10;
/// How long an answer may take beside the time that the vault was allowed to wait.
const PATIENCE: Duration = Duration::from_secs(30);

type Sender = SendRequest<Body>;

/// The vault, while there is a connection to it.
#[derive(Debug, Clone)]
pub struct Tunnelled {
    connection: watch::Receiver<Option<Sender>>,
    authority: String,
}

/// Keeps the connection of a [`Tunnelled`].
#[derive(Debug)]
pub struct Keeper(watch::Sender<Option<Sender>>);

/// A vault that is not connected yet; `authority` is its host and port.
pub fn tunnelled(authority: String) -> (Tunnelled, Keeper) {
    let (tell, connection) = watch::channel(None);
    (Tunnelled { connection, authority }, Keeper(tell))
}

impl Keeper {
    /// Dials again and again until `stop` fires.
    pub async fn keep(&self, link: &Link, stop: &CancellationToken) {
        link.keep(AGENT, stop, |standing| self.serve(standing)).await;
    }

    async fn serve(&self, standing: Standing) -> String {
        let Standing { stream, stop } = standing;
        let made = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING_PATIENCE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW * 2)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = match made {
            Ok(made) => made,
            Err(error) => return format!("the vault does not speak HTTP/2: {error}"),
        };
        tracing::info!("connected to the vault");
        self.0.send_replace(Some(sender));
        let ended = tokio::select! {
            ended = connection => ended.err().map_or_else(|| "the vault ended it".to_owned(), |error| error.to_string()),
            () = stop.cancelled() => "it was put down".to_owned(),
        };
        self.0.send_replace(None);
        ended
    }
}

impl Tunnelled {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        patience: Duration,
    ) -> Result<(StatusCode, Vec<u8>), LinkError> {
        let asked = async {
            let mut waiting = self.connection.clone();
            let connected = waiting.wait_for(Option::is_some).await;
            let sender = connected.ok().and_then(|sender| sender.clone());
            let mut sender = sender.ok_or_else(|| LinkError("the connection is given up".to_owned()))?;
            let request = Request::builder()
                .method(method)
                .uri(format!("https://{}{path}", self.authority))
                .header(header::ACCEPT, "application/json")
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.map_or_else(empty, full))
                .map_err(|error| LinkError(error.to_string()))?;
            let broken = |what: String| LinkError(format!("the vault's answer did not arrive: {what}"));
            let answer = sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            let bytes = body.map_err(|error| broken(error.to_string()))?.to_bytes();
            Ok((head.status, bytes.to_vec()))
        };
        let late = || LinkError(format!("the vault did not answer within {} s", patience.as_secs()));
        timeout(patience, asked).await.unwrap_or_else(|_| Err(late()))
    }
}

#[async_trait]
impl VaultLink for Tunnelled {
    async fn desired(&self, after: Option<&str>, wait: Duration) -> Result<Option<Desired>, LinkError> {
        let path = desired_path(after, wait);
        let (status, body) = self.ask(Method::GET, &path, None, wait + PATIENCE).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(Some)
                .map_err(|error| LinkError(format!("the desired state cannot be read: {error}"))),
            StatusCode::NOT_MODIFIED => Ok(None),
            other => Err(refused(other, &body)),
        }
    }

    async fn report(&self, report: &Report) -> Result<(), LinkError> {
        let body = serde_json::to_vec(report).map_err(|error| LinkError(error.to_string()))?;
        let (status, body) = self.ask(Method::PUT, "/cluster/v1/report", Some(body), PATIENCE).await?;
        if status.is_success() { Ok(()) } else { Err(refused(status, &body)) }
    }
}

fn desired_path(after: Option<&str>, wait: Duration) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(after) = after {
        query.append_pair("after", after);
    }
    query.append_pair("wait", &wait.as_secs().to_string());
    format!("/cluster/v1/desired?{}", query.finish())
}

fn refused(status: StatusCode, body: &[u8]) -> LinkError {
    let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(300).collect();
    LinkError(format!("the vault answered {status}: {text}"))
}
