//! One line for each change, before and after it: what was under way when a run was killed can be read off.

use super::Row;
use crate::note;
use serde_json::json;
use telemetry::{Clock, SystemClock};

/// Writes it to standard error, as JSON behind the word `audit:`.
pub fn line(row: &Row, state: &str) {
    let change = &row.change;
    let line = json!({
        "at": SystemClock.now().to_string(),
        "event": "preflight.fix",
        "state": state,
        "check": change.check,
        "object": change.object,
        "before": change.before,
        "after": change.after,
        "action": change.action,
        "reason": row.reason,
    });
    note!("audit: {line}");
}
