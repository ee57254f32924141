//! The question that guarded operations ask before they change anything.

use super::{
    Critical,
    decide::{Approver, GuardRecord, approved},
    proxy::{self, ProxyRecord},
};
use crate::{
    api::{
        Call, Failure,
        advice::advised,
        resource::{Loaded, load},
    },
    store::AuditOutcome,
    tokens::Audience,
};
use arm::{ArmError, ResourceId};

/// More tokens than this stand behind no call.
const MOST_TOKENS: usize = 3;

/// Whether an operation on a vault may go on, with the requests that the client named. A vault without a guard lets
/// everything go on. The right to the operation itself was looked at before.
pub async fn check(
    call: &Call<'_>,
    vault: &ResourceId,
    operation: Critical,
    requests: &[String],
) -> Result<(), Failure> {
    match guarding(call, vault, operation).await? {
        Some(proxy) => consent(call, &proxy.document.guard, operation, requests).await,
        None => Ok(()),
    }
}

/// Whether something may be deleted: it was unlocked by `unlockDelete`, which has a body that can name requests, or
/// someone else who may approve it stands behind the call.
pub async fn check_delete(
    call: &Call<'_>,
    vault: &ResourceId,
    operation: Critical,
    resource: &ResourceId,
) -> Result<(), Failure> {
    let Some(proxy) = guarding(call, vault, operation).await? else { return Ok(()) };
    let unlocked = |one: &super::proxy::Unlocked| {
        one.resource == *resource && one.until > call.now && one.principal == call.caller.object_id
    };
    if proxy.document.unlocked.iter().any(unlocked) {
        return Ok(());
    }
    let guard = &proxy.document.guard;
    let default = format!("{guard}/{}/default", operation.requests());
    let requests =
        if call.header("x-ms-authorization-auxiliary").is_some() { vec![default] } else { Vec::new() };
    consent(call, guard, operation, &requests).await
}

/// The mapping of a vault whose guard guards an operation. A guard that is not there guards everything.
async fn guarding(
    call: &Call<'_>,
    vault: &ResourceId,
    operation: Critical,
) -> Result<Option<Loaded<ProxyRecord>>, Failure> {
    let store = call.app.store.as_ref();
    let Some(proxy) = proxy::of_vault(store, vault).await? else { return Ok(None) };
    let guard = load::<GuardRecord>(store, &proxy.document.guard).await?;
    Ok(guard.is_none_or(|guard| guard.document.guards(operation)).then_some(proxy))
}

/// Whether the guard consents; a refusal is in the audit log.
pub async fn consent(
    call: &Call<'_>,
    guard: &ResourceId,
    operation: Critical,
    requests: &[String],
) -> Result<(), Failure> {
    let approvers = approvers(call).await?;
    let Err(refused) = approved(guard, operation, requests, &approvers, &call.app.roles) else {
        return Ok(());
    };
    // As with every other refusal, a flood of them is counted and not written one by one.
    call.app.denials.note(call.app.store.as_ref(), call.audit(AuditOutcome::Denied)).await?;
    let who = &call.caller.object_id;
    Err(advised(call.app, refused, who, &operation.approval(), Some(guard)).await.into())
}

/// The caller, and the bearers of the tokens that it sent along.
async fn approvers(call: &Call<'_>) -> Result<Vec<Approver>, Failure> {
    let caller = Approver { principal: call.caller.object_id.clone(), assignments: call.assignments.clone() };
    let mut all = vec![caller];
    let tokens = call.header("x-ms-authorization-auxiliary").unwrap_or_default();
    for token in tokens.split(',').map(str::trim).filter(|token| !token.is_empty()).take(MOST_TOKENS) {
        let token = match token.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => token,
        };
        let bearer = call.app.issuer.verify(token, Audience::Management).map_err(|error| {
            let message = format!("A token in x-ms-authorization-auxiliary is refused: {error}.");
            ArmError::new(401, "InvalidAuxiliaryTokens", message)
        })?;
        let assignments = call.app.store.roles_of(&bearer.object_id).await?;
        all.push(Approver { principal: bearer.object_id, assignments });
    }
    Ok(all)
}
