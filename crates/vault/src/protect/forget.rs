//! Has a recovery point deleted by the cluster that wrote it, and then forgets it. While that cannot be, the recovery
//! point stays, hidden, and is tried again.

use super::{
    custom_resource,
    decide::Seen,
    reach::{Reach, reach},
    start::{location_settings, vault_of},
};
use crate::{
    api::{Loaded, extensions, load, points::PointRecord},
    app::App,
    cluster_link::ClusterRequest,
    keys::location_key,
    recover::adopt,
    store::{Change, Expected, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use protection::code;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The kind of this work.
pub const KIND: &str = "forget";
const PLURAL: &str = "deletebackups";
const POLL: SignedDuration = SignedDuration::from_secs(2);
const ELSEWHERE: &str = "the extension writes to another location now; it deletes this recovery point once its settings name \
                         the location again";
/// After a failure, so that a cluster that is being mended is met again the same day.
const REST: SignedDuration = SignedDuration::from_mins(30);

/// The change that has a recovery point forgotten.
pub fn change(point: &ResourceId, now: Timestamp) -> Change {
    Change::AddWork(Work::new(
        format!("forget {}", point.folded()),
        KIND,
        point.clone(),
        now,
        json!({"try": 0}),
    ))
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let Some(point): Option<Loaded<PointRecord>> = load(app.store.as_ref(), &work.target).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    let Some(instance) = point.id.parent() else { return Ok(Step::Done(Vec::new())) };
    let vault = vault_of(&instance)?;
    let number = work.document.get("try").and_then(Value::as_u64).unwrap_or(0);
    let name = name(&point.id, number);
    let way = match reach(app, &vault, &point.document.cluster).await? {
        Ok(way) => way,
        // The cluster of what a recovery adopted is known by its UID alone: nobody can be asked. It leaves the catalogue, and
        // another look at the repositories finds it again.
        Err(_) if adopt::is_adopted(&instance) => return Ok(forgotten(&point)),
        Err(problem) => return rest(app, point, number, &problem.message),
    };
    let extension = extensions::backup_extension(app.store.as_ref(), &point.document.cluster).await?;
    let writes_to = extension.map(|one| location_key(&location_settings(&one.document.settings)));
    if writes_to.as_ref() != Some(&point.document.key) {
        // Asked about its own location, the extension would rightly say that there is no such recovery point.
        return rest(app, point, number, ELSEWHERE);
    }
    let namespace = point.document.namespace.clone();
    let path = custom_resource::path(&namespace, PLURAL, &name);
    match way.look(app, &namespace, PLURAL, &name).await {
        Seen::Absent => {
            let spec = json!({"recoveryPoint": {"location": "default", "id": point.id.name()}});
            let object = custom_resource::object("DeleteBackup", &namespace, &name, &spec);
            match way.make(app, PLURAL, &namespace, &object).await {
                Ok(()) => later(app, POLL, number, Vec::new()),
                Err(seen) => rest(app, point, number, &why(&seen)),
            }
        }
        Seen::There(status) if status.phase == "Completed" || status.phase == "CompletedWithWarnings" => {
            clear(app, &way, path).await;
            Ok(forgotten(&point))
        }
        Seen::There(status) if status.phase == "Failed" || status.phase == "Cancelled" => {
            clear(app, &way, path).await;
            let failed = status.errors.first();
            if failed.is_some_and(|problem| problem.code == code::RECOVERY_POINT_NOT_FOUND) {
                // It was deleted before, by hand or by a try whose end was not heard of.
                return Ok(forgotten(&point));
            }
            let said = failed.map_or("without a reason", |problem| problem.message.as_str());
            // The next try is another object: this one has ended.
            rest(app, point, number + 1, &format!("BackupPluginDeleteBackupOperationFailed: {said}"))
        }
        Seen::There(_) => later(app, POLL, number, Vec::new()),
        seen => rest(app, point, number, &why(&seen)),
    }
}

fn forgotten(point: &Loaded<PointRecord>) -> Step {
    Step::Done(vec![Change::Remove(point.id.clone(), Expected::Version(point.version))])
}

/// What has ended is not left in the cluster.
async fn clear(app: &App, way: &Reach, path: String) {
    if let Err(error) = way.call(app, ClusterRequest::delete(path)).await {
        tracing::debug!(%error, "a deletion that has ended stays in the cluster");
    }
}

fn why(seen: &Seen) -> String {
    match seen {
        Seen::NotLetIn(problem) => problem.message.clone(),
        Seen::Unreachable(why) => why.clone(),
        Seen::Refused { status, message } => {
            format!("the cluster refuses the deletion ({status}): {message}")
        }
        Seen::Absent | Seen::There(_) => "the deletion is under way".to_owned(),
    }
}

fn later(app: &App, pause: SignedDuration, number: u64, changes: Vec<Change>) -> Result<Step, StoreError> {
    let now = app.clock.now();
    Ok(Step::Later {
        due_at: now.checked_add(pause).unwrap_or(now),
        advanced: true,
        document: json!({"try": number}),
        changes,
    })
}

fn rest(app: &App, mut point: Loaded<PointRecord>, number: u64, why: &str) -> Result<Step, StoreError> {
    tracing::warn!(point = %point.id, why, "a recovery point could not be deleted yet");
    let changes = if point.document.kept_because.as_deref() == Some(why) {
        Vec::new()
    } else {
        point.document.kept_because = Some(why.to_owned());
        vec![point.write()?]
    };
    later(app, REST, number, changes)
}

fn name(point: &ResourceId, number: u64) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("forget {} {number}", point.folded()).as_bytes()).to_string()
}
