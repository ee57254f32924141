//! Recovery points: listed, shown, and the ranges of time from which can be restored.

mod record;

pub use record::{KIND, PointRecord, first_of};

use super::{
    At, Call, Failure, Loaded, Needs, Operation, call::invalid_filter, instances, operations::row, resource,
};
use crate::reply::Reply;
use arm::{ArmError, Fields, Filter, ResourceId, filter::Term};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

const ALL: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupInstances/{instance}/recoveryPoints";
const ONE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupInstances/{instance}/recoveryPoints/{point}";
const RANGES: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupInstances/{instance}/findRestorableTimeRanges";
const READ: Needs =
    Needs::Action("Microsoft.DataProtection/backupVaults/backupInstances/recoveryPoints/read");
const FIND: Needs =
    Needs::Action("Microsoft.DataProtection/backupVaults/backupInstances/findRestorableTimeRanges/action");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("RecoveryPoints_List", &Method::GET, ALL, READ, At::Above, |call| Box::pin(list(call))),
    row("RecoveryPoints_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(get(call))),
    row("RestorableTimeRanges_Find", &Method::POST, RANGES, FIND, At::Above, |call| Box::pin(ranges(call))),
];

async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let instance = instances::live(call, call.scope()?).await?;
    let filter = call.filter()?;
    let wanted = Window::of(&filter)?;
    resource::page(call, KIND, &instance.id, |stored| {
        let point: Loaded<PointRecord> = resource::read(stored)?;
        let seen = !point.document.deleting && wanted.holds(point.document.time);
        Ok(seen.then(|| shown(&point.id, &point.document)))
    })
    .await
}

async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.scope()?;
    let point = load(call, id).await?.ok_or_else(|| ArmError::not_found(id))?;
    Ok(Reply::json(200, shown(&point.id, &point.document)))
}

async fn load(call: &Call<'_>, id: &ResourceId) -> Result<Option<Loaded<PointRecord>>, Failure> {
    Ok(resource::load(call.app.store.as_ref(), id).await?)
}

/// Recovery points are single points in time here, so there is no range between them.
async fn ranges(call: &Call<'_>) -> Result<Reply, Failure> {
    let instance = instances::live(call, call.scope()?).await?;
    let body = call.json()?;
    Fields::of(&body)?.required_text("sourceDataStoreType")?;
    Ok(Reply::json(
        200,
        json!({
            "id": format!("{}/findRestorableTimeRanges", instance.id),
            "name": "findRestorableTimeRanges",
            "type": "Microsoft.DataProtection/backupVaults/backupInstances/findRestorableTimeRanges",
            "properties": {
                "objectType": "AzureBackupFindRestorableTimeRangesResponse",
                "restorableTimeRanges": [],
            },
        }),
    ))
}

/// A recovery point as clients read it.
pub fn shown(id: &ResourceId, point: &PointRecord) -> Value {
    let state = if point.is_partial { "Partial" } else { "Completed" };
    let meta = if point.deleting {
        // No list shows it any more; whoever knows its name reads how its deletion goes.
        json!({"cluster": point.cluster, "job": point.job, "deleting": true, "keptBecause": point.kept_because})
    } else {
        json!({"cluster": point.cluster, "job": point.job})
    };
    json!({
        "id": id,
        "name": id.name(),
        "type": KIND,
        "properties": {
            "objectType": "AzureBackupDiscreteRecoveryPoint",
            "recoveryPointId": id.name(),
            "friendlyName": id.name(),
            "recoveryPointTime": point.time,
            "recoveryPointType": "Incremental",
            "recoveryPointState": state,
            "retentionTagName": point.tag,
            "retentionTagVersion": null,
            "policyName": point.policy,
            "policyVersion": null,
            "expiryTime": point.expires_at,
            "recoveryPointDataStoresDetails": [{
                "id": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, id.folded().as_bytes()),
                "type": "OperationalStore",
                "creationTime": point.time,
                "expiryTime": point.expires_at,
                "state": "COMMITTED",
                "visible": !point.deleting,
                "metaData": meta.to_string(),
                "rehydrationExpiryTime": null,
                "rehydrationStatus": null,
            }],
        },
    })
}

/// From when to when.
struct Window(Option<Timestamp>, Option<Timestamp>);

impl Window {
    fn of(filter: &Filter) -> Result<Self, ArmError> {
        let mut window = Self(None, None);
        for term in filter.terms() {
            let (side, value) = match term {
                Term::Equals { field, value } if field.eq_ignore_ascii_case("startDate") => {
                    (&mut window.0, value)
                }
                Term::Equals { field, value } if field.eq_ignore_ascii_case("endDate") => {
                    (&mut window.1, value)
                }
                Term::Equals { field: name, .. } | Term::Named { name, .. } => {
                    let reason =
                        format!("'{name}' is not known here; known are startDate eq '…' and endDate eq '…'");
                    return Err(invalid_filter(&reason));
                }
            };
            let time = value.parse().map_err(|_| invalid_filter(&format!("'{value}' is no time")))?;
            *side = Some(time);
        }
        Ok(window)
    }

    fn holds(&self, time: Timestamp) -> bool {
        self.0.is_none_or(|start| time >= start) && self.1.is_none_or(|end| time <= end)
    }
}
