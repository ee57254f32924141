//! Removes what a container or an account held, after its record is gone: piece by piece, again after a crash, and once
//! more later for what an upload that was still under way has left.

use crate::{
    app::App,
    store::{Change, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "remove data";
/// Uploads that were let in before the deletion have ended by then.
const AGAIN: SignedDuration = SignedDuration::from_mins(15);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Left {
    store: String,
    folder: String,
    again: bool,
}

/// The change that has a folder removed.
pub fn work(of: &ResourceId, store: &str, folder: &str, now: Timestamp) -> Change {
    Change::AddWork(Work::new(
        format!("{KIND} {store}/{folder}"),
        KIND,
        of.clone(),
        now,
        serde_json::json!({"store": store, "folder": folder, "again": true}),
    ))
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let left: Left = serde_json::from_value(work.document.clone())
        .map_err(|error| StoreError::Damaged(error.to_string()))?;
    let failed = |error: blobs::BlobError| StoreError::Unavailable(error.to_string());
    let empty = app.stored.stores.remove_some(&left.store, &left.folder).await.map_err(failed)?;
    let now = app.clock.now();
    if empty && !left.again {
        return Ok(Step::Done(Vec::new()));
    }
    let due_at = if empty { now.checked_add(AGAIN).unwrap_or(now) } else { now };
    let next = Left { again: left.again && !empty, ..left };
    let document = serde_json::to_value(next).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Step::Later { due_at, advanced: true, document, changes: Vec::new() })
}
