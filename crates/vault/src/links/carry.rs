//! Carries calls of other replicas to the tunnels that end here; and what both replicas make of a call that did not get there.

use super::link::link_error;
use crate::{app::App, cluster_link::LinkError};
use axum::{body::Body as Served, extract::Request};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use std::{sync::Arc, time::Duration};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tunnel::{
    Body, ConnectionId, ReplicaId, boxed, full,
    tunnels::Tunnels,
    wire::{BINDING_HEADER, CONNECTION_HEADER, FAILED_HEADER, PATIENCE_HEADER},
};

/// What breaks between replicas.
pub(super) const CUT: &str = "the connection between replicas";
/// Bytes of a request at most; API servers take less.
const LARGEST: usize = 8 * 1024 * 1024;
/// Nobody waits longer for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(120);
const LONGEST_DETAIL: usize = 4 * 1024;
/// Of an API server's answer, these headers go back.
const PASSED: [header::HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::RETRY_AFTER, header::WARNING];

/// Answers one call of another replica from a tunnel that ends here. It is never passed on.
pub async fn answer(app: Arc<App>, from: ReplicaId, request: Request) -> Response<Served> {
    match carry(&app, request).await {
        Ok(response) => response.map(Served::new),
        Err(error) => {
            tracing::debug!(%error, replica = %from, "a call of another replica was not carried");
            failed(&error)
        }
    }
}

async fn carry(app: &App, request: Request) -> Result<Response<Body>, LinkError> {
    let replicas = &app.links.replicas;
    let (head, body) = request.into_parts();
    let asked = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let connection =
        asked(CONNECTION_HEADER).and_then(|text| text.parse().ok()).ok_or(LinkError::NotConnected)?;
    let binding = asked(BINDING_HEADER).ok_or(LinkError::Refused)?.to_owned();
    let patience =
        asked(PATIENCE_HEADER).and_then(|text| text.parse().ok()).map_or(PATIENCE, Duration::from_millis);
    let length = asked(header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > LARGEST) {
        return Err(LinkError::ApiServer(format!("the request is larger than {LARGEST} bytes")));
    }
    let request = http::Request::from_parts(head, boxed(Limited::new(body, LARGEST)));
    let places = if Tunnels::is_watch(&request) { &replicas.watches } else { &replicas.calls };
    let place = places.clone().try_acquire_owned().map_err(|_| LinkError::Busy)?;
    let sent = app.links.tunnels.send(ConnectionId(connection), &binding, request);
    let response = timeout(patience.min(PATIENCE), sent)
        .await
        .map_err(|_| LinkError::Cut("no answer came in time".to_owned()))?
        .map_err(link_error);
    if matches!(response, Err(LinkError::Refused)) {
        // Whoever forwarded it asks once more.
        app.links.tell_again(ConnectionId(connection), &binding).await;
    }
    Ok(handed_back(response?, place))
}

/// The answer, which keeps its place here until it has been read or dropped.
fn handed_back(response: Response<Body>, place: OwnedSemaphorePermit) -> Response<Body> {
    let (head, body) = response.into_parts();
    let body = boxed(body.map_frame(move |frame| {
        let _held = &place;
        frame
    }));
    let mut answer = Response::new(body);
    *answer.status_mut() = head.status;
    let passed =
        PASSED.into_iter().filter_map(|name| head.headers.get(&name).cloned().map(|value| (name, value)));
    *answer.headers_mut() = passed.collect::<HeaderMap>();
    answer
}

fn failed(error: &LinkError) -> Response<Served> {
    let (code, detail) = match error {
        LinkError::NotConnected => ("not-connected", ""),
        LinkError::Busy => ("busy", ""),
        LinkError::Refused => ("refused", ""),
        LinkError::TooLarge => ("too-large", ""),
        LinkError::ApiServer(detail) => ("api-server", detail.as_str()),
        LinkError::Cut(detail) => ("cut", detail.as_str()),
    };
    let mut answer = Response::new(Served::new(full(detail.to_owned())));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer.headers_mut().insert(FAILED_HEADER, HeaderValue::from_static(code));
    answer
}

/// The answer of another replica: the cluster's, or why there is none.
pub(super) async fn failure_of(response: Response<Body>) -> Result<Response<Body>, LinkError> {
    let Some(code) = response.headers().get(FAILED_HEADER).cloned() else { return Ok(response) };
    let (mut body, mut said) = (response.into_body(), Vec::new());
    while let Some(Ok(frame)) = body.frame().await {
        said.extend(frame.data_ref().into_iter().flatten().take(LONGEST_DETAIL.saturating_sub(said.len())));
    }
    let detail = String::from_utf8_lossy(&said).into_owned();
    Err(match code.as_bytes() {
        b"not-connected" => LinkError::NotConnected,
        b"busy" => LinkError::Busy,
        b"refused" => LinkError::Refused,
        b"too-large" => LinkError::TooLarge,
        b"api-server" => LinkError::ApiServer(detail),
        _ => LinkError::Cut(detail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn why_a_call_did_not_get_there_is_the_same_at_both_replicas() {
        for error in [
            LinkError::NotConnected,
            LinkError::Busy,
            LinkError::Refused,
            LinkError::TooLarge,
            LinkError::ApiServer("refused the connection".into()),
            LinkError::Cut("it ended".into()),
        ] {
            let crossed = failed(&error).map(boxed);

            assert_eq!(failure_of(crossed).await.unwrap_err(), error);
        }
        let clusters = Response::builder().status(502).body(full("x")).unwrap();
        assert!(failure_of(clusters).await.is_ok(), "an API server may say 502");
    }
}
