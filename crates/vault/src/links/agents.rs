//! What agents ask, over HTTP/2 with their certificates: what should be there, what is there, and the next certificate.

use super::{enrol::renew, keep::cluster_of};
use crate::{
    api::{self, Failure},
    app::App,
    reply::Reply,
    request::Address,
};
use arm::ArmError;
use axum::{body::Body, extract::Request};
use http::{Method, Response};
use http_body_util::{BodyExt, Limited};
use std::sync::Arc;
use tunnel::{Part, PeerName};

/// Bytes of a report at most.
const LARGEST: usize = 1024 * 1024;

/// Answers one request of a part.
pub async fn answer(app: Arc<App>, name: PeerName, request: Request) -> Response<Body> {
    let correlation = uuid::Uuid::new_v4().to_string();
    let reply = match routed(&app, &name, request).await {
        Ok(reply) => reply,
        Err(failure) => api::refused(failure, &correlation),
    };
    reply.into_response()
}

async fn routed(app: &App, name: &PeerName, request: Request) -> Result<Reply, Failure> {
    let (head, body) = request.into_parts();
    let address = Address::read(head.uri.path(), head.uri.query())?;
    let body = Limited::new(body, LARGEST).collect().await.map_err(|_| {
        ArmError::new(
            413,
            "RequestEntityTooLarge",
            format!("The content is larger than {LARGEST} bytes, or broke off."),
        )
    })?;
    let body = body.to_bytes();
    // Only now: a cluster can be disconnected while its content comes in.
    let cluster = cluster_of(app, name.connection).await?.ok_or_else(api::extensions::disconnected)?;
    match (&head.method, head.uri.path(), name.part) {
        (&Method::POST, "/cluster/v1/renew", _) => renew(app, name, &body).await,
        (&Method::GET, "/cluster/v1/desired", Part::Agent) => {
            api::extensions::desired(app, &cluster, name.connection, &address).await
        }
        (&Method::PUT, "/cluster/v1/report", Part::Agent) => {
            api::extensions::report(app, &cluster, name.connection, &body).await
        }
        (_, path, part) => {
            let message = format!("'{path}' is not offered to the {part} of a cluster.");
            Err(ArmError::new(404, "NotFound", message).into())
        }
    }
}
