//! Messages: what is to be sent to whom, kept as work. The body stands from the beginning, so that each attempt says the
//! same.

use super::{deliver::KIND, payload::payload};
use crate::{
    alerts::{AlertRecord, Condition},
    api::Loaded,
    app::App,
    store::{Change, StoreError, Work},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What is kept of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The same for every attempt.
    pub id: String,
    /// Name of who gets it.
    pub receiver: String,
    /// What it says.
    pub body: Value,
    /// Since when it waits.
    pub since: Timestamp,
    /// Attempts that failed.
    pub failed: u32,
}

/// The changes by which an alert is told to all who want to know.
pub fn messages(
    app: &App,
    alert: &Loaded<AlertRecord>,
    condition: Condition,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let severity = alert.document.rule.severity();
    let body = payload(alert.id.name(), &alert.document, condition);
    let mut changes = Vec::new();
    for receiver in app.webhooks.receivers().filter(|one| one.wants(severity)) {
        let id = format!("msg_{}", Uuid::new_v4().simple());
        let message = Message {
            id: id.clone(),
            receiver: receiver.name().to_owned(),
            body: body.clone(),
            since: now,
            failed: 0,
        };
        let document =
            serde_json::to_value(message).map_err(|error| StoreError::Damaged(error.to_string()))?;
        changes.push(Change::AddWork(Work::new(
            format!("{KIND} {id}"),
            KIND,
            alert.id.clone(),
            now,
            document,
        )));
    }
    Ok(changes)
}
