//! Whether a request for data is let in: by its token, the account's network rules, and the caller's roles.

use super::rights::granted;
use crate::{
    api::storage::container_id,
    app::App,
    store::{AuditEntry, AuditOutcome, Principal, PrincipalKind, StoreError},
    tokens::{Audience, TokenError},
};
use arm::ResourceId;
use async_trait::async_trait;
use blobs::{Asked, BlobError, Gate, Who};
use identity::Assignment;
use std::sync::Arc;

/// The gate.
#[derive(Debug)]
pub struct VaultGate(Arc<App>);

impl VaultGate {
    /// Of a vault.
    pub fn new(app: Arc<App>) -> Self {
        Self(app)
    }

    async fn denied(
        &self,
        asked: &Asked<'_>,
        who: &Principal,
        scope: &ResourceId,
        error: BlobError,
    ) -> BlobError {
        let (action, is_machine) = (action(asked), who.kind == PrincipalKind::ManagedIdentity);
        let who = &who.object_id;
        tracing::debug!(principal = who, action, %scope, code = error.code, peer = %asked.peer, id = asked.request_id, "denied");
        let entry = AuditEntry {
            at: self.0.clock.now(),
            principal: who.clone(),
            action: action.to_owned(),
            scope: scope.to_string(),
            outcome: AuditOutcome::Denied,
            correlation: asked.request_id.to_owned(),
        };
        let (store, denials) = (self.0.store.as_ref(), &self.0.denials);
        let noted = match is_machine {
            true => self.0.refused_again.note(store, denials, entry).await,
            false => denials.note(store, entry).await,
        };
        match noted {
            Ok(()) => error,
            Err(failed) => of_store(&failed),
        }
    }
}

/// The right that the audit log names.
fn action<'a>(asked: &'a Asked<'_>) -> &'a str {
    asked.any_of.first().map(|action| action.as_str()).unwrap_or_default()
}

#[async_trait]
impl Gate for VaultGate {
    async fn authorize(&self, asked: &Asked<'_>) -> Result<Who, BlobError> {
        let app = &self.0;
        let caller = app.issuer.verify(asked.bearer, Audience::Storage).map_err(|error| of_token(&error))?;
        let who = caller.object_id;
        let store = app.store.as_ref();
        let known = app.stored.known(store, asked.account).await.map_err(|error| of_store(&error))?;
        let known = known.ok_or_else(|| BlobError::no_account(asked.account))?;
        let scope = match asked.container {
            Some(name) => container_id(&known.id, name).map_err(|_| BlobError::no_container())?,
            None => known.id.clone(),
        };
        let facts = app.access.known(&who).await.map_err(|error| of_store(&error))?;
        let Some(principal) = &facts.principal else {
            return Err(BlobError::invalid_authentication("the identity does not exist any more"));
        };
        if !known.record.network.admit(Some(asked.peer), principal.resource.as_ref()) {
            return Err(self.denied(asked, principal, &scope, BlobError::network_rules()).await);
        }
        let may = |assignments: &[Assignment]| granted(&who, assignments, asked.any_of, &scope, &app.roles);
        let mut allowed = may(&facts.assignments);
        if !allowed {
            // A refusal is never given on the word of memory alone: a role counts as soon as it is assigned.
            let read = store.roles_of(&who).await.map_err(|error| of_store(&error))?;
            allowed = may(&read);
        }
        if !allowed {
            return Err(self.denied(asked, principal, &scope, BlobError::permission_mismatch()).await);
        }
        if !app.refused_again.is_empty() {
            let ended = app.refused_again.ended(store, &who, action(asked), scope.as_str()).await;
            ended.map_err(|error| of_store(&error))?;
        }
        Ok(Who(who))
    }
}

/// What the caller is told when the database does not answer.
pub fn of_store(error: &StoreError) -> BlobError {
    tracing::error!(%error, "the data plane cannot use the database");
    match error {
        StoreError::Unavailable(_) | StoreError::Conflict(_) => BlobError::unreachable(),
        StoreError::Damaged(_) | StoreError::Newer(_) | StoreError::NotEmpty(_) => BlobError::internal(),
    }
}

fn of_token(error: &TokenError) -> BlobError {
    match error {
        TokenError::Audience(given) => {
            let given: String = given.chars().filter(|c| !c.is_control()).take(100).collect();
            BlobError::invalid_authentication(&format!(
                "the token is for audience '{given}', not for https://storage.azure.com"
            ))
        }
        error => BlobError::invalid_authentication(&error.to_string()),
    }
}
