//! One call that was found, understood and permitted, and what its handler needs.

use super::{Operation, Params, advice::advised, permitted};
use crate::{
    app::App,
    request::Address,
    store::{AuditEntry, AuditOutcome, Change, StoreError, Subscription},
    tokens::Caller,
};
use arm::{ApiVersion, ArmError, Filter, ResourceId};
use bytes::Bytes;
use http::HeaderMap;
use identity::{Action, Assignment, Decision, decide};
use jiff::Timestamp;
use serde_json::Value;

/// A call.
#[derive(Debug)]
pub struct Call<'a> {
    /// The vault.
    pub app: &'a App,
    /// Who calls.
    pub caller: Caller,
    /// What the caller was assigned.
    pub assignments: Vec<Assignment>,
    /// What is called.
    pub operation: &'static Operation,
    /// With which names.
    pub params: Params,
    /// On what; `None` at the tenant.
    pub scope: Option<ResourceId>,
    /// In which subscription; `None` at the tenant.
    pub subscription: Option<Subscription>,
    /// Path and query.
    pub address: Address,
    /// In which version.
    pub version: ApiVersion,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The body, unread.
    pub body: Bytes,
    /// The id by which log lines and audit records are found.
    pub correlation: String,
    /// When.
    pub now: Timestamp,
}

/// Why a handler gave no answer of its own.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A refusal.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Call<'_> {
    /// The subscription; every operation below one has it.
    pub fn subscription(&self) -> Result<&Subscription, ArmError> {
        self.subscription.as_ref().ok_or_else(|| {
            ArmError::new(
                400,
                "InvalidSubscriptionId",
                "The path names no subscription; begin it with /subscriptions/<id>.",
            )
        })
    }

    /// What the right was looked up for.
    pub fn scope(&self) -> Result<&ResourceId, ArmError> {
        let missing = || {
            ArmError::new(400, "InvalidScope", "The path names no scope; begin it with /subscriptions/<id>.")
        };
        self.scope.as_ref().ok_or_else(missing)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, ArmError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("The request content cannot be read as JSON: {error}.");
            ArmError::new(400, "InvalidRequestContent", message)
        })
    }

    /// The body as JSON, which may be left out.
    pub fn optional_json(&self) -> Result<Option<Value>, ArmError> {
        if self.body.trim_ascii().is_empty() { Ok(None) } else { self.json().map(Some) }
    }

    /// A header, if it is there and can be read.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The conditions of `$filter`.
    pub fn filter(&self) -> Result<Filter, ArmError> {
        let text = self.address.parameter("$filter").unwrap_or_default();
        text.parse().map_err(|error: arm::FilterError| invalid_filter(&error.to_string()))
    }

    /// An absolute URL of this vault, with the call's api-version.
    pub fn url(&self, path: &str) -> String {
        format!("{}?api-version={}", self.app.public.at(path), self.version)
    }

    /// The same with more in its query, which is encoded already.
    pub fn url_with(&self, path: &str, query: &str) -> String {
        format!("{}?{query}&api-version={}", self.app.public.at(path), self.version)
    }

    /// Whether the caller may do something else too; for lists.
    pub fn may(&self, needs: super::Needs, on: &ResourceId) -> bool {
        permitted(needs, "", Some(on), &self.caller.object_id, &self.assignments, &self.app.roles)
    }

    /// Refuses the call unless the caller may do something with a resource that it links to, as a restore links to its
    /// source. A refusal is audited.
    pub async fn may_linked(&self, action: &str, on: &ResourceId) -> Result<(), Failure> {
        let who = &self.caller.object_id;
        let wanted = Action::control(action);
        if decide(who, &wanted, on, &self.assignments, &self.app.roles) != Decision::Denied {
            return Ok(());
        }
        let denied = AuditEntry {
            action: action.to_owned(),
            scope: on.to_string(),
            ..self.audit(AuditOutcome::Denied)
        };
        self.app.denials.note(self.app.store.as_ref(), denied).await?;
        let own = self.operation.needs.action(self.params.get("namespace"));
        let scope = self.scope.as_ref().map_or("/", ResourceId::as_str);
        let refused = ArmError::not_authorized_linked(
            (&self.caller.client_id, who),
            (&own, scope),
            (action, on.as_str()),
        );
        Err(advised(self.app, refused, who, action, Some(on)).await.into())
    }

    /// Makes changes, with the audit record of this call. It meets a conflict when what it is about was locked since the call
    /// began, or a lock comes before all is committed.
    pub async fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        let audit = self.audit(AuditOutcome::Changed);
        match super::locks::check(self).await {
            Ok(None) => self.app.store.commit(changes, &audit).await,
            Ok(Some(as_seen)) => self.app.store.commit(&[&[as_seen], changes].concat(), &audit).await,
            Err(Failure::Arm(refusal)) => Err(StoreError::Conflict(refusal.message)),
            Err(Failure::Store(error)) => Err(error),
        }
    }

    /// The audit record of this call.
    pub fn audit(&self, outcome: AuditOutcome) -> AuditEntry {
        AuditEntry {
            at: self.now,
            principal: self.caller.object_id.clone(),
            action: self.operation.needs.action(self.params.get("namespace")),
            scope: self.scope.as_ref().map_or_else(|| "/".to_owned(), ToString::to_string),
            outcome,
            correlation: self.correlation.clone(),
        }
    }
}

/// A filter that this list does not have.
pub fn invalid_filter(reason: &str) -> ArmError {
    ArmError::new(400, "InvalidFilterInQueryString", format!("The $filter cannot be used: {reason}."))
}
