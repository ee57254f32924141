//! The gateway's end: an HTTP/2 server on a connection that was dialled out.

use crate::{
    body::Body,
    tunnels::Limits,
    wire::{PING, PING_PATIENCE},
};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2, service::Service};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::{convert::Infallible, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Bytes of one request's body that may be under way. All requests together fit into the connection's window, so that
/// one whose reader is slow does not hold up the others.
const STREAM_WINDOW: u32 = 256 * 1024;
/// What may wait to be sent, per answer.
const SEND_BUFFER: usize = 64 * 1024;
const LARGEST_HEAD: u32 = 16 * 1024;
/// The vault's own requests, beside those that it carries.
const CONTROL: u32 = 8;
const ABANDONED: usize = 1_024;
/// For answers that are all but over.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It broke, or nothing came for 30 s.
    #[error("the connection to the vault ended: {0}")]
    Ended(#[from] hyper::Error),
    /// It was closed.
    #[error("the vault closed the connection; another one may have taken its place, or the vault restarts")]
    Closed,
}

/// Answers what comes over `stream` by `service`, until the connection ends or `stop` fires (then it is `Ok`). When it
/// returns, whatever was under way has been dropped.
pub async fn serve<S, H>(stream: S, service: H, stop: CancellationToken) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    H::Future: Send + 'static,
{
    let streams = u32::try_from(Limits::default().under_way).unwrap_or(64).saturating_add(CONTROL);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_PATIENCE)
        .max_concurrent_streams(streams)
        // All callers of a vault may go away at one moment; that is no attack.
        .max_pending_accept_reset_streams(Some(ABANDONED))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW.saturating_mul(streams))
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            ended?;
            return Err(ServeError::Closed);
        }
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // A watch does not end by itself; what has not ended by now is dropped with the connection.
    if let Ok(Err(error)) = timeout(DRAIN, connection).await {
        tracing::debug!(%error, "a connection that was put down broke");
    }
    Ok(())
}
