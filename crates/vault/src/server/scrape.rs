//! The listener for metrics, apart from the one for clients: plain HTTP, one path, no token. It listens nowhere unless the
//! operator names an address.

use crate::{app::App, self_backup};
use axum::{Router, response::IntoResponse, routing::get};
use http::header::CONTENT_TYPE;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers until it is told to stop.
pub async fn run(app: Arc<App>, listener: TcpListener, stop: CancellationToken) {
    let metrics = move || {
        let app = app.clone();
        async move {
            if let Ok(state) = self_backup::state(app.store.as_ref()).await {
                app.metrics.self_backup(&state);
            }
            ([(CONTENT_TYPE, TEXT)], app.metrics.text()).into_response()
        }
    };
    let service = Router::new().route("/metrics", get(metrics));
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "metrics are served no more");
    }
}
