//! `/healthz` and `/readyz` for the pod's probes.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the probes learn. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    connected: Arc<AtomicBool>,
}

impl Health {
    /// Whether the vault is connected.
    pub fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// Whether the vault is connected.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Answers until `stop` fires. One connection at a time: probes come one by one, and nobody else should.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let health = self.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = health.answer(request.uri().path());
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(2))
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(5), connection).await {
                tracing::debug!(%error, "a probe broke off");
            }
        }
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let (status, said) = match path {
            "/healthz" => (StatusCode::OK, "ok"),
            "/readyz" if self.is_connected() => (StatusCode::OK, "connected"),
            "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "not connected to the vault"),
            _ => (StatusCode::NOT_FOUND, "not found"),
        };
        let mut response = Response::new(Full::new(Bytes::from_static(said.as_bytes())));
        *response.status_mut() = status;
        response
    }
}
