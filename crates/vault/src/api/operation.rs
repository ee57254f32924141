//! Long-running operations: how they begin, the answer that begins them, and where clients ask how they stand.

use super::{At, Call, Failure, Needs, Operation, jobs, operations::row};
use crate::{
    exports,
    reply::Reply,
    store::{AuditEntry, AuditOutcome, Ending, OperationRecord, StoreError},
    tokens::Caller,
};
use arm::{ArmError, OperationBody, OperationStatus, ResourceId};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use http::{Method, header};
use protection::Problem;
use serde_json::{Value, json};
use uuid::Uuid;

const POLL_SECONDS: &str = "1";
const ASYNC_OPERATION: http::HeaderName = http::HeaderName::from_static("azure-asyncoperation");

/// The calls. Whoever began an operation may ask for it, and whoever may read what it is about.
pub const OPERATIONS: &[Operation] = &[
    row(
        "OperationStatusBackupVaultContext_Get",
        &Method::GET,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/operationStatus/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(status(call)),
    ),
    row(
        "BackupVaultOperationResults_Get",
        &Method::GET,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/operationResults/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(result(call)),
    ),
    row(
        "BackupInstances_GetBackupInstanceOperationResult",
        &Method::GET,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupInstances/{instance}/operationResults/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(result(call)),
    ),
    row(
        "OperationStatusResourceGroupContext_Get",
        &Method::GET,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/operationStatus/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(status(call)),
    ),
    row(
        "OperationStatus_Get",
        &Method::GET,
        "/subscriptions/{subscription}/providers/Microsoft.DataProtection/locations/{location}/operationStatus/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(status(call)),
    ),
    row(
        "OperationResult_Get",
        &Method::GET,
        "/subscriptions/{subscription}/providers/Microsoft.DataProtection/locations/{location}/operationResults/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(result(call)),
    ),
    row(
        "ManagedClusterOperations_Get",
        &Method::GET,
        "/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}/operations/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(status(call)),
    ),
    row(
        "ManagedClusterOperationResults_Get",
        &Method::GET,
        "/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}/operationresults/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(result(call)),
    ),
    row(
        "ExtensionOperationStatus_Get",
        &Method::GET,
        "/{scope}/providers/Microsoft.KubernetesConfiguration/extensions/{extension}/operations/{operation}",
        Needs::SignIn,
        At::Scope,
        |call| Box::pin(status(call)),
    ),
];

/// A new operation of this call, under way.
pub fn begin(call: &Call<'_>, kind: &str, target: &ResourceId) -> OperationRecord {
    OperationRecord {
        id: URL_SAFE.encode(format!("{};{}", Uuid::new_v4(), Uuid::new_v4())),
        kind: kind.to_owned(),
        target: target.clone(),
        principal: call.caller.object_id.clone(),
        status: OperationStatus::Inprogress,
        started_at: call.now,
        ended_at: None,
        result: None,
        error: None,
    }
}

/// A new operation that was done in the call itself.
pub fn finished(call: &Call<'_>, kind: &str, target: &ResourceId) -> OperationRecord {
    OperationRecord {
        status: OperationStatus::Succeeded,
        ended_at: Some(call.now),
        result: Some(plain()),
        ..begin(call, kind, target)
    }
}

/// The result of an operation that leads to no job.
pub fn plain() -> Value {
    json!({"objectType": "OperationJobExtendedInfo"})
}

/// The result of an operation that succeeded and found something that should be known all the same, told as jobs tell it.
pub fn with_warnings(warnings: &[Problem]) -> Value {
    let mut result = plain();
    if let (false, Some(members)) = (warnings.is_empty(), result.as_object_mut()) {
        let told = warnings.iter().map(jobs::shown_warning).collect();
        members.insert("warningDetails".to_owned(), Value::Array(told));
    }
    result
}

/// The result of an operation that leads to a job.
pub fn of_job(job: &ResourceId) -> Value {
    json!({"objectType": "OperationJobExtendedInfo", "jobId": job})
}

/// The end of an operation that failed.
pub fn failed(error: &ArmError) -> Ending {
    Ending { status: OperationStatus::Failed, result: None, error: serde_json::to_value(error).ok() }
}

/// The end of an operation that succeeded.
pub fn succeeded(result: Value) -> Ending {
    Ending { status: OperationStatus::Succeeded, result: Some(result), error: None }
}

/// Adds to an answer where the operation can be followed. `Location` only where a result will be asked for.
pub fn followed(call: &Call<'_>, reply: Reply, operation: &OperationRecord, location: bool) -> Reply {
    let (status, results) = addresses(call, operation);
    let reply = reply.with(ASYNC_OPERATION, call.url(&status)).with(header::RETRY_AFTER, POLL_SECONDS);
    if location { reply.with(header::LOCATION, call.url(&results)) } else { reply }
}

/// `202` without a document, and where the operation can be followed.
pub fn accepted(call: &Call<'_>, operation: &OperationRecord) -> Reply {
    followed(call, Reply::empty(202), operation, true)
}

/// The answer to a call for what is under way already: the operation that another call began.
pub async fn join(call: &Call<'_>, id: &str) -> Result<Reply, Failure> {
    // One that is not there any more ended, and was forgotten: the call looks again.
    let gone = || StoreError::Conflict(format!("operation {id}"));
    let found = call.app.store.operation(id).await?.ok_or_else(gone)?;
    if is_shown(call, &found) {
        return Ok(accepted(call, &found));
    }
    let message = "This is under way already, for somebody else. Wait until it has ended, then call again.";
    Err(ArmError::new(409, "OperationInProgress", message).about(found.target.as_str()).into())
}

/// Whether the caller began it, or may read what it is about.
fn is_shown(call: &Call<'_>, operation: &OperationRecord) -> bool {
    operation.principal == call.caller.object_id || call.may(Needs::Action("*/read"), &operation.target)
}

/// The paths of an operation's status and result, where clients of its namespace expect them.
fn addresses(call: &Call<'_>, operation: &OperationRecord) -> (String, String) {
    let (id, target) = (&operation.id, operation.target.as_str());
    let lower = operation.target.folded();
    let subscription = operation.target.subscription_id();
    let at = |namespace: &str, word: &str| {
        let location = &call.app.location;
        format!("/subscriptions/{subscription}/providers/{namespace}/locations/{location}/{word}/{id}")
    };
    if lower.contains("/providers/microsoft.kubernetesconfiguration/") {
        let status = format!("{target}/operations/{id}");
        return (status.clone(), status);
    }
    if lower.contains("/providers/microsoft.containerservice/") {
        let namespace = "Microsoft.ContainerService";
        return (at(namespace, "operations"), at(namespace, "operationresults"));
    }
    let namespace = "Microsoft.DataProtection";
    let parts: Vec<&str> = target.split('/').collect();
    let is_vault = parts.get(7).is_some_and(|kind| kind.eq_ignore_ascii_case("backupVaults"));
    let status = match parts.get(..9) {
        Some(vault) if is_vault => format!("{}/operationStatus/{id}", vault.join("/")),
        _ => at(namespace, "operationStatus"),
    };
    (status, at(namespace, "operationResults"))
}

/// How it stands, in a document whose HTTP status is 200 in any case.
async fn status(call: &Call<'_>) -> Result<Reply, Failure> {
    let operation = existing(call).await?;
    let mut body = serde_json::to_value(OperationBody {
        id: call.address.path(),
        name: operation.id,
        status: operation.status,
        start_time: operation.started_at,
        end_time: operation.ended_at,
        properties: operation
            .result
            .map(|result| exports::shown(call.app, call.params.get("operation"), result)),
        error: None,
    })
    .map_err(|error| StoreError::Damaged(error.to_string()))?;
    if let (Some(error), Some(object)) = (operation.error, body.as_object_mut()) {
        object.insert("error".to_owned(), error);
    }
    Ok(Reply::json(200, body).with(header::RETRY_AFTER, POLL_SECONDS))
}

/// What it made: 202 while it is under way.
pub async fn result(call: &Call<'_>) -> Result<Reply, Failure> {
    let operation = existing(call).await?;
    match operation.status {
        OperationStatus::Inprogress => Ok(accepted(call, &operation)),
        OperationStatus::Succeeded => {
            let result = operation.result.unwrap_or_else(plain);
            Ok(Reply::json(200, exports::shown(call.app, &operation.id, result)))
        }
        OperationStatus::Failed | OperationStatus::Canceled => {
            let error = operation.error.unwrap_or_else(
                || json!({"code": "OperationCanceled", "message": "The operation was canceled."}),
            );
            Ok(Reply::json(409, json!({"error": error})))
        }
    }
}

async fn existing(call: &Call<'_>) -> Result<OperationRecord, Failure> {
    let id = call.params.get("operation");
    let missing = || {
        let message =
            format!("There is no operation '{id}' here; poll the address that the call answered with.");
        ArmError::new(404, "OperationNotFound", message)
    };
    let found = call.app.store.operation(id).await?.ok_or_else(missing)?;
    let subscription = call.subscription()?;
    if !is_shown(call, &found) || !subscription.id.covers(&found.target) {
        return Err(missing().into());
    }
    // Each answer names the jobs' file with a new signature.
    if found.result.as_ref().is_some_and(exports::is_export) && !call.may(jobs::READ, &found.target) {
        return Err(denied(call, jobs::READ, &found.target).await?);
    }
    Ok(found)
}

/// The refusal of something that the caller may not do any more, which is audited.
async fn denied(call: &Call<'_>, needs: Needs, on: &ResourceId) -> Result<Failure, StoreError> {
    let action = needs.action("");
    let entry =
        AuditEntry { action: action.clone(), scope: on.to_string(), ..call.audit(AuditOutcome::Denied) };
    call.app.denials.note(call.app.store.as_ref(), entry).await?;
    let Caller { client_id, object_id, .. } = &call.caller;
    Ok(ArmError::not_authorized(client_id, object_id, &action, on.as_str()).into())
}
