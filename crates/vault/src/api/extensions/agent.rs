//! What an agent is told and what it tells. A report is a claim: only generations that were given and states of the list
//! count, and every text is bounded.

use super::protected::opened;
use super::record::{ExtensionRecord, ExtensionState, KIND};
use super::upgrade::PackageRef;
use crate::{
    api::{
        Failure, Loaded,
        clusters::{ClusterRecord, enrolment},
        identities::remove_extension_identity,
        load, operation, read,
        resource::TRIES,
    },
    app::App,
    reply::Reply,
    request::Address,
    store::{AuditEntry, AuditOutcome, Change, Expected, StoreError},
};
use arm::{ArmError, ResourceId};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tunnel::ConnectionId;

const LONGEST_WAIT: u64 = 50;
const LOOK: Duration = Duration::from_secs(1);
const MOST_STATUSES: usize = 50;
const LONGEST_TEXT: usize = 4_000;
/// Of what an agent observed, so much is kept.
const LARGEST_FACTS: usize = 256 * 1024;

/// `GET /cluster/v1/desired`: at once when something is new, else when it becomes so or the time is over.
pub async fn desired(
    app: &App,
    cluster: &ResourceId,
    connection: ConnectionId,
    address: &Address,
) -> Result<Reply, Failure> {
    let after = address.parameter("after").unwrap_or_default();
    let wait =
        address.parameter("wait").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0).min(LONGEST_WAIT);
    let until = Instant::now() + Duration::from_secs(wait);
    let mut poke = app.links.changes();
    loop {
        let state = state(app, cluster).await?;
        // Looked at again each time, and after what it would be told was read: while it waits it may be disconnected.
        check_connection(app, cluster, connection).await?;
        if state.get("revision").and_then(Value::as_str) != Some(after) {
            return Ok(Reply::json(200, state));
        }
        if Instant::now() >= until {
            return Ok(Reply::empty(304));
        }
        tokio::select! {
            changed = poke.changed() => if changed.is_err() { sleep(LOOK).await },
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

/// What an agent is told whose connection is not the cluster's any more.
pub fn disconnected() -> ArmError {
    let message = "The cluster was disconnected. Connect it again: cofferdam cluster connect.";
    ArmError::new(401, "ClusterDisconnected", message)
}

async fn check_connection(app: &App, cluster: &ResourceId, connection: ConnectionId) -> Result<(), Failure> {
    let found = enrolment::find(app.store.as_ref(), connection.0).await?;
    if found.is_some_and(|found| found.id == *cluster) { Ok(()) } else { Err(disconnected().into()) }
}

async fn state(app: &App, cluster: &ResourceId) -> Result<Value, Failure> {
    let mut extensions = Vec::new();
    for stored in app.store.resources(KIND, cluster, None, 100).await? {
        let extension: Loaded<ExtensionRecord> = read(stored)?;
        extensions.extend(wanted(app, &extension).await?);
    }
    let authorities = tokio::fs::read_to_string(&app.authorities).await;
    let authorities =
        authorities.map_err(|error| StoreError::Damaged(format!("the certificate authorities: {error}")))?;
    let vault = json!({
        "url": app.public.origin(),
        "tenantId": app.issuer.tenant(),
        "authorities": authorities,
    });
    let mut state = json!({"vault": vault, "extensions": extensions});
    let revision: String = Sha256::digest(state.to_string().as_bytes())
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if let Some(object) = state.as_object_mut() {
        object.insert("revision".to_owned(), json!(revision));
    }
    Ok(state)
}

/// Nothing where its package is not known: what is not mentioned is left as it is, and a package that cannot be named would
/// keep the agent from reading all the rest.
async fn wanted(app: &App, extension: &Loaded<ExtensionRecord>) -> Result<Option<Value>, StoreError> {
    let record = &extension.document;
    let offered = app.packages.catalogue();
    let offer = offered.find(&record.extension_type, &record.wanted_version).map(PackageRef::from);
    // What is wanted stays wanted, also where the operator offers it no more.
    let offer = offer.or_else(|| record.upgrades.package.clone());
    let present = record.state != ExtensionState::Deleting;
    let Some(offer) = offer.or_else(|| (!present).then(PackageRef::nowhere)) else {
        tracing::warn!(extension = %extension.id, version = record.wanted_version, "no package of this version is offered");
        return Ok(None);
    };
    let protected = opened(app, &extension.id, record.protected.as_ref()).await?;
    let protected: std::collections::BTreeMap<&str, &str> =
        protected.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut settings = record.settings.clone();
    super::complete(app, &mut settings);
    Ok(Some(json!({
        "name": extension.id.name(),
        "type": record.extension_type,
        "generation": record.generation,
        "wanted": if present { "present" } else { "absent" },
        "version": record.wanted_version,
        "package": {"reference": offer.reference, "digest": offer.digest},
        "namespace": record.namespace,
        "settings": settings,
        "protectedSettings": protected,
        "identity": record.identity.as_ref().map(|identity| json!({
            "clientId": identity.client_id,
            "principalId": identity.principal_id,
            "audience": "api://AzureADTokenExchange",
        })),
    })))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    agent_version: String,
    cluster: Value,
    #[serde(default)]
    extensions: Vec<Reported>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reported {
    name: String,
    generation: u64,
    state: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    statuses: Vec<Value>,
    #[serde(default)]
    error: Option<Value>,
}

/// `PUT /cluster/v1/report`.
pub async fn report(
    app: &App,
    cluster: &ResourceId,
    connection: ConnectionId,
    body: &[u8],
) -> Result<Reply, Failure> {
    let report: Report = serde_json::from_slice(body).map_err(|error| {
        ArmError::new(400, "InvalidRequestContent", format!("The report cannot be read: {error}."))
    })?;
    observe(app, cluster, connection, &report).await?;
    for one in report.extensions.iter().take(100) {
        extension(app, cluster, connection, one).await?;
    }
    Ok(Reply::empty(204))
}

/// Keeps what the agent saw of the cluster, when it is new.
async fn observe(
    app: &App,
    cluster: &ResourceId,
    connection: ConnectionId,
    report: &Report,
) -> Result<(), Failure> {
    if report.cluster.to_string().len() > LARGEST_FACTS || !report.cluster.is_object() {
        let message = format!("cluster: must be an object of at most {LARGEST_FACTS} bytes");
        return Err(ArmError::new(400, "InvalidRequestContent", message).into());
    }
    for _ in 0..TRIES {
        let found: Option<Loaded<ClusterRecord>> = load(app.store.as_ref(), cluster).await?;
        // The record is written as it was read, with the connection that it had then.
        let is_its = |record: &ClusterRecord| record.connection == Some(connection.to_string());
        let found = found.filter(|found| is_its(&found.document));
        let mut found = found.ok_or_else(disconnected)?;
        let mut seen = report.cluster.clone();
        if let Some(object) = seen.as_object_mut() {
            object.insert("agentVersion".to_owned(), json!(bounded(&report.agent_version)));
        }
        let now = app.clock.now();
        let fresh = found.document.observed_at.is_some_and(|at| now.duration_since(at).as_secs() < 300);
        if found.document.observed.as_ref() == Some(&seen) && fresh {
            return Ok(());
        }
        found.document.observed = Some(seen);
        found.document.observed_at = Some(now);
        match app.store.commit_unaudited(&[found.write()?]).await {
            Ok(()) => return Ok(()),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn extension(
    app: &App,
    cluster: &ResourceId,
    connection: ConnectionId,
    said: &Reported,
) -> Result<(), Failure> {
    let Ok(id) = cluster.with(KIND, &said.name) else { return Ok(()) };
    for _ in 0..TRIES {
        check_connection(app, cluster, connection).await?;
        let found: Option<Loaded<ExtensionRecord>> = load(app.store.as_ref(), &id).await?;
        let Some(mut found) = found else { return Ok(()) };
        let before = found.document.clone();
        let Some(end) = take_over(&mut found.document, said, app.clock.now()) else { return Ok(()) };
        let is_news = end.is_gone || is_news(&before, &found.document);
        // Nothing of this is written when the connection has ended by then.
        let mut changes = vec![enrolment::still(connection, cluster)];
        let running = match &before.operation {
            Some(operation) => app.store.operation(operation).await?,
            None => None,
        };
        if let (Some(ending), Some(operation)) = (end.operation, running)
            && operation.status == arm::OperationStatus::Inprogress
        {
            changes.push(Change::End(operation.id, ending, app.clock.now()));
        }
        if end.is_gone {
            let owner: Option<Loaded<ClusterRecord>> = load(app.store.as_ref(), cluster).await?;
            if let Some(owner) = owner {
                changes.extend(remove_extension_identity(app.store.as_ref(), &owner, id.name()).await?);
            }
            changes.push(Change::Remove(found.id.clone(), Expected::Version(found.version)));
        } else if found.document == before {
            return Ok(());
        } else {
            changes.push(found.write()?);
        }
        let is_news = is_news || changes.iter().any(|change| matches!(change, Change::End(..)));
        let committed = if is_news {
            app.store.commit(&changes, &audit(app, &id, &said.state)).await
        } else {
            app.store.commit_unaudited(&changes).await
        };
        match committed {
            Ok(()) => {
                app.links.look_again();
                return Ok(());
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What the audit log is for; words and times of statuses change with every look.
fn is_news(before: &ExtensionRecord, after: &ExtensionRecord) -> bool {
    before.state != after.state
        || before.current_version != after.current_version
        || before.error != after.error
}

struct End {
    operation: Option<crate::store::Ending>,
    is_gone: bool,
}

/// What a report makes of an extension. What speaks of another generation is late, or a lie, and counts for nothing.
fn take_over(record: &mut ExtensionRecord, said: &Reported, now: Timestamp) -> Option<End> {
    if said.generation != record.generation {
        return None;
    }
    record.statuses = said.statuses.iter().take(MOST_STATUSES).map(bounded_value).collect();
    let deleting = record.state == ExtensionState::Deleting;
    let mut end = End { operation: None, is_gone: false };
    match said.state.as_str() {
        "Installed" if !deleting => {
            record.state = ExtensionState::Succeeded;
            record.current_version =
                said.version.as_deref().map(bounded).or_else(|| Some(record.wanted_version.clone()));
            record.error = None;
            record.came_up();
            end.operation = Some(operation::succeeded(operation::plain()));
        }
        "Failed" => {
            let error = said.error.as_ref().map(bounded_value).unwrap_or_else(
                || json!({"code": "ExtensionOperationFailed", "message": "The agent named no reason."}),
            );
            let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            if record.upgrade_failed(&text("code"), &text("message"), now) {
                // Nobody asked for it: the extension is as it was, and its statuses tell.
                record.statuses = Vec::new();
                return Some(end);
            }
            record.state = ExtensionState::Failed;
            record.current_version = said.version.as_deref().map(bounded);
            record.error = Some(error.clone());
            let details = error.get("details").and_then(Value::as_array);
            let failed = ArmError {
                details: details.into_iter().flatten().map(|one| arm_error(0, one)).collect(),
                ..arm_error(400, &error)
            };
            end.operation = Some(operation::failed(&failed));
        }
        "Removed" if deleting => {
            end.is_gone = true;
            end.operation = Some(operation::succeeded(operation::plain()));
        }
        "Installing" | "Removing" | "Installed" | "Removed" => {}
        _ => return None,
    }
    Some(end)
}

/// What an agent named as the reason, without its details.
fn arm_error(status: u16, said: &Value) -> ArmError {
    let code = said.get("code").and_then(Value::as_str).unwrap_or("ExtensionOperationFailed");
    ArmError::new(status, code, said.get("message").and_then(Value::as_str).unwrap_or_default())
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST_TEXT).collect()
}

/// The same value with bounded texts, lists and depth.
fn bounded_value(value: &Value) -> Value {
    fn at(value: &Value, depth: u8) -> Value {
        match value {
            Value::String(text) => json!(bounded(text)),
            Value::Array(list) if depth > 0 => {
                list.iter().take(MOST_STATUSES).map(|one| at(one, depth - 1)).collect()
            }
            Value::Object(object) if depth > 0 => Value::Object(
                object
                    .iter()
                    .take(MOST_STATUSES)
                    .map(|(key, one)| (bounded(key), at(one, depth - 1)))
                    .collect(),
            ),
            Value::Array(_) | Value::Object(_) => Value::Null,
            other => other.clone(),
        }
    }
    at(value, 4)
}

fn audit(app: &App, id: &ResourceId, state: &str) -> AuditEntry {
    AuditEntry {
        at: app.clock.now(),
        principal: "agent".to_owned(),
        action: format!("report {}", bounded(state).chars().take(40).collect::<String>()),
        scope: id.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeMap;

    pub fn record(state: ExtensionState) -> ExtensionRecord {
        ExtensionRecord {
            extension_type: "t.t".into(),
            namespace: "n".into(),
            settings: BTreeMap::new(),
            protected: None,
            auto_upgrade: true,
            release_train: "stable".into(),
            pinned_version: None,
            wanted_version: "1.0.0".into(),
            current_version: None,
            generation: 3,
            state,
            statuses: Vec::new(),
            error: None,
            operation: None,
            identity: None,
            upgrades: Default::default(),
        }
    }

    fn said(generation: u64, state: &str) -> Reported {
        let statuses = vec![json!({"message": "x".repeat(100_000)})];
        Reported { name: "e".into(), generation, state: state.into(), version: None, statuses, error: None }
    }

    #[test]
    fn only_what_was_asked_for_counts() {
        let mut creating = record(ExtensionState::Creating);

        assert!(
            take_over(&mut creating, &said(2, "Installed"), Timestamp::UNIX_EPOCH).is_none(),
            "an older generation"
        );
        assert!(
            take_over(&mut creating, &said(4, "Installed"), Timestamp::UNIX_EPOCH).is_none(),
            "one that was never given"
        );
        assert!(take_over(&mut creating, &said(3, "Conquered"), Timestamp::UNIX_EPOCH).is_none());
        assert!(
            !take_over(&mut creating, &said(3, "Removed"), Timestamp::UNIX_EPOCH).unwrap().is_gone,
            "nobody asked for that"
        );
        assert!(
            take_over(&mut creating, &said(3, "Installed"), Timestamp::UNIX_EPOCH)
                .unwrap()
                .operation
                .is_some()
        );
        assert_eq!(creating.state, ExtensionState::Succeeded);
    }

    #[test]
    fn texts_are_bounded() {
        let mut creating = record(ExtensionState::Creating);

        take_over(&mut creating, &said(3, "Installing"), Timestamp::UNIX_EPOCH);

        assert_eq!(creating.statuses[0]["message"].as_str().unwrap().len(), LONGEST_TEXT);
    }
}
