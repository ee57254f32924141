//! Answers queries with what the caller may read.

use super::query::{self, Condition, Query};
use crate::api::Each;
use crate::{
    api::{Call, Failure, Needs, alerts, clusters, instances, jobs, policies, vaults},
    reply::Reply,
    store::{StoreError, Stored},
};
use arm::{ArmError, Fields, ResourceId};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The most rows of one answer.
const MOST_ROWS: usize = 1_000;

/// A type that can be asked for.
struct Source {
    kind: &'static str,
    read: Needs,
    shown: fn(&Call<'_>, Stored) -> Result<Value, StoreError>,
    /// What the right is looked up for, where that is not the resource itself.
    on: Option<fn(&Stored) -> Option<ResourceId>>,
}

/// What can be asked for; each module of the API adds its types. Of others there are no rows.
const SOURCES: &[Source] = &[
    Source { kind: vaults::KIND, read: vaults::READ, shown: vault, on: None },
    Source { kind: clusters::KIND, read: clusters::READ, shown: clusters::graph_row, on: None },
    Source { kind: policies::KIND, read: policies::READ, shown: policy, on: None },
    Source { kind: instances::KIND, read: instances::READ, shown: instance, on: None },
    Source { kind: jobs::KIND, read: jobs::READ, shown: job, on: None },
    // An alert is kept at its subscription and belongs to its vault.
    Source { kind: crate::alerts::KIND, read: alerts::READ, shown: alert, on: Some(vault_of_alert) },
];

fn vault(call: &Call<'_>, stored: Stored) -> Result<Value, StoreError> {
    let vault = crate::api::resource::read::<vaults::VaultRecord>(stored)?;
    Ok(vaults::shown(&vault.id, &vault.document, vault.version, call.app.issuer.tenant()))
}

fn policy(_: &Call<'_>, stored: Stored) -> Result<Value, StoreError> {
    Ok(policies::shown(&stored.id, &stored.document))
}

fn instance(_: &Call<'_>, stored: Stored) -> Result<Value, StoreError> {
    let instance = crate::api::resource::read::<instances::InstanceRecord>(stored)?;
    Ok(instances::shown(&instance.id, &instance.document))
}

fn job(call: &Call<'_>, stored: Stored) -> Result<Value, StoreError> {
    let job = crate::api::resource::read::<jobs::JobRecord>(stored)?;
    Ok(jobs::shown(&job.id, &job.document, &job.etag(), call.now))
}

fn alert(_: &Call<'_>, stored: Stored) -> Result<Value, StoreError> {
    Ok(alerts::shown(&crate::api::resource::read(stored)?))
}

fn vault_of_alert(stored: &Stored) -> Option<ResourceId> {
    stored.document.get("vault")?.as_str()?.parse().ok()
}

/// Answers a query.
pub async fn resources(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    let fields = Fields::of(&body)?;
    let query = query::read(fields.required_text("query")?)?;
    let options = fields.object("options")?;
    let number = |name: &str| -> Result<Option<usize>, ArmError> {
        let Some(options) = &options else { return Ok(None) };
        let wrong = || options.wrong(name, "must be a whole number that is not negative");
        options.whole(name)?.map(|number| usize::try_from(number).map_err(|_| wrong())).transpose()
    };
    let most = number("$top")?.unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS);
    let token = options.as_ref().map(|options| options.text("$skipToken")).transpose()?.flatten();
    let skip = match token.filter(|token| !token.is_empty()) {
        Some(token) => token.parse::<usize>().map_err(|_| {
            ArmError::new(400, "InvalidSkipToken", "The '$skipToken' is not one that this vault made.")
        })?,
        None => number("$skip")?.unwrap_or(0),
    };
    let rows = rows(call, &query, &subscriptions(call, &fields).await?).await?;
    let total = rows.len();
    let data: Vec<Value> = rows.into_iter().skip(skip).take(most).collect();
    let next = skip.saturating_add(data.len());
    let mut answer = json!({
        "totalRecords": total,
        "count": data.len(),
        "resultTruncated": "false",
        "facets": [],
        "data": data,
    });
    if let Some(object) = answer.as_object_mut().filter(|_| next < total) {
        object.insert("$skipToken".to_owned(), json!(next.to_string()));
    }
    Ok(Reply::json(200, answer))
}

/// Those that the body names, or all.
async fn subscriptions(call: &Call<'_>, fields: &Fields<'_>) -> Result<Vec<ResourceId>, Failure> {
    let named = fields.listed("subscriptions")?.filter(|named| !named.is_empty());
    let all = call.app.store.subscriptions().await?.into_iter().map(|one| one.id);
    let wanted = |id: &ResourceId| {
        named
            .as_ref()
            .is_none_or(|named| named.iter().any(|one| one.eq_ignore_ascii_case(id.subscription_id())))
    };
    Ok(all.filter(wanted).collect())
}

async fn rows(call: &Call<'_>, query: &Query, subscriptions: &[ResourceId]) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    let Some(source) = SOURCES.iter().find(|source| source.kind.eq_ignore_ascii_case(&query.kind)) else {
        return Ok(rows);
    };
    for subscription in subscriptions {
        let mut each = Each::of(call.app.store.as_ref(), source.kind, subscription);
        while let Some(stored) = each.next().await? {
            let on = source.on.map_or_else(|| Some(stored.id.clone()), |on| on(&stored));
            if on.is_some_and(|on| call.may(source.read, &on)) {
                let id = stored.id.clone();
                let row = row(call, &id, (source.shown)(call, stored)?);
                if query.conditions.iter().all(|condition| holds(condition, &row)) {
                    rows.push(row);
                }
            }
        }
    }
    Ok(rows)
}

/// A resource as a row, with the columns that the queries make.
fn row(call: &Call<'_>, id: &ResourceId, mut shown: Value) -> Value {
    let properties = shown.get("properties").cloned().unwrap_or_default();
    let at = |path: &str| properties.pointer(path).cloned().unwrap_or_default();
    let text = |path: &str| at(path).as_str().unwrap_or_default().to_owned();
    let is_job = id.kind().is("Microsoft.DataProtection/backupVaults/backupJobs");
    let vault = id.as_str().split('/').nth(8).unwrap_or_default().to_owned();
    let category = text("/operationCategory");
    let operation = match (category.to_lowercase().starts_with("backup"), at("/isUserTriggered")) {
        (true, Value::Bool(true)) => format!("OnDemand{category}"),
        (true, Value::Bool(false)) => format!("Scheduled{category}"),
        _ => category,
    };
    if let Some(object) = shown.as_object_mut() {
        object.insert("type".to_owned(), json!(id.kind().as_str().to_lowercase()));
        object.insert(
            "resourceGroup".to_owned(),
            json!(id.resource_group().unwrap_or_default().to_lowercase()),
        );
        object.insert("subscriptionId".to_owned(), json!(id.subscription_id()));
        object.insert("tenantId".to_owned(), json!(call.app.issuer.tenant()));
        object.entry("location").or_insert_with(|| json!(call.app.location));
        object.entry("tags").or_insert(Value::Null);
        if is_job {
            object.insert("vaultName".to_owned(), json!(vault));
            object.insert("status".to_owned(), at("/status"));
            object.insert("operation".to_owned(), json!(operation));
            object.insert("datasourceId".to_owned(), at("/dataSourceId"));
        } else if id.kind().is(vaults::INSTANCES[0]) {
            object.insert("vaultName".to_owned(), json!(vault));
            object.insert("protectionState".to_owned(), at("/currentProtectionState"));
            object.insert("datasourceId".to_owned(), at("/dataSourceInfo/resourceID"));
        }
    }
    shown
}

fn holds(condition: &Condition, row: &Value) -> bool {
    let value = |column: &str| column.split('.').try_fold(row, |value, part| part_of(value, part));
    let time =
        |column: &str| value(column).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
    match condition {
        Condition::OneOf(column, words) => {
            let is = match value(column) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => return false,
                Some(other) => other.to_string(),
            };
            words.iter().any(|word| word.eq_ignore_ascii_case(&is))
        }
        Condition::After(column, at) => time(column).is_some_and(|is| is > *at),
        Condition::Before(column, at) => time(column).is_some_and(|is| is < *at),
    }
}

fn part_of<'v>(value: &'v Value, part: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    object
        .get(part)
        .or_else(|| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(part)).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_for_columns_and_what_is_inside_them() {
        let row = json!({"name": "A", "properties": {"startTime": "2026-05-05T00:00:00Z", "isUserTriggered": true}});
        let one_of =
            |column: &str, word: &str| holds(&Condition::OneOf(column.into(), vec![word.into()]), &row);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();

        assert!(one_of("name", "a") && one_of("Properties.isUserTriggered", "true"));
        assert!(!one_of("name", "b") && !one_of("location", "") && !one_of("name.x", "a"));
        assert!(holds(&Condition::After("properties.startTime".into(), at("2026-05-04T00:00:00Z")), &row));
        assert!(!holds(&Condition::Before("properties.startTime".into(), at("2026-05-04T00:00:00Z")), &row));
        assert!(!holds(&Condition::After("name".into(), at("2026-05-04T00:00:00Z")), &row));
    }
}
