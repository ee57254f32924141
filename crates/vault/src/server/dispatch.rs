//! From a request to its answer: which part of the vault it is for, its limits, and the headers that every answer has.

use super::Limits;
use crate::{
    accounts::Source,
    api::{self, Gate},
    app::App,
    data_plane, exports,
    forwarded::{Network, client},
    graph,
    reply::Reply,
    request::Address,
    signin::{self, Asked, GrantError, Page},
    tokens::Flavour,
};
use arm::ArmError;
use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use std::{net::IpAddr, sync::Arc, time::Instant};
use tokio::time::timeout;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");
const CLIENT_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const RETURN_CLIENT_ID: HeaderName = HeaderName::from_static("x-ms-return-client-request-id");
const LARGEST_FORM: usize = 64 * 1024;
/// Bytes of a body that is too large which are still taken and thrown away: most clients send all before they listen.
const MOST_DRAINED: usize = 8 * 1024 * 1024;

/// From where the connection comes; an extension of each request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Who calls, past proxies that are trusted; an extension of each request.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub IpAddr);

/// Answers one request.
pub async fn answer(
    app: Arc<App>,
    data: Arc<blobs::Service>,
    limits: Limits,
    trusted: Arc<[Network]>,
    mut request: Request,
) -> Response<Body> {
    let of_blobs = request.headers().contains_key("x-ms-version");
    if is_for_data(&app, request.uri().path().to_owned(), of_blobs).await {
        return stored_data(&app, &data, &trusted, request).await;
    }
    let begun = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let headers = request.headers().clone();
    let peer = request.extensions().get::<Peer>().map(|Peer(peer)| *peer);
    let client = peer.map(|peer| client(peer, &headers, &trusted));
    if let Some(client) = client {
        request.extensions_mut().insert(Client(client));
    }
    let client = client.map(|client| client.to_string()).unwrap_or_default();
    let operation = operation(&method, request.uri());
    let correlation = correlation(&headers);
    let reply = match timeout(limits.answer, part(&app, &limits, request, &correlation)).await {
        Ok(reply) => reply,
        Err(_) => {
            let message = "The vault took too long for an answer. Try again later.";
            ArmError::new(503, "ServiceUnavailable", message).into()
        }
    };
    let (status, ms) = (reply.status, begun.elapsed().as_millis() as u64);
    tracing::info!(%method, path, status, ms, client, correlation, "answered");
    app.metrics.answered(operation, status, begun.elapsed());
    let mut response = reply.into_response();
    mark(response.headers_mut(), &headers, &correlation);
    response
}

/// Whether the path begins with the name of an account; or looks so, and the request is one of a client of blobs, which
/// understands no other answer.
async fn is_for_data(app: &App, path: String, of_blobs: bool) -> bool {
    let Some(name) = data_plane::account_of(&path) else { return false };
    if of_blobs {
        return true;
    }
    match app.stored.known(app.store.as_ref(), name).await {
        Ok(known) => known.is_some(),
        Err(error) => {
            tracing::error!(%error, "could not look for a storage account");
            false
        }
    }
}

/// Content streams both ways for as long as it moves: the limits of the management API do not hold.
async fn stored_data(
    app: &App,
    data: &blobs::Service,
    trusted: &[Network],
    request: Request,
) -> Response<Body> {
    let begun = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() else {
        tracing::error!("a request came from nowhere; this is a defect, please report it");
        let message = "The vault does not know where the request comes from.";
        return Reply::error(&ArmError::new(500, "InternalServerError", message)).into_response();
    };
    let peer = client(peer, request.headers(), trusted);
    let response = data.answer(request, peer).await;
    let (status, ms) = (response.status().as_u16(), begun.elapsed().as_millis() as u64);
    let id = response.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::debug!(%method, path, status, ms, %peer, id, "answered");
    app.metrics.answered("stored data", status, begun.elapsed());
    response.map(Body::new)
}

/// What was asked for, out of a closed list.
fn operation(method: &Method, uri: &http::Uri) -> &'static str {
    let Ok(address) = Address::read(uri.path(), uri.query()) else { return "unreadable" };
    let first = address.parts().first().map(|part| part.to_lowercase());
    match first.as_deref() {
        Some("healthz" | "readyz") => "health",
        Some("metadata") => "metadata",
        Some(exports::FOLDER) => "exported jobs",
        _ if signin::find(address.parts()).is_some() => "sign-in",
        _ => match api::find(method, address.parts()) {
            api::Found::Operation(operation, _) => operation.name,
            _ => "unknown",
        },
    }
}

async fn part(app: &App, limits: &Limits, request: Request, correlation: &str) -> Reply {
    let (head, body) = request.into_parts();
    let address = match Address::read(head.uri.path(), head.uri.query()) {
        Ok(address) => address,
        Err(error) => return error.into(),
    };
    let parts: Vec<String> = address.parts().iter().map(|part| part.to_lowercase()).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    match parts.as_slice() {
        ["healthz"] if reads => return Reply::json(200, json!({"status": "ok"})),
        ["readyz"] if reads => return ready(app).await,
        ["metadata", "endpoints"] if reads => {
            return match signin::cloud(&app.public, address.parameter("api-version")) {
                Ok(cloud) => Reply::json(200, cloud),
                Err(error) => error.into(),
            };
        }
        [exports::FOLDER, _, _] if reads => return exports::serve(app, &address, &head.headers).await,
        ["v2", ..] if reads => return crate::packages::serve(app, address.parts()).await,
        ["cluster", "v1", "enrol"] if head.method == Method::POST => {
            return enrol(app, limits, body, correlation).await;
        }
        ["cluster", "v1", "grants"] if head.method == Method::POST => {
            return grants(app, limits, &head.headers, body, correlation).await;
        }
        _ => {}
    }
    let client = head.extensions.get::<Client>().map(|client| client.0);
    match signin::find(address.parts()) {
        Some((page, tenant)) => {
            let asked = (&Source::of(client), correlation, &head.headers, &address);
            sign_in(app, limits, (&head.method, page, tenant), body, asked).await
        }
        None if graph::serves(&parts) => {
            let body = match read(body, LARGEST_FORM, limits).await {
                Ok(body) => body,
                Err(error) => return error.into(),
            };
            graph::answer(app, &head.method, &address, &head.headers, &body, correlation).await
        }
        None => {
            let gate = match Gate::enter(app, &head.method, &address, &head.headers).await {
                Ok(gate) => gate,
                Err(reply) => return reply,
            };
            match read(body, limits.body, limits).await {
                Ok(body) => api::handle(app, gate, address, body, correlation).await,
                Err(error) => error.into(),
            }
        }
    }
}

async fn enrol(app: &App, limits: &Limits, body: Body, correlation: &str) -> Reply {
    match read(body, LARGEST_FORM, limits).await {
        Ok(body) => crate::links::enrol(app, &body, correlation)
            .await
            .unwrap_or_else(|failure| api::refused(failure, correlation)),
        Err(error) => error.into(),
    }
}

async fn grants(app: &App, limits: &Limits, headers: &HeaderMap, body: Body, correlation: &str) -> Reply {
    let caller = match api::authenticate(app, headers).await {
        Ok(caller) => caller,
        Err(reply) => return reply,
    };
    match read(body, LARGEST_FORM, limits).await {
        Ok(body) => crate::grants::grant(app, &caller, &body, correlation)
            .await
            .unwrap_or_else(|failure| api::refused(failure, correlation)),
        Err(error) => error.into(),
    }
}

async fn ready(app: &App) -> Reply {
    match app.store.ready().await {
        Ok(()) => Reply::json(200, json!({"status": "ready"})),
        Err(error) => {
            tracing::error!(%error, "not ready");
            Reply::json(503, json!({"status": "the database does not answer"}))
        }
    }
}

async fn sign_in(
    app: &App,
    limits: &Limits,
    (method, page, tenant): (&Method, Page, &str),
    body: Body,
    (source, correlation, headers, address): (&Source, &str, &HeaderMap, &Address),
) -> Reply {
    let wants: &[Method] = match page {
        Page::Token(_) | Page::DeviceCode(_) => &[Method::POST],
        Page::Authorize(_) | Page::DeviceLogin => &[Method::GET, Method::POST],
        _ => &[Method::GET],
    };
    if !wants.contains(method) {
        let wants = wants.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("This page is asked for with {wants}.");
        return Reply::error(&ArmError::new(405, "MethodNotAllowed", message)).with(header::ALLOW, wants);
    }
    if let Err(error) = signin::check_tenant(tenant, app.issuer.tenant()) {
        return Reply::json(error.status(), error.body(app.clock.now(), correlation));
    }
    let own = app.issuer.tenant();
    let form =
        if *method == Method::POST { read(body, LARGEST_FORM, limits).await } else { Ok(Bytes::new()) };
    let form = match form {
        Ok(form) => form,
        Err(error) => return error.into(),
    };
    let asked = |flavour| Asked { flavour, source, correlation };
    let v2 = asked(Flavour::V2);
    let answered = match page {
        Page::Discovery(flavour) => {
            Ok(Reply::json(200, signin::discovery(flavour, tenant, &app.public, own)))
        }
        Page::Keys => Ok(Reply::json(200, app.issuer.key_set())),
        Page::Instances => Ok(Reply::json(200, signin::instances(&app.public, own))),
        Page::Token(flavour) => signin::grant(app, &form, tenant, asked(flavour)).await,
        Page::DeviceCode(flavour) => signin::device_code(app, &form, asked(flavour)).await,
        Page::DeviceLogin if *method == Method::GET => Ok(signin::show_device_login(headers)),
        Page::DeviceLogin => signin::device_login(app, &form, headers, v2).await,
        Page::Authorize(flavour) if *method == Method::GET => {
            Ok(signin::show_authorize(app, address, headers, asked(flavour)))
        }
        Page::Authorize(flavour) => signin::authorize(app, &form, headers, asked(flavour)).await,
    };
    match answered {
        Ok(reply) => reply,
        Err(GrantError::Store(error)) => api::of_store(&error, correlation),
        Err(GrantError::Key(error)) => {
            tracing::error!(%error, correlation, "could not issue a token");
            let message = format!("The vault could not sign a token; look up {correlation} in its log.");
            ArmError::new(500, "InternalServerError", message).into()
        }
    }
}

/// The whole body, if it is small enough and comes fast enough.
async fn read(mut body: Body, largest: usize, limits: &Limits) -> Result<Bytes, ArmError> {
    let begun = Instant::now();
    let collected = timeout(limits.body_time, Limited::new(&mut body, largest).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let left = limits.body_time.saturating_sub(begun.elapsed());
            // A client that is too slow, or sends too much, finds its connection broken.
            if timeout(left, drain(&mut body, MOST_DRAINED)).await.is_err() {
                tracing::debug!("a client that sends too much was not waited for");
            }
            let message = format!("The request content is larger than {largest} bytes.");
            Err(ArmError::new(413, "RequestEntityTooLarge", message))
        }
        Ok(Err(_)) => {
            Err(ArmError::new(400, "InvalidRequestContent", "The request content ended too early."))
        }
        Err(_) => {
            let message = format!("The request content took longer than {} s.", limits.body_time.as_secs());
            Err(ArmError::new(408, "RequestTimeout", message))
        }
    }
}

/// Takes what a client goes on to send, up to a bound, so that it hears the answer instead of a broken connection. Of one that
/// says itself that it has more nothing is taken: it would not come to an end.
async fn drain(body: &mut Body, most: usize) {
    if u64::try_from(most).is_ok_and(|most| body.size_hint().lower() > most) {
        return;
    }
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// The caller's own correlation id where it is a GUID, else a new one.
fn correlation(headers: &HeaderMap) -> String {
    let given = headers.get(&CORRELATION_ID).and_then(|value| Uuid::parse_str(value.to_str().ok()?).ok());
    given.unwrap_or_else(Uuid::new_v4).to_string()
}

fn mark(headers: &mut HeaderMap, asked: &HeaderMap, correlation: &str) {
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(REQUEST_ID, &Uuid::new_v4().to_string());
    set(CORRELATION_ID, correlation);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    let wanted =
        asked.get(&RETURN_CLIENT_ID).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if wanted && let Some(id) = asked.get(&CLIENT_ID) {
        headers.insert(CLIENT_ID, id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const PIECE: usize = 64 * 1024;

    /// What a client of so many pieces is told, and how many of them it got rid of.
    async fn sending(pieces: usize) -> (u16, usize) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let pieces = futures::stream::iter(0..pieces).map(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; PIECE]))
        });

        let refused = read(Body::from_stream(pieces), 4 * PIECE, &Limits::default()).await.unwrap_err();
        (refused.status, taken.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_client_that_sends_too_much_may_send_all_of_it_before_it_is_told() {
        assert_eq!(sending(100).await, (413, 100));
    }

    #[tokio::test]
    async fn a_client_that_sends_without_end_is_not_listened_to_for_long() {
        let (status, taken) = sending(usize::MAX).await;

        assert_eq!(status, 413);
        assert!((128..170).contains(&taken), "{taken} pieces");
    }
}
