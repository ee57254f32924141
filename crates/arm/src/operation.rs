//! Long-running operations, as `Azure-AsyncOperation` answers.

use crate::ArmError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How an operation stands. Clients take every other word for running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationStatus {
    /// Under way; spelt as the original does.
    Inprogress,
    /// Done.
    Succeeded,
    /// Failed, with an error.
    Failed,
    /// Stopped on request.
    Canceled,
}

/// What a poll answers, with HTTP status 200 in any case.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationBody {
    /// Path of the operation.
    pub id: String,
    /// Its name, the last part of the path.
    pub name: String,
    /// How it stands.
    pub status: OperationStatus,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended; year 1 while it is under way.
    #[serde(serialize_with = "end")]
    pub end_time: Option<Timestamp>,
    /// What it made.
    pub properties: Option<Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ArmError>,
}

/// .NET's smallest time, which the original writes for "not yet".
const NOT_YET: &str = "0001-01-01T00:00:00Z";

fn end<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_str(NOT_YET),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_operation_under_way_looks_as_documented() {
        let body = OperationBody {
            id: "/subscriptions/s/providers/N/locations/l/operationStatus/op".into(),
            name: "op".into(),
            status: OperationStatus::Inprogress,
            start_time: Timestamp::UNIX_EPOCH,
            end_time: None,
            properties: None,
            error: None,
        };

        assert_eq!(
            serde_json::to_value(body).unwrap(),
            json!({"id": "/subscriptions/s/providers/N/locations/l/operationStatus/op", "name": "op",
                "status": "Inprogress", "startTime": "1970-01-01T00:00:00Z", "endTime": "0001-01-01T00:00:00Z",
                "properties": null})
        );
    }
}
