//! A part of a cluster becomes known: its one-time token for a certificate; later, a certificate for the next one.

use crate::{
    api::{
        Failure, Loaded,
        clusters::enrolment::{self, EnrolmentError},
    },
    app::App,
    reply::Reply,
    store::{AuditEntry, AuditOutcome, StoreError},
};
use arm::{ArmError, ResourceId};
use serde_json::Value;
use tunnel::{
    ConnectionId, PeerName,
    authority::AuthorityError,
    wire::{EnrolAnswer, EnrolRequest, RenewRequest},
};

/// Answers `POST /cluster/v1/enrol`.
pub async fn enrol(app: &App, body: &[u8], correlation: &str) -> Result<Reply, Failure> {
    let asked: EnrolRequest = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let (connection, secret) = enrolment::split(&asked.token).map_err(|error| refused(&error))?;
    let store = app.store.as_ref();
    for _ in 0..crate::api::TRIES {
        let found = enrolment::find(store, connection).await?;
        let cluster = found.ok_or_else(|| refused(&EnrolmentError::Invalid))?;
        let token = enrolment::enrolment(store, &cluster.id, connection).await?;
        let token = token.ok_or_else(|| refused(&EnrolmentError::Invalid))?;
        let used = enrolment::redeem(&token.document, secret, asked.part, app.clock.now())
            .map_err(|error| refused(&error))?;
        let name = PeerName { connection: ConnectionId(connection), part: asked.part };
        // Signed first: a request that cannot be signed must not use the token up.
        let answer = answer(app, &asked.request, &name, &cluster.id)?;
        let change = Loaded { document: used, ..token }.write()?;
        match store.commit(&[change], &audit(app, &cluster.id, &name, correlation)).await {
            Ok(()) => return Ok(answer),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict("the enrolment token".to_owned()).into())
}

/// Answers `POST /cluster/v1/renew`.
pub async fn renew(app: &App, name: &PeerName, body: &[u8]) -> Result<Reply, Failure> {
    let asked: RenewRequest = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let found = enrolment::find(app.store.as_ref(), name.connection.0).await?;
    let cluster = found.ok_or_else(|| refused(&EnrolmentError::Invalid))?;
    answer(app, &asked.request, name, &cluster.id)
}

fn answer(app: &App, request: &str, name: &PeerName, cluster: &ResourceId) -> Result<Reply, Failure> {
    let signed = app.links.authority.sign(request, name, app.clock.now()).map_err(|error| match error {
        AuthorityError::Request(_) => {
            ArmError::new(400, "InvalidRequestContent", format!("request: {error}"))
        }
        error => {
            tracing::error!(%error, "the cluster authority cannot sign");
            ArmError::new(500, "InternalServerError", "The vault cannot sign certificates now; see its log.")
        }
    })?;
    let tenant_id =
        app.issuer.tenant().parse().map_err(|_| StoreError::Damaged("the tenant is no GUID".to_owned()))?;
    let answer = EnrolAnswer {
        certificate: signed.certificate,
        not_after: signed.not_after,
        cluster: cluster.to_string(),
        tenant_id,
        connection: name.connection.0,
    };
    let body = serde_json::to_value(answer).unwrap_or(Value::Null);
    Ok(Reply::json(200, body))
}

fn refused(error: &EnrolmentError) -> ArmError {
    let code = match error {
        EnrolmentError::Invalid => "EnrolmentTokenInvalid",
        EnrolmentError::Used => "EnrolmentTokenUsed",
        EnrolmentError::Expired => "EnrolmentTokenExpired",
    };
    ArmError::new(401, code, error.to_string())
}

fn unreadable(error: &serde_json::Error) -> ArmError {
    ArmError::new(400, "InvalidRequestContent", format!("The content cannot be read: {error}."))
}

fn audit(app: &App, cluster: &ResourceId, name: &PeerName, correlation: &str) -> AuditEntry {
    AuditEntry {
        at: app.clock.now(),
        principal: name.to_string(),
        action: "enrol".to_owned(),
        scope: cluster.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: correlation.to_owned(),
    }
}
